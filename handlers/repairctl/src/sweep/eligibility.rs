//! The rule that decides which objects missed their repair. It is a pure function: even the current
//! time is an argument.
//!
//! A sweep that runs every few minutes must never become a restart loop. The sweep therefore
//! selects an object only if, as far as the ledger shows, no repair has run on it since it was last
//! OK. The same rules as for an event from Nagios then decide whether a selected object is
//! repaired.

use std::fmt;
use std::time::{Duration, SystemTime};

use engine::status_file::{ObjectStatus, ProgramStatus};
use ledger::{Record, RepairOutcome};
use policy::Rounded;

/// The facts on which [`eligibility`] bases its decision.
pub struct EligibilityFacts<'a> {
    /// The object, which is in a HARD problem state.
    pub object: &'a ObjectStatus,
    pub program: &'a ProgramStatus,
    /// The object's repairs since it was last OK, newest first.
    pub repairs: &'a [Record],
    /// The [`policy::Reason::code`] of the most recent refusal since the object was last OK.
    pub refused: Option<&'a str>,
    /// The cooldown of the object's repair.
    pub cooldown: Duration,
    pub now: SystemTime,
}

/// Why an object missed its repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MissedRepair {
    /// The event handler left no record, because the host, Nagios or the whole server was down.
    NeverTried,
    /// A limit refused the repair. The string is the reason code.
    Refused(String),
    /// The job with this ID was reserved but could not run its repair.
    CouldNotRun(String),
    /// The job with this ID may have run its repair. Its worker died, or the gate's answer was
    /// lost.
    Unknown(String),
}

/// Why the sweep leaves an object alone. The strings are job IDs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ineligible {
    /// An admin disabled the object's event handler.
    #[error("the object's event handler is disabled in Nagios")]
    HandlerDisabled,
    /// Nagios has not checked the object since Nagios last started, so the recorded state may be
    /// outdated.
    #[error("Nagios has not checked the object since Nagios last started")]
    NotCheckedYet,
    /// Icinga 2 should have checked the object long ago. For example, its satellite is offline.
    #[error("the check of the object is overdue, so its state may be outdated")]
    CheckOverdue,
    /// A repair is running.
    #[error("job {0} is repairing the object")]
    Running(String),
    /// Nagios has not checked the object since its last repair ended.
    #[error("Nagios has not checked the object since job {0} ended")]
    NotCheckedSince(String),
    /// The repair ran without success.
    #[error("escalated: job {0} ran and did not help")]
    Escalated(String),
    /// The check after the repair was OK, but Nagios has reported the fault ever since.
    #[error(
        "an admin must find the cause: the check of job {0} was OK, but Nagios still reports the \
         fault"
    )]
    StillBroken(String),
    /// The outcomes of two repairs are unknown, so a third repair would be guesswork.
    #[error(
        "an admin must find the cause: the outcomes of job {0} and of an earlier job are unknown"
    )]
    UnknownTwice(String),
    /// The repair could not be run. The waiting time before the next try doubles after each
    /// failure.
    #[error("job {job} could not run; the sweep tries again in {wait}", wait = Rounded(*.left))]
    TriedLately {
        /// ID of the object's most recent job.
        job: String,
        /// Time until the sweep tries again.
        left: Duration,
    },
}

