//! Runs rungs at gates and on this server, and records and displays their steps.

use std::collections::HashMap;
use std::fmt;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, RepairOutcome, RungStart, StepKind};
use policy::{JobId, RepairName, Rung, still_wanted};
use transport::{
    Answer, Error, Gate, GateReason, GateRefusal, JobReport, JobState, Request,
    read_forwarded_answer, while_turned_away,
};

use super::ladder::{Attempt, CalledOff, EVIDENCE_TIME, Executor, GRACE};
use super::program::first_line;
use super::progress::ProgressView;
use super::repair_job::RepairJob;
use super::supervisor::{self, RungEnd};
use super::verify::{self, CheckResult};
use super::{hints, reserve};
use crate::cli::Mode;

/// How long to pause between two queries for a job's state, or two tries to record an outcome.
pub const POLL: Duration = Duration::from_secs(1);
/// Maximum time for which a gate can run a repair. The limit in repairs.json is one hour, and
/// stopping the repair takes a few seconds more.
pub const LONGEST_AT_GATE: Duration = Duration::from_secs(3700);
/// How long to try to record an outcome while no server of a shared ledger answers, for example
/// during a failover.
const RECORD_TIME: Duration = Duration::from_secs(60);
/// How often to renew the lease of a running repair, because other servers see only the lease.
const RENEW_EVERY: Duration = Duration::from_secs(30);
/// Maximum number of evidence lines in a Nagios comment. The ledger stores all lines.
const EVIDENCE_LINES: usize = 5;

/// Executes the rungs of one job at gates and on this server.
pub struct LiveExecutor<'a> {
    job: &'a RepairJob<'a>,
    ledger: &'a mut dyn Ledger,
    progress: ProgressView,
    /// Open connections by host, where `None` stands for the event's host. All rungs of the ladder
    /// share them.
    gates: HashMap<Option<String>, Box<dyn Gate>>,
    /// The host that the worker failed to reach when it collected evidence, with the error. The
    /// first rung on this host fails with the same error instead of connecting again.
    unreached: Option<(Option<String>, Error)>,
    next_renewal: Instant,
    /// Warnings about steps that could not be recorded or reported.
    pub warnings: Vec<String>,
}

