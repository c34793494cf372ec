//! Tests host key checks against a real sshd. This crate accepts and refuses the same keys as
//! OpenSSH, and never refuses a valid host because of a libssh2 quirk.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::process::Command;
use std::time::Duration;

use common::{Plan, Sshd, fails, keygen, public_key, repair, send};
use policy_file::HostRoute;
use transport::{Answer, Request};

/// Checks that the host on this route is trusted and answers.
fn trusted(route: &HostRoute) {
    let (answer, _) = send(route, &Request::Version, Duration::from_secs(30));
    assert_eq!(answer, Ok(Answer::Version("0.1.0".into())));
}

/// Checks that connecting over the route fails with this error code, and that neither a login nor a
/// request reaches the host. Returns the message.
fn refused(sshd: &Sshd, route: &HostRoute, code: &str) -> String {
    let logins = |sshd: &Sshd| sshd.log().matches("Accepted publickey").count();
    let before = (sshd.requests(), logins(sshd));
    let error = fails(route, &repair());
    assert_eq!(error.code(), code, "{error}");
    assert!(error.nothing_was_run());
    assert_eq!((sshd.requests(), logins(sshd)), before, "there was a login or a request");
    error.to_string()
}

fn another_key(sshd: &Sshd, kind: &str) -> String {
    keygen(kind, "", &sshd.path("other"));
    public_key(&sshd.path("other.pub"))
}

#[test]
fn trusts_the_recorded_host() {
    trusted(&Plan::new().start().route());
}

#[test]
fn refuses_another_host_at_the_same_address() {
    let sshd = Plan::new().start();
    let line = format!("[web1]:{} {}\n", sshd.port, another_key(&sshd, "ed25519"));
    let message = refused(&sshd, &sshd.route_with(&line), "host-key-mismatch");
    assert!(message.contains("SHA256:") && message.contains("known_hosts"), "{message}");
}

#[test]
fn does_not_connect_to_an_unrecorded_host() {
    let sshd = Plan::new().start();
    let connections = sshd.log().matches("Connection from").count();
    let message = refused(
        &sshd,
        &sshd.route_with(&format!("web2 {}\n", sshd.host_key("ed25519"))),
        "host-key-unknown",
    );
    assert!(message.contains("`repairctl trust web1`"), "{message}");
    assert_eq!(sshd.log().matches("Connection from").count(), connections);
}

#[test]
fn reports_missing_empty_and_unreadable_files() {
    let sshd = Plan::new().start();
    let mut route = sshd.route_with("# nothing yet\n\n");
    let message = refused(&sshd, &route, "known-hosts-empty");
    assert!(
        message.contains("contains no host key") && message.contains("`repairctl trust web1`"),
        "{message}"
    );
    route.known_hosts = vec![sshd.path("nowhere")];
    assert!(refused(&sshd, &route, "known-hosts-empty").contains("does not exist"));
    // Use a directory as the unreadable file, because even root cannot read a directory as a file.
    route.known_hosts = vec![sshd.path("known_hosts"), sshd.path("")];
    refused(&sshd, &route, "known-hosts");
}

#[test]
fn ignores_a_missing_file_if_another_one_exists() {
    let sshd = Plan::new().start();
    let mut route = sshd.route();
    route.known_hosts.insert(0, sshd.path("nowhere"));
    trusted(&route);
}

#[test]
fn refuses_a_revoked_key_that_is_also_recorded() {
    let sshd = Plan::new().start();
    let (port, key) = (sshd.port, sshd.host_key("ed25519"));
    for revoked in
        [format!("[web1]:{port}"), "*".into(), format!("[127.0.0.1]:{port}"), "127.0.0.1".into()]
    {
        for lines in [
            format!("[web1]:{port} {key}\n@revoked {revoked} {key}\n"),
            format!("@revoked {revoked} {key}\n[web1]:{port} {key}\n"),
        ] {
            let message = refused(&sshd, &sshd.route_with(&lines), "host-key-revoked");
            assert!(message.contains("known_hosts:"), "{message}");
        }
    }
}

#[test]
fn reports_a_revoked_key_even_if_another_one_is_recorded() {
    let sshd = Plan::new().start();
    let other = another_key(&sshd, "ed25519");
    let lines = format!(
        "[web1]:{0} {other}\n@revoked [web1]:{0} {1}\n",
        sshd.port,
        sshd.host_key("ed25519")
    );
    refused(&sshd, &sshd.route_with(&lines), "host-key-revoked");
}

#[test]
fn suggests_the_other_backend_for_a_certificate_authority() {
    let sshd = Plan::new().start();
    let line = format!("@cert-authority * {}\n", sshd.host_key("ed25519"));
    assert!(refused(&sshd, &sshd.route_with(&line), "cert-authority-only").contains("openssh"));
    trusted(&sshd.route_with(&format!(
        "{line}[web1]:{} {}\n",
        sshd.port,
        sshd.host_key("ed25519")
    )));
}

#[test]
fn finds_hashed_names() {
    let sshd = Plan::new().start();
    let route = sshd.route();
    let file = sshd.path("known_hosts");
    let hashed = Command::new("ssh-keygen").arg("-H").arg("-f").arg(&file).output().unwrap();
    assert!(hashed.status.success());
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("|1|") && !text.contains("web1"), "{text}");
    trusted(&route);
}

