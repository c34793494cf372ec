//! Tests files named on the command line. None of them can block check_http beyond the time limit,
//! and check_http refuses links that belong to other accounts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

#[path = "support/pipe.rs"]
mod pipe;
mod support;
#[path = "support/tls.rs"]
mod tls;

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use pipe::{WritingEnd, pipe_from, substitution};
use rustix::fs::{CWD, Mode, mkfifoat};
use support::{Run, Server, Step, run, run_reading};
use tempfile::{TempDir, tempdir};
use tls::{Certificate, TlsServer};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
/// check_http and, if it is built, check_http_openssl.
const PROGRAMS: [Option<&str>; 2] =
    [Some(env!("CARGO_BIN_EXE_check_http")), option_env!("CARGO_BIN_EXE_check_http_openssl")];

fn programs() -> impl Iterator<Item = &'static str> {
    PROGRAMS.into_iter().flatten()
}

/// A TLS server that requires a client certificate, and every file that a client needs.
struct Lab {
    authority: Certificate,
    certificate: Certificate,
    server: TlsServer,
    folder: TempDir,
}

impl Lab {
    fn new() -> Lab {
        let authority = Certificate::new("authority", 60);
        let certificate = Certificate::signed("DNS:h.example", 60, &authority);
        let server = TlsServer::new(&certificate, &["-Verify", "1"]);
        Lab { authority, certificate, server, folder: tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Returns command lines for all options that take a file. `FILE` stands for the file under
    /// test. All other files on these command lines are valid.
    fn options(&self) -> [String; 8] {
        let (certificate, key) = (self.certificate.certificate(), self.certificate.key());
        [
            format!("-J {certificate} -K {key} --ca-cert FILE"),
            format!("-J FILE -K {key}"),
            format!("-J {certificate} -K FILE"),
            "-S --authorization-file FILE".into(),
            "-S --proxy-authorization-file FILE".into(),
            "-S --header-file FILE".into(),
            format!("-J {certificate} -K {key} --passphrase-file FILE"),
            "-S --extra-opts=@FILE".into(),
        ]
    }

    fn check(&self, program: &str, options: &str) -> Run {
        self.check_reading(Stdio::null(), program, options)
    }

    /// Checks the server with `program`. Kills the program if it hangs.
    fn check_reading(&self, stdin: impl Into<Stdio>, program: &str, options: &str) -> Run {
        let line = format!(
            "-s KILL 20 {program} -H h.example -I 127.0.0.1 -p {} {options}",
            self.server.port
        );
        run_reading(stdin, "timeout", &line.split(' ').collect::<Vec<_>>())
    }
}

/// Asserts that the run ended as UNKNOWN within `limit` seconds and printed one line that contains
/// `text`. `line` is the command line, for messages.
fn assert_unknown(run: &Run, text: &str, limit: u64, line: &str) {
    assert!(run.code == Some(3) && run.text.contains(text), "{line}: {run:?}");
    assert!(run.text.lines().count() == 1 && run.stderr.is_empty(), "{line}: {run:?}");
    assert!(run.time < Duration::from_secs(limit), "{line}: {run:?}");
}

#[test]
fn refuses_special_files_without_blocking() {
    let lab = Lab::new();
    mkfifoat(CWD, lab.path("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    let _socket = UnixListener::bind(lab.path("socket")).unwrap();
    let files = [
        (lab.path("fifo"), "a named pipe"),
        (lab.path("socket"), "a socket"),
        ("/".into(), "a directory"),
        ("/dev/zero".into(), "a device"),
    ];
    for program in programs() {
        for options in lab.options() {
            for (file, kind) in &files {
                let line = options.replace("FILE", file);
                assert_unknown(
                    &lab.check(program, &line),
                    &format!("{file} is {kind}, not a regular file"),
                    5,
                    &line,
                );
            }
        }
    }
}

#[test]
fn limits_size_of_endless_input() {
    let lab = Lab::new();
    let text = " is larger than ";
    for program in programs() {
        for options in lab.options() {
            let line = options.replace("FILE", "/dev/stdin");
            assert_unknown(
                &lab.check_reading(File::open("/dev/zero").unwrap(), program, &line),
                text,
                9,
                &line,
            );
            assert_unknown(
                &lab.check_reading(pipe_from(WritingEnd::Endless).0, program, &line),
                text,
                9,
                &line,
            );
            let (reader, _) = pipe_from(WritingEnd::Endless);
            let line = options.replace("FILE", &substitution(&reader));
            assert_unknown(&lab.check(program, &line), text, 9, &line);
        }
        let line = "-S --extra-opts=@-";
        assert_unknown(
            &lab.check_reading(File::open("/dev/zero").unwrap(), program, line),
            text,
            9,
            line,
        );
    }
}

#[test]
fn silent_input_times_out() {
    let lab = Lab::new();
    let text = " did not end in time";
    for program in programs() {
        for options in lab.options() {
            let options = format!("-t 1 {options}");
            let (reader, _writer) = pipe_from(WritingEnd::Silent);
            let line = options.replace("FILE", &substitution(&reader));
            assert_unknown(&lab.check(program, &line), text, 4, &line);
            let line = options.replace("FILE", "/dev/stdin");
            assert_unknown(&lab.check_reading(reader, program, &line), text, 4, &line);
        }
        let (reader, _writer) = pipe_from(WritingEnd::Silent);
        let line = "-S --extra-opts=@- -t 1";
        assert_unknown(&lab.check_reading(reader, program, line), text, 4, line);
    }
}

#[test]
fn reads_standard_input_and_process_substitutions() {
    let lab = Lab::new();
    let [certificate, key] = [lab.certificate.certificate(), lab.certificate.key()];
    let [certificates, keys] = [&certificate, &key].map(|file| fs::read_to_string(file).unwrap());
    let good = format!("-J {certificate} -K {key}");
    for program in programs() {
        let authorities = fs::read_to_string(lab.authority.certificate()).unwrap();
        let texts = [&certificates, &keys, &authorities, "[check_http]\nstring=Ciphers\n"];
        let pipes = texts.map(|text| pipe_from(WritingEnd::Writes(text)).0);
        let [one, two, three, four] = pipes.each_ref().map(substitution);
        let substituted = lab
            .check(program, &format!("-J {one} -K {two} --ca-cert {three} --extra-opts=@{four}"));
        assert_eq!(substituted.code, Some(0), "{substituted:?}");
        for (text, options) in [
            (&certificates, format!("-J /dev/stdin -K {key}")),
            (&keys, format!("-J {certificate} -K /dev/stdin")),
            (&"user:password\n".to_owned(), format!("{good} --authorization-file /dev/stdin")),
            (&"[check_http]\nstring=Ciphers\n".to_owned(), format!("{good} --extra-opts=@-")),
            (
                &"[check_http]\nstring=Ciphers\n".to_owned(),
                format!("{good} --extra-opts=@/dev/stdin"),
            ),
        ] {
            let piped = lab.check_reading(pipe_from(WritingEnd::Writes(text)).0, program, &options);
            assert_eq!(piped.code, Some(0), "{options}: {piped:?}");
        }
        fs::write(lab.path("both"), format!("{keys}{certificates}")).unwrap();
        let file = File::open(lab.path("both")).unwrap();
        let both = lab.check_reading(file, program, "-J /dev/stdin -K /dev/stdin");
        assert_eq!(both.code, Some(0), "{both:?}");
    }
}

/// check_http has to follow links, because Certbot keeps certificates in numbered files and
/// links to the current ones.
#[test]
fn follows_links_to_certificates() {
    let lab = Lab::new();
    for directory in ["archive", "live"] {
        fs::create_dir(lab.path(directory)).unwrap();
    }
    let files = [
        ("cert", lab.certificate.certificate()),
        ("privkey", lab.certificate.key()),
        ("chain", lab.authority.certificate()),
    ];
    for (name, file) in files {
        fs::copy(file, lab.path(&format!("archive/{name}1.pem"))).unwrap();
        symlink(format!("../archive/{name}1.pem"), lab.path(&format!("live/{name}.pem"))).unwrap();
    }
    symlink(lab.path("live"), lab.path("today")).unwrap();
    let [certificate, key, authority] =
        ["cert", "privkey", "chain"].map(|name| lab.path(&format!("today/{name}.pem")));
    let line = format!("-J {certificate} -K {key} --ca-cert {authority}");
    for program in programs() {
        let run = lab.check(program, &line);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
}

fn refuses_every_link_of(lab: &Lab, writer: &str) {
    let link = lab.path("link");
    symlink("/etc/hostname", &link).unwrap();
    let text = format!("{link} is a symbolic link in a directory that {writer} can write");
    for program in programs() {
        for options in lab.options().iter().map(|options| options.replace("FILE", &link)) {
            assert_unknown(&lab.check(program, &options), &text, 5, &options);
        }
        let jar = format!("-S --cookie-jar {link}");
        assert_unknown(&lab.check(program, &jar), &text, 5, &jar);
    }
}

#[test]
fn refuses_links_in_world_writable_directory() {
    let lab = Lab::new();
    fs::set_permissions(lab.folder.path(), Permissions::from_mode(0o1777)).unwrap();
    refuses_every_link_of(&lab, "every account");
}

#[test]
#[ignore = "needs: root"]
fn refuses_links_in_directory_of_another_account() {
    let lab = Lab::new();
    chown(lab.folder.path(), Some(65534), None).unwrap();
    refuses_every_link_of(&lab, "user ID 65534");
}

/// Tests keys in the format of `openssl pkcs8` and in the legacy format. Also tests an encrypted
/// certificate, although certificates are rarely encrypted.
#[test]
fn refuses_encrypted_files_without_prompting() {
    let lab = Lab::new();
    let (certificate, key) = (lab.certificate.certificate(), lab.certificate.key());
    for (name, command) in [("new", &["pkcs8", "-topk8"][..]), ("old", &["ec", "-aes128"])] {
        let made = Command::new("openssl")
            .args(command)
            .args(["-in", &key, "-out", &lab.path(name), "-passout", "pass:word"])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
    }
    let text = fs::read_to_string(&certificate).unwrap();
    let header = "CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: \
    AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n";
    fs::write(lab.path("locked"), text.replacen("CERTIFICATE-----\n", header, 1)).unwrap();
    let (old, new, locked) = (lab.path("old"), lab.path("new"), lab.path("locked"));
    for program in programs() {
        for (options, what) in [
            (format!("-J {certificate} -K {old}"), format!("{old}: the private key is encrypted")),
            (format!("-J {certificate} -K {new}"), format!("{new}: the private key is encrypted")),
            (format!("-J {locked} -K {key}"), format!("{locked}: the certificate is encrypted")),
            (format!("--ca-cert {locked}"), format!("{locked}: the certificate is encrypted")),
        ] {
            assert_unknown(&lab.check(program, &options), &what, 5, &options);
            // Also run the check in a terminal, where OpenSSL could prompt. In a terminal, lines
            // end in CR LF.
            let check = format!(
                "{program} -H h.example -I 127.0.0.1 -p {} -t 3 {options}",
                lab.server.port
            );
            let (silent, _writer) = pipe_from(WritingEnd::Silent);
            let run = run_reading(
                silent,
                "timeout",
                &["-s", "KILL", "20", "script", "-qec", &check, "/dev/null"],
            );
            assert!(run.code == Some(3) && run.text.contains(&what), "{options}: {run:?}");
            assert!(run.time < Duration::from_secs(3), "{options}: {run:?}");
        }
    }
}

#[test]
fn slow_file_counts_for_timeout_but_not_response_time() {
    let late = |limit: &[&str], server: &Server| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let slow = thread::spawn(move || {
            thread::sleep(Duration::from_millis(1500));
            writer.write_all(b"user:password\n").unwrap();
        });
        let port = server.port.to_string();
        let options = ["20", env!("CARGO_BIN_EXE_check_http"), "-I", "127.0.0.1", "-p", &port];
        let file = ["--authorization-file", "/dev/stdin"];
        let run = run_reading(reader, "timeout", &[&options[..], &file, limit].concat());
        slow.join().unwrap();
        run
    };
    let run = late(&["-t", "3"], &Server::doing(vec![vec![Step::Wait(Duration::from_secs(30))]]));
    assert_eq!(
        (run.code, run.text.as_str()),
        (Some(2), "CRITICAL - Socket timeout after 3 seconds\n")
    );
    assert!(run.time < Duration::from_millis(4000), "{run:?}");
    let run = late(&["-c", "1"], &Server::answering(&[OK]));
    assert_eq!(run.code, Some(0), "a slow file is not a slow server: {run:?}");
}

#[test]
fn connect_to_unix_socket_with_full_queue_times_out() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let queue = fill(&path);
    for program in programs() {
        let options = ["-s", "KILL", "20", program, "-I", path.to_str().unwrap(), "-t", "1"];
        let run = run("timeout", &options);
        assert_eq!(
            (run.code, run.text.as_str()),
            (Some(2), "CRITICAL - Socket timeout after 1 seconds\n")
        );
        assert!(run.time < Duration::from_secs(3), "{run:?}");
    }
    drop(queue);
}

/// Fills the queue of the socket with connections that its server never accepts.
fn fill(path: &Path) -> Vec<rustix::fd::OwnedFd> {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
    };
    let address = SocketAddrUnix::new(path).unwrap();
    // Set CLOEXEC, so that the server of another test does not inherit thousands of descriptors.
    // Such a server runs `openssl s_server`, in which select(2) fails with descriptors above 1023.
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let one = || {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).unwrap();
        connect(&socket, &address).map(|()| socket)
    };
    std::iter::from_fn(|| one().ok()).collect()
}