impl<'a> LiveExecutor<'a> {
    /// Creates the executor for a job. The elapsed time that is displayed starts with this call.
    pub fn new(job: &'a RepairJob<'a>, ledger: &'a mut dyn Ledger) -> LiveExecutor<'a> {
        let is_watched = job.invocation.options.mode == Mode::Foreground;
        LiveExecutor {
            job,
            ledger,
            progress: ProgressView::new(Instant::now(), is_watched),
            gates: HashMap::new(),
            unreached: None,
            next_renewal: Instant::now(),
            warnings: Vec::new(),
        }
    }

    /// Records the outcome of the repair, which releases the host's reservation. Keeps trying for
    /// [`RECORD_TIME`] while no server of a shared ledger answers.
    pub fn finish(&mut self, outcome: RepairOutcome, text: &str) {
        use ledger::Error::{NoServer, Server};
        let (ended, until) = (SystemTime::now(), Instant::now() + RECORD_TIME);
        while let Err(why) = self.ledger.finish(self.job.id, ended, outcome, text) {
            if !matches!(why, NoServer { .. } | Server { .. }) || Instant::now() >= until {
                let text = format!("warning: cannot record how the repair ended: {why}");
                return self.warnings.push(text);
            }
            thread::sleep(POLL);
        }
    }

    /// Renews the lease if the last renewal was more than [`RENEW_EVERY`] ago. Ignores an error,
    /// because a later renewal may succeed.
    fn renew(&mut self) {
        if Instant::now() >= self.next_renewal {
            let _ = self.ledger.renew(self.job.id, SystemTime::now() + 4 * RENEW_EVERY);
            self.next_renewal = Instant::now() + RENEW_EVERY;
        }
    }

    fn connect(&self, at: Option<&str>, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
        transport::connect(&self.job.invocation.route(self.job.config, at), deadline)
    }

    fn request(
        &mut self,
        at: Option<&str>,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let (key, progress) = (at.map(str::to_owned), self.progress);
        while_turned_away(deadline, || {
            let mut gate = match self.gates.remove(&key) {
                Some(gate) => gate,
                None => self.connect(at, deadline)?,
            };
            // After an error, the connection is dropped, and the next request opens a new one.
            let answer = gate.request_with_progress(request, deadline, &mut |line| {
                progress.show("output", line);
            })?;
            self.gates.insert(key.clone(), gate);
            Ok(answer)
        })
    }

    /// Queries the gate for the state of the job, until the job has ended or the deadline has
    /// passed. While the gate reports that the job is running, keeps querying for up to
    /// [`LONGEST_AT_GATE`], so that the host stays reserved. The gate may start the job late, so
    /// "no such job" counts only if it is still the answer at the deadline.
    fn query_state(
        &mut self,
        at: Option<&str>,
        job: &JobId,
        reason: &QueryReason<'_>,
        deadline: Instant,
    ) -> Attempt {
        let longest = Instant::now() + LONGEST_AT_GATE;
        let status = Request::Status { job: job.clone() };
        let mut has_begun = matches!(reason, QueryReason::Running(_));
        loop {
            let within = deadline.max(Instant::now() + GRACE);
            let (last, until) = match self.request(at, &status, within) {
                Ok(Answer::Job(report)) if report.state == JobState::Running => {
                    has_begun = true;
                    self.renew();
                    (
                        Attempt::Unknown(format!(
                            "{reason}; the gate reports that the repair is running"
                        )),
                        longest,
                    )
                }
                Ok(Answer::Job(report)) => return judge(Answer::Job(report)),
                Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::NoSuchJob => (
                    Attempt::NotRun(format!(
                        "{reason}; the gate reports that the job never started"
                    )),
                    deadline,
                ),
                // Neither the first request nor this query found a gate on the host, so further
                // queries are pointless.
                Err(why) if reason.is_without_gate() && why.is_without_gate() => {
                    return Attempt::NotRun(why.to_string());
                }
                Ok(_) | Err(_) if has_begun => (Attempt::Unknown(reason.to_string()), deadline),
                Ok(_) | Err(_) => (Attempt::NoAnswer(reason.to_string()), deadline),
            };
            if Instant::now() + POLL >= until {
                return last;
            }
            thread::sleep(POLL);
        }
    }
}

fn not_run(why: &Error) -> Attempt {
    let later =
        if why.is_passing() { "; `repairctl sweep` will request the repair again" } else { "" };
    Attempt::NotRun(format!("{why}{later}"))
}

/// Why the gate has to be queried for the state of a job.
enum QueryReason<'a> {
    /// The gate did not answer.
    NoAnswer(&'a Error),
    /// The gate answered that the job is running.
    Running(String),
}

impl QueryReason<'_> {
    fn is_without_gate(&self) -> bool {
        matches!(self, QueryReason::NoAnswer(why) if why.is_without_gate())
    }
}

impl fmt::Display for QueryReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryReason::NoAnswer(why) => why.fmt(f),
            QueryReason::Running(text) => f.write_str(text),
        }
    }
}

/// Returns a gate's answer that a local program has passed on, for example through NRPE. Returns
/// `None` if the program has printed no such answer.
fn forwarded(program: &str, output: &[u8]) -> Option<Attempt> {
    use GateReason::{Budget, Busy, Cooldown};
    match read_forwarded_answer(output) {
        // The program may have sent its request twice. The gate then refuses the second request
        // because it has run the first one.
        Ok(Some(Answer::Refused(refusal)))
            if matches!(refusal.reason, Busy | Cooldown | Budget) =>
        {
            Some(Attempt::Unknown(refused(&refusal)))
        }
        Ok(answer) => answer.map(judge),
        Err(why) => Some(Attempt::Unknown(format!("{program} printed an invalid answer: {why}"))),
    }
}