/// Returns why an object missed its repair, or why the sweep leaves the object alone.
pub fn eligibility(facts: &EligibilityFacts<'_>) -> Result<MissedRepair, Ineligible> {
    if !facts.object.event_handler_enabled {
        return Err(Ineligible::HandlerDisabled);
    }
    if facts.object.last_check < facts.program.started {
        return Err(Ineligible::NotCheckedYet);
    }
    let with = |outcome| facts.repairs.iter().filter(move |record| record.outcome == outcome);
    // If a job's worker died, the scheduler has already queried the gate and closed the job's
    // record. So a record that is still open means that a repair is running.
    if let Some(running) = with(None).next() {
        return Err(Ineligible::Running(running.job.clone()));
    }
    if let Some(record) = with(Some(RepairOutcome::NotHealed)).next() {
        return Err(Ineligible::Escalated(record.job.clone()));
    }
    let Some(newest) = facts.repairs.first() else {
        let refused = facts.refused.map(|why| MissedRepair::Refused(why.to_owned()));
        return Ok(refused.unwrap_or(MissedRepair::NeverTried));
    };
    let job = newest.job.clone();
    if newest.ended.is_some_and(|ended| facts.object.last_check <= ended) {
        return Err(Ineligible::NotCheckedSince(job));
    }
    if let Some(record) = with(Some(RepairOutcome::Healed)).next() {
        return Err(Ineligible::StillBroken(record.job.clone()));
    }
    let unknown: Vec<&Record> = with(Some(RepairOutcome::Unknown)).collect();
    match unknown.as_slice() {
        [_, _, ..] => Err(Ineligible::UnknownTwice(job)),
        [one] if one.job == newest.job => Ok(MissedRepair::Unknown(job)),
        _ => after_pause(facts, newest),
    }
}

/// Minimum time between two tries. It is needed because the cooldown can be zero.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);

/// Returns [`MissedRepair::CouldNotRun`], or [`Ineligible::TriedLately`] if it is too early for
/// another try. The waiting time doubles with each repair that could not be run. Every try adds a
/// comment in Nagios, so a fixed waiting time would produce many comments overnight.
fn after_pause(facts: &EligibilityFacts<'_>, newest: &Record) -> Result<MissedRepair, Ineligible> {
    let could_not_run = |record: &&Record| record.outcome == Some(RepairOutcome::CouldNotRun);
    let tries = facts.repairs.iter().filter(could_not_run).count();
    let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = facts.cooldown.max(SHORTEST_PAUSE).saturating_mul(2u32.saturating_pow(doublings));
    let passed =
        facts.now.duration_since(newest.ended.unwrap_or(newest.reserved)).unwrap_or_default();
    match pause.checked_sub(passed) {
        Some(left) if !left.is_zero() => {
            Err(Ineligible::TriedLately { job: newest.job.clone(), left })
        }
        _ => Ok(MissedRepair::CouldNotRun(newest.job.clone())),
    }
}

impl MissedRepair {
    /// Returns the problem ID of the event for which the sweep starts a worker. It is usually
    /// Nagios' own ID, so that a handler call by Nagios and the sweep's call count as the same
    /// event. If the outcome of a job is unknown, the job has already used up this event. In this
    /// case the job's ID is appended to the problem ID, which allows one more repair while repeated
    /// calls by Nagios are still ignored.
    pub fn problem_id(&self, of_nagios: u64) -> Option<String> {
        let known = (of_nagios != 0).then(|| of_nagios.to_string());
        match self {
            MissedRepair::Unknown(job) => known.map(|id| format!("{id}+{job}")),
            _ => known,
        }
    }
}

impl fmt::Display for MissedRepair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MissedRepair::NeverTried => f.write_str("never tried"),
            MissedRepair::Refused(why) => write!(f, "the repair was refused ({why})"),
            MissedRepair::CouldNotRun(job) => write!(f, "job {job} could not run the repair"),
            MissedRepair::Unknown(job) => write!(f, "the outcome of job {job} is unknown"),
        }
    }
}

impl Ineligible {
    /// Returns the reason code for JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Ineligible::HandlerDisabled => "handler-disabled",
            Ineligible::NotCheckedYet => "not-checked-yet",
            Ineligible::CheckOverdue => "check-overdue",
            Ineligible::Running(_) => "running",
            Ineligible::NotCheckedSince(_) => "not-checked-since",
            Ineligible::Escalated(_) => "escalated",
            Ineligible::StillBroken(_) => "still-broken",
            Ineligible::UnknownTwice(_) => "unknown-twice",
            Ineligible::TriedLately { .. } => "tried-lately",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::status_file::scan;

