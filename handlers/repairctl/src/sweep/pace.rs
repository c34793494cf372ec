//! The sweep at work: starts a worker whenever the limits leave room, and looks after those it has
//! started.

use std::collections::HashSet;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use handle_repair::cli::{Invocation, Options};
use handle_repair::{handler, job, worker};
use ledger::{Claim, Ledger, RepairOutcome, Running};
use plugin_kit::Problem;
use policy::{Decision, Event, JobId, ObjectState, Reason, ReasonCode, StateType};
use policy_file::Config;

use super::lost::Lost;
use super::offer::{Ground, Next, Offer};
use super::scene::Scene;
use super::told::{End, Fate, Row, Telling};
use crate::status_snapshot::Key;

/// How often it looks whether a worker has ended or a slot is free.
const PAUSE: Duration = Duration::from_millis(50);
/// How often the gates of workers that died are asked.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often an object is offered again after others were faster.
const MOST_TRIES: u32 = 5;

/// Said once to end it; what runs goes on.
pub static ENDED: AtomicBool = AtomicBool::new(false);

/// A sweep at work.
pub struct Sweep<'a> {
    /// The policy and the places it names.
    pub config: &'a Config,
    /// The policy's file.
    pub policy: &'a Path,
    /// Nagios' files.
    pub scene: Scene,
    /// The ledger.
    pub ledger: Box<dyn Ledger>,
    /// What came of it.
    pub telling: Telling<'a>,
    queue: Vec<Waiting>,
    started: Vec<Started>,
    asked: Option<Instant>,
}

/// An object whose turn has not come.
struct Waiting {
    key: Key,
    tries: u32,
}

/// A worker of ours.
struct Started {
    waiting: Waiting,
    lost: Lost,
    host: String,
    job: JobId,
    at: SystemTime,
    worker: Child,
}

