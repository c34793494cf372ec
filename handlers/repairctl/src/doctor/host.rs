//! Checks one host: the route to its gate, and the gate's answers. Changes nothing on the host.

use std::time::{Duration, Instant, SystemTime};

use policy::RepairName;
use policy_file::{Backend, HostRoute};
use transport::{
    Answer, Error, Gate, GateReason, GateRefusal, Phase, Request, Usage, in_quotes, probe,
};

use super::finding::{DoctorFinding, DoctorVerdict, cause, note, ok, wrong};
use super::fix::HostFix;

/// Time limit for all requests to one host.
const LIMIT: Duration = Duration::from_secs(20);
/// Maximum clock skew in seconds. If the skew is larger, doctor adds a note, because the logs of
/// the two machines are hard to compare.
const SKEW: u64 = 60;

/// A host to be checked, and what its gate must offer.
#[derive(Debug)]
pub struct Target {
    /// The route to the host's gate.
    pub route: HostRoute,
    /// The repairs that the gate must offer.
    pub needs: Vec<RepairName>,
    /// Whether it is enough that the gate offers any one of the repairs in `needs`. This is the
    /// case if no object and no ladder names a repair for this host.
    pub any: bool,
}

/// Runs the checks in order. Stops after a failure that would make all remaining checks fail too.
pub fn examine(target: &Target) -> Vec<DoctorFinding> {
    let deadline = Instant::now() + LIMIT;
    let mut findings = Vec::new();
    let is_wrong = |finding: &DoctorFinding| finding.verdict == DoctorVerdict::Wrong;
    findings.push(host_key(&target.route));
    if target.route.via.is_none() {
        findings.push(port(&target.route, deadline));
    }
    if !findings.iter().any(is_wrong) {
        check_gate(target, deadline, &mut findings);
    }
    findings
}

