//! Finds repairs that healed a fault that then relapsed.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use crate::{Record, RepairOutcome};

/// Returns for each record whether the fault relapsed, which means that the repair healed it but
/// the same object was repaired again less than `relapse` after the repair ended. Such a repair was
/// not effective, although its check was OK. `records` must be sorted from newest to oldest.
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
    fn counts_relapse_only_after_healed_repair_of_same_object() {
        let records = [
            record("a", 2000, RepairOutcome::Healed),
            record("a", 1100, RepairOutcome::NotHealed),
            record("b", 1050, RepairOutcome::Healed),
            record("a", 1000, RepairOutcome::Healed),
            record("a", 100, RepairOutcome::Healed),
        ];
        let soon = relapsed(&records, |_| Duration::from_secs(890));
        assert_eq!(soon, [false, false, false, true, false]);
        assert!(relapsed(&records, |_| Duration::from_secs(891))[4], "one second below the limit");
    }
}
