//! What is checked of one host: the way to its gate, and what the gate says. Nothing is changed
//! there.

use std::time::{Duration, Instant, SystemTime};

use policy::RepairName;
use policy_file::{Backend, HostRoute};
use transport::{
    Answer, Error, Gate, GateReason, GateRefusal, Phase, Request, Usage, in_quotes, probe,
};

use super::finding::{Finding, Verdict};
use super::fix::HostFix;
use super::short;

/// For all that is asked of one host.
const LIMIT: Duration = Duration::from_secs(20);
/// A clock that is off by more makes times in logs and records hard to compare.
const SKEW: u64 = 60;

/// A host to be checked.
#[derive(Debug)]
pub struct Patient {
    /// How it is reached.
    pub route: HostRoute,
    /// The repairs its gate must offer.
    pub needs: Vec<RepairName>,
    /// Nothing says which of them it must offer: one is enough.
    pub any: bool,
}

/// All checks, until one bars the way.
pub fn examine(patient: &Patient) -> Vec<Finding> {
    let deadline = Instant::now() + LIMIT;
    let mut findings = Vec::new();
    let on_file = host_key(&patient.route);
    let known = on_file.verdict != Verdict::Wrong;
    findings.push(on_file);
    if patient.route.via.is_none() {
        let port = port(&patient.route, deadline);
        let open = port.verdict != Verdict::Wrong;
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

fn host_key(route: &HostRoute) -> Finding {
    let host = &route.host;
    match probe::negotiated(route) {
        Ok(types) => Finding::ok("known host", format!("{types} of {host} is on file")),
        Err(Error::CertAuthorityOnly { .. }) if route.backend == Backend::OpenSsh => {
            Finding::ok("known host", "by the certificate of its authority")
        }
        Err(why) if route.backend == Backend::OpenSsh && route.config.is_some() => {
            Finding::note("known host", short(&why), HostFix::TrustUnlessConfigured)
        }
        Err(why) => Finding::wrong("known host", short(&why), known_host_fix(&why)),
    }
}

fn known_host_fix(why: &Error) -> HostFix {
    match why {
        Error::HostKeyRevoked { .. } => HostFix::NewHostKey,
        Error::KnownHosts { .. } => HostFix::OpenKnownHosts,
        Error::CertAuthorityOnly { .. } => HostFix::UseOpenSsh,
        _ => HostFix::Trust,
    }
}

fn port(route: &HostRoute, deadline: Instant) -> Finding {
    let place = format!("{}, port {}", route.address, route.port);
    match probe::port(route, deadline) {
        Ok(()) => Finding::ok("port", place),
        Err(why) => Finding::wrong("port", short(&why), port_fix(&why)),
    }
}

fn port_fix(why: &Error) -> HostFix {
    match why {
        Error::Resolve { .. } | Error::Timeout { phase: Phase::Resolve, .. } => {
            HostFix::CorrectAddress
        }
        _ => HostFix::OpenPort,
    }
}

fn beyond_the_login(patient: &Patient, deadline: Instant, findings: &mut Vec<Finding>) {
    let route = &patient.route;
    let asked = transport::connect(route, deadline).and_then(|mut gate| {
        let answer = gate.request(&Request::Version, deadline)?;
        Ok((gate, answer))
    });
    let mut gate = match asked {
        Ok((gate, Answer::Version(version))) => {
            findings.push(Finding::ok("login", format!("{}@{}", route.user, route.host)));
            findings.push(version_of_gate(&version));
            gate
        }
        Ok((_, other)) => {
            let fix = HostFix::InstallGate;
            findings.push(Finding::wrong(
                "gate",
                format!("unexpected answer to 'version': {other:?}"),
                fix,
            ));
            return;
        }
        Err(why) => {
            findings.push(no_login(&why));
            return;
        }
    };
    let Some(offered) = list(gate.as_mut(), deadline, findings) else { return };
    let missing: Vec<&RepairName> = patient
        .needs
        .iter()
        .filter(|name| !offered.iter().any(|has| has == name.as_str()))
        .collect();
    findings.push(repairs(patient, &missing, &offered));
    for name in patient.needs.iter().filter(|name| !missing.contains(name)) {
        if !ready(gate.as_mut(), name, deadline, findings) {
            return;
        }
    }
    nearly_full(gate.as_mut(), deadline, findings);
}

/// Records that soon keep a repair from running. Older gates do not report them.
fn nearly_full(gate: &mut dyn Gate, deadline: Instant, findings: &mut Vec<Finding>) {
    let Ok(Answer::Usage(all)) = gate.request(&Request::Usage, deadline) else { return };
    let full = all.iter().filter_map(Usage::nearly_full);
    findings.extend(full.map(|text| Finding::note("records", text, HostFix::ManyRequests)));
}

fn version_of_gate(version: &str) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    if version == ours {
        return Finding::ok("gate", format!("repair_gate {version}"));
    }
    let fix = HostFix::UpdateGate;
    Finding::note("gate", format!("repair_gate {version}; this server has {ours}"), fix)
}

fn no_login(why: &Error) -> Finding {
    match why {
        // Anyone on the network can show another key and offer other algorithms.
        Error::HostKeyMismatch { .. } | Error::NoCommonAlgorithm { .. } => {
            Finding::wrong("known host", short(why), HostFix::Replace)
        }
        Error::AuthRefused { .. } => Finding::wrong("login", short(why), HostFix::AuthorizedKeys),
        Error::NotFramed { .. } => Finding::wrong("gate", short(why), HostFix::InstallGate),
        Error::Denied { .. } => Finding::wrong("gate", short(why), HostFix::ForcedCommand),
        Error::KeyFileUnreadable { .. }
        | Error::KeyFileOpen { .. }
        | Error::KeyFileFormat { .. }
        | Error::Passphrase { .. } => {
            Finding::wrong("login", "no login without a usable key", HostFix::KeyFirst)
        }
        Error::Agent { .. } => Finding::wrong("login", short(why), HostFix::StartAgent),
        Error::NoLogin { .. } => Finding::wrong("login", short(why), HostFix::CompareKey),
        _ => Finding::wrong("login", short(why), HostFix::ReadSshdLog),
    }
}

fn list(
    gate: &mut dyn Gate,
    deadline: Instant,
    findings: &mut Vec<Finding>,
) -> Option<Vec<String>> {
    findings.push(match gate.request(&Request::List, deadline) {
        Ok(Answer::Repairs(names)) => return Some(names),
        Ok(Answer::Refused(no)) => Finding::wrong("repairs.json", said(&no), HostFix::CheckGate),
        Ok(other) => Finding::wrong("repairs.json", format!("{other:?}"), HostFix::InstallGate),
        Err(why) => Finding::wrong("repairs.json", short(&why), HostFix::ReadLog),
    });
    None
}

fn repairs(patient: &Patient, missing: &[&RepairName], offered: &[String]) -> Finding {
    let has = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    if missing.is_empty() {
        return Finding::ok("repairs", format!("the gate offers {has}"));
    }
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    let text = format!("the gate offers {has}; the policy also asks for {}", names.join(", "));
    let fix = HostFix::NameRepair;
    match patient.any && missing.len() < patient.needs.len() {
        true => Finding::note("repairs", text, fix),
        false => Finding::wrong("repairs", text, fix),
    }
}

/// Whether there is any use in asking on.
fn ready(
    gate: &mut dyn Gate,
    name: &RepairName,
    deadline: Instant,
    findings: &mut Vec<Finding>,
) -> bool {
    let asked = gate.request(&Request::Ready { name: name.clone() }, deadline);
    let answered = asked.is_ok();
    let finding = match asked {
        Ok(Answer::Ready { time }) => {
            if !findings.iter().any(|finding| finding.check == "clock") {
                findings.push(clock(time));
            }
            Finding::ok(
                "can repair",
                format!("{name}: its program is there, and sudo lets the account run it"),
            )
        }
        Ok(Answer::Refused(no)) => match no.reason {
            GateReason::Held => {
                Finding::note("can repair", format!("{name}: {}", said(&no)), HostFix::EndHold)
            }
            _ if no.is_passing() => Finding::note(
                "can repair",
                format!("{name}, but not now: {}", said(&no)),
                HostFix::ManyRequests,
            ),
            GateReason::BadRequest => {
                let text = format!("{name}: this gate is too old to check the sudo rule");
                Finding::note("can repair", text, HostFix::UpdateGate)
            }
            reason => {
                Finding::wrong("can repair", format!("{name}: {}", said(&no)), refusal_fix(reason))
            }
        },
        Ok(other) => {
            Finding::wrong("can repair", format!("{name}: {other:?}"), HostFix::InstallGate)
        }
        Err(why) => {
            Finding::wrong("can repair", format!("{name}: {}", short(&why)), HostFix::ReadLog)
        }
    };
    findings.push(finding);
    answered
}

/// The gate's sentence as a quotation: a broken-in host may write anything.
fn said(no: &GateRefusal) -> String {
    format!("the gate says {}", in_quotes(&no.text))
}

/// The gate chooses among these fixes, and writes none.
fn refusal_fix(reason: GateReason) -> HostFix {
    match reason {
        GateReason::Config => HostFix::CheckGate,
        GateReason::State => HostFix::OwnGateState,
        _ => HostFix::ReadLog,
    }
}

fn clock(time: i64) -> Finding {
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let skew = now.abs_diff(u64::try_from(time).unwrap_or_default());
    if skew <= SKEW {
        return Finding::ok("clock", format!("within {} s of ours", skew.max(1)));
    }
    Finding::note("clock", format!("{skew} s off ours"), HostFix::KeepTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_found_in_time_is_no_matter_of_sshd() {
        let late = |phase| Error::Timeout { host: "web1".into(), phase, within: LIMIT };
        assert_eq!(port_fix(&late(Phase::Resolve)), HostFix::CorrectAddress);
        assert_eq!(port_fix(&late(Phase::Connect)), HostFix::OpenPort);
    }
}