fn host_key(route: &HostRoute) -> DoctorFinding {
    let host = &route.host;
    match probe::negotiated(route) {
        Ok(types) => ok("known host", format!("the {types} key of {host} is recorded")),
        Err(Error::CertAuthorityOnly { .. }) if route.backend == Backend::OpenSsh => {
            ok("known host", format!("the certificate authority of {host} is recorded"))
        }
        Err(why) if route.backend == Backend::OpenSsh && route.config.is_some() => {
            note("known host", cause(&why), HostFix::TrustUnlessConfigured)
        }
        Err(why) => wrong("known host", cause(&why), known_host_fix(&why)),
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

fn port(route: &HostRoute, deadline: Instant) -> DoctorFinding {
    let place = format!("{}, port {}", route.address, route.port);
    match probe::port(route, deadline) {
        Ok(()) => ok("port", place),
        Err(why) => wrong("port", cause(&why), port_fix(&why)),
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

fn check_gate(target: &Target, deadline: Instant, findings: &mut Vec<DoctorFinding>) {
    let route = &target.route;
    let asked = transport::connect(route, deadline).and_then(|mut gate| {
        let answer = gate.request(&Request::Version, deadline)?;
        Ok((gate, answer))
    });
    let mut gate = match asked {
        Ok((gate, Answer::Version(version))) => {
            findings.push(ok("login", format!("{}@{}", route.user, route.host)));
            findings.push(version_of_gate(&version));
            gate
        }
        Ok((_, other)) => {
            let fix = HostFix::InstallGate;
            findings.push(wrong(
                "gate",
                format!("the gate sent an unexpected answer to 'version': {other:?}"),
                fix,
            ));
            return;
        }
        Err(why) => {
            findings.push(login_failure(&why));
            return;
        }
    };
    let Some(offered) = offered_repairs(gate.as_mut(), deadline, findings) else { return };
    let is_missing = |name: &&RepairName| !offered.iter().any(|has| has == name.as_str());
    let missing: Vec<&RepairName> = target.needs.iter().filter(is_missing).collect();
    findings.push(repairs(target, &missing, &offered));
    for name in target.needs.iter().filter(|name| !missing.contains(name)) {
        if !ready(gate.as_mut(), name, deadline, findings) {
            return;
        }
    }
    nearly_full(gate.as_mut(), deadline, findings);
}

/// If the gate has almost the maximum number of records of a repair, adds a note about this repair.
/// At the maximum, the gate refuses the repair. Older gates do not support the request for the
/// number of records, so their hosts get no note.
fn nearly_full(gate: &mut dyn Gate, deadline: Instant, findings: &mut Vec<DoctorFinding>) {
    let Ok(Answer::Usage(all)) = gate.request(&Request::Usage, deadline) else { return };
    let full = all.iter().filter_map(Usage::nearly_full);
    findings.extend(full.map(|text| note("records", text, HostFix::ManyRequests)));
}

fn version_of_gate(version: &str) -> DoctorFinding {
    let ours = env!("CARGO_PKG_VERSION");
    if version == ours {
        return ok("gate", format!("repair_gate {version}"));
    }
    let fix = HostFix::UpdateGate;
    note(
        "gate",
        format!("the host has repair_gate {version}, but this server has version {ours}"),
        fix,
    )
}

fn login_failure(why: &Error) -> DoctorFinding {
    let (check, fix) = match why {
        Error::KeyFileUnreadable { .. }
        | Error::KeyFileOpen { .. }
        | Error::KeyFileFormat { .. }
        | Error::Passphrase { .. } => {
            return wrong(
                "login",
                "this server cannot log in without a usable key",
                HostFix::KeyFirst,
            );
        }
        // In both cases an attacker on the network could be answering instead of the host. The fix
        // tells the admin to rule this out before replacing the key.
        Error::HostKeyMismatch { .. } | Error::NoCommonAlgorithm { .. } => {
            ("known host", HostFix::Replace)
        }
        Error::AuthRefused { .. } => ("login", HostFix::AuthorizedKeys),
        Error::NotFramed { .. } => ("gate", HostFix::InstallGate),
        Error::Denied { .. } => ("gate", HostFix::ForcedCommand),
        Error::Agent { .. } => ("login", HostFix::StartAgent),
        Error::NoLogin { .. } => ("login", HostFix::CompareKey),
        _ => ("login", HostFix::ReadSshdLog),
    };
    wrong(check, cause(why), fix)
}

fn offered_repairs(
    gate: &mut dyn Gate,
    deadline: Instant,
    findings: &mut Vec<DoctorFinding>,
) -> Option<Vec<String>> {
    findings.push(match gate.request(&Request::List, deadline) {
        Ok(Answer::Repairs(names)) => return Some(names),
        Ok(Answer::Refused(no)) => wrong("repairs.json", refusal_text(&no), HostFix::CheckGate),
        Ok(other) => wrong("repairs.json", format!("{other:?}"), HostFix::InstallGate),
        Err(why) => wrong("repairs.json", cause(&why), HostFix::ReadLog),
    });
    None
}

fn repairs(target: &Target, missing: &[&RepairName], offered: &[String]) -> DoctorFinding {
    let has = if offered.is_empty() { "nothing".to_owned() } else { offered.join(", ") };
    if missing.is_empty() {
        return ok("repairs", format!("the gate offers {has}"));
    }
    let names: Vec<&str> = missing.iter().map(|name| name.as_str()).collect();
    let text = format!(
        "the gate offers {has}, but the policy also requires {names}",
        names = names.join(", ")
    );
    let fix = HostFix::NameRepair;
    match target.any && missing.len() < target.needs.len() {
        true => note("repairs", text, fix),
        false => wrong("repairs", text, fix),
    }
}

/// Checks one repair. Returns `false` if the gate did not answer, which makes further requests
/// pointless.
fn ready(
    gate: &mut dyn Gate,
    name: &RepairName,
    deadline: Instant,
    findings: &mut Vec<DoctorFinding>,
) -> bool {
    let asked = gate.request(&Request::Ready { name: name.clone() }, deadline);
    let answered = asked.is_ok();
    let finding = match asked {
        Ok(Answer::Ready { time }) => {
            if !findings.iter().any(|finding| finding.check == "clock") {
                findings.push(clock(time));
            }
            let text =
                format!("{name}: its program exists, and sudo lets the gate's account run it");
            ok("can repair", text)
        }
        Ok(Answer::Refused(no)) => match no.reason {
            GateReason::Held => {
                note("can repair", format!("{name}: {}", refusal_text(&no)), HostFix::EndHold)
            }
            _ if no.is_passing() => {
                let text = format!("{name} cannot run now: {why}", why = refusal_text(&no));
                note("can repair", text, HostFix::ManyRequests)
            }
            GateReason::BadRequest => {
                let text = format!("{name}: this gate is too old to check the sudo rule");
                note("can repair", text, HostFix::UpdateGate)
            }
            reason => {
                wrong("can repair", format!("{name}: {}", refusal_text(&no)), refusal_fix(reason))
            }
        },
        Ok(other) => wrong("can repair", format!("{name}: {other:?}"), HostFix::InstallGate),
        Err(why) => wrong("can repair", format!("{name}: {}", cause(&why)), HostFix::ReadLog),
    };
    findings.push(finding);
    answered
}

/// Returns the gate's message in quotes, because a compromised host can send any text.
fn refusal_text(no: &GateRefusal) -> String {
    format!("the gate reports {text}", text = in_quotes(&no.text))
}

/// Returns the fix for a refusal. The gate sends only the reason, never the text of a fix.
fn refusal_fix(reason: GateReason) -> HostFix {
    match reason {
        GateReason::Config => HostFix::CheckGate,
        GateReason::State => HostFix::OwnGateState,
        _ => HostFix::ReadLog,
    }
}

fn clock(time: i64) -> DoctorFinding {
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let skew = now.abs_diff(u64::try_from(time).unwrap_or_default());
    if skew <= SKEW {
        return ok(
            "clock",
            format!(
                "the host's clock is within {skew} s of this server's clock",
                skew = skew.max(1)
            ),
        );
    }
    note(
        "clock",
        format!("the host's clock differs from this server's clock by {skew} s"),
        HostFix::KeepTime,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_correcting_the_address_if_name_resolution_times_out() {
        let late = |phase| Error::Timeout { host: "web1".into(), phase, within: LIMIT };
        assert_eq!(port_fix(&late(Phase::Resolve)), HostFix::CorrectAddress);
        assert_eq!(port_fix(&late(Phase::Connect)), HostFix::OpenPort);
    }
}
