//! How far back a decision looks.

use core::time::Duration;

use crate::{Event, Limits, Policy};

/// How far back a decision looks. Beyond it nothing that is on record can matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// The limits of the object: an incident goes back until a gap of `healthy_for`, however long
    /// that is.
    pub limits: Limits,
    /// How far back the repairs of the whole fleet are counted.
    pub fleet: Duration,
}

impl Horizon {
    /// How far back single repairs are counted, whichever incident they belong to.
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
