//! Repairs that healed a fault which then relapsed.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::{Record, RepairOutcome};

/// For each of `records`, which stand with the newest first: whether it healed, and the same object
/// was repaired again within `relapse` of its end. Such a repair did not help, whatever its check
/// said.
pub fn relapsed(records: &[Record], relapse: impl Fn(&Record) -> Duration) -> Vec<bool> {
    let mut next: HashMap<(&str, Option<&str>), SystemTime> = HashMap::new();
    let judge = |record| {
        let again = next.insert(object(record), record.reserved);
        let soon = again.zip(record.ended).is_some_and(|(again, ended)| {
            again.duration_since(ended).unwrap_or_default() < relapse(record)
        });
        soon && record.outcome == Some(RepairOutcome::Healed)
    };
    records.iter().map(judge).collect()
}

fn object(record: &Record) -> (&str, Option<&str>) {
    (&record.host, record.service.as_deref())
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
    fn only_a_healed_fault_of_the_same_object_comes_back() {
        let records = [
            record("a", 2000, RepairOutcome::Healed),
            record("a", 1100, RepairOutcome::NotHealed),
            record("b", 1050, RepairOutcome::Healed),
            record("a", 1000, RepairOutcome::Healed),
            record("a", 100, RepairOutcome::Healed),
        ];
        let soon = relapsed(&records, |_| Duration::from_secs(890));
        assert_eq!(soon, [false, false, false, true, false]);
        assert!(relapsed(&records, |_| Duration::from_secs(891))[4], "the relapse time itself");
    }
}
