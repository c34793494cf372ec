//! What is checked of one host: the way to its gate, and what the gate says. Nothing is changed there.

use std::time::{Duration, Instant, SystemTime};

use handle_repair::config::{Transport, Way};
use handle_repair::worker::reach;
use policy::RepairName;
use transport::{Answer, Error, Gate, Phase, Reason, Request, survey};

use super::finding::Finding;
use super::short;
use crate::side;

/// For all that is asked of one host.
const LIMIT: Duration = Duration::from_secs(20);
/// A clock that is off by more makes times in logs and records hard to compare.
const SKEW: u64 = 60;

/// A host to be checked.
#[derive(Debug)]
pub struct Patient {
    /// How it is reached.
    pub way: Way,
    /// The repairs its gate must offer.
    pub needs: Vec<RepairName>,
    /// Nothing says which of them it must offer: one is enough.
    pub any: bool,
}

/// All checks, until one bars the way.
pub fn examine(patient: &Patient) -> Vec<Finding> {
    let deadline = Instant::now() + LIMIT;
    let mut findings = Vec::new();
    let on_file = host_key(&patient.way);
    let known = on_file.mend.is_none();
    findings.push(on_file);
    if patient.way.via.is_none() {
        let port = port(&patient.way, deadline);
        let open = port.mend.is_none();
        findings.push(port);
        if !open {
            return findings;
        }
    }
    if known {
        beyond_the_login(patient, deadline, &mut findings);
    }
    findings
}

fn host_key(way: &Way) -> Finding {
    let host = &way.host;
    match survey::negotiated(&reach::target(way)) {
        Ok(types) => Finding::ok("known host", format!("{types} of {host} is on file")),
        Err(Error::CertAuthorityOnly { .. }) if way.transport == Transport::Openssh => {
            Finding::ok("known host", "by the certificate of its authority")
        }
        Err(why) if way.transport == Transport::Openssh && way.config.is_some() => {
            Finding::note("known host", short(&why), "ssh_config may name another source; else: repairctl trust it")
        }
        Err(why) => Finding::wrong("known host", short(&why), known_host_mend(&why, host)),
    }
}

fn known_host_mend(why: &Error, host: &str) -> String {
    match why {
        Error::HostKeyRevoked { .. } => format!("give {host} a new host key, then: repairctl trust {host}"),
        Error::KnownHosts { file, .. } => format!("chmod 644 {}, and let Nagios' user into its directory", file.display()),
        Error::CertAuthorityOnly { .. } => r#""transport": "openssh" for this host"#.into(),
        _ => format!("sudo repairctl trust {host}"),
    }
}

fn port(way: &Way, deadline: Instant) -> Finding {
    let place = format!("{}, port {}", way.address, way.port);
    match survey::port(&reach::target(way), deadline) {
        Ok(()) => Finding::ok("port", place),
        Err(why) => Finding::wrong("port", short(&why), port_mend(&why, &way.host)),
    }
}

fn port_mend(why: &Error, host: &str) -> String {
    match why {
        Error::Resolve { .. } | Error::Timeout { phase: Phase::Resolve, .. } => {
            format!("correct its address in Nagios, or give hosts.{host}.address in the policy; look after name resolution here")
        }
        _ => "start sshd there, open the firewall, or correct ssh.port in the policy".into(),
    }
}

fn beyond_the_login(patient: &Patient, deadline: Instant, findings: &mut Vec<Finding>) {
    let way = &patient.way;
    let asked = reach::gate(way, deadline).and_then(|mut gate| {
        let answer = gate.ask(&Request::Version, deadline)?;
        Ok((gate, answer))
    });
    let mut gate = match asked {
        Ok((gate, Answer::Version(version))) => {
            findings.push(Finding::ok("login", format!("{}@{}", way.user, way.host)));
            findings.push(version_of_gate(&version));
            gate
        }
        Ok((_, other)) => {
            findings.push(Finding::wrong(
                "gate",
                format!("it does not tell its version: {other:?}"),
                side::install_gate(&way.host),
            ));
            return;
        }
        Err(why) => {
            findings.push(no_login(&why, way));
            return;
        }
    };
    let Some(offered) = list(gate.as_mut(), way, deadline, findings) else { return };
    let missing: Vec<&RepairName> = patient.needs.iter().filter(|name| !offered.iter().any(|has| has == name.as_str())).collect();
    findings.push(repairs(patient, &missing, &offered));
    for name in patient.needs.iter().filter(|name| !missing.contains(name)) {
        if !ready(gate.as_mut(), name, way, deadline, findings) {
            return;
        }
    }
}

fn version_of_gate(version: &str) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    if version == ours {
        return Finding::ok("gate", format!("repair_gate {version}"));
    }
    Finding::note(
        "gate",
        format!("repair_gate {version}; this server has {ours}"),
        "update the older one; they understand each other",
    )
}

