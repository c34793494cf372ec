//! The real hands: gates, programs of this server, the ledger's notes and what a person sees of it.

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, RepairOutcome, SqliteLedger};
use policy::{JobId, RepairName, Rung};
use transport::{Answer, Error, Gate, GateReason, JobReport, JobState, Request};

use super::advice;
use super::check::{self, Ran};
use super::climb::{Attempt, Check, GRACE, Hands};
use super::screen::Screen;
use crate::cli::Call;
use policy_file::Config;

/// Acts on the real world for one job.
pub struct RealHands<'a> {
    call: &'a Call,
    config: &'a Config,
    job: &'a JobId,
    ledger: &'a mut SqliteLedger,
    called: SystemTime,
    screen: Screen,
    /// One login to each host serves the whole ladder.
    gates: HashMap<Option<String>, Box<dyn Gate>>,
    /// A host that could not be reached to look is not tried again for the repair that follows.
    unreached: Option<(Option<String>, Error)>,
    /// What could not be recorded.
    pub troubles: Vec<String>,
}

/// How long looking for evidence may hold up a repair, once the host is reached.
pub const EVIDENCE_TIME: Duration = Duration::from_secs(15);
/// The word of the record for a rung that is about to be taken.
pub const BEGUN: &str = "run";
/// How often the gate is asked how a job stands.
pub const POLL: Duration = Duration::from_secs(1);
/// How many lines of evidence people are told; the ledger has all of them.
const EVIDENCE_TOLD: usize = 5;

impl<'a> RealHands<'a> {
    /// Hands for one job that begins now, because of a call at `called`.
    pub fn new(
        call: &'a Call,
        config: &'a Config,
        job: &'a JobId,
        ledger: &'a mut SqliteLedger,
        called: SystemTime,
    ) -> RealHands<'a> {
        let screen = Screen::new(Instant::now(), call.foreground);
        RealHands {
            call,
            config,
            job,
            ledger,
            called,
            screen,
            gates: HashMap::new(),
            unreached: None,
            troubles: Vec::new(),
        }
    }

    /// Records how the repair ended, which frees the host.
    pub fn finish(&mut self, outcome: RepairOutcome, text: &str) {
        if let Err(why) = self.ledger.finish(self.job, SystemTime::now(), outcome, text) {
            self.troubles.push(format!("warning: how it ended is not on record: {why}"));
        }
    }

    fn ask(
        &mut self,
        at: Option<&str>,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let key = at.map(str::to_owned);
        let mut gate = match self.gates.remove(&key) {
            Some(gate) => gate,
            None => transport::connect(&self.call.route(self.config, at), deadline)?,
        };
        // A gate that failed to answer is not asked again over the same connection.
        let screen = self.screen;
        let answer =
            gate.request_with_progress(request, deadline, &mut |line| screen.show("output", line))?;
        self.gates.insert(key, gate);
        Ok(answer)
    }

    /// After a cut or a silence only the gate knows how the job stands: ask it until the job has
    /// ended, or the time has. "No such job" is believed only when it is the last word: a gate may
    /// be slow to begin.
    fn ask_how_it_stands(
        &mut self,
        at: Option<&str>,
        job: &JobId,
        lost: &Error,
        deadline: Instant,
    ) -> Attempt {
        loop {
            let last = match self.ask(at, &Request::Status { job: job.clone() }, deadline) {
                Ok(Answer::Job(report)) if report.state == JobState::Running => {
                    Attempt::Unknown(format!("{lost}; the gate says it still runs"))
                }
                Ok(Answer::Job(report)) => return judge(Answer::Job(report)),
                Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::NoSuchJob => {
                    Attempt::NotRun(format!("{lost}; the gate says it never began"))
                }
                Ok(_) | Err(_) => Attempt::Unknown(lost.to_string()),
            };
            if Instant::now() + POLL >= deadline {
                return last;
            }
            thread::sleep(POLL);
        }
    }
}

fn judge(answer: Answer) -> Attempt {
    match answer {
        Answer::Job(report) => {
            let text = told(&report);
            match report.state {
                JobState::Done => Attempt::Ran(text),
                JobState::Failed | JobState::Timeout => Attempt::Failed(text),
                JobState::Running | JobState::Unknown => Attempt::Unknown(text),
            }
        }
        Answer::Refused(refusal) => {
            let text = format!("the gate refuses ({}): {}", refusal.reason.as_str(), refusal.text);
            match refusal.reason {
                // This host merely has no such repair; it may have the next one.
                GateReason::UnknownRepair => Attempt::NotRun(text),
                _ => Attempt::Refused(text),
            }
        }
        other => Attempt::Unknown(format!("the gate answered another question: {other:?}")),
    }
}

