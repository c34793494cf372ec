//! Starts a worker whenever the limits permit one, and waits for the workers that it started.
//!
//! The sweep reads the ledger whenever one of its workers ends. It also reads the ledger at
//! intervals of [`RECHECK`], because repairs that the sweep did not start can end too.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use engine::status_snapshot::ObjectKey;
use handle_repair::cli::{Invocation, Options};
use handle_repair::handler::{self, NotStarted};
use handle_repair::queue::CallQueue;
use handle_repair::{job, worker};
use ledger::{Claim, Ledger, Running};
use plugin_kit::ToolResult;
use policy::{Decision, Event, JobId, ObjectState, Reason, ReasonCode, StateType, unspell};
use policy_file::Config;

use super::candidate::{Assessor, Candidate, WorkerCall};
use super::eligibility::MissedRepair;
use super::error::SweepError;
use super::nagios_state::NagiosState;
use super::report::{SweepEnd, SweepOutcome, SweepReport, SweepRow};

/// How often the sweep reads the ledger again, because repairs that it did not start may have
/// ended.
const RECHECK: Duration = Duration::from_secs(2);
/// Minimum time between two rounds of querying the gates about jobs whose worker died.
const QUERY_EVERY: Duration = Duration::from_secs(5);
/// Maximum number of workers that one sweep starts for the same object. One worker may not be
/// enough, because another repair can start first. A limit may then refuse the worker's repair.
const MOST_TRIES: u32 = 5;

/// An event that the sweep waits for.
pub enum SweepEvent {
    /// A signal asks the sweep to end. The sweep starts no further workers, and running repairs
    /// finish.
    Interrupted,
    /// The worker of this job has ended, with its exit status as text.
    Ended(JobId, String),
}

/// A sweep in progress: the objects that it has yet to try, and the workers that it has started.
pub struct Scheduler<'a> {
    config: &'a Config,
    /// Absolute path of the policy, which each worker gets as `--policy`.
    policy: &'a Path,
    nagios: NagiosState<'a>,
    ledger: Box<dyn Ledger>,
    report: SweepReport<'a>,
    queue: Vec<QueuedObject>,
    started: Vec<StartedWorker>,
    /// Handler calls that wait for a worker, and the slots of all workers.
    calls: CallQueue,
    events: Receiver<SweepEvent>,
    /// The sending end of `events`, for the threads that wait for workers.
    sender: Sender<SweepEvent>,
    /// When the gates were last queried about jobs whose worker died.
    queried: Option<Instant>,
}

/// An object that waits for a worker, and the number of workers already started for it.
struct QueuedObject {
    key: ObjectKey,
    tries: u32,
}

/// A worker that this sweep started.
struct StartedWorker {
    object: QueuedObject,
    missed: String,
    host: String,
    job: JobId,
    at: SystemTime,
}

