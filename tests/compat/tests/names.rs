//! Tests that check_http resolves host names like the rest of the system. The programs run in a
//! mount namespace that has its own nsswitch.conf, hosts and resolv.conf, and an NSS module that
//! only glibc can load.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

#[path = "../../../plugins/check_http/tests/support/mod.rs"]
mod support;

use std::ffi::OsString;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use compat::{ORIGINAL, ours};
use support::{Run, Server};

const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
const HOSTS: &str = "127.0.0.1 localhost\n127.0.0.1 in-the-file.example\n127.0.0.9 \
by-the-module.example\n\
                     127.0.0.1 many.example\n127.0.0.2 many.example\n127.0.0.3 many.example\n";
/// Shell script that takes pairs of files, `--` and a command line. It mounts the first file of
/// each pair over the second, and then executes the command line.
const MOUNT: &str = "while [ \"$1\" != -- ]; do mount --bind \"$1\" \"$2\" || exit 99; shift 2; \
    done; shift; exec \"$@\"";

/// A system with its own configuration for name resolution.
struct System {
    folder: tempfile::TempDir,
}

impl System {
    fn new(nsswitch: &str, resolver: &str) -> System {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("nsswitch.conf", &format!("hosts: {nsswitch}\n"));
        write("hosts", HOSTS);
        write("resolv.conf", &format!("nameserver {resolver}\n"));
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nss_module.c");
        let module = folder.path().join("libnss_selfheal.so.2");
        let made =
            Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&module, &source]).status();
        assert!(made.expect("cc must be installed").success());
        System { folder }
    }

    /// Runs `program` in this system, with `options` and the port of a server.
    fn run(&self, program: &Path, options: &[&str], port: u16) -> Run {
        let mut words: Vec<OsString> =
            ["--mount", "sh", "-c", MOUNT, "sh"].map(OsString::from).to_vec();
        for name in ["nsswitch.conf", "hosts", "resolv.conf"] {
            words.push(self.folder.path().join(name).into());
            words.push(format!("/etc/{name}").into());
        }
        words.extend(["--".into(), "env".into()]);
        words.push(format!("LD_LIBRARY_PATH={}", self.folder.path().display()).into());
        words.push(program.into());
        words.extend(options.iter().map(OsString::from));
        words.extend(["-p".into(), port.to_string().into()]);
        support::run("/usr/bin/unshare", &words)
    }
}

fn both() -> [PathBuf; 2] {
    [ours(), PathBuf::from(ORIGINAL)]
}

/// Content of a resolv.conf whose only DNS server does not exist.
const NOBODY: &str = "127.0.0.78\noptions timeout:1 attempts:1";

#[test]
#[ignore = "needs: root, util-linux, cc"]
fn resolves_names_as_nsswitch_conf_specifies() {
    let server = Server::answering(&[PAGE]);
    for (nsswitch, name, code) in [
        ("files", "in-the-file.example", 0),
        ("files dns", "in-the-file.example", 0),
        ("selfheal files dns", "by-the-module.example", 0),
        ("selfheal [NOTFOUND=return] files", "in-the-file.example", 2),
        ("files selfheal", "By-The-Module.example", 2),
        ("files selfheal", "in-the-file.example", 0),
        ("dns [!UNAVAIL=continue] selfheal", "by-the-module.example", 0),
        ("dns selfheal", "in-the-file.example", 2),
        ("dns", "in-the-file.example", 2),
        ("files", "not-there.example", 2),
    ] {
        let system = System::new(nsswitch, NOBODY);
        for program in both() {
            let run = system.run(&program, &["-H", name], server.port);
            assert_eq!(
                run.code,
                Some(code),
                "{nsswitch}: {name} by {}: {}{}",
                program.display(),
                run.text,
                run.stderr
            );
        }
    }
}

#[test]
#[ignore = "needs: root, util-linux, cc"]
fn module_without_ipv6_resolves_ipv4_only() {
    let server = Server::answering(&[PAGE]);
    let system = System::new("selfheal", NOBODY);
    for program in both() {
        assert_eq!(
            system.run(&program, &["-4", "-H", "by-the-module.example"], server.port).code,
            Some(0)
        );
        assert_eq!(
            system.run(&program, &["-6", "-H", "by-the-module.example"], server.port).code,
            Some(2)
        );
    }
}

#[test]
#[ignore = "needs: root, util-linux, cc"]
fn silent_dns_server_times_out() {
    let silent = UdpSocket::bind("127.0.0.77:53").unwrap();
    for nsswitch in ["files dns", "selfheal dns"] {
        let system = System::new(nsswitch, "127.0.0.77");
        let run = system.run(&ours(), &["-H", "far-away.example", "-t", "2"], 9);
        assert_eq!(
            (run.code, run.text.as_str()),
            (Some(2), "CRITICAL - Socket timeout after 2 seconds\n"),
            "{nsswitch}"
        );
        assert!(run.time < Duration::from_millis(4900), "{nsswitch}: {:?}", run.time);
    }
    silent.set_nonblocking(true).unwrap();
    assert!(silent.recv(&mut [0; 512]).is_ok(), "the DNS server received no query");
}

#[test]
#[ignore = "needs: root, util-linux, cc"]
fn checks_every_address_and_names_the_failed_ones() {
    let system = System::new("files", NOBODY);
    let options = ["-H", "many.example", "--all-addresses"];
    let everywhere = Server::on("0.0.0.0", &[PAGE]);
    let run = system.run(&ours(), &options, everywhere.port);
    assert!(
        run.code == Some(0)
            && run.text.contains(
                "200 OK - 40 bytes in T second response time - OK at all 3 addresses |time="
            ),
        "{}",
        run.text
    );
    assert_eq!(everywhere.requests().len(), 3);
    let one = Server::answering(&[PAGE]);
    let run = system.run(&ours(), &options, one.port);
    let text = run.text.replace("127.0.0.3, 127.0.0.2", "127.0.0.2, 127.0.0.3");
    let first = format!(
        "connect to address many.example and port {}: Connection refused - not OK at 127.0.0.2, \
         127.0.0.3 (2 of 3 addresses)",
        one.port
    );
    assert!(run.code == Some(2) && text.lines().next() == Some(&first), "{}", run.text);
    let run = system.run(&ours(), &["-H", "many.example"], one.port);
    assert_eq!(
        run.code,
        Some(0),
        "without --all-addresses one working address is enough: {}",
        run.text
    );
}
