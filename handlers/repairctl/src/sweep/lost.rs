//! The rule of the sweep: whose chance to be repaired was lost, and whose was not. Pure: the clock
//! is an argument.
//!
//! A sweep that runs every few minutes must never become a restart loop. So only what has had no
//! real try since it was last in order is offered; whether it may be repaired is then up to the
//! same decision as always.

use std::fmt;
use std::time::{Duration, SystemTime};

use handle_repair::status::{Object, Program};
use ledger::{Record, RepairOutcome};
use policy::Rounded;

/// What the rule looks at.
pub struct Facts<'a> {
    /// The object, which is HARD and in a bad state.
    pub object: &'a Object,
    /// Nagios itself.
    pub program: &'a Program,
    /// The object's repairs since it was last in order, the newest first.
    pub repairs: &'a [Record],
    /// Why it was last refused since then, as [`policy::Reason::code`].
    pub refused: Option<&'a str>,
    /// The cooldown of its repair.
    pub cooldown: Duration,
    /// Now.
    pub now: SystemTime,
}

/// Why a chance was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// Nagios never called, or its call came to nothing: the host, Nagios or the server was down.
    NeverTried,
    /// A limit of that time refused it.
    Refused(String),
    /// A repair was reserved and could not be run.
    CouldNotRun(String),
    /// A repair may have run; its worker or the answer was lost.
    Unknown(String),
}

/// Why it is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// Nagios does not call its handler: an admin wants it so.
    HandlerDisabled,
    /// All that is known of it is from before Nagios was started.
    NotCheckedYet,
    /// Its repair runs.
    Running(String),
    /// Nagios has not looked at it since its last repair.
    NotCheckedSince(String),
    /// Its repair ran and did not help.
    HandedOver(String),
    /// Its repair was verified, and Nagios sees it broken all the same, with no OK in between.
    StillBroken(String),
    /// The outcome of two repairs is unknown: a third one would be guessing.
    UnknownTwice(String),
    /// It could not be run, again and again: the next try comes later than the one before.
    TriedLately {
        /// The last job.
        job: String,
        /// When it is offered again, from now.
        left: Duration,
    },
}

/// Whether the chance of an object to be repaired was lost.
pub fn judge(facts: &Facts<'_>) -> Result<Lost, Left> {
    if !facts.object.event_handler_enabled {
        return Err(Left::HandlerDisabled);
    }
    if facts.object.last_check < facts.program.started {
        return Err(Left::NotCheckedYet);
    }
    let with = |outcome| facts.repairs.iter().filter(move |record| record.outcome == outcome);
    // A worker that died is known by then: its gate has been asked, and its record has an end.
    if let Some(running) = with(None).next() {
        return Err(Left::Running(running.job.clone()));
    }
    if let Some(record) = with(Some(RepairOutcome::NotHealed)).next() {
        return Err(Left::HandedOver(record.job.clone()));
    }
    let Some(newest) = facts.repairs.first() else {
        return Ok(facts.refused.map_or(Lost::NeverTried, |why| Lost::Refused(why.to_owned())));
    };
    let job = newest.job.clone();
    if newest.ended.is_some_and(|ended| facts.object.last_check <= ended) {
        return Err(Left::NotCheckedSince(job));
    }
    if let Some(record) = with(Some(RepairOutcome::Healed)).next() {
        return Err(Left::StillBroken(record.job.clone()));
    }
    let unknown: Vec<&Record> = with(Some(RepairOutcome::Unknown)).collect();
    match unknown.as_slice() {
        [_, _, ..] => Err(Left::UnknownTwice(job)),
        [one] if one.job == newest.job => Ok(Lost::Unknown(job)),
        _ => again_later(facts, newest),
    }
}

/// A cooldown may be none at all.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);

/// After what could not be run the pause doubles each time: each try is a comment in Nagios, all
/// night long.
fn again_later(facts: &Facts<'_>, newest: &Record) -> Result<Lost, Left> {
    let tries = facts
        .repairs
        .iter()
        .filter(|record| record.outcome == Some(RepairOutcome::CouldNotRun))
        .count();
    let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = facts.cooldown.max(SHORTEST_PAUSE).saturating_mul(2u32.saturating_pow(doublings));
    let passed =
        facts.now.duration_since(newest.ended.unwrap_or(newest.reserved)).unwrap_or_default();
    match pause.checked_sub(passed) {
        Some(left) if !left.is_zero() => Err(Left::TriedLately { job: newest.job.clone(), left }),
        _ => Ok(Lost::CouldNotRun(newest.job.clone())),
    }
}

