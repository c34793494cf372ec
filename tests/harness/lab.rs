//! A lab with a web server and a monitor.

use serde_json::Value;

use crate::monitor::Monitor;
use crate::nagios::{Nagios, Watch};
use crate::place::Place;
use crate::web::WebSide;

/// A monitor side and the web server side that it repairs. Fields are dropped in the order below,
/// so both sides end before their directory is removed.
#[derive(Debug)]
pub struct Lab {
    /// The Nagios server, with the policy and the ledger.
    pub monitor: Monitor,
    /// The host to be repaired, with Apache, sshd and the gate.
    pub web: WebSide,
    /// The directory that contains all files of the lab.
    pub place: Place,
}

impl Lab {
    /// Starts the web server side and configures the monitor side for it.
    #[allow(clippy::new_without_default, reason = "it starts daemons")]
    pub fn new() -> Lab {
        let place = Place::new();
        let web = WebSide::start(&place);
        let monitor = Monitor::new(&place, &web);
        Lab { monitor, web, place }
    }

    /// Applies `change` to the lab's default policy, and writes the result.
    pub fn policy(&self, change: impl FnOnce(&mut Value)) {
        let mut policy = self.monitor.default_policy(&self.web);
        change(&mut policy);
        self.monitor.write_policy(&policy);
    }

    /// Starts Nagios, which checks the service as `watch` specifies.
    pub fn nagios(&self, watch: &Watch) -> Nagios {
        Nagios::start(&self.place, &self.monitor, &self.web, watch)
    }
}