/// A job's report as one line.
pub fn told(report: &JobReport) -> String {
    let how = match (report.state, report.exit, report.signal) {
        (JobState::Timeout, ..) => "was stopped at its timeout".to_owned(),
        (JobState::Running, ..) => "still runs".to_owned(),
        (JobState::Unknown, ..) => "has an unknown outcome".to_owned(),
        (_, Some(code), _) => format!("exit {code}"),
        (_, None, Some(signal)) => format!("signal {signal}"),
        (_, None, None) => "ended".to_owned(),
    };
    let said = report.output.iter().rev().find(|line| !line.trim().is_empty());
    let said = said.map(|line| format!(": {line}")).unwrap_or_default();
    format!("repair '{}' {how} after {:.1} s{said}", report.repair, report.seconds)
}

impl Hands for RealHands<'_> {
    fn diagnose(&mut self, name: &RepairName, at: Option<&str>, limit: Duration) -> Vec<String> {
        match transport::connect(&self.call.route(self.config, at), Instant::now() + limit) {
            Ok(gate) => drop(self.gates.insert(at.map(str::to_owned), gate)),
            Err(why) => {
                self.unreached = Some((at.map(str::to_owned), why));
                return Vec::new();
            }
        }
        let asked = self.ask(
            at,
            &Request::Diagnose { name: name.clone() },
            Instant::now() + limit.min(EVIDENCE_TIME),
        );
        let Ok(Answer::Diagnosed(diagnosis)) = asked else { return Vec::new() };
        let mut evidence = Vec::new();
        for report in diagnosis.reports {
            self.note("found", &format!("{}: {}", report.run.join(" "), report.output.join(" / ")));
            evidence.extend(
                report
                    .output
                    .into_iter()
                    .filter(|line| !line.trim().is_empty())
                    .take(EVIDENCE_TOLD),
            );
        }
        evidence.truncate(EVIDENCE_TOLD);
        evidence
    }

    fn still_called_for(&mut self) -> Result<(), String> {
        let known =
            super::past(self.ledger, self.call, self.config).map_err(|why| why.to_string())?;
        super::still_called_for(self.call, self.config, self.called, known.paused)
    }

    fn begin(&mut self, rung: &str) -> Result<(), String> {
        self.screen.show(BEGUN, rung);
        self.ledger.step(self.job, SystemTime::now(), BEGUN, rung).map_err(|why| why.to_string())
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
            return Attempt::NotRun(why.to_string());
        }
        match self.ask(at, &Request::Repair { name: name.clone(), job: job.clone() }, deadline) {
            Ok(answer) => judge(answer),
            Err(why) if why.nothing_was_run() => Attempt::NotRun(why.to_string()),
            Err(why) => self.ask_how_it_stands(at, job, &why, deadline + GRACE),
        }
    }

    fn local(&mut self, argv: &[String], limit: Duration) -> Attempt {
        let argv = self.call.fill(argv);
        let Some((program, arguments)) = argv.split_first() else {
            return Attempt::NotRun("there is no program to run".into());
        };
        let screen = self.screen;
        match check::run(
            Path::new(program),
            arguments,
            limit,
            Some(&mut |line| screen.show("output", line)),
        ) {
            Err(why) => Attempt::NotRun(format!("cannot run {program}: {why}")),
            // Stopping it here stops nothing that it has set going elsewhere.
            Ok(Ran { status: None, .. }) => {
                Attempt::Unknown(format!("{program} was stopped after {} s", limit.as_secs()))
            }
            Ok(Ran { status: Some(status), line }) if status.success() => {
                Attempt::Ran(format!("{program}: {line}"))
            }
            Ok(Ran { status: Some(status), line }) => {
                let mend =
                    advice::about(&argv, &line).map(|mend| format!("; {mend}")).unwrap_or_default();
                Attempt::Failed(format!(
                    "{program} ended with {}: {line}{mend}",
                    check::how(status)
                ))
            }
        }
    }

    fn settle(&mut self, span: Duration) {
        thread::sleep(span);
    }

    fn verify(&mut self, rung: &Rung) -> Check {
        check::verify(
            &self.call.fill(&rung.verify),
            &check::places(self.config),
            check::limit(rung),
        )
    }

    fn note(&mut self, what: &str, text: &str) {
        self.screen.show(what, text);
        if let Err(why) = self.ledger.step(self.job, SystemTime::now(), what, text) {
            self.troubles.push(format!("warning: not on record: {why}"));
        }
    }
}
