//! Tests logins to a real sshd with every kind of key, and the refusal of unsafe or unusable key
//! files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::chown;
use std::time::{Duration, Instant};

use common::{Plan, Sshd, fails, keygen, repair, send, soon};
use policy_file::HostRoute;
use transport::{Answer, JobState, Request};

fn lets_in(route: &HostRoute) {
    let (answer, _) = send(route, &Request::Version, Duration::from_secs(30));
    assert_eq!(answer, Ok(Answer::Version("0.1.0".into())));
}

fn write_private(sshd: &Sshd, name: &str, text: &str, mode: u32) -> std::path::PathBuf {
    fs::write(sshd.path(name), text).unwrap();
    testkit::set_mode(sshd.path(name), mode);
    sshd.path(name)
}

#[test]
fn logs_in_with_every_kind_of_key() {
    for kind in ["ed25519", "ecdsa", "rsa", "rsa-pem", "ecdsa-pem"] {
        lets_in(&Plan::new().user_key(kind).start().route());
    }
}

#[test]
fn needs_the_passphrase_file_of_an_encrypted_key() {
    for kind in ["ed25519", "rsa", "rsa-pem"] {
        let sshd = Plan::new().user_key(kind).passphrase("open sesame").start();
        let mut route = sshd.route();
        assert_eq!(fails(&route, &repair()).code(), "passphrase", "{kind}");
        route.passphrase_file = Some(write_private(&sshd, "wrong", "close sesame\n", 0o600));
        let error = fails(&route, &repair());
        assert_eq!(error.code(), "passphrase", "{kind}: {error}");
        assert!(!error.to_string().contains("sesame"), "{error}");
        route.passphrase_file = Some(write_private(&sshd, "open", "open sesame\n", 0o640));
        assert_eq!(fails(&route, &repair()).code(), "key-file-open", "{kind}");
        route.passphrase_file = Some(write_private(&sshd, "right", "open sesame\n", 0o600));
        lets_in(&route);
    }
}

#[test]
fn refuses_a_key_file_that_others_can_read() {
    let sshd = Plan::new().start();
    let route = sshd.route();
    for mode in [0o640, 0o604, 0o620, 0o666] {
        testkit::set_mode(&route.key, mode);
        let error = fails(&route, &repair());
        assert_eq!(error.code(), "key-file-open", "{error}");
        assert!(error.to_string().contains(policy::see_doctor!()), "{error}");
    }
    // If root runs the program, the message must not suggest chown, because Nagios could not read a
    // key that root owns.
    testkit::set_mode(&route.key, 0o600);
    chown(&route.key, Some(65534), None).unwrap();
    let error = fails(&route, &repair()).to_string();
    assert!(
        error.contains("belongs to user 65534") && error.contains("run this program as that user"),
        "{error}"
    );
    assert!(!error.contains("chown"), "{error}");
    chown(&route.key, Some(0), None).unwrap();
    for mode in [0o600, 0o400] {
        testkit::set_mode(&route.key, mode);
        lets_in(&route);
    }
}

#[test]
fn reports_why_a_key_file_is_unusable() {
    let sshd = Plan::new().start();
    let mut route = sshd.route();
    route.key = sshd.path("nowhere");
    assert_eq!(fails(&route, &repair()).code(), "key-file-unreadable");
    route.key = sshd.path("");
    assert!(matches!(fails(&route, &repair()).code(), "key-file-unreadable"));
    let public = fs::read_to_string(sshd.path("user.pub")).unwrap();
    route.key = write_private(&sshd, "public", &public, 0o600);
    assert!(fails(&route, &repair()).to_string().contains(".pub"));
    let half: String = fs::read_to_string(sshd.path("user"))
        .unwrap()
        .lines()
        .take(3)
        .map(|l| format!("{l}\n"))
        .collect();
    route.key =
        write_private(&sshd, "half", &format!("{half}-----END OPENSSH PRIVATE KEY-----\n"), 0o600);
    assert_eq!(fails(&route, &repair()).code(), "key-file-format");
}

#[test]
fn names_a_key_that_the_host_refuses() {
    let sshd = Plan::new().start();
    let mut route = sshd.route();
    keygen("ed25519", "", &sshd.path("stranger"));
    route.key = sshd.path("stranger");
    let error = fails(&route, &repair());
    assert_eq!(error.code(), "auth-refused", "{error}");
    assert!(error.nothing_was_run() && error.to_string().contains("SHA256:"), "{error}");
    assert!(sshd.requests().is_empty());
}

#[test]
fn reports_expired_keys_wrong_addresses_and_wrong_users() {
    for options in ["restrict,expiry-time=\"20200101\"", "restrict,from=\"192.0.2.1\""] {
        let sshd = Plan::new().options(options).start();
        assert_eq!(fails(&sshd.route(), &repair()).code(), "auth-refused", "{options}");
    }
    let sshd = Plan::new().start();
    let route = HostRoute { user: "nobody-at-all".into(), ..sshd.route() };
    assert_eq!(fails(&route, &repair()).code(), "auth-refused");
    assert!(sshd.requests().is_empty());
}

#[test]
fn serves_a_whole_ladder_with_one_login() {
    let sshd = Plan::new().start();
    let mut gate = transport::connect(&sshd.route(), soon()).unwrap();
    let Request::Repair { name, job } = repair() else { unreachable!() };
    let Ok(Answer::Diagnosed(diagnosis)) =
        gate.request(&Request::Diagnose { name: name.clone() }, soon())
    else {
        panic!()
    };
    assert_eq!(diagnosis.reports[0].output, ["full"]);
    let Ok(Answer::Job(report)) = gate.request(&repair(), soon()) else { panic!() };
    assert_eq!((report.job, report.repair, report.state), (job.clone(), name, JobState::Done));
    let Ok(Answer::Job(report)) = gate.request(&Request::Status { job }, soon()) else { panic!() };
    assert_eq!(report.state, JobState::Running);
    assert_eq!(
        gate.request(&Request::List, soon()),
        Ok(Answer::Repairs(vec!["httpd".into(), "sshd".into()]))
    );
    drop(gate);
    let requests =
        ["diagnose httpd", "repair httpd 20261123-4f3a9c2b", "status 20261123-4f3a9c2b", "list"];
    assert_eq!(sshd.requests(), requests);
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1);
}

#[test]
fn sends_a_request_after_the_deadline_of_the_login() {
    let sshd = Plan::new().start();
    let mut gate =
        transport::connect(&sshd.route(), Instant::now() + Duration::from_secs(10)).unwrap();
    std::thread::sleep(Duration::from_millis(10_500));
    assert!(gate.request(&Request::Version, soon()).is_ok());
}

#[test]
fn reports_a_host_that_refuses_channels() {
    let sshd = Plan::new().config("MaxSessions 0").start();
    let error = fails(&sshd.route(), &repair());
    assert_eq!(error.code(), "denied", "{error}");
    assert!(error.nothing_was_run());
}
