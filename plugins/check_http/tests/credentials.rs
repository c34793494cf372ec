//! Tests credentials and secrets: header files, Digest authentication, pins and passphrases.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use support::{Run, Server};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const DENIED: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: ";
const DIGEST: &str = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n\r\n";

fn check(answers: &[&str], options: &[&str]) -> (Run, Vec<String>) {
    let server = Server::answering(answers);
    let run = server.run(PROGRAM, &[&["-I", "127.0.0.1", "-p", "PORT"], options].concat());
    (run, server.requests())
}

/// Writes a file that only its owner can read.
fn secret(content: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    (folder, path)
}

#[test]
fn sends_headers_from_a_file_but_never_shows_them() {
    let (_folder, path) = secret("Authorization: Bearer s3cret\n\r\nX-Key:  k3y \r\n");
    let file = path.to_str().unwrap();
    let (run, requests) = check(&[OK], &["--header-file", file, "-v"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        requests[0].contains("\r\nAuthorization: Bearer s3cret\r\nX-Key:  k3y\r\n"),
        "{requests:?}"
    );
    assert!(run.text.contains("Authorization: hidden\r\nX-Key: hidden"), "{run:?}");
    assert!(!run.text.contains("s3cret") && !run.text.contains("k3y"), "{run:?}");
}

#[test]
fn keeps_headers_from_a_file_from_other_hosts() {
    let (_folder, path) = secret("X-Key: k3y");
    let away = "HTTP/1.1 302 Found\r\nLocation: http://localhost:PORT/\r\n\r\n";
    let options = ["-H", "127.0.0.1", "-f", "follow", "--header-file", path.to_str().unwrap()];
    let (run, requests) = check(&[away, OK], &options);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(requests[0].contains("k3y") && !requests[1].contains("k3y"), "{requests:?}");
}

#[test]
fn keeps_credentials_from_other_hosts_behind_a_proxy() {
    let (_folder, path) = secret("X-Key: k3y");
    let secrets = ["-a", "u:p", "-k", "Cookie: c00kie", "--header-file", path.to_str().unwrap()];
    let away = "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\n\r\n";
    for redirect in ["sticky", "stickyport"] {
        let proxy = Server::answering(&[away, OK]);
        let options = ["-H", "h.example", "-x", "127.0.0.1:PORT", "-f", redirect];
        let run = proxy.run(PROGRAM, &[&options[..], &secrets].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        let requests = proxy.requests();
        for secret in ["Authorization", "c00kie", "k3y"] {
            assert!(requests[0].contains(secret), "{requests:?}");
            assert!(!requests[1].contains(secret), "{requests:?}");
        }
    }
}

#[test]
fn rejects_header_files_that_are_unsafe_or_invalid() {
    let (_folder, path) = secret("X-Key: a\ns3cret\n");
    let file = path.to_str().unwrap();
    let refused = |text: &str| {
        let (run, requests) = check(&[OK], &["--header-file", file]);
        assert_eq!((run.code, requests.len()), (Some(3), 0), "{run:?}");
        assert_eq!(run.text, format!("check_http: {file}{text}\n"));
    };
    refused(":2: not a header line; write NAME: VALUE");
    fs::write(&path, "Host: x\n").unwrap();
    refused(":1: the Host header is not a secret; use -k");
    fs::write(&path, "X: \x1by\n").unwrap();
    refused(":1: not a header line; write NAME: VALUE");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    refused(&format!(": other users can read this file; run chmod o-r {file}"));
}

#[test]
fn never_checks_without_the_secrets_in_a_file() {
    let (_folder, path) = secret("");
    let file = path.to_str().unwrap();
    for content in ["", "\n", " \r\n\n"] {
        fs::write(&path, content).unwrap();
        for option in ["--header-file", "--authorization-file", "--proxy-authorization-file"] {
            let (run, requests) = check(&[OK], &[option, file]);
            assert_eq!((run.code, requests.len()), (Some(3), 0), "{option} {content:?}: {run:?}");
            assert!(
                run.text.ends_with(&format!("{file} is empty (a pipe can be read only once)\n")),
                "{run:?}"
            );
        }
    }
}

#[test]
fn answers_digest_challenge_after_refused_basic() {
    let (run, requests) = check(&[&format!("{DENIED}{DIGEST}"), OK], &["-a", "u:p", "-u", "/x"]);
    assert!(run.code == Some(0) && run.text.starts_with("HTTP OK: HTTP/1.1 200 OK"), "{run:?}");
    assert!(requests[0].contains("\r\nAuthorization: Basic dTpw\r\n"), "{requests:?}");
    let start = "\r\nAuthorization: Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"/x\", \
                 algorithm=SHA-256, response=\"";
    assert!(requests[1].contains(start) && !requests[1].contains("Basic"), "{requests:?}");
    let (run, requests) = check(&[&format!("{DENIED}{DIGEST}")], &["-a", "u:wrong"]);
    assert!(run.code == Some(1) && requests.len() == 2, "{run:?} {requests:?}");
}

#[test]
fn sends_the_password_only_with_the_requested_scheme() {
    let challenges = format!("{DENIED}Basic realm=\"r\"\r\nWWW-Authenticate: {DIGEST}");
    let digest = ["-a", "u:p", "--auth-scheme", "digest"];
    let (run, requests) = check(&[&challenges, OK], &digest);
    assert!(run.code == Some(0) && requests.len() == 2, "{run:?} {requests:?}");
    assert!(!requests[0].contains("Authorization"), "{requests:?}");
    assert!(requests[1].contains("Authorization: Digest username=\"u\""), "{requests:?}");
    let only_basic = format!("{DENIED}Basic realm=\"r\"\r\n\r\n");
    let (run, requests) = check(&[&only_basic], &digest);
    assert!(run.code == Some(1) && requests.len() == 1, "{run:?} {requests:?}");
    assert!(!requests[0].contains("Authorization"), "{requests:?}");
    // A server that offers both schemes has already refused the password with Basic, so check_http
    // does not try Digest.
    for scheme in [&["-a", "u:p"][..], &["-a", "u:p", "--auth-scheme", "basic"]] {
        let (run, requests) = check(&[&challenges, OK], scheme);
        assert!(run.code == Some(1) && requests.len() == 1, "{run:?} {requests:?}");
    }
    let (run, _) = check(&[OK], &["--auth-scheme", "ntlm"]);
    assert_eq!(run.code, Some(3), "{run:?}");
}

#[test]
fn never_shows_or_forwards_the_answer_to_a_challenge() {
    let denied = format!("{DENIED}{DIGEST}");
    let (run, _) = check(&[&denied, OK], &["-a", "u:p", "-v"]);
    assert!(run.text.contains("Authorization: Digest hidden"), "{run:?}");
    assert!(!run.text.contains("response=\""), "{run:?}");
    let away = "HTTP/1.1 302 Found\r\nLocation: http://localhost:PORT/\r\n\r\n";
    let options = ["-H", "127.0.0.1", "-f", "follow", "-a", "u:p"];
    let (run, requests) = check(&[away, &denied], &options);
    assert!(run.code == Some(1) && requests.len() == 2, "{run:?} {requests:?}");
    assert!(!requests[1].contains("Authorization"), "{requests:?}");
}

#[test]
fn authenticates_to_apache_with_digest() {
    let apache = Apache::new();
    for (user, scheme, code) in
        [("monitor:p:w", "digest", 0), ("monitor:wrong", "digest", 1), ("monitor:p:w", "basic", 1)]
    {
        let run = apache.check(&["-a", user, "--auth-scheme", scheme]);
        assert_eq!(run.code, Some(code), "{user} {scheme}: {run:?}");
    }
    let run = apache.check(&["-a", "monitor:p:w", "-u", "/?q=\"a,b\""]);
    assert_eq!(run.code, Some(0), "{run:?}");
}

/// An Apache server whose pages require Digest authentication as user `monitor`.
struct Apache {
    process: std::process::Child,
    port: u16,
    folder: TempDir,
}

impl Apache {
    fn new() -> Apache {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("index.html"), "hi").unwrap();
        // The hash is the output of: printf 'monitor:site:p:w' | md5sum
        fs::write(folder.path().join("users"), "monitor:site:d67d48dc28cbd4e0dbef557fa68ebe1d\n")
            .unwrap();
        let port = testkit::free_port();
        let modules = ["mpm_event", "dir", "auth_digest", "authn_core", "authn_file"]
            .into_iter()
            .chain(["authz_core", "authz_user"])
            .map(|name| {
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            })
            .collect::<String>();
        let config = format!(
            "{modules}Listen 127.0.0.1:{port}\nServerName localhost\nPidFile {root}/pid\n\
             User nobody\nGroup nogroup\nErrorLog {root}/log\nDefaultRuntimeDir {root}\n\
             DocumentRoot {root}\nDirectoryIndex index.html\n<Directory {root}>\n\
             AuthType Digest\nAuthName site\nAuthUserFile {root}/users\nRequire valid-user\n\
             </Directory>\n"
        );
        let file = folder.path().join("config");
        fs::write(&file, config).unwrap();
        let process = std::process::Command::new("/usr/sbin/apache2")
            .args(["-X", "-f"])
            .arg(&file)
            .spawn()
            .expect("apache2 must be installed");
        let apache = Apache { process, port, folder };
        for _ in 0..200 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return apache;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!(
            "apache2 does not start: {:?}",
            fs::read_to_string(apache.folder.path().join("log"))
        );
    }

    fn check(&self, options: &[&str]) -> Run {
        let port = self.port.to_string();
        support::run(PROGRAM, &[&["-I", "127.0.0.1", "-p", &port], options].concat())
    }
}

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
