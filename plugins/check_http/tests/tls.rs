//! TLS checks against real servers, which run `openssl s_server`. Each test creates its own
//! certificates.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;
#[path = "support/tls.rs"]
mod tls;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use support::{Server, Step, run};
use tls::{Certificate, TlsServer};

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");

#[test]
fn connects_with_tls_1_2_and_1_3() {
    let certificate = Certificate::new("h.example", 60);
    for (server, options, code) in [
        (&["-tls1_3"][..], &["-S"][..], 0),
        (&["-tls1_2"], &["-S1.2"], 0),
        (&["-tls1_3"], &["-S1.3"], 0),
        (&[], &["-S1.2+"], 0),
    ] {
        let server = TlsServer::new(&certificate, server);
        let run = server.run(PROGRAM, options);
        assert_eq!(run.code, Some(code), "{options:?}: {}", run.text);
        assert!(run.text.starts_with("HTTP OK: HTTP/1.0 200 ok - "), "{}", run.text);
    }
}

#[test]
fn judges_certificate_by_days_until_expiry() {
    let server = TlsServer::new(&Certificate::new("h.example", 19), &[]);
    // The certificate was created for 19 days, but one second later only 18 full days are left.
    for (days, code, start) in [
        ("10", 0, "OK - Certificate 'h.example' will expire on "),
        ("30", 1, "WARNING - Certificate 'h.example' expires in 1"),
        ("30,20", 2, "CRITICAL - Certificate 'h.example' expires in 1"),
    ] {
        let run = server.run(PROGRAM, &["-C", days]);
        assert_eq!(run.code, Some(code), "{}", run.text);
        assert!(run.text.starts_with(start) && run.text.lines().count() == 1, "{}", run.text);
    }
}

