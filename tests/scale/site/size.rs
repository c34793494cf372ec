//! The size of a site in numbers, and the names of its objects.

use std::time::SystemTime;

use serde_json::{Value, json};
use testkit::nagios_log::{SERVICES, host};

/// The numbers of objects and records on a site.
pub struct Size {
    pub hosts: u64,
    /// Number of repairs on record, spread over a year.
    pub repairs: u64,
    /// Number of refusals on record, spread over 90 days.
    pub refusals: u64,
    /// Number of repairs for the object with the longest history, [`BUSY`].
    pub busy_repairs: u64,
    /// Number of records in the gate's state directory.
    pub gate_records: u64,
    pub log_bytes: u64,
}

/// The object with the longest history: the number of its host, counted from 0, and its service.
pub const BUSY: (u64, &str) = (0, SERVICES[0]);

/// The services with a repair. `testkit::nagios_log::has_repair` selects the same ones.
pub const REPAIRED: [&str; 2] = [SERVICES[0], SERVICES[5]];

impl Size {
    /// Parses a scale from 0.01 to 1, and returns the size of a site at this scale. Returns `None`
    /// for any other text.
    pub fn of(scale: &str) -> Option<Size> {
        let scale: f64 = scale.parse().ok()?;
        let part = |full: u64| (full as f64 * scale).round() as u64;
        (0.01..=1.0).contains(&scale).then(|| Size {
            hosts: part(10_000),
            repairs: part(1_000_000),
            refusals: part(10_000_000),
            busy_repairs: part(20_000),
            gate_records: part(10_000),
            log_bytes: part(300_000_000),
        })
    }

    /// Number of hosts with a history, counted from the first host. The other hosts are cold, which
    /// means that the ledger does not contain them.
    pub fn warm_hosts(&self) -> u64 {
        self.hosts.div_ceil(2)
    }

    /// Hosts whose HTTP service has an open breaker, because its repairs have failed.
    pub fn broken_hosts(&self) -> std::ops::Range<u64> {
        let warm = self.warm_hosts();
        warm - (warm / 2).min(20)..warm
    }

    /// Hosts whose HTTP service has a repair that is still running, according to the ledger.
    pub fn running_hosts(&self) -> std::ops::Range<u64> {
        1..self.broken_hosts().start.min(6)
    }

    /// Returns the numbers for `site.json`.
    pub fn summary(&self, steps: u64) -> Value {
        let object = |number, service: &str| json!({"host": host(number), "service": service});
        json!({
            "hosts": self.hosts, "services": self.hosts * SERVICES.len() as u64,
            "repairs": self.repairs, "steps": steps, "refusals": self.refusals,
            "busy": object(BUSY.0, BUSY.1), "busy_repairs": self.busy_repairs,
            "cold": object(self.hosts - 1, SERVICES[0]),
            "running": self.running_hosts().count(), "breakers": self.broken_hosts().count(),
            "gate_records": self.gate_records,
        })
    }
}

/// Returns the current time in milliseconds since 1970.
pub fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}
