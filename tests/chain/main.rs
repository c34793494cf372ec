//! The whole loop on real programs: Nagios sees Apache die, and it is healed before anybody is paged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use e2e::{Journal, Monitor, Nagios, Place, WebSide, until};
use ledger::Outcome;

#[test]
fn a_dead_apache_is_healed_once_before_hard() {
    let place = Place::new();
    let web = WebSide::start(&place);
    let monitor = Monitor::new(&place, &web);
    let nagios = Nagios::start(&place, &monitor, &web);
    let mut journal = Journal::new(&nagios.log, &monitor.ledger);

    web.apache.kill();
    let mut seen = Vec::new();
    until("OK in Nagios", Duration::from_secs(30), || {
        seen.extend(journal.news().into_iter().map(|happening| happening.what));
        seen.iter().any(|what| what == "OK").then_some(())
    });
    assert_eq!(seen.iter().filter(|what| what.starts_with("SOFT")).collect::<Vec<_>>(), ["SOFT 1", "SOFT 2", "SOFT 3"]);
    assert!(!seen.iter().any(|what| what.starts_with("HARD")), "{seen:?}");

    let records = monitor.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!((records[0].event.as_str(), records[0].outcome), ("CRITICAL;SOFT;3", Some(Outcome::Healed)));
    let order = |what: &str| seen.iter().position(|seen| seen == what).unwrap();
    assert!(order("SOFT 3") <= order("reserved") && order("verified") < order("OK"), "{seen:?}");
    until("the comment in Nagios", Duration::from_secs(10), || {
        nagios.comments().iter().any(|comment| comment.starts_with("REPAIRED web1/HTTP with httpd")).then_some(())
    });
}