    const COOLDOWN: u64 = 600;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Returns a service that was last OK at the time 1000 and last checked at `last_check`, both
    /// in seconds since 1970.
    fn object(last_check: u64, handler: bool) -> ObjectStatus {
        let text = format!(
            "servicestatus {{\n\tcurrent_state=2\n\tstate_type=1\n\tlast_check={last_check}\n\
             \tlast_time_ok=1000\n\tevent_handler_enabled={}\n\t_REPAIR=0;httpd\n\t}}\n",
            u8::from(handler)
        );
        let mut found = None;
        scan(text.as_bytes(), |object| found = Some(object.clone())).unwrap();
        found.unwrap()
    }

    /// Builds records from pairs of `(ended, outcome)`, newest first. Each job ID contains the
    /// value of `ended`.
    fn records(all: &[(u64, Option<RepairOutcome>)]) -> Vec<Record> {
        let record = |(ended, outcome): &(u64, Option<RepairOutcome>)| Record {
            job: format!("job-{ended:05}"),
            host: "web1".into(),
            service: Some("HTTP".into()),
            repair: "httpd".into(),
            event: "CRITICAL;HARD;4".into(),
            reserved: at(ended - 10),
            ended: outcome.map(|_| at(*ended)),
            outcome: *outcome,
            text: String::new(),
            problem: None,
            rungs: 1,
            gate: None,
            rung_until: None,
        };
        all.iter().map(record).collect()
    }

    fn program(written: u64, started: u64) -> ProgramStatus {
        ProgramStatus {
            written: at(written),
            started: at(started),
            event_handlers: true,
            event_handlers_line: 0,
        }
    }

    fn assessed(
        repairs: &[(u64, Option<RepairOutcome>)],
        refused: Option<&str>,
        last_check: u64,
        now: u64,
    ) -> String {
        let program = program(now, 500);
        let (object, repairs) = (object(last_check, true), records(repairs));
        let cooldown = Duration::from_secs(COOLDOWN);
        let facts = EligibilityFacts {
            object: &object,
            program: &program,
            repairs: &repairs,
            refused,
            cooldown,
            now: at(now),
        };
        match eligibility(&facts) {
            Ok(missed) => missed.to_string(),
            Err(why) => format!("left: {}", why.code()),
        }
    }

    #[test]
    fn classifies_objects_by_their_recorded_repairs() {
        use RepairOutcome::{CouldNotRun, Healed, NotHealed, Unknown};
        let checked = 9_000;
        for (repairs, refused, wanted) in [
            // No repair has run, because the host, Nagios or the server was down, or because a
            // limit did not permit a repair.
            (&[][..], None, "never tried"),
            (&[], Some("fleet-running"), "the repair was refused (fleet-running)"),
            (&[], Some("host-not-up"), "the repair was refused (host-not-up)"),
            // A repair ran.
            (&[(2_000, Some(NotHealed))], None, "left: escalated"),
            (&[(2_000, Some(NotHealed))], Some("cooling-down"), "left: escalated"),
            (&[(3_000, Some(Unknown)), (2_000, Some(NotHealed))], None, "left: escalated"),
            (&[(3_000, Some(CouldNotRun)), (2_000, Some(NotHealed))], None, "left: escalated"),
            (&[(2_000, Some(Healed))], None, "left: still-broken"),
            (&[(3_000, Some(CouldNotRun)), (2_000, Some(Healed))], None, "left: still-broken"),
            (&[(2_000, None)], None, "left: running"),
            // It is unknown whether a repair ran. One more try is permitted, but not two.
            (&[(2_000, Some(Unknown))], None, "the outcome of job job-02000 is unknown"),
            (&[(3_000, Some(Unknown)), (2_000, Some(Unknown))], None, "left: unknown-twice"),
            (
                &[(3_000, Some(Unknown)), (2_000, Some(CouldNotRun))],
                None,
                "the outcome of job job-03000 is unknown",
            ),
            // No repair ran. Further tries are permitted, but the waiting time between them grows.
            (&[(2_000, Some(CouldNotRun))], None, "job job-02000 could not run the repair"),
            (&[(9_700, Some(CouldNotRun))], None, "left: not-checked-since"),
            (&[(8_800, Some(CouldNotRun)), (2_000, Some(CouldNotRun))], None, "left: tried-lately"),
            (
                &[(8_799, Some(CouldNotRun)), (2_000, Some(CouldNotRun))],
                None,
                "job job-08799 could not run the repair",
            ),
            (
                &[
                    (8_799, Some(CouldNotRun)),
                    (3_000, Some(CouldNotRun)),
                    (2_000, Some(CouldNotRun)),
                ],
                None,
                "left: tried-lately",
            ),
            (
                &[(3_000, Some(CouldNotRun)), (2_000, Some(Unknown))],
                None,
                "job job-03000 could not run the repair",
            ),
        ] {
            assert_eq!(
                assessed(repairs, refused, checked, 9_999),
                wanted,
                "{repairs:?} {refused:?}"
            );
        }
    }