impl<'a> Scheduler<'a> {
    /// Prepares a sweep of all faults that the engine reports.
    pub fn new(
        config: &'a Config,
        policy: &'a Path,
        nagios: NagiosState<'a>,
        ledger: Box<dyn Ledger>,
        report: SweepReport<'a>,
        calls: CallQueue,
        (sender, events): (Sender<SweepEvent>, Receiver<SweepEvent>),
    ) -> Scheduler<'a> {
        let keys = nagios.oldest_first().into_iter();
        let queue = keys.map(|key| QueuedObject { key, tries: 0 }).collect();
        Scheduler {
            config,
            policy,
            nagios,
            ledger,
            report,
            queue,
            started: Vec::new(),
            calls,
            events,
            sender,
            queried: None,
        }
    }

    /// Serves the calls that wait on this server, and records the end of jobs whose worker died.
    /// Neither is a repair by the sweep. Every sweep therefore does both, even if no object has a
    /// fault, if repairs are paused or if another sweep is running.
    pub fn attend(&mut self) -> Result<(), SweepError> {
        self.serve_calls();
        Ok(self.recover_dead_workers()?)
    }

    /// Prints the summary of a sweep that must not start any repair.
    pub fn held(self, why: &str) -> ToolResult {
        self.report.end(&SweepEnd::Held(why.to_owned()), 0, &[])
    }

    /// Runs the sweep to completion and prints the summary.
    pub fn run(mut self) -> Result<ToolResult, SweepError> {
        let mut held = None;
        let end = loop {
            if held.is_none() {
                held = self.fill()?;
            }
            match (&held, self.started.is_empty(), self.queue.is_empty()) {
                (Some(why), true, _) => break SweepEnd::Held(why.clone()),
                (None, true, true) => break SweepEnd::Done,
                _ => {}
            }
            match self.events.recv_timeout(RECHECK) {
                Ok(SweepEvent::Interrupted) => break SweepEnd::Interrupted,
                Ok(SweepEvent::Ended(job, how)) => self.reap(&job, &how)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        };
        let running: Vec<String> =
            self.started.iter().map(|started| started.job.to_string()).collect();
        Ok(self.report.end(&end, self.queue.len(), &running))
    }

    /// Starts a worker for handler calls that are still waiting because their worker was killed or
    /// because all slots were taken.
    fn serve_calls(&self) {
        // Ignore an error. It will occur again, and will be reported, when this sweep starts a
        // worker of its own.
        let _ = handler::serve(&self.calls, self.policy);
    }

    /// Starts workers, for the oldest fault first, while the fleet limit permits more repairs. If
    /// something prevents all repairs, returns the reason.
    fn fill(&mut self) -> Result<Option<String>, ledger::Error> {
        if self.queue.is_empty() {
            return Ok(None);
        }
        let now = SystemTime::now();
        let unfit = match self.nagios.refresh() {
            Ok(()) => self.nagios.unfit(now),
            Err(why) => Some(why.to_string()),
        };
        if unfit.is_some() {
            return Ok(unfit);
        }
        let mut pauses = self.ledger.pauses(now)?.into_iter();
        if let Some(pause) = pauses.find(|pause| pause.host.is_none()) {
            return Ok(Some(pause.as_reason(now).to_string()));
        }
        self.recover_dead_workers()?;
        let (mut busy, mut room) = self.room(now)?;
        let mut at = 0;
        while room > 0
            && let Some(QueuedObject { key, .. }) = self.queue.get(at)
        {
            if busy.contains(&key.0) {
                at += 1;
                continue;
            }
            let host = key.0.clone();
            match self.offer(at)? {
                OfferResult::Done => {}
                OfferResult::Started => {
                    busy.insert(host);
                    room -= 1;
                }
                OfferResult::HostBusy => at += 1,
                OfferResult::NoSlot => break,
                OfferResult::Held(why) => return Ok(Some(why)),
            }
        }
        Ok(None)
    }

    /// Returns the hosts on which a repair is running, and how many more repairs the fleet limit
    /// permits at the same time.
    fn room(&mut self, now: SystemTime) -> Result<(HashSet<Vec<u8>>, u32), ledger::Error> {
        let mut busy: HashSet<Vec<u8>> =
            self.started.iter().map(|ours| unspell(&ours.host)).collect();
        let running = self.ledger.running()?;
        busy.extend(running.iter().map(|Running { record, .. }| unspell(&record.host)));
        let is_ours = |job: &str| self.started.iter().any(|ours| ours.job.as_str() == job);
        let ours_on_record = running.iter().filter(|one| is_ours(&one.record.job)).count();
        let on_record = self.ledger.fleet(self.config.policy.fleet.started.per, now)?.running;
        // Count every worker that this sweep started as a running repair, even if the worker has
        // not reserved its repair yet.
        let [ours, ours_on_record] =
            [self.started.len(), ours_on_record].map(|n| u32::try_from(n).unwrap_or(u32::MAX));
        let taken = on_record.saturating_sub(ours_on_record).saturating_add(ours);
        Ok((busy, self.config.policy.fleet.running.saturating_sub(taken)))
    }

    /// If a repair's worker died, queries the gate for the outcome and closes the record, so that
    /// the host is free for other repairs.
    fn recover_dead_workers(&mut self) -> Result<(), ledger::Error> {
        if self.queried.is_some_and(|queried| queried.elapsed() < QUERY_EVERY) {
            return Ok(());
        }
        self.queried = Some(Instant::now());
        let running = self.ledger.running()?.into_iter();
        let hosts: BTreeSet<String> =
            running.filter(|one| !one.alive).map(|one| one.record.host).collect();
        let call = |host: String| {
            let address = self.nagios.address(&unspell(&host)).unwrap_or(&host).to_owned();
            let event = Event::new(&host, None, ObjectState::Down, StateType::Hard, 1);
            Invocation { event, address, options: Options::background(self.policy.to_owned()) }
        };
        let calls: Vec<Invocation> = hosts.into_iter().map(call).collect();
        worker::close_abandoned(self.ledger.as_mut(), &calls, self.config, &mut || ())
    }

    /// Starts a worker for the object at index `at` of the queue if a repair may run now.
    fn offer(&mut self, at: usize) -> Result<OfferResult, ledger::Error> {
        let Some(QueuedObject { key, .. }) = self.queue.get(at) else {
            return Ok(OfferResult::NoSlot);
        };
        let Some(object) = self.nagios.snapshot.faults.get(key) else {
            let key = self.queue.remove(at).key;
            let text = "the object recovered before the sweep reached it".to_owned();
            let (outcome, code, missed, job) = (SweepOutcome::Recovered, None, None, None);
            self.report.row(SweepRow { key, outcome, code, text, missed, job });
            return Ok(OfferResult::Done);
        };
        let assessor = Assessor { config: self.config, policy: self.policy, nagios: &self.nagios };
        let slots = self.config.policy.fleet.running;
        let candidate = assessor.assess(object, Some(self.ledger.as_mut()), SystemTime::now())?;
        match &candidate {
            Candidate::Offered(missed, worker) => return Ok(self.start(at, missed, worker)),
            Candidate::Refused(_, why, call) => match why {
                Reason::FleetRunning(_) if slots > 0 => return Ok(OfferResult::NoSlot),
                Reason::AlreadyRunning { .. } => return Ok(OfferResult::HostBusy),
                Reason::FleetRunning(_)
                | Reason::FleetStarted { .. }
                | Reason::FleetShare { .. } => return Ok(OfferResult::Held(why.to_string())),
                _ => self.record_trouble(why, call)?,
            },
            _ => {}
        }
        if let Some(row) = SweepRow::of(self.queue.remove(at).key, candidate) {
            self.report.row(row);
        }
        Ok(OfferResult::Done)
    }

    fn start(&mut self, at: usize, missed: &MissedRepair, worker: &WorkerCall) -> OfferResult {
        // Take the time before starting the worker, because the worker can record a refusal before
        // this process runs again.
        let started_at = SystemTime::now();
        let job = match self.start_worker(&worker.argv) {
            Ok(Some(job)) => job,
            Ok(None) => return OfferResult::NoSlot,
            Err(why) => return OfferResult::Held(why.to_string()),
        };
        let mut object = self.queue.remove(at);
        object.tries += 1;
        let (host, missed) = (worker.call.event.host.clone(), missed.to_string());
        self.started.push(StartedWorker { object, missed, host, job, at: started_at });
        OfferResult::Started
    }

    /// Starts a worker in a free slot, and a thread that waits for it. Returns `None` if there is
    /// no free slot.
    fn start_worker(&self, argv: &[OsString]) -> Result<Option<JobId>, NotStarted> {
        let Some(slot) = self.calls.free_slot()? else { return Ok(None) };
        let job = job::new().map_err(NotStarted::NoJob)?;
        let (child, started) = mpsc::channel::<Child>();
        let (ended, sender) = (job.clone(), self.sender.clone());
        // Start the thread first, so that no worker runs if the thread cannot be started.
        let wait = move || {
            let Ok(mut worker) = started.recv() else { return };
            let how = worker.wait().map_or_else(|why| why.to_string(), |end| end.to_string());
            // Ignore an error. Sending fails only if the sweep has already ended and there is no
            // receiver.
            let _ = sender.send(SweepEvent::Ended(ended, how));
        };
        thread::Builder::new().spawn(wait).map_err(NotStarted::NoThread)?;
        let worker = handler::start_worker(slot, &handler::with_job(&job, argv))?;
        // Sending cannot fail, because the thread is waiting for the worker.
        let _ = child.send(worker);
        Ok(Some(job))
    }

    /// If the incident's budget or breaker refused the repair, records that the fault persists.
    /// Without this record, the incident would end although the fault persists, because an incident
    /// ends after some time without records.
    fn record_trouble(&mut self, why: &Reason, call: &Invocation) -> Result<(), ledger::Error> {
        if !matches!(why, Reason::BreakerOpen { .. } | Reason::IncidentBudget { .. }) {
            return Ok(());
        }
        let Ok(job) = job::new() else { return Ok(()) };
        let horizon = self.config.policy.horizon(&call.event);
        let (event, lease) = (&call.event, Duration::ZERO);
        let claim = Claim { job: &job, event, lease, horizon, observed: None };
        let refuse = |_: &_| Decision::NoAction(why.clone());
        self.ledger.reserve(&claim, &SystemTime::now, &refuse).map(drop)
    }

    /// Reports the outcome of a worker that has ended, as recorded in the ledger.
    fn reap(&mut self, job: &JobId, how: &str) -> Result<(), ledger::Error> {
        self.serve_calls();
        match self.started.iter().position(|started| started.job == *job) {
            Some(at) => {
                let started = self.started.remove(at);
                self.ended(started, how)
            }
            None => Ok(()),
        }
    }

    fn ended(&mut self, started: StartedWorker, how: &str) -> Result<(), ledger::Error> {
        let StartedWorker { object, missed, job, at, .. } = started;
        let (outcome, code, text) = if let Some(record) = self.ledger.repair_of(&job)? {
            match record.outcome {
                Some(outcome) => (outcome.into(), None, record.text),
                None => (
                    SweepOutcome::Unknown,
                    Some("worker-died"),
                    format!(
                        "its worker died ({how}); the next sweep will query the gate for the \
                         outcome"
                    ),
                ),
            }
        } else if let Some(refusal) = self.ledger.refusal_of(&job, at)? {
            let passing = refusal.reason.code().is_some_and(ReasonCode::is_shared_limit);
            if passing && object.tries < MOST_TRIES {
                self.queue.insert(0, object);
                return Ok(());
            }
            (SweepOutcome::Refused, None, refusal.text)
        } else {
            (
                SweepOutcome::CouldNotRun,
                Some("no-record"),
                format!(
                    "its worker left no record in the ledger ({how}); see syslog for the reason"
                ),
            )
        };
        let (missed, job) = (Some(missed), Some(job.to_string()));
        self.report.row(SweepRow { key: object.key, outcome, code, text, missed, job });
        Ok(())
    }
}

/// What happened when the sweep tried to start a worker for an object.
enum OfferResult {
    /// The object was removed from the queue without starting a worker.
    Done,
    /// A worker was started.
    Started,
    /// Another repair is running on the object's host.
    HostBusy,
    /// The fleet limit for running repairs has been reached, or all slots for workers are taken.
    NoSlot,
    /// No repair can start now; the string is the reason, for example a fleet limit.
    Held(String),
}