#[test]
fn certificate_name_cannot_forge_a_result() {
    let server = TlsServer::new(&Certificate::new("a|b=1 <i>", 60), &[]);
    let run = server.run(PROGRAM, &["-C", "10"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    assert!(
        run.text.starts_with("OK - Certificate 'a/b=1 <i>' will expire on ")
            && !run.text.contains('|'),
        "{}",
        run.text
    );
    let linked = server.run(PROGRAM, &["-C", "10", "-L"]);
    assert!(
        linked.text.starts_with("<A HREF=") && linked.text.ends_with(".</A>\n"),
        "{}",
        linked.text
    );
}

#[test]
fn judges_certificate_and_response_on_request() {
    let server = TlsServer::new(&Certificate::new("h.example", 5), &[]);
    let run = server.run(PROGRAM, &["-C", "30", "--continue-after-certificate"]);
    assert_eq!(run.code, Some(1), "{}", run.text);
    let lines: Vec<&str> = run.text.lines().collect();
    assert!(lines[0].starts_with("WARNING - Certificate 'h.example' expires in "), "{}", run.text);
    assert!(lines[1].starts_with("HTTP WARNING: HTTP/1.0 200 ok"), "{}", run.text);
}

#[test]
fn judges_certificate_without_response() {
    let certificate = Certificate::new("h.example", 5);
    let server = TlsServer::saying(&certificate, "HTTP/1.1 302 Moved\r\nServer: x\r\n\r\n");
    let options = ["-u", "/page", "-f", "follow", "--continue-after-certificate", "-C"];
    for (days, code) in [("1", 3), ("30", 1), ("30,20", 2)] {
        let run = server.run(PROGRAM, &[&options[..], &[days]].concat());
        let second = "HTTP UNKNOWN - Could not find redirect location - HTTP/1.1 302 Moved";
        assert!(
            run.code == Some(code) && run.text.lines().nth(1) == Some(second),
            "{days}: {}",
            run.text
        );
    }
}

#[test]
fn prints_certificate_days_as_perfdata_on_request() {
    let server = TlsServer::new(&Certificate::new("h.example", 5), &[]);
    for (options, end) in [
        (&["-C", "30,2", "--certificate-perfdata"][..], ". |certificate_days=4;30:;2:;;\n"),
        (
            &["-C", "30,2", "--certificate-perfdata", "--continue-after-certificate"],
            "B;;;0; certificate_days=4;30:;2:;;\n",
        ),
    ] {
        let run = server.run(PROGRAM, options);
        // The certificate was created for 5 days, but one second later only 4 full days are left.
        let text = run.text.replace("certificate_days=5", "certificate_days=4");
        assert!(run.code == Some(1) && text.ends_with(end), "{}", run.text);
    }
    let without = server.run(PROGRAM, &["-C", "30,2", "--continue-after-certificate"]);
    assert!(!without.text.contains("certificate_days"), "{}", without.text);
}

#[test]
fn sends_sni_on_request() {
    let server = TlsServer::naming(
        &Certificate::new("default.example", 60),
        "other.example",
        &Certificate::new("other.example", 60),
    );
    let named = server.run(PROGRAM, &["-H", "other.example", "--sni", "-C", "1"]);
    assert!(named.text.contains("'other.example'"), "{}", named.text);
    let unnamed = server.run(PROGRAM, &["-H", "other.example", "-C", "1"]);
    assert!(unnamed.text.contains("'default.example'"), "{}", unnamed.text);
    let empty = server.run(PROGRAM, &["-H", ":80", "--sni", "-C", "1"]);
    assert!(empty.text.contains("'default.example'"), "{}", empty.text);
}

#[test]
fn sends_client_certificate() {
    let server = TlsServer::new(&Certificate::new("h.example", 60), &["-Verify", "1"]);
    let ours = Certificate::new("monitor", 60);
    let with = server.run(PROGRAM, &["-J", &ours.certificate(), "-K", &ours.key()]);
    assert_eq!(with.code, Some(0), "{}", with.text);
    let without = server.run(PROGRAM, &["-S"]);
    assert_eq!(
        (without.code, without.text.as_str()),
        (Some(2), "HTTP CRITICAL - No data received from host\n")
    );
    let other_key = server
        .run(PROGRAM, &["-J", &ours.certificate(), "-K", &Certificate::new("other", 60).key()]);
    let expected = "CRITICAL - Private key does not seem to match certificate!\n";
    assert_eq!((other_key.code, other_key.text.as_str()), (Some(2), expected));
}

#[test]
fn peer_without_tls_is_critical() {
    let steps = vec![
        Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        Step::Wait(Duration::from_secs(1)),
    ];
    let server = Server::doing(vec![steps]);
    let run = server.run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT", "-S"]);
    assert!(run.code == Some(2) && run.time < Duration::from_secs(1));
    assert!(run.text.starts_with("CRITICAL - Cannot make SSL connection.\n"), "{}", run.text);
}

#[test]
fn reports_that_check_http_openssl_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("check_http");
    // Let cp write the file. If this process wrote it, a process forked by another test could
    // inherit the open descriptor, and executing the file would fail (ETXTBSY).
    assert!(std::process::Command::new("cp").arg(PROGRAM).arg(&alone).status().unwrap().success());
    let server =
        TlsServer::new(&Certificate::new("h.example", 60), &["-tls1_2", "-cipher", "AES128-SHA"]);
    let refused = server.run(&alone, &["-S"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused
            .text
            .contains("check_http_openssl, which supports older TLS versions, is not installed"),
        "{}",
        refused.text
    );
    let too_old = run(&alone, &["-S3", "-H", "h"]);
    assert_eq!(too_old.code, Some(3), "{}", too_old.text);
}

#[test]
fn verifies_chain_and_name_on_request() {
    let authority = Certificate::new("authority", 60);
    let (ca, other) = (authority.certificate(), Certificate::new("other", 60));
    let server =
        TlsServer::new(&Certificate::signed("DNS:h.example,IP:127.0.0.1", 60, &authority), &[]);
    for trusted in [
        &["-H", "h.example", "--ca-cert", &ca][..],
        &["--ca-cert", &ca],
        &["-D", "-H", "h.example", "--ca-cert", &ca],
    ] {
        let run = server.run(PROGRAM, trusted);
        assert_eq!(run.code, Some(0), "{trusted:?}: {}", run.text);
    }
    for refused in [
        &["-H", "wrong.example", "--ca-cert", &ca][..],
        &["-H", "h.example", "--ca-cert", &other.certificate()],
        &["-H", "h.example", "-D"],
        &["-H", "wrong.example", "--ca-cert", &ca, "-C", "1"],
    ] {
        let run = server.run(PROGRAM, refused);
        assert_eq!(run.code, Some(2), "{refused:?}: {}", run.text);
        assert!(
            run.text.contains("is not trusted: ") && run.text.lines().count() == 1,
            "{}",
            run.text
        );
    }
    let unverified = server.run(PROGRAM, &["-H", "wrong.example", "-S"]);
    assert_eq!(unverified.code, Some(0), "{}", unverified.text);
}

#[test]
fn judges_whole_chain_on_request() {
    let authority = Certificate::new("authority", 5);
    let certificate = Certificate::signed("DNS:h.example", 90, &authority);
    let server = TlsServer::new(&certificate, &["-cert_chain", &authority.certificate()]);
    assert_eq!(server.run(PROGRAM, &["-C", "30"]).code, Some(0));
    let whole = server.run(PROGRAM, &["-C", "30", "--certificate-chain"]);
    assert!(
        whole.code == Some(1)
            && whole.text.starts_with("WARNING - Certificate 'authority' expires in"),
        "{}",
        whole.text
    );
}

#[test]
fn verifies_only_the_name_on_request() {
    let server = TlsServer::new(&Certificate::new("h.example", 60), &[]);
    for (options, code) in [
        (&["-S", "-H", "h.example", "--verify-host"][..], 0),
        (&["-S", "-H", "x.example", "--verify-host"], 2),
        (&["-S", "--verify-host"], 2),
        (&["-S1.2", "-H", "h.example", "--verify-host", "--sni"], 0),
    ] {
        let run = server.run(PROGRAM, options);
        assert_eq!(run.code, Some(code), "{options:?}: {}", run.text);
        assert_eq!(code == 2, run.text.contains("is not trusted: "), "{}", run.text);
    }
    let plain = Server::answering(&["HTTP/1.1 200 OK\r\n\r\n"]);
    let run = plain.run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT", "--verify-host"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
}

#[test]
fn accepts_only_pinned_keys() {
    let certificate = Certificate::new("h.example", 60);
    let server = TlsServer::new(&certificate, &[]);
    let (own, other) = (certificate.pin(), Certificate::new("other", 60).pin());
    for pins in [&[&own][..], &[&other, &own]] {
        let options: Vec<&str> = pins.iter().flat_map(|pin| ["--pin-sha256", pin]).collect();
        let run = server.run(PROGRAM, &options);
        assert_eq!(run.code, Some(0), "{}", run.text);
    }
    let run = server.run(PROGRAM, &["-H", "h.example", "--pin-sha256", &other, "-a", "u:p"]);
    let expected = format!(
        "CRITICAL - Certificate of 'h.example' is not trusted: its public key does not match \
         --pin-sha256; its pin is {own}\n"
    );
    assert_eq!((run.code, run.text), (Some(2), expected));
    let run = server.run(PROGRAM, &["--pin-sha256", "abc"]);
    assert!(run.code == Some(3) && run.text.contains("Invalid pin-sha256, write"), "{run:?}");
}

/// Starts a server that presents a copy of `certificate`, but has only the key of another
/// certificate. Returns the server's port.
fn impostor(certificate: &Certificate, version: &'static SupportedProtocolVersion) -> u16 {
    let chain = CertificateDer::pem_file_iter(certificate.certificate()).unwrap();
    let key = PrivateKeyDer::from_pem_file(Certificate::new("other", 60).key()).unwrap();
    let copy = CertifiedKey::new(
        chain.map(Result::unwrap).collect(),
        ring::sign::any_supported_type(&key).unwrap(),
    );
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(copy)));
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, connection.unwrap());
            // The client may close the connection at any time.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    port
}

