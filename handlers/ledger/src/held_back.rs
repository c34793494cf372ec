//! Finds objects that are not repaired because they have reached a limit.

use std::time::{Duration, SystemTime};

use policy::{Event, Limits, ObjectState, Policy, Reason, StateType, object_name, within_limits};

use crate::{Error, Ledger, LimitBounds};

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

/// Returns the objects that are not repaired because of an open breaker or a used-up budget. Each
/// object is compared with the limits of its newest repair. Objects in a cooldown are not included,
/// because a cooldown ends by itself after a short time.
pub fn held_back(
    ledger: &mut dyn Ledger,
    policy: &Policy,
    now: SystemTime,
) -> Result<Vec<HeldBack>, Error> {
    let mut held: Vec<HeldBack> = Vec::new();
    for (host, service, repair) in ledger.may_be_held_back(&bounds(policy), now)? {
        let mut event =
            Event::new(&host, service.as_deref(), ObjectState::Critical, StateType::Hard, 1);
        event.repair = repair.parse().ok();
        let horizon = policy.horizon(&event);
        let limits = Limits { cooldown: Duration::ZERO, ..horizon.limits };
        let history = ledger.limits_history(&event, &horizon, now)?;
        if let Err(reason) = within_limits(&limits, &history) {
            held.push(HeldBack { host, service, reason });
        }
    }
    Ok(held)
}

/// Returns bounds for the limits of all repairs. Repairs that are on record but no longer in the
/// policy have the default limits, so the bounds also cover the default limits.
fn bounds(policy: &Policy) -> LimitBounds {
    let default = Limits::default();
    let all = || policy.repairs.values().map(|rules| &rules.limits).chain([&default]);
    let fewest = |limits: &Limits| limits.breaker.min(limits.per_incident).min(limits.window.count);
    LimitBounds {
        healthy_for: all().map(|limits| limits.healthy_for).max().unwrap_or_default(),
        window: all().map(|limits| limits.window.per).max().unwrap_or_default(),
        fewest: all().map(fewest).min().unwrap_or_default(),
    }
}
