//! Finds objects that are not repaired because they have reached a limit.

use std::time::{Duration, SystemTime};

use policy::{Event, Limits, ObjectState, Policy, Reason, StateType, object_name, within_limits};

use crate::{Error, Ledger};

/// An object that is not repaired because of its earlier repairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// Name of the host in Nagios.
    pub host: String,
    /// Description of the service; `None` for the host itself.
    pub service: Option<String>,
    /// Why a repair of the object would be refused.
    pub reason: Reason,
}

impl HeldBack {
    /// Returns `web1` for a host and `web1/HTTP` for a service.
    pub fn object(&self) -> String {
        object_name(&self.host, self.service.as_deref())
    }
}

/// Returns the objects that are not repaired because their breaker is open or their budget is used
/// up. Objects in a cooldown are not included, because a cooldown ends by itself after a short
/// time.
pub fn held_back(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    now: SystemTime,
) -> Result<Vec<HeldBack>, Error> {
    let remembered = |limits: &Limits| limits.healthy_for.max(limits.window.per);
    let longest = policy.repairs.values().map(|rules| remembered(&rules.limits)).max();
    let since = now.checked_sub(longest.unwrap_or_default()).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut held: Vec<HeldBack> = Vec::new();
    for (host, service, repair) in ledger.in_trouble_since(since)? {
        let mut event =
            Event::new(&host, service.as_deref(), ObjectState::Critical, StateType::Hard, 1);
        event.repair = repair.parse().ok();
        let horizon = policy.horizon(&event);
        let limits = Limits { cooldown: Duration::ZERO, ..horizon.limits };
        if let Err(reason) = within_limits(&limits, &ledger.history(&event, &horizon, now)?) {
            held.push(HeldBack { host, service, reason });
        }
    }
    // Report an object with several repairs only once, with the reason for the first repair.
    held.dedup_by(|one, other| (&one.host, &one.service) == (&other.host, &other.service));
    Ok(held)
}
