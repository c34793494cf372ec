//! Tests with peers that rustls refuses. check_http then executes check_http_openssl, which has to
//! keep the same time limit.
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

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use pipe::{WritingEnd, pipe_from, substitution};
use support::{Server, Step};
use tls::{Certificate, TlsServer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
/// Path of check_http_openssl. Cargo puts it next to check_http, which looks there first.
const OPENSSL_PROGRAM: &str = env!("CARGO_BIN_EXE_check_http_openssl");

fn rsa(bits: u32) -> Certificate {
    Certificate::with("old.example", 60, &["-newkey", &format!("rsa:{bits}"), "-sha1"])
}

#[test]
fn connects_to_legacy_peers() {
    let certificate = rsa(2048);
    for server in [
        &["-tls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
        &["-tls1_2", "-cipher", "AES128-SHA"],
        &["-tls1_2", "-cipher", "DHE-RSA-AES128-SHA"],
        &["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
    ] {
        let server_with = TlsServer::new(&certificate, server);
        let run = server_with.run(PROGRAM, &["-S"]);
        assert_eq!(run.code, Some(0), "{server:?}: {}", run.text);
        assert!(run.text.starts_with("HTTP OK: HTTP/1.0 200 ok"), "{}", run.text);
    }
}

#[test]
fn uses_legacy_versions_on_request() {
    let server = TlsServer::new(&rsa(2048), &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert_eq!(server.run(PROGRAM, &["-S1"]).code, Some(0));
    assert_eq!(server.run(PROGRAM, &["-S1+"]).code, Some(0));
    assert_eq!(server.run(PROGRAM, &["-S1.2"]).code, Some(2));
    let verdict = server.run(PROGRAM, &["-C", "10"]);
    assert!(
        verdict.code == Some(0) && verdict.text.starts_with("OK - Certificate 'old.example'"),
        "{}",
        verdict.text
    );
}

#[test]
fn accepts_small_keys() {
    let server = TlsServer::new(&rsa(1024), &["-cipher", "ALL:@SECLEVEL=0"]);
    let run = server.run(PROGRAM, &["-S"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

#[test]
fn accepts_legacy_client_certificates() {
    // Some appliances create X.509 version 1 certificates. rustls cannot send them, but OpenSSL
    // can.
    let server = TlsServer::new(&rsa(2048), &["-Verify", "1"]);
    let ours = Certificate::bare("monitor");
    let shown = server.run(PROGRAM, &["-J", &ours.certificate(), "-K", &ours.key()]);
    assert_eq!(shown.code, Some(0), "{}", shown.text);
    let none = server.run(PROGRAM, &["-J", &ours.key(), "-K", &ours.key()]);
    assert_eq!(
        (none.code, none.text.as_str()),
        (Some(2), "CRITICAL - Unable to open certificate chain file!\n")
    );
}

#[test]
fn lets_check_http_openssl_read_process_substitutions() {
    let server =
        TlsServer::new(&rsa(2048), &["-tls1", "-cipher", "ALL:@SECLEVEL=0", "-Verify", "1"]);
    let ours = Certificate::new("monitor", 60);
    let pipes = [ours.certificate(), ours.key()].map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        pipe_from(WritingEnd::Writes(&text)).0
    });
    let [certificate, key] = pipes.each_ref().map(substitution);
    let run = server.run(PROGRAM, &["-S1", "-J", &certificate, "-K", &key]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

#[test]
fn lets_check_http_openssl_read_extra_opts() {
    let server = TlsServer::new(&rsa(2048), &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    let option = format!("--extra-opts=@{}", file.path().display());
    for (text, code) in [("Ciphers", 0), ("absent", 2)] {
        std::fs::write(file.path(), format!("[check_http]\nstring={text}\n")).unwrap();
        let run = server.run(PROGRAM, &["-S", &option]);
        assert_eq!(run.code, Some(code), "{}", run.text);
    }
    let (reader, _) = pipe_from(WritingEnd::Writes("[check_http]\nstring=absent\n"));
    let run = server.run(PROGRAM, &["-S", &format!("--extra-opts=@{}", substitution(&reader))]);
    let text = "is empty (a pipe can be read only once)\n";
    assert!(run.code == Some(3) && run.text.ends_with(text), "{run:?}");
}

#[test]
fn keeps_secrets_of_extra_opts_out_of_the_process_list() {
    let alert = b"\x15\x03\x01\x00\x02\x02\x46".to_vec();
    let hangs = vec![Step::Wait(Duration::from_secs(30))];
    let server = Server::doing(vec![vec![Step::Send(alert)], hangs]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[check_http]\nauthorization=u:s3cret\n").unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["-I", "127.0.0.1", "-p", &server.port.to_string(), "-S"])
        .arg(format!("--extra-opts=@{}", file.path().display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let cmdline = format!("/proc/{}/cmdline", child.id());
    let shown = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        let shown = std::fs::read_to_string(&cmdline).unwrap();
        Some(shown).filter(|shown| shown.contains("check_http_openssl"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = shown.expect("check_http_openssl must start");
    assert!(shown.contains("--extra-opts=@") && !shown.contains("s3cret"), "{shown:?}");
}

#[test]
fn reports_errors_without_openssl_details() {
    let server = TlsServer::new(&rsa(2048), &["-tls1_3"]);
    let refused = server.run(PROGRAM, &["-S1.1"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.text.lines().count() == 2 && !refused.text.contains(".c:"), "{}", refused.text);
}

#[test]
fn both_programs_share_the_time_limit() {
    // After 4 s, a fatal alert makes check_http execute check_http_openssl, which then gets no
    // response. The limit of 5 s applies to both programs together.
    let alert = b"\x15\x03\x01\x00\x02\x02\x46".to_vec();
    let refuses = vec![Step::Wait(Duration::from_secs(4)), Step::Send(alert)];
    let hangs = vec![Step::Wait(Duration::from_secs(30))];
    let server = Server::doing(vec![refuses, hangs]);
    let run = server.run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT", "-S", "-t", "5"]);
    assert_eq!(
        (run.code, run.text.as_str()),
        (Some(2), "CRITICAL - Socket timeout after 5 seconds\n")
    );
    assert!(run.time < Duration::from_millis(8900), "{:?}", run.time);
}

#[test]
fn check_http_openssl_runs_by_itself() {
    let server = Server::answering(&["HTTP/1.1 200 OK\r\n\r\n"]);
    let run = server.run(OPENSSL_PROGRAM, &["-I", "127.0.0.1", "-p", "PORT"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

#[test]
fn openssl_has_the_last_word_on_trust() {
    // OpenSSL accepts a certificate that is its own CA, and so does check_curl. rustls refuses it.
    let certificate = Certificate::new("h.example", 60);
    let server = TlsServer::new(&certificate, &[]);
    let trusted =
        server.run(PROGRAM, &["-H", "h.example", "--ca-cert", &certificate.certificate()]);
    assert_eq!(trusted.code, Some(0), "{}", trusted.text);
    let other_name =
        server.run(PROGRAM, &["-H", "x.example", "--ca-cert", &certificate.certificate()]);
    assert_eq!(other_name.code, Some(2), "{}", other_name.text);
    assert!(other_name.text.contains("'x.example' is not trusted: "), "{}", other_name.text);
}

#[test]
fn trusts_server_certificate_in_the_bundle() {
    let authority = Certificate::new("authority", 60);
    let certificate = Certificate::signed("DNS:h.example", 60, &authority);
    let server = TlsServer::new(&certificate, &[]);
    let bundle = certificate.certificate();
    let trusted = server.run(PROGRAM, &["-H", "h.example", "--ca-cert", &bundle]);
    assert_eq!(trusted.code, Some(0), "{}", trusted.text);
    let other = TlsServer::new(&Certificate::signed("DNS:h.example", 60, &authority), &[]);
    let untrusted = other.run(PROGRAM, &["-H", "h.example", "--ca-cert", &bundle]);
    assert_eq!(untrusted.code, Some(2), "{}", untrusted.text);
}

#[test]
fn sends_names_that_rustls_rejects() {
    for name in ["shop-.example", "-shop.example", "under_score-.example"] {
        let other = Certificate::new("other.example", 60);
        let server = TlsServer::naming(&Certificate::new("default.example", 60), name, &other);
        let named = server.run(PROGRAM, &["-H", name, "--sni", "-C", "1"]);
        assert!(named.text.contains("'other.example'"), "{name}: {}", named.text);
    }
}

/// An Apache process, which is killed when the test ends.
struct Apache(std::process::Child);

impl Drop for Apache {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs: root, apache2"]
fn takes_part_in_renegotiation() {
    // Apache requests a client certificate only for a part of the site. In TLS 1.2, this requires a
    // renegotiation, which rustls refuses.
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::new("web.example", 60);
    let (root, port) = (folder.path(), testkit::free_port());
    std::fs::write(root.join("page"), "hello").unwrap();
    let modules: String = ["mpm_event", "authz_core", "ssl"]
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let configuration = format!(
        "ServerRoot {root}\nDefaultRuntimeDir {root}\nMutex file:{root}\nPidFile pid\n\
         ErrorLog error.log\nServerName web.example\n{modules}\
         Listen 127.0.0.1:{port}\nDocumentRoot {root}\nSSLEngine on\nSSLProtocol TLSv1.2\n\
         SSLCertificateFile {certificate}\nSSLCertificateKeyFile {key}\n\
         SSLCACertificateFile {certificate}\n\
         <Location /page>\nSSLVerifyClient optional\n</Location>\n",
        root = root.display(),
        certificate = certificate.certificate(),
        key = certificate.key(),
    );
    let file = root.join("apache.conf");
    std::fs::write(&file, configuration).unwrap();
    let apache = Command::new("/usr/sbin/apache2").args(["-X", "-f"]).arg(&file).spawn().unwrap();
    let _apache = Apache(apache);
    let port = port.to_string();
    let options = ["-I", "127.0.0.1", "-p", &port, "-S", "-u", "/page", "-s", "hello"];
    let is_up = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    while !is_up() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let run = support::run(PROGRAM, &options);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

#[test]
fn honours_trust_settings_of_certificates() {
    let authority = Certificate::new("authority", 60);
    let server = TlsServer::new(&Certificate::signed("DNS:h.example", 60, &authority), &[]);
    let folder = tempfile::tempdir().unwrap();
    for (trust, code) in [("-addtrust", 0), ("-addreject", 2)] {
        let file = folder.path().join(trust).display().to_string();
        let made = Command::new("openssl")
            .args([
                "x509",
                "-in",
                &authority.certificate(),
                trust,
                "serverAuth",
                "-trustout",
                "-out",
                &file,
            ])
            .status();
        assert!(made.unwrap().success());
        let run = server.run(PROGRAM, &["-H", "h.example", "--ca-cert", &file]);
        assert_eq!(run.code, Some(code), "{trust}: {}", run.text);
    }
}

#[test]
fn decrypts_client_keys_with_passphrase_file() {
    let server = TlsServer::new(&rsa(2048), &["-Verify", "1"]);
    let ours = Certificate::new("monitor", 60);
    let (key, folder) = (ours.encrypted_key("p w", &[]), tempfile::tempdir().unwrap());
    let file = folder.path().join("passphrase");
    let line = ["-J", &ours.certificate(), "-K", &key, "--passphrase-file", file.to_str().unwrap()];
    let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
    for (content, code, text) in [
        ("p w\nmore", 0, "HTTP OK"),
        ("p w\r\n", 0, "HTTP OK"),
        ("wrong\n", 3, "encrypted.pem: the passphrase of the private key is wrong\n"),
        ("", 3, "encrypted.pem: the passphrase of the private key is wrong\n"),
        (&"x".repeat(5000), 3, "encrypted.pem: the passphrase of the private key is wrong\n"),
    ] {
        std::fs::write(&file, content).unwrap();
        mode(0o600);
        for program in [PROGRAM, OPENSSL_PROGRAM] {
            let run = server.run(program, &line);
            assert!(run.code == Some(code) && run.text.contains(text), "{content:.9}: {run:?}");
        }
    }
    mode(0o604);
    let run = server.run(PROGRAM, &line);
    assert!(run.code == Some(3) && run.text.contains("other users can read this file"), "{run:?}");
    let run = server.run(PROGRAM, &line[..4]);
    assert!(run.code == Some(3) && run.text.ends_with("with --passphrase-file\n"), "{run:?}");
}

#[test]
fn openssl_verifies_only_the_name_on_request() {
    let server = TlsServer::new(&rsa(2048), &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    for (name, code) in [("old.example", 0), ("x.example", 2), ("127.0.0.1", 2)] {
        let run = server.run(PROGRAM, &["-S", "-H", name, "--verify-host"]);
        assert_eq!(run.code, Some(code), "{name}: {}", run.text);
        assert_eq!(code == 2, run.text.contains("is not trusted: "), "{}", run.text);
    }
}

#[test]
fn openssl_accepts_only_pinned_keys() {
    let certificate = rsa(2048);
    let server = TlsServer::new(&certificate, &["-tls1_2", "-cipher", "AES128-SHA"]);
    let (own, other) = (certificate.pin(), Certificate::new("other", 60).pin());
    assert_eq!(server.run(PROGRAM, &["--pin-sha256", &own]).code, Some(0));
    assert_eq!(server.run(PROGRAM, &["--pin-sha256", &other]).code, Some(2));
    // With TLS 1.0, the server signs with MD5 and SHA-1, which prove nothing.
    let weak = TlsServer::new(&certificate, &["-tls1", "-cipher", "ALL:@SECLEVEL=0"]);
    for program in [PROGRAM, OPENSSL_PROGRAM] {
        assert_eq!(weak.run(program, &["-S"]).code, Some(0));
        assert_eq!(weak.run(program, &["--pin-sha256", &own]).code, Some(2));
    }
}
