//! The times at which repairs ran, and the index file that stores these times for one repair's
//! filed records (see the module `store`).
//!
//! The limits of a repair depend only on these times. With the index, a request reads one file
//! instead of up to a thousand records.

use std::time::SystemTime;

use crate::record::JobRecord;
use crate::request::{Job, Name};
use crate::timestamps::{from_millis, to_millis};

/// Maximum size of an index in bytes. An entry is at most 108 bytes long. The gate keeps at most
/// 1,000 records of a repair, and older gates without an index kept at most 4,096.
pub(crate) const LARGEST_INDEX: u64 = 512 * 1024;

/// The times of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunTimes {
    pub(crate) started: SystemTime,
    /// The latest time at which the repair may have been running.
    pub(crate) last_moment: SystemTime,
    pub(crate) job: Job,
}

impl From<&JobRecord> for RunTimes {
    fn from(record: &JobRecord) -> RunTimes {
        let (job, last_moment) = (record.job.clone(), record.last_moment());
        RunTimes { started: record.started, last_moment, job }
    }
}

/// What the records show about the runs of one repair, and about any repair that is running.
pub(crate) struct RunHistory {
    /// The records of all repairs that the store has not filed yet. The record of a running repair
    /// is always among them.
    pub(crate) unfiled: Vec<JobRecord>,
    /// All runs of this repair. A run appears twice if the store filed its record while the records
    /// were read.
    pub(crate) mine: Vec<RunTimes>,
}

impl RunHistory {
    /// Combines the unfiled records of all repairs with the filed runs of `name`.
    pub(crate) fn new(name: &Name, unfiled: Vec<JobRecord>, filed: Vec<RunTimes>) -> RunHistory {
        let mut mine = filed;
        mine.extend(unfiled.iter().filter(|record| record.repair == *name).map(RunTimes::from));
        RunHistory { unfiled, mine }
    }
}

/// Formats an index. It has one line for each run, sorted by job ID. The last line contains the
/// number of runs and shows that the file is complete. Times are in milliseconds since 1970. The
/// index is not JSON, because these lines can be parsed in a fraction of the time that JSON would
/// need.
pub(crate) fn to_index(runs: &[RunTimes]) -> String {
    let line = |run: &RunTimes| {
        let (started, last_moment) = (to_millis(run.started), to_millis(run.last_moment));
        format!("{started} {last_moment} {}\n", run.job)
    };
    runs.iter().map(line).chain([format!("{END}{}\n", runs.len())]).collect()
}

/// Text with which the last line of an index begins. The number of runs follows it.
const END: &str = "runs: ";

/// Parses an index. Returns `None` if it is not in the format of [`to_index`].
pub(crate) fn from_index(text: &str) -> Option<Vec<RunTimes>> {
    let (lines, count) = text.strip_suffix('\n')?.rsplit_once(END)?;
    let runs: Vec<RunTimes> = lines.lines().map(parse_line).collect::<Option<_>>()?;
    let is_sorted = runs.is_sorted_by(|one, other| one.job < other.job);
    (is_sorted && count == runs.len().to_string()).then_some(runs)
}

fn parse_line(line: &str) -> Option<RunTimes> {
    let (started, rest) = line.split_once(' ')?;
    let (last_moment, job) = rest.split_once(' ')?;
    let time = |text: &str| text.parse().ok().map(from_millis);
    Some(RunTimes { started: time(started)?, last_moment: time(last_moment)?, job: Job::new(job)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::RunState;
    use crate::record::tests::record;

    fn runs() -> Vec<RunTimes> {
        let ended = record("20261123-aa", RunState::Done, 5_000, Some(6_500));
        let lost = record("20261123-bb", RunState::Running, u64::MAX - 75_000, None);
        vec![(&ended).into(), (&lost).into()]
    }

    #[test]
    fn parses_every_index_that_it_writes() {
        let text = to_index(&runs());
        let far = u64::MAX - 75_000;
        let wanted = format!("5000 6500 20261123-aa\n{far} {} 20261123-bb\nruns: 2\n", u64::MAX);
        assert_eq!(text, wanted);
        assert_eq!(from_index(&text), Some(runs()));
        assert_eq!(from_index(&to_index(&[])), Some(Vec::new()));
    }

    #[test]
    fn refuses_index_with_missing_or_exchanged_lines() {
        let [one, other] = [&runs()[..1], &runs()[1..]].map(to_index);
        let line = |index: &str| index.split_inclusive('\n').next().unwrap().to_owned();
        assert_eq!(from_index(&format!("{}runs: 2\n", line(&one))), None);
        assert_eq!(from_index(&format!("{}{}runs: 2\n", line(&other), line(&one))), None);
    }

    proptest! {
        #[test]
        fn refuses_truncated_index_and_never_panics_on_changed_one(
            at in 0usize..100, byte in any::<u8>()
        ) {
            let text = to_index(&runs());
            let at = at.min(text.len() - 1);
            prop_assert_eq!(from_index(&text[..at]), None);
            let mut bytes = text.into_bytes();
            bytes[at] = byte;
            let _ = from_index(&String::from_utf8_lossy(&bytes));
        }
    }
}
