//! Finds repairs that healed a fault which soon came back.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::{Record, RepairOutcome};

/// Finds relapses in a list of repairs. The list must start with the newest repair and end with the
/// oldest.
#[derive(Debug, Default)]
pub struct RelapseFinder {
    /// For each object, the time when the oldest of its repairs seen so far was reserved.
    next: HashMap<(String, Option<String>), SystemTime>,
}

impl RelapseFinder {
    /// Takes the next older repair in the list, and returns whether its fault relapsed. This means
    /// that the repair healed the fault, but the same object was repaired again less than `relapse`
    /// after the repair ended. Such a repair was not effective, although its check was OK.
    pub fn has_relapsed(&mut self, record: &Record, relapse: Duration) -> bool {
        let object = (record.host.clone(), record.service.clone());
        let again = self.next.insert(object, record.reserved);
        let soon = again.zip(record.ended).is_some_and(|(again, ended)| {
            again.duration_since(ended).unwrap_or_default() < relapse
        });
        soon && record.outcome == Some(RepairOutcome::Healed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(host: &str, began: u64, outcome: RepairOutcome) -> Record {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Record {
            job: format!("job-{began:05}"),
            host: host.into(),
            service: None,
            repair: "httpd".into(),
            event: "CRITICAL;SOFT;3".into(),
            reserved: at(began),
            ended: Some(at(began + 10)),
            outcome: Some(outcome),
            text: String::new(),
            rungs: 1,
            gate: None,
            rung_until: None,
            problem: None,
        }
    }

    #[test]
    fn counts_relapse_only_after_healed_repair_of_same_object() {
        let records = [
            record("a", 2000, RepairOutcome::Healed),
            record("a", 1100, RepairOutcome::NotHealed),
            record("b", 1050, RepairOutcome::Healed),
            record("a", 1000, RepairOutcome::Healed),
            record("a", 100, RepairOutcome::Healed),
        ];
        let relapsed = |seconds| {
            let mut finder = RelapseFinder::default();
            records.each_ref().map(|one| finder.has_relapsed(one, Duration::from_secs(seconds)))
        };
        assert_eq!(relapsed(890), [false, false, false, true, false]);
        assert!(relapsed(891)[4], "one second below the limit");
    }
}
