//! Hosts whose sshd turns us away for the moment, hosts without a gate, and shells that print
//! something before the gate does.

use std::io::{self, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ledger::{RepairOutcome, StepKind};
use serde_json::json;

use crate::bed::{Bed, CALL, Seen};

const TRANSPORTS: [&str; 2] = ["ssh2", "openssh"];

/// A rung of 20 s by this transport to this port, and a check that is always good.
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

/// Listens in front of the host's sshd, turns that many clients away as sshd does, and connects the
/// others.
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

/// Returns the steps of the last repair, which ended like this.
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
fn a_repair_is_run_once_the_host_lets_us_in_again() {
    for transport in TRANSPORTS {
        let bed = bed(transport, turning_away(2));
        let seen = bed.call(CALL);
        assert_eq!(seen.code, 0, "{transport}: {}", seen.text);
        assert!(seen.text.starts_with("REPAIRED web1/HTTP") && bed.mark.exists(), "{}", seen.text);
        assert_eq!(bed.web.jobs().len(), 1);
    }
}

#[test]
fn a_host_that_keeps_turning_us_away_is_quoted_and_left_to_the_sweep() {
    for transport in TRANSPORTS {
        let bed = bed(transport, turning_away(usize::MAX));
        let seen = could_not_run(&bed, "\"Not allowed at this time\"");
        let ending = "nothing was run; `repairctl sweep` offers it again";
        assert!(seen.text.contains(ending), "{}", seen.text);
    }
}

#[test]
fn a_host_without_a_gate_ends_the_rung_at_once_and_nothing_is_credited() {
    for transport in TRANSPORTS {
        for (command, wanted) in [
            ("/usr/sbin/nologin", "This account is currently not available."),
            ("/nonexistent/repair_gate", "not found"),
            ("exit 1", "it is empty"),
        ] {
            let bed = bed(transport, direct);
            bed.web.allow(&format!("restrict,command=\"{command}\""));
            let seen = could_not_run(&bed, wanted);
            assert!(seen.took < Duration::from_secs(15), "{command}: {:?}", seen.took);
        }
    }
}

/// The check is good all the same, but no gate has said that it ran anything.
#[test]
fn a_good_check_is_not_credited_to_a_rung_of_which_no_gate_says_that_it_ran() {
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

/// The title of a terminal ends without a newline.
#[test]
fn the_answer_is_found_behind_what_a_shell_prints_first() {
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
