//! Tests with hosts whose sshd refuses connections temporarily, with hosts without a gate, and with
//! shells that print output before the gate does.

use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ledger::{RepairOutcome, StepKind};
use serde_json::json;

use crate::bed::{Bed, CALL, Seen};

const TRANSPORTS: [&str; 2] = ["ssh2", "openssh"];

/// Creates a lab whose only rung uses this transport and port and has a timeout of 20 s. The check
/// after the rung always succeeds.
fn bed(transport: &str, port: impl Fn(&Bed) -> u16) -> Bed {
    let bed = Bed::new();
    let port = port(&bed);
    bed.sshd_is_at(port);
    bed.policy(|policy| {
        policy["ssh"]["transport"] = json!(transport);
        policy["ssh"]["port"] = json!(port);
        let httpd = &mut policy["repairs"]["httpd"];
        (httpd["timeout"], httpd["cooldown"]) = (json!("20s"), json!("0s"));
        httpd["verify"] = json!(["/bin/true"]);
    });
    bed
}

fn direct(bed: &Bed) -> u16 {
    bed.web.sshd.port
}

/// Starts a proxy in front of the host's sshd. The first `clients` clients get the reply with which
/// sshd refuses connections. Later clients are connected to sshd.
fn turning_away(clients: usize) -> impl Fn(&Bed) -> u16 {
    move |bed| {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (port, sshd) = (listener.local_addr().unwrap().port(), bed.web.sshd.port);
        thread::spawn(move || {
            for (number, mut near) in listener.incoming().flatten().enumerate() {
                if number < clients {
                    let _ = near.write_all(b"Not allowed at this time\r\n");
                    continue;
                }
                let far = TcpStream::connect(("127.0.0.1", sshd)).unwrap();
                let up = (near.try_clone().unwrap(), far.try_clone().unwrap());
                for (mut from, mut to) in [up, (far, near)] {
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        port
    }
}

/// Checks that the last repair has this outcome, and returns its steps.
#[track_caller]
fn ended(bed: &Bed, outcome: RepairOutcome) -> Vec<StepKind> {
    let record = &bed.monitor.records()[0];
    assert_eq!(record.outcome, Some(outcome));
    bed.monitor.steps(&record.job).into_iter().map(|step| step.kind).collect()
}

#[track_caller]
fn could_not_run(bed: &Bed, wanted: &str) -> Seen {
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 2, "{}", seen.text);
    assert!(seen.text.starts_with("COULD NOT REPAIR web1/HTTP with httpd: "), "{}", seen.text);
    assert!(seen.text.contains(wanted), "{}", seen.text);
    let kinds = ended(bed, RepairOutcome::CouldNotRun);
    assert!(kinds.contains(&StepKind::NotRun) && !kinds.contains(&StepKind::Verified), "{kinds:?}");
    assert!(!bed.mark.exists() && bed.web.jobs().is_empty());
    seen
}

#[test]
fn runs_repair_once_host_accepts_connections() {
    for transport in TRANSPORTS {
        let bed = bed(transport, turning_away(2));
        let seen = bed.call(CALL);
        assert_eq!(seen.code, 0, "{transport}: {}", seen.text);
        assert!(seen.text.starts_with("REPAIRED web1/HTTP") && bed.mark.exists(), "{}", seen.text);
        assert_eq!(bed.web.jobs().len(), 1);
    }
}

#[test]
fn quotes_host_that_refuses_connections() {
    for transport in TRANSPORTS {
        let bed = bed(transport, turning_away(usize::MAX));
        let seen = could_not_run(&bed, "\"Not allowed at this time\"");
        let ending = "nothing was run; `repairctl sweep` will request the repair again";
        assert!(seen.text.contains(ending), "{}", seen.text);
    }
}

#[test]
fn fails_quickly_on_host_without_gate() {
    for transport in TRANSPORTS {
        for (command, wanted) in [
            ("/usr/sbin/nologin", "This account is currently not available."),
            ("/nonexistent/repair_gate", "not found"),
            ("exit 1", "the output is empty"),
        ] {
            let bed = bed(transport, direct);
            bed.web.allow(&format!("restrict,command=\"{command}\""));
            let seen = could_not_run(&bed, wanted);
            assert!(seen.took < Duration::from_secs(15), "{command}: {:?}", seen.took);
        }
    }
}

/// The check succeeds, but the outcome is unknown, because no gate has confirmed that the repair
/// ran.
#[test]
fn does_not_credit_ok_check_to_unconfirmed_rung() {
    let bed = bed("ssh2", direct);
    bed.policy(|policy| {
        policy["repairs"]["httpd"]["timeout"] = json!("1s");
        policy["repairs"]["httpd"]["verify"] = json!(["/bin/true"]);
    });
    bed.web.allow("restrict,command=\"echo done\"");
    let seen = bed.call(CALL);
    assert_eq!(seen.code, 2, "{}", seen.text);
    assert!(seen.text.starts_with("OUTCOME UNKNOWN") && seen.text.contains("the check is OK"));
    assert!(ended(&bed, RepairOutcome::Unknown).contains(&StepKind::Verified));
}

/// The output of a shell can precede the gate's answer on the same line. For example, a shell can
/// print an escape sequence that sets the terminal's title and does not end with a newline.
#[test]
fn finds_answer_after_output_of_a_shell() {
    for transport in TRANSPORTS {
        let bed = bed(transport, direct);
        let noise = r"head -c 60000 /dev/zero | tr '\0' x; printf '\033]0;root@web1\007'";
        bed.web.allow(&format!("restrict,command=\"{noise}; exec {}\"", bed.web.gate_command()));
        let seen = bed.call(CALL);
        assert_eq!(seen.code, 0, "{transport}: {}", seen.text);
        assert!(bed.mark.exists() && bed.web.jobs().len() == 1, "{}", seen.text);
        assert!(ended(&bed, RepairOutcome::Healed).contains(&StepKind::Ran), "{transport}");
    }
}