#[test]
fn pinned_server_must_have_the_private_key() {
    let certificate = Certificate::new("h.example", 60);
    for version in [&TLS12, &TLS13] {
        let port = impostor(&certificate, version).to_string();
        let line = ["-I", "127.0.0.1", "-p", &port, "-S"];
        assert_eq!(run(PROGRAM, &line).code, Some(0), "{version:?}");
        let pinned = run(PROGRAM, &[&line[..], &["--pin-sha256", &certificate.pin()]].concat());
        assert_eq!(pinned.code, Some(2), "{version:?}: {pinned:?}");
    }
}

#[test]
fn pins_do_not_apply_to_hosts_that_redirects_lead_to() {
    let (first, second) = (Certificate::new("h.example", 60), Certificate::new("localhost", 60));
    let target = TlsServer::new(&second, &[]);
    let away = format!("HTTP/1.1 302 F\r\nLocation: https://localhost:{}/\r\n\r\n", target.port);
    let server = TlsServer::saying(&first, &away);
    let options = ["-H", "h.example", "-u", "/page", "-4", "-f", "follow"];
    let run = server.run(PROGRAM, &[&options[..], &["--pin-sha256", &first.pin()]].concat());
    assert_eq!(run.code, Some(0), "{}", run.text);
}

#[test]
fn suggests_what_the_server_needs() {
    let refusal = Step::Send(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    let plain = Server::doing(vec![vec![refusal, Step::Wait(Duration::from_secs(1))]]);
    for options in [&["-S"][..], &["-S1"]] {
        let run = plain.run(PROGRAM, &[&["-I", "127.0.0.1", "-p", "PORT"], options].concat());
        let expected = "CRITICAL - Cannot make SSL connection.\n\
                        the server does not speak TLS on this port\n";
        assert_eq!((run.code, run.text.as_str()), (Some(2), expected), "{options:?}");
    }
    let alert = Step::Send(b"\x15\x03\x01\x00\x02\x02\x46".to_vec());
    let run = Server::doing(vec![vec![Step::Receive, alert]])
        .run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT"]);
    assert!(run.text.ends_with(" (try -S: the server speaks TLS)\n"), "{}", run.text);
    // Alert 112 is unrecognized_name.
    let alert = vec![Step::Send(b"\x15\x03\x03\x00\x02\x02\x70".to_vec()), Step::Receive];
    for (options, hint) in [(&["-S"][..], " (try --sni)"), (&["-S", "--sni"], "")] {
        let server = Server::doing(vec![alert.clone()]);
        let line = ["-I", "127.0.0.1", "-p", "PORT", "-H", "h.example"];
        let run = server.run(PROGRAM, &[&line, options].concat());
        assert!(run.text.ends_with(&format!("\nunrecognized name{hint}\n")), "{}", run.text);
    }
}