fn no_login(why: &Error, way: &Way) -> Finding {
    let host = &way.host;
    match why {
        Error::HostKeyMismatch { .. } => {
            let mend = format!("find out whether {host} was reinstalled; only then: sudo repairctl trust {host} --replace");
            Finding::wrong("known host", short(why), mend)
        }
        Error::NoCommonAlgorithm { .. } => {
            Finding::wrong("known host", short(why), format!("sudo repairctl trust {host} --replace"))
        }
        Error::AuthRefused { .. } => {
            let mend = format!(
                "on {host}, let the account '{}' be there (ssh.user) and have this line in ~{0}/.ssh/authorized_keys: {}",
                way.user,
                side::key_line(&way.key)
            );
            Finding::wrong("login", short(why), mend)
        }
        Error::NotFramed { .. } => Finding::wrong("gate", short(why), side::install_gate(host)),
        Error::Denied { .. } => {
            Finding::wrong("gate", short(why), format!("the line of authorized_keys must be: {}", side::key_line(&way.key)))
        }
        Error::KeyFileUnreadable { .. } | Error::KeyFileOpen { .. } | Error::KeyFileFormat { .. } | Error::Passphrase { .. } => {
            Finding::wrong("login", "without a usable key there is none", "mend the key first, see this server")
        }
        Error::Agent { .. } => Finding::wrong("login", short(why), "start the agent in Nagios' environment, or use a key file"),
        _ => Finding::wrong("login", short(why), format!("look at sshd's log on {host}")),
    }
}

fn list(gate: &mut dyn Gate, way: &Way, deadline: Instant, findings: &mut Vec<Finding>) -> Option<Vec<String>> {
    match gate.ask(&Request::List, deadline) {
        Ok(Answer::Repairs(names)) => return Some(names),
        Ok(Answer::Refused(no)) => {
            let mend = format!("on {}, as root: {} check", way.host, side::GATE);
            findings.push(Finding::wrong("repairs.json", no.text, mend));
        }
        Ok(other) => findings.push(Finding::wrong("repairs.json", format!("{other:?}"), side::install_gate(&way.host))),
        Err(why) => {
            findings.push(Finding::wrong("repairs.json", short(&why), format!("look at the system's log on {}", way.host)))
        }
    }
    None
}

fn repairs(patient: &Patient, missing: &[&RepairName], offered: &[String]) -> Finding {
    let host = &patient.way.host;
    let has = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    if missing.is_empty() {
        return Finding::ok("repairs", format!("the gate offers {has}"));
    }
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    let text = format!("the gate offers {has}; the policy also asks for {}", names.join(", "));
    let mend = format!("name it in /etc/nagios-selfheal/repairs.json on {host}, and make the sudoers file anew");
    match patient.any && missing.len() < patient.needs.len() {
        true => Finding::note("repairs", text, mend),
        false => Finding::wrong("repairs", text, mend),
    }
}

/// Whether there is any use in asking on.
fn ready(gate: &mut dyn Gate, name: &RepairName, way: &Way, deadline: Instant, findings: &mut Vec<Finding>) -> bool {
    let finding = match gate.ask(&Request::Ready { name: name.clone() }, deadline) {
        Ok(Answer::Ready { time }) => {
            if !findings.iter().any(|finding| finding.check == "clock") {
                findings.push(clock(time, &way.host));
            }
            Finding::ok("can repair", format!("{name}: its program is there, and sudo lets the account run it"))
        }
        Ok(Answer::Refused(no)) => match no.reason {
            Reason::Held => Finding::note(
                "can repair",
                format!("{name}: {}", no.text),
                format!("remove the file on {} when the work is done", way.host),
            ),
            Reason::BadRequest => Finding::note(
                "can repair",
                format!("{name}: this gate is too old to tell whether sudo allows it"),
                format!("update repair_gate on {}", way.host),
            ),
            _ => {
                // The gate says what to do in its own sentence, behind a semicolon.
                let (text, mend) = no.text.split_once("; as root here: ").unwrap_or((&no.text, "see the system's log there"));
                Finding::wrong("can repair", format!("{name}: {text}"), format!("on {}, as root: {mend}", way.host))
            }
        },
        Ok(other) => Finding::wrong("can repair", format!("{name}: {other:?}"), side::install_gate(&way.host)),
        Err(why) => {
            Finding::wrong("can repair", format!("{name}: {}", short(&why)), format!("look at the system's log on {}", way.host))
        }
    };
    let answered = !finding.text.contains("no answer");
    findings.push(finding);
    answered
}

fn clock(time: i64, host: &str) -> Finding {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let skew = now.abs_diff(u64::try_from(time).unwrap_or_default());
    if skew <= SKEW {
        return Finding::ok("clock", format!("within {} s of ours", skew.max(1)));
    }
    Finding::note("clock", format!("{skew} s off ours"), format!("let {host} keep the time, with chrony or systemd-timesyncd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_found_in_time_is_no_matter_of_sshd() {
        let late = |phase| Error::Timeout { host: "web1".into(), phase, within: LIMIT };
        assert!(port_mend(&late(Phase::Resolve), "web1").contains("hosts.web1.address"));
        assert!(port_mend(&late(Phase::Connect), "web1").contains("start sshd"));
    }
}