#[test]
fn honours_wildcards_and_negations() {
    let sshd = Plan::new().start();
    let (port, key) = (sshd.port, sshd.host_key("ed25519"));
    trusted(&sshd.route_with(&format!("[WEB?]:{port} {key}\n")));
    trusted(&sshd.route_with(&format!("[db*]:*,[web*]:{port} {key} comment # more\n")));
    refused(
        &sshd,
        &sshd.route_with(&format!("[web*]:{port},![web1]:{port} {key}\n")),
        "host-key-unknown",
    );
}

#[test]
fn looks_up_the_address_if_the_name_is_not_recorded() {
    let sshd = Plan::new().start();
    let (port, key) = (sshd.port, sshd.host_key("ed25519"));
    trusted(&sshd.route_with(&format!("[127.0.0.1]:{port} {key}\n")));
    let other = another_key(&sshd, "ed25519");
    refused(
        &sshd,
        &sshd.route_with(&format!("[127.0.0.1]:{port} {key}\n[web1]:{port} {other}\n")),
        "host-key-mismatch",
    );
}

#[test]
fn skips_malformed_lines() {
    let sshd = Plan::new().start();
    let (port, key) = (sshd.port, sshd.host_key("ed25519"));
    let junk = format!(
        "[web1]:{port}\n[web1]:{port} ssh-ed25519\n@nonsense x y z\nssh-ed25519 AAAA\n|1|x|y \
        z\n\u{1}\n"
    );
    trusted(&sshd.route_with(&format!(
        "{junk}[web1]:{port} ssh-ed25519 AAAA!!\n\t [web1]:{port} \t {key}\r\n"
    )));
    let message = refused(
        &sshd,
        &sshd.route_with(&format!("[web1]:{port} ssh-ed25519 AAAA!!\n")),
        "host-key-unknown",
    );
    assert!(message.contains("known_hosts:1"), "{message}");
}

#[test]
fn negotiates_the_recorded_key_type() {
    let sshd = Plan::new().host_keys(&["rsa", "ecdsa", "ed25519"]).start();
    for kind in ["rsa", "ecdsa", "ed25519"] {
        trusted(&sshd.route_with(&format!("[web1]:{} {}\n", sshd.port, sshd.host_key(kind))));
    }
    trusted(&sshd.route());
}

#[test]
fn trusts_a_host_with_only_an_rsa_key() {
    trusted(&Plan::new().host_keys(&["rsa"]).start().route());
    // A host is also trusted if it supports only rsa-sha2-256, the second of the two SHA-2
    // algorithms.
    trusted(
        &Plan::new().host_keys(&["rsa"]).config("HostKeyAlgorithms rsa-sha2-256").start().route(),
    );
}

#[test]
fn refuses_a_downgrade_to_another_key_type() {
    let sshd =
        Plan::new().host_keys(&["rsa", "ed25519"]).config("HostKeyAlgorithms rsa-sha2-512").start();
    let line = format!("[web1]:{} {}\n", sshd.port, sshd.host_key("ed25519"));
    let message = refused(&sshd, &sshd.route_with(&line), "no-common-algorithm");
    assert!(message.contains("offers these unverified host keys: \"rsa-sha2-512\""), "{message}");
    // A host that supports only signatures with SHA-1 is refused.
    let old = Plan::new().host_keys(&["rsa"]).config("HostKeyAlgorithms ssh-rsa").start();
    refused(&old, &old.route(), "no-common-algorithm");
}

/// The client must use strict key exchange. Without it, an attacker on the network can drop packets
/// unnoticed (CVE-2023-48795).
#[test]
fn uses_strict_key_exchange_and_fast_algorithms() {
    let sshd = Plan::new().start();
    trusted(&sshd.route());
    let log = sshd.log();
    assert!(
        log.contains("resetting read seqnr"),
        "sshd logs this text if strict key exchange is used"
    );
    assert!(log.contains("kex: algorithm: curve25519-sha256"));
    assert!(log.contains("cipher: aes128-gcm@openssh.com"));
}

#[test]
fn refuses_a_downgrade_to_weak_algorithms() {
    for weak in [
        "KexAlgorithms diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
        "Ciphers aes128-cbc,3des-cbc",
        "Ciphers aes128-ctr\nMACs hmac-sha1,hmac-md5",
    ] {
        let sshd = Plan::new().config(weak).start();
        refused(&sshd, &sshd.route(), "no-common-algorithm");
    }
}

#[test]
fn fetches_host_keys_without_trust_or_login() {
    let sshd = Plan::new().host_keys(&["ed25519", "ecdsa", "rsa"]).start();
    let route = HostRoute {
        known_hosts: vec![sshd.path("none")],
        key: sshd.path("no-key"),
        ..sshd.route()
    };
    let keys = transport::probe::host_keys(&route, common::soon()).unwrap();
    let lines: Vec<String> = keys.iter().map(|key| key.line().unwrap()).collect();
    assert_eq!(lines, ["ed25519", "ecdsa", "rsa"].map(|kind| sshd.host_key(kind)));
    let listed =
        Command::new("ssh-keygen").arg("-lf").arg(sshd.path("host_ed25519.pub")).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&keys[0].fingerprint()), "{listed} {keys:?}");
    assert!(!sshd.log().contains("userauth") && sshd.requests().is_empty(), "{}", sshd.log());
    assert!(transport::probe::recorded(&route).unwrap().is_empty());
}
