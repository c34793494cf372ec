//! Checks Icinga 2's API: the connection, the permissions of the user, and the objects.

use std::time::Instant;

use engine::configuration::ObjectCache;
use engine::{ApiError, Engine, Icinga2};
use policy_file::{Config, Icinga2Api};

use super::finding::{DoctorFinding, note, ok, wrong};
use super::fix::ServerFix;
use super::server;
use crate::context::ENGINE_TIMEOUT;

/// The permissions that the programs need, as in nagios-config/icinga2/api-user.conf. The last
/// permission is needed only if the policy has the key `check_repairs`.
const NEEDED: [&str; 6] = [
    "objects/query/Host",
    "objects/query/Service",
    "status/query",
    "actions/add-comment",
    "actions/reschedule-check",
    "actions/process-check-result",
];

/// Suffix with which Icinga 2 marks a permission that covers only some objects.
const FILTERED: &str = " (filtered)";

/// Checks the API. Returns the findings and, if they can be read, Icinga 2's objects.
pub fn examine(config: &Config, api: &Icinga2Api) -> (Vec<DoctorFinding>, Option<ObjectCache>) {
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    let mut engine = Icinga2::new(api, config.check_repairs.as_ref());
    let user = match engine.user(deadline) {
        Ok(user) => user,
        Err(why) => return (vec![failed(&why)], None),
    };
    let mut findings = vec![ok("Icinga 2", format!("{} at {}", user.version, api.url))];
    let needed = NEEDED.len() - usize::from(config.check_repairs.is_none());
    findings.extend(permissions(&user.permissions, NEEDED.get(..needed).unwrap_or(&NEEDED)));
    match engine.summary(deadline) {
        Ok(Some(summary)) if !summary.program.event_handlers => {
            let text = "enable_event_handlers is false: Icinga 2 never calls the event handler";
            findings.push(wrong("Icinga 2", text, ServerFix::EnableEventHandlers));
        }
        Ok(_) => {}
        Err(why) => findings.push(wrong("Icinga 2", why.to_string(), ServerFix::GrantApiUser)),
    }
    let objects = match engine.objects(deadline) {
        Ok(objects) => objects,
        Err(why) => {
            findings.push(note("objects", why.to_string(), ServerFix::GrantApiUser));
            None
        }
    };
    findings.extend(objects.as_ref().map(|objects| server::opted(objects, config)));
    (findings, objects)
}

fn failed(why: &ApiError) -> DoctorFinding {
    let fix = match why {
        ApiError::Password { .. } => ServerFix::OwnApiPassword,
        ApiError::Ca { .. } | ApiError::Untrusted { .. } => ServerFix::CorrectApi,
        ApiError::Unreachable { .. } => ServerFix::StartNagios,
        _ => ServerFix::GrantApiUser,
    };
    wrong("Icinga 2", format!("{why}; nothing is repaired without it"), fix)
}

/// Compares the permissions of the user with those that the programs need.
fn permissions(granted: &[String], needed: &[&str]) -> Vec<DoctorFinding> {
    let sees_all_hosts = granted.iter().any(|granted| covers(granted, NEEDED[0]));
    let granted: Vec<&str> =
        granted.iter().map(|name| name.strip_suffix(FILTERED).unwrap_or(name)).collect();
    let missing: Vec<&str> = needed
        .iter()
        .copied()
        .filter(|name| !granted.iter().any(|granted| covers(granted, name)))
        .collect();
    let excess: Vec<&str> =
        granted.iter().copied().filter(|granted| !NEEDED.contains(granted)).collect();
    let mut findings = Vec::new();
    if !missing.is_empty() {
        let text = format!("the ApiUser lacks {}", missing.join(", "));
        findings.push(wrong("permissions", text, ServerFix::GrantApiUser));
    }
    if !sees_all_hosts && !missing.contains(&NEEDED[0]) {
        let text = "objects/query/Host has a filter; services of hosts that the ApiUser may not \
                    see are never repaired, because the host could be in downtime";
        findings.push(note("permissions", text, ServerFix::GrantApiUser));
    }
    if !excess.is_empty() {
        let text = format!("the ApiUser has more than it needs: {}", excess.join(", "));
        findings.push(note("permissions", text, ServerFix::GrantApiUser));
    }
    if findings.is_empty() {
        findings.push(ok("permissions", granted.join(", ")));
    }
    findings
}

/// Whether a permission covers `name`. The permission can contain the wildcards `*` and `?`, and
/// case is ignored, as in Icinga 2.
fn covers(granted: &str, name: &str) -> bool {
    match_from(granted.to_lowercase().as_bytes(), name.to_lowercase().as_bytes())
}

fn match_from(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            match_from(rest, text)
                || text.split_first().is_some_and(|(_, text)| match_from(pattern, text))
        }
        (Some((b'?', pattern)), Some((_, text))) => match_from(pattern, text),
        (Some((wanted, pattern)), Some((found, text))) => {
            wanted == found && match_from(pattern, text)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::DoctorVerdict;

    fn verdicts(granted: &[&str], needed: &[&str]) -> Vec<(DoctorVerdict, String)> {
        let granted: Vec<String> = granted.iter().map(|name| (*name).to_owned()).collect();
        let findings = permissions(&granted, needed);
        findings.into_iter().map(|finding| (finding.verdict, finding.text)).collect()
    }

    #[test]
    fn reports_missing_and_excessive_permissions() {
        let exact = ["objects/query/Host", "actions/add-comment (filtered)"];
        let needed = ["objects/query/Host", "actions/add-comment"];
        assert_eq!(verdicts(&exact, &needed)[0].0, DoctorVerdict::Ok);
        let found = verdicts(&["objects/query/host"], &needed);
        assert_eq!(found[0].0, DoctorVerdict::Wrong);
        assert!(found[0].1.ends_with("lacks actions/add-comment"), "{found:?}");
        let found = verdicts(&["objects/query/Host (filtered)", exact[1]], &needed);
        assert_eq!((found.len(), found[0].0), (1, DoctorVerdict::Note));
        assert!(found[0].1.starts_with("objects/query/Host has a filter"), "{found:?}");
        for all in ["*", "actions/*", "a?tions/add-comment"] {
            let found = verdicts(&[all, "objects/query/Host"], &needed);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].0, DoctorVerdict::Note, "{found:?}");
        }
    }
}