/// Adds a hint if the outcome is unknown and the program may have sent its request twice.
fn with_resending(attempt: Attempt, argv: &[String]) -> Attempt {
    match (attempt, hints::about_resending(argv)) {
        (Attempt::Unknown(text), Some(fix)) => Attempt::Unknown(format!("{text}; {fix}")),
        (attempt, _) => attempt,
    }
}

fn judge(answer: Answer) -> Attempt {
    match answer {
        Answer::Job(report) => {
            let text = described(&report);
            match report.state {
                JobState::Done => Attempt::Ran(text),
                JobState::Failed => Attempt::Failed(text),
                // Work that the command started elsewhere can continue after the command was
                // stopped. For example, systemd may still be starting the unit.
                JobState::Timeout | JobState::Running | JobState::Unknown => Attempt::Unknown(text),
            }
        }
        Answer::Refused(refusal) => {
            let text = refused(&refusal);
            match refusal.reason {
                // The host does not offer this repair but may offer the next rung's repair, so try
                // that rung.
                GateReason::UnknownRepair => Attempt::NotRun(text),
                _ => Attempt::Refused(text),
            }
        }
        other => {
            Attempt::Unknown(format!("the gate's answer belongs to a different request: {other:?}"))
        }
    }
}

fn refused(refusal: &GateRefusal) -> String {
    format!("the gate refused the repair ({}): {}", refusal.reason.as_str(), refusal.text)
}

/// Formats a job report as one line.
pub fn described(report: &JobReport) -> String {
    let how = match (report.state, report.exit, report.signal) {
        (JobState::Timeout, ..) => "was stopped at its timeout".to_owned(),
        (JobState::Running, ..) => "still runs".to_owned(),
        (JobState::Unknown, ..) => "has an unknown outcome".to_owned(),
        (_, Some(code), _) => format!("ended with exit {code}"),
        (_, None, Some(signal)) => format!("was killed by signal {signal}"),
        (_, None, None) => "ended".to_owned(),
    };
    let last_line = report.output.iter().rev().find(|line| !line.trim().is_empty());
    let last_line = last_line.map(|line| format!(": {line}")).unwrap_or_default();
    format!("repair '{}' {how} after {:.1} s{last_line}", report.repair, report.seconds)
}

