//! How much of the past a decision needs.

use core::time::Duration;

use crate::{Event, Limits, Policy};

/// How far back a decision looks. Older records cannot change the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The limits of the object. One of them, `healthy_for`, decides how far back the incident
    /// reaches: to the most recent gap of that length without a repair or a refusal, however long
    /// ago it was.
    pub limits: Limits,
    /// Maximum age of a repair that counts towards the fleet limit on started repairs.
    pub fleet: Duration,
}

impl Horizon {
    /// Returns the maximum age of a repair of the object that counts towards the cooldown or the
    /// window, even if it belongs to an earlier incident.
    pub fn repairs(&self) -> Duration {
        self.limits.cooldown.max(self.limits.window.per)
    }
}

impl Policy {
    /// Returns how far back the decision about an event looks.
    pub fn horizon(&self, event: &Event) -> Horizon {
        let rules = event.repair.as_ref().and_then(|name| self.repairs.get(name));
        let limits = rules.map(|rules| rules.limits).unwrap_or_default();
        Horizon { limits, fleet: self.fleet.started.per }
    }
}