    #[test]
    fn requires_a_check_after_the_last_repair_and_the_start_of_nagios() {
        use RepairOutcome::Unknown;
        assert_eq!(assessed(&[], None, 499, 9_999), "left: not-checked-yet");
        assert_eq!(assessed(&[], None, 500, 9_999), "never tried");
        assert_eq!(
            assessed(&[(2_000, Some(Unknown))], None, 2_000, 9_999),
            "left: not-checked-since"
        );
        assert_eq!(
            assessed(&[(2_000, Some(Unknown))], None, 2_001, 9_999),
            "the outcome of job job-02000 is unknown"
        );
    }

    #[test]
    fn leaves_objects_with_a_disabled_handler_alone() {
        let program = program(1, 1);
        let object = object(9_000, false);
        let cooldown = Duration::ZERO;
        let facts = EligibilityFacts {
            object: &object,
            program: &program,
            repairs: &[],
            refused: None,
            cooldown,
            now: at(9_999),
        };
        assert_eq!(eligibility(&facts), Err(Ineligible::HandlerDisabled));
    }

    /// Simulates a sweep every minute for a whole day. For every outcome of the repairs, the sweep
    /// may try only a few times.
    #[test]
    fn tries_rarely_even_if_a_sweep_runs_every_minute() {
        for outcome in [
            RepairOutcome::Healed,
            RepairOutcome::NotHealed,
            RepairOutcome::Unknown,
            RepairOutcome::CouldNotRun,
        ] {
            let mut repairs: Vec<(u64, Option<RepairOutcome>)> = Vec::new();
            for now in (2_000..2_000 + 24 * 3600).step_by(60) {
                if !assessed(&repairs, None, now - 1, now).starts_with("left") {
                    repairs.insert(0, (now + 10, Some(outcome)));
                }
            }
            let most = if outcome == RepairOutcome::CouldNotRun { 8 } else { 2 };
            assert!(
                (1..=most).contains(&repairs.len()),
                "{outcome:?}: {} tries in a day",
                repairs.len()
            );
        }
    }

    #[test]
    fn reuses_the_problem_id_unless_the_outcome_is_unknown() {
        assert_eq!(MissedRepair::NeverTried.problem_id(12).as_deref(), Some("12"));
        assert_eq!(
            MissedRepair::CouldNotRun("job-00001".into()).problem_id(12).as_deref(),
            Some("12")
        );
        assert_eq!(
            MissedRepair::Unknown("job-00001".into()).problem_id(12).as_deref(),
            Some("12+job-00001")
        );
        assert_eq!(MissedRepair::NeverTried.problem_id(0), None);
    }
}