impl Lost {
    /// The problem's identity for the event that the sweep offers. Plainly Nagios' own, so that its
    /// call and the sweep's are one event, whoever comes first. A job of unknown outcome has
    /// answered that one, and Nagios' repetitions of it stay answered; the sweep's offer is another
    /// event, once for that job.
    pub fn problem_id(&self, of_nagios: u64) -> Option<String> {
        let known = (of_nagios != 0).then(|| of_nagios.to_string());
        match self {
            Lost::Unknown(job) => known.map(|id| format!("{id}+{job}")),
            _ => known,
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::NeverTried => f.write_str("never tried"),
            Lost::Refused(why) => write!(f, "was refused ({why})"),
            Lost::CouldNotRun(job) => write!(f, "job {job} could not run"),
            Lost::Unknown(job) => write!(f, "the outcome of job {job} is unknown"),
        }
    }
}

impl Left {
    /// A short word, the same for every occurrence.
    pub fn code(&self) -> &'static str {
        match self {
            Left::HandlerDisabled => "handler-disabled",
            Left::NotCheckedYet => "not-checked-yet",
            Left::Running(_) => "running",
            Left::NotCheckedSince(_) => "not-checked-since",
            Left::HandedOver(_) => "handed-over",
            Left::StillBroken(_) => "still-broken",
            Left::UnknownTwice(_) => "unknown-twice",
            Left::TriedLately { .. } => "tried-lately",
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Left::HandlerDisabled => f.write_str("its event handler is disabled in Nagios"),
            Left::NotCheckedYet => f.write_str("Nagios has not checked it since it was started"),
            Left::Running(job) => write!(f, "job {job} is repairing it"),
            Left::NotCheckedSince(job) => {
                write!(f, "Nagios has not checked it since job {job} ended")
            }
            Left::HandedOver(job) => write!(f, "handed to people: job {job} ran and did not help"),
            Left::StillBroken(job) => {
                write!(
                    f,
                    "for people: job {job} repaired it by its own check, and Nagios sees it broken \
                     all the same"
                )
            }
            Left::UnknownTwice(job) => {
                write!(f, "for people: the outcome of job {job} is unknown, as of one before it")
            }
            Left::TriedLately { job, left } => {
                write!(f, "job {job} could not run; it is offered again in {}", Rounded(*left))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handle_repair::status::scan;

    const COOLDOWN: u64 = 600;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// Broken since 1000, checked at `last_check`.
    fn object(last_check: u64, handler: bool) -> Object {
        let text = format!(
            "servicestatus {{\n\tcurrent_state=2\n\tstate_type=1\n\tlast_check={last_check}\n\tlast_time_ok=1000\n\
             \tevent_handler_enabled={}\n\t_REPAIR=0;httpd\n\t}}\n",
            u8::from(handler)
        );
        let mut found = None;
        scan(text.as_bytes(), |object| found = Some(object.clone())).unwrap();
        found.unwrap()
    }

    /// `(ended, outcome)`, the newest first; the job is named after its end.
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
        };
        all.iter().map(record).collect()
    }

    fn judged(
        repairs: &[(u64, Option<RepairOutcome>)],
        refused: Option<&str>,
        last_check: u64,
        now: u64,
    ) -> String {
        let program = Program { written: at(now), started: at(500), event_handlers: true };
        let (object, repairs) = (object(last_check, true), records(repairs));
        let cooldown = Duration::from_secs(COOLDOWN);
        let facts = Facts {
            object: &object,
            program: &program,
            repairs: &repairs,
            refused,
            cooldown,
            now: at(now),
        };
        match judge(&facts) {
            Ok(lost) => lost.to_string(),
            Err(left) => format!("left: {}", left.code()),
        }
    }

