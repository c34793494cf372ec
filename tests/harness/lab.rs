//! A lab with a web server and a monitor.

use serde_json::Value;

use crate::monitor::Monitor;
use crate::nagios::{Nagios, Watch};
use crate::place::Place;
use crate::web::WebSide;

/// A web server side and a monitor side that repairs it. Fields are dropped in order, so both sides
/// end before their directory is removed.
#[derive(Debug)]
pub struct Lab {
    /// The Nagios server.
    pub monitor: Monitor,
    /// The host to be repaired.
    pub web: WebSide,
    /// The directory with all files of the lab.
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

    /// Writes the lab's default policy after `change` has modified it.
    pub fn policy(&self, change: impl FnOnce(&mut Value)) {
        let mut policy = self.monitor.default_policy(&self.web);
        change(&mut policy);
        self.monitor.write_policy(&policy);
    }

    /// Starts Nagios, which checks the service with the settings in `watch`.
    pub fn nagios(&self, watch: &Watch) -> Nagios {
        Nagios::start(&self.place, &self.monitor, &self.web, watch)
    }
}
