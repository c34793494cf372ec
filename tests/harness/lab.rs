//! Both sides of a lab.

use serde_json::Value;

use crate::monitor::Monitor;
use crate::nagios::{Nagios, Watch};
use crate::place::Place;
use crate::web::WebSide;

/// A web server side, and a monitor side that repairs it. Both end before their directory does.
#[derive(Debug)]
pub struct Lab {
    /// The monitor side.
    pub monitor: Monitor,
    /// The web server side.
    pub web: WebSide,
    /// The directory of both.
    pub place: Place,
}

impl Lab {
    /// Starts the web server side, and sets the monitor side up for it.
    #[allow(clippy::new_without_default, reason = "it starts daemons")]
    pub fn new() -> Lab {
        let place = Place::new();
        let web = WebSide::start(&place);
        let monitor = Monitor::new(&place, &web);
        Lab { monitor, web, place }
    }

    /// Writes the lab's default policy with these changes.
    pub fn policy(&self, change: impl FnOnce(&mut Value)) {
        let mut policy = self.monitor.default_policy(&self.web);
        change(&mut policy);
        self.monitor.write_policy(&policy);
    }

    /// Starts Nagios, which watches the service as `watch` says.
    pub fn nagios(&self, watch: &Watch) -> Nagios {
        Nagios::start(&self.place, &self.monitor, &self.web, watch)
    }
}