    #[test]
    fn the_table_of_lost_chances() {
        use RepairOutcome::{CouldNotRun, Healed, NotHealed, Unknown};
        let checked = 9_000;
        for (repairs, refused, wanted) in [
            // The host was down, or Nagios, or the server: nobody tried.
            (&[][..], None, "never tried"),
            (&[], Some("fleet-running"), "was refused (fleet-running)"),
            (&[], Some("host-not-up"), "was refused (host-not-up)"),
            // It ran: that was its chance.
            (&[(2_000, Some(NotHealed))], None, "left: handed-over"),
            (&[(2_000, Some(NotHealed))], Some("cooling-down"), "left: handed-over"),
            (&[(3_000, Some(Unknown)), (2_000, Some(NotHealed))], None, "left: handed-over"),
            (&[(3_000, Some(CouldNotRun)), (2_000, Some(NotHealed))], None, "left: handed-over"),
            (&[(2_000, Some(Healed))], None, "left: still-broken"),
            (&[(3_000, Some(CouldNotRun)), (2_000, Some(Healed))], None, "left: still-broken"),
            (&[(2_000, None)], None, "left: running"),
            // Nobody knows whether it ran: once more, and not twice.
            (&[(2_000, Some(Unknown))], None, "the outcome of job job-02000 is unknown"),
            (&[(3_000, Some(Unknown)), (2_000, Some(Unknown))], None, "left: unknown-twice"),
            (
                &[(3_000, Some(Unknown)), (2_000, Some(CouldNotRun))],
                None,
                "the outcome of job job-03000 is unknown",
            ),
            // It did not run: again, and ever more rarely.
            (&[(2_000, Some(CouldNotRun))], None, "job job-02000 could not run"),
            (&[(9_700, Some(CouldNotRun))], None, "left: not-checked-since"),
            (&[(8_800, Some(CouldNotRun)), (2_000, Some(CouldNotRun))], None, "left: tried-lately"),
            (
                &[(8_799, Some(CouldNotRun)), (2_000, Some(CouldNotRun))],
                None,
                "job job-08799 could not run",
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
                "job job-03000 could not run",
            ),
        ] {
            assert_eq!(judged(repairs, refused, checked, 9_999), wanted, "{repairs:?} {refused:?}");
        }
    }

    #[test]
    fn what_nagios_knows_must_be_newer_than_what_was_done_and_than_nagios_itself() {
        use RepairOutcome::Unknown;
        assert_eq!(judged(&[], None, 499, 9_999), "left: not-checked-yet");
        assert_eq!(judged(&[], None, 500, 9_999), "never tried");
        assert_eq!(
            judged(&[(2_000, Some(Unknown))], None, 2_000, 9_999),
            "left: not-checked-since"
        );
        assert_eq!(
            judged(&[(2_000, Some(Unknown))], None, 2_001, 9_999),
            "the outcome of job job-02000 is unknown"
        );
    }

    #[test]
    fn a_disabled_handler_is_respected() {
        let program = Program { written: at(1), started: at(1), event_handlers: true };
        let object = object(9_000, false);
        let cooldown = Duration::ZERO;
        let facts = Facts {
            object: &object,
            program: &program,
            repairs: &[],
            refused: None,
            cooldown,
            now: at(9_999),
        };
        assert_eq!(judge(&facts), Err(Left::HandlerDisabled));
    }

    /// However often it sweeps, with whatever outcome, an incident has few real tries.
    #[test]
    fn a_sweep_every_minute_is_no_restart_loop() {
        for outcome in [
            RepairOutcome::Healed,
            RepairOutcome::NotHealed,
            RepairOutcome::Unknown,
            RepairOutcome::CouldNotRun,
        ] {
            let mut repairs: Vec<(u64, Option<RepairOutcome>)> = Vec::new();
            for now in (2_000..2_000 + 24 * 3600).step_by(60) {
                if !judged(&repairs, None, now - 1, now).starts_with("left") {
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
    fn the_sweeps_event_is_nagios_own_unless_a_lost_job_has_answered_that() {
        assert_eq!(Lost::NeverTried.problem_id(12).as_deref(), Some("12"));
        assert_eq!(Lost::CouldNotRun("job-00001".into()).problem_id(12).as_deref(), Some("12"));
        assert_eq!(
            Lost::Unknown("job-00001".into()).problem_id(12).as_deref(),
            Some("12+job-00001")
        );
        assert_eq!(Lost::NeverTried.problem_id(0), None);
    }
}