impl<'a> Sweep<'a> {
    /// A sweep of all faults of the scene.
    pub fn new(
        config: &'a Config,
        policy: &'a Path,
        scene: Scene,
        ledger: Box<dyn Ledger>,
        telling: Telling<'a>,
    ) -> Sweep<'a> {
        let queue = scene.oldest_first().into_iter().map(|key| Waiting { key, tries: 0 }).collect();
        Sweep { config, policy, scene, ledger, telling, queue, started: Vec::new(), asked: None }
    }

    /// Sweeps to the end.
    pub fn run(mut self) -> Result<plugin_kit::ToolResult, Problem> {
        let mut held = None;
        let end = loop {
            self.reap().map_err(unusable)?;
            if ENDED.load(Ordering::Relaxed) {
                break End::Interrupted;
            }
            if held.is_none() {
                held = self.fill().map_err(unusable)?;
            }
            match (&held, self.started.is_empty(), self.queue.is_empty()) {
                (Some(why), true, _) => break End::Held(why.clone()),
                (None, true, true) => break End::Done,
                _ => thread::sleep(PAUSE),
            }
        };
        let running: Vec<String> =
            self.started.iter().map(|started| started.job.to_string()).collect();
        Ok(self.telling.end(&end, self.queue.len(), &running))
    }

    /// Offers, the oldest fault first, as long as there is room. What holds for all is returned.
    fn fill(&mut self) -> Result<Option<String>, ledger::Error> {
        if self.queue.is_empty() {
            return Ok(None);
        }
        let now = SystemTime::now();
        let unfit = match self.scene.refresh() {
            Ok(()) => self.scene.unfit(now),
            Err(why) => Some(why),
        };
        if unfit.is_some() {
            return Ok(unfit);
        }
        if let Some(pause) = self.ledger.pauses(now)?.into_iter().find(|pause| pause.host.is_none())
        {
            let left = pause.until.map(|until| until.duration_since(now).unwrap_or_default());
            return Ok(Some(
                Reason::Paused { by: pause.by, reason: pause.reason, left }.to_string(),
            ));
        }
        self.ask_for_the_dead()?;
        let (mut busy, mut room) = self.room(now)?;
        let mut at = 0;
        while room > 0
            && let Some(waiting) = self.queue.get(at)
        {
            if busy.contains(&waiting.key.0) {
                at += 1;
                continue;
            }
            let host = waiting.key.0.clone();
            match self.offer(at)? {
                Turn::Over => {}
                Turn::Started => {
                    busy.insert(host);
                    room -= 1;
                }
                Turn::Waits => at += 1,
                Turn::NoRoom => break,
                Turn::Held(why) => return Ok(Some(why)),
            }
        }
        Ok(None)
    }

    /// The hosts on which something runs, and how many more may.
    fn room(&mut self, now: SystemTime) -> Result<(HashSet<Vec<u8>>, u32), ledger::Error> {
        let mut busy: HashSet<Vec<u8>> =
            self.started.iter().map(|ours| ours.host.clone().into_bytes()).collect();
        let running = self.ledger.running()?;
        busy.extend(running.iter().map(|Running { record, .. }| record.host.clone().into_bytes()));
        let is_ours = |running: &&Running| {
            self.started.iter().any(|ours| ours.job.as_str() == running.record.job)
        };
        let ours_on_record = running.iter().filter(is_ours).count();
        let on_record = self.ledger.fleet(self.config.policy.fleet.started.per, now)?.running;
        // A worker of ours that has not reserved yet takes its slot all the same.
        let count = |many: usize| u32::try_from(many).unwrap_or(u32::MAX);
        let taken = on_record
            .saturating_sub(count(ours_on_record))
            .saturating_add(count(self.started.len()));
        Ok((busy, self.config.policy.fleet.running.saturating_sub(taken)))
    }

    /// Repairs that lost their worker: the gate tells how they stand, and their hosts are free
    /// again.
    fn ask_for_the_dead(&mut self) -> Result<(), ledger::Error> {
        if self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return Ok(());
        }
        self.asked = Some(Instant::now());
        for Running { record, alive } in self.ledger.running()? {
            if alive {
                continue;
            }
            let address =
                self.scene.address(record.host.as_bytes()).unwrap_or(&record.host).to_owned();
            let event = Event::new(
                &record.host,
                record.service.as_deref(),
                ObjectState::Critical,
                StateType::Hard,
                1,
            );
            let call =
                Invocation { event, address, options: Options::background(self.policy.to_owned()) };
            worker::close_abandoned(self.ledger.as_mut(), &call, self.config)?;
        }
        Ok(())
    }

    /// Offers the object at this place of the queue.
    fn offer(&mut self, at: usize) -> Result<Turn, ledger::Error> {
        let Some(Waiting { key, .. }) = self.queue.get(at) else { return Ok(Turn::NoRoom) };
        let ground = Ground { config: self.config, policy: self.policy, scene: &self.scene };
        let next = match self.scene.board.faults.get(key) {
            None => {
                return Ok(self.over(
                    at,
                    Fate::Recovered,
                    None,
                    "it is in order again".into(),
                    None,
                ));
            }
            Some(object) => ground.judge(object, Some(self.ledger.as_mut()), SystemTime::now())?,
        };
        Ok(match next {
            Next::NotCovered => {
                self.queue.remove(at);
                Turn::Over
            }
            Next::Left(left) => {
                self.over(at, Fate::LeftAlone, Some(left.code()), left.to_string(), None)
            }
            Next::Unfit(why) => self.over(at, Fate::Refused, Some("unfit"), why, None),
            Next::Refused(_, Reason::FleetRunning(_), _)
                if self.config.policy.fleet.running > 0 =>
            {
                Turn::NoRoom
            }
            Next::Refused(_, Reason::AlreadyRunning { .. }, _) => Turn::Waits,
            Next::Refused(
                _,
                why @ (Reason::FleetRunning(_)
                | Reason::FleetStarted { .. }
                | Reason::FleetShare { .. }),
                _,
            ) => Turn::Held(why.to_string()),
            Next::Refused(lost, why, call) => {
                self.is_still_in_trouble(&why, &call)?;
                self.over(at, Fate::Refused, Some(why.code().as_str()), why.to_string(), Some(lost))
            }
            Next::Offer(lost, offer) => self.start(at, lost, &offer),
        })
    }

    fn start(&mut self, at: usize, lost: Lost, offer: &Offer) -> Turn {
        let begun = job::new().map_err(|why| format!("/dev/urandom: {why}")).and_then(|job| {
            let worker = handler::start_worker(&job, &offer.argv).map_err(|why| why.to_string())?;
            Ok((job, worker))
        });
        let (job, worker) = match begun {
            Ok(begun) => begun,
            Err(why) => return Turn::Held(why),
        };
        let mut waiting = self.queue.remove(at);
        waiting.tries += 1;
        let host = offer.call.event.host.clone();
        self.started.push(Started { waiting, lost, host, job, at: SystemTime::now(), worker });
        Turn::Started
    }

    /// An incident's budget and its breaker hold until a time without a fault. The fault is still
    /// there: that is put on record, so that mere silence does not pass for health.
    fn is_still_in_trouble(
        &mut self,
        why: &Reason,
        call: &Invocation,
    ) -> Result<(), ledger::Error> {
        if !matches!(why, Reason::BreakerOpen { .. } | Reason::IncidentBudget { .. }) {
            return Ok(());
        }
        let Ok(job) = job::new() else { return Ok(()) };
        let fleet_window = self.config.policy.fleet.started.per;
        let claim = Claim {
            job: &job,
            event: &call.event,
            lease: Duration::ZERO,
            fleet_window,
            observed: None,
        };
        self.ledger
            .reserve(&claim, &SystemTime::now, &|_| Decision::NoAction(why.clone()))
            .map(drop)
    }

    fn over(
        &mut self,
        at: usize,
        fate: Fate,
        code: Option<&'static str>,
        text: String,
        lost: Option<Lost>,
    ) -> Turn {
        let key = self.queue.remove(at).key;
        self.telling.row(Row {
            key,
            fate,
            code,
            text,
            lost: lost.map(|lost| lost.to_string()),
            job: None,
        });
        Turn::Over
    }

    /// Looks which of our workers have ended, and what is on record of them.
    fn reap(&mut self) -> Result<(), ledger::Error> {
        let mut at = 0;
        while let Some(started) = self.started.get_mut(at) {
            match started.worker.try_wait() {
                Ok(None) => at += 1,
                Ok(Some(status)) => {
                    let started = self.started.remove(at);
                    self.ended(started, &status.to_string())?;
                }
                Err(why) => {
                    let started = self.started.remove(at);
                    self.ended(started, &why.to_string())?;
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, started: Started, how: &str) -> Result<(), ledger::Error> {
        let Started { waiting, lost, job, at, .. } = started;
        let (fate, code, text) = if let Some(record) = self.ledger.repair_of(&job)? {
            match record.outcome {
                Some(RepairOutcome::Healed) => (Fate::Healed, None, record.text),
                Some(RepairOutcome::NotHealed) => (Fate::NotHealed, None, record.text),
                Some(RepairOutcome::CouldNotRun) => (Fate::CouldNotRun, None, record.text),
                Some(RepairOutcome::Unknown) => (Fate::Unknown, None, record.text),
                None => (
                    Fate::Unknown,
                    Some("worker-died"),
                    format!("its worker died ({how}); the next sweep asks its gate"),
                ),
            }
        } else if let Some(refusal) = self.ledger.refusal_of(&job, at)? {
            let passing = refusal.reason.code().is_some_and(ReasonCode::is_shared_limit);
            if passing && waiting.tries < MOST_TRIES {
                self.queue.insert(0, waiting);
                return Ok(());
            }
            (Fate::Refused, None, refusal.text)
        } else {
            (
                Fate::CouldNotRun,
                Some("no-record"),
                format!("its worker left no record ({how}); syslog has its reason"),
            )
        };
        let job = Some(job.to_string());
        self.telling.row(Row {
            key: waiting.key,
            fate,
            code,
            text,
            lost: Some(lost.to_string()),
            job,
        });
        Ok(())
    }
}

/// What came of one turn.
enum Turn {
    /// The object is done with.
    Over,
    /// A worker is at it.
    Started,
    /// Its host is busy.
    Waits,
    /// As many run as may.
    NoRoom,
    /// A limit that holds for all.
    Held(String),
}

fn unusable(why: ledger::Error) -> Problem {
    Problem::Usage(format!("{why}; what runs goes on to its end"))
}