impl Executor for LiveExecutor<'_> {
    fn diagnose(&mut self, name: &RepairName, at: Option<&str>, limit: Duration) -> Vec<String> {
        let deadline = Instant::now() + limit;
        match while_turned_away(deadline, || self.connect(at, deadline)) {
            Ok(gate) => drop(self.gates.insert(at.map(str::to_owned), gate)),
            Err(why) => {
                self.unreached = Some((at.map(str::to_owned), why));
                return Vec::new();
            }
        }
        let answer = self.request(
            at,
            &Request::Diagnose { name: name.clone() },
            Instant::now() + limit.min(EVIDENCE_TIME),
        );
        let Ok(Answer::Diagnosed(diagnosis)) = answer else { return Vec::new() };
        let mut evidence = Vec::new();
        for report in diagnosis.reports {
            self.record(
                StepKind::Evidence,
                None,
                &format!("{}: {}", report.run.join(" "), report.output.join(" / ")),
            );
            evidence.extend(
                report
                    .output
                    .into_iter()
                    .filter(|line| !line.trim().is_empty())
                    .take(EVIDENCE_LINES),
            );
        }
        evidence.truncate(EVIDENCE_LINES);
        evidence
    }

    fn still_wanted(&mut self) -> Result<(), CalledOff> {
        let RepairJob { invocation, config, seen, .. } = *self.job;
        let known = reserve::present(self.ledger, invocation, config, seen);
        still_wanted(&known?).map_err(CalledOff::NotWanted)
    }

    fn begin(&mut self, number: u32, rung: &Rung, text: &str) -> Result<(), ledger::Error> {
        self.progress.show(StepKind::Begun.as_str(), text);
        let own_host = self.job.invocation.event.host.as_str();
        let gate = rung.act.at_gate().map(|(_, at)| at.unwrap_or(own_host));
        let now = SystemTime::now();
        let start = RungStart { number, gate, deadline: now + rung.timeout + GRACE };
        self.ledger.begin_rung(self.job.id, now, &start, text)
    }

    fn ssh(
        &mut self,
        name: &RepairName,
        at: Option<&str>,
        job: &JobId,
        limit: Duration,
    ) -> Attempt {
        let deadline = Instant::now() + limit;
        if let Some((_, why)) = self.unreached.take_if(|(host, _)| host.as_deref() == at) {
            return not_run(&why);
        }
        match self.request(at, &Request::Repair { name: name.clone(), job: job.clone() }, deadline)
        {
            Ok(Answer::Job(report)) if report.state == JobState::Running => self.query_state(
                at,
                job,
                &QueryReason::Running(described(&report)),
                deadline + GRACE,
            ),
            Ok(answer) => judge(answer),
            Err(why) if why.nothing_was_run() => not_run(&why),
            Err(why) => self.query_state(at, job, &QueryReason::NoAnswer(&why), deadline + GRACE),
        }
    }

    fn local(&mut self, argv: &[String], limit: Duration) -> Attempt {
        let filled = self.job.invocation.fill(argv);
        let Some(program) = argv.first() else {
            return Attempt::NotRun("there is no program to run".into());
        };
        let lock = match self.ledger.share_lock(self.job.id) {
            Ok(lock) => lock,
            Err(why) => return Attempt::NotRun(format!("cannot run {program}: {why}")),
        };
        let progress = self.progress;
        let mut watch = |line: &str| progress.show("output", line);
        let ended = supervisor::run(&lock, &filled, limit, &mut watch, &mut || self.renew());
        let (end, output) = match ended {
            Ok(ended) => ended,
            Err(why) => return Attempt::NotRun(format!("cannot run {program}: {why}")),
        };
        if let RungEnd::Exit(_) = end
            && let Some(attempt) = forwarded(program, &output)
        {
            return with_resending(attempt, argv);
        }
        let line = first_line(&output);
        let known = hints::about(argv, &line);
        let fix = known.map(|error| format!("; {}", error.fix)).unwrap_or_default();
        match end {
            RungEnd::NotStarted(why) => Attempt::NotRun(format!("cannot run {program}: {why}")),
            RungEnd::Exit(_) if known.is_some_and(|error| error.is_answer_lost) => with_resending(
                Attempt::Unknown(format!("{program} ended with {end}: {line}{fix}")),
                argv,
            ),
            RungEnd::Exit(0) => Attempt::Ran(format!("{program}: {line}")),
            // Work that the program started elsewhere may continue, so the outcome is unknown.
            RungEnd::TimedOut => {
                Attempt::Unknown(format!("{program} was stopped after {} s", limit.as_secs()))
            }
            RungEnd::Lost => Attempt::Unknown(format!(
                "the supervisor of {program} was killed, so the outcome is unknown"
            )),
            RungEnd::Exit(_) | RungEnd::Signal(_) => {
                Attempt::Failed(format!("{program} ended with {end}: {line}{fix}"))
            }
        }
    }

    fn settle(&mut self, span: Duration) {
        thread::sleep(span);
    }

    fn verify(&mut self, rung: &Rung) -> CheckResult {
        let argv = self.job.invocation.fill(&rung.verify);
        verify::verify(&argv, &verify::places(self.job.config), verify::limit(rung))
    }

    fn record(&mut self, kind: StepKind, rung: Option<u32>, text: &str) {
        self.progress.show(kind.as_str(), text);
        if let Err(why) = self.ledger.step(self.job.id, SystemTime::now(), kind, rung, text) {
            self.warnings.push(format!("warning: cannot record a step: {why}"));
        }
    }
}
