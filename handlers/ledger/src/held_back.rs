//! The objects that the limits hold back.

use std::time::{Duration, SystemTime};

use policy::{Event, Limits, ObjectState, Policy, Reason, StateType, within_limits};

use crate::{Error, Ledger};

/// An object that gets no repair because of its own history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The host.
    pub host: String,
    /// The service of the host; `None` for the host itself.
    pub service: Option<String>,
    /// What a decision about it would say.
    pub reason: Reason,
}

impl HeldBack {
    /// `web1`, or `web1/HTTP`.
    pub fn object(&self) -> String {
        let service = self.service.iter().map(|service| format!("/{service}"));
        std::iter::once(self.host.clone()).chain(service).collect()
    }
}

/// Returns the objects that an open breaker or a spent budget holds back. Cooldowns, which end soon
/// by themselves, do not count.
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
    // An object with several repairs counts once, with the reason of the first.
    held.dedup_by(|one, other| (&one.host, &one.service) == (&other.host, &other.service));
    Ok(held)
}
