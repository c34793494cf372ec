//! Fills a ledger with a month of repairs. Uses the same functions as the worker: reserve, record
//! steps, finish.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ledger::{Claim, Ledger, RepairOutcome, RungStart, StepKind};
use policy::{Decision, Event, JobId, ObjectState, Policy, Reason, StateType};

/// The month of the report. It must have ended before the test runs.
pub const MONTH: &str = "2024-10";
const BEGIN: u64 = 1_727_740_800;
const DAY: u64 = 86_400;

/// Names that contain HTML and escape sequences. These must not have an effect on the page or on a
/// terminal.
pub const HOSTILE_HOST: &str = "<script>alert(1)</script>";
pub const HOSTILE_SERVICE: &str = "\"><img src=x onerror=alert(2)>\u{1b}[31m\u{202e}";

/// A pseudo-random generator with a fixed seed (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// Creates a generator that returns the same numbers in every run.
    pub fn new() -> Dice {
        Dice(0x5eed)
    }

    /// Returns a number from 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.roll() * n as f64) as u64
    }
}

/// How many entries of each kind were generated.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    pub repairs: u32,
    pub healed: u32,
    pub escalated: u32,
    pub refused: u32,
}

pub struct Month {
    ledger: Box<dyn Ledger>,
    dice: Dice,
    jobs: u32,
}

impl Month {
    pub fn new(path: &Path) -> Month {
        Month { ledger: ledger::open_sqlite(path).unwrap(), dice: Dice::new(), jobs: 0 }
    }

    /// Writes `repairs` repairs on `hosts` hosts, and about a third as many refusals. All of them
    /// are in the month that is `back` months before [`MONTH`].
    pub fn fill(&mut self, repairs: u32, hosts: u64, back: u64) -> Written {
        let mut written = Written::default();
        let mut times: Vec<u64> = (0..repairs).map(|_| self.time(back)).collect();
        times.sort_unstable();
        for at in times {
            // A few hosts have most of the faults.
            let rank = (self.dice.roll().powi(3) * hosts as f64) as u64;
            let (host, service) = name(rank);
            let outcome = self.outcome(rank);
            self.repair(&host, &service, at, outcome);
            written.repairs += 1;
            written.healed += u32::from(outcome == RepairOutcome::Healed);
            written.escalated += u32::from(outcome != RepairOutcome::Healed);
            if self.dice.roll() < 0.33 {
                let why = self.why();
                self.refuse(&host, &service, at + 700, why);
                written.refused += 1;
            }
        }
        written
    }

    /// Returns a random time. Faults are more frequent on working days, in the daytime, and on the
    /// 17th, when a switch failed.
    fn time(&mut self, back: u64) -> u64 {
        loop {
            let day = self.dice.below(30);
            let hour = self.dice.below(24);
            let weight = if day == 16 { 1.0 } else { 0.3 }
                * if day % 7 >= 5 { 0.5 } else { 1.0 }
                * if (7..19).contains(&hour) { 1.0 } else { 0.6 };
            if self.dice.roll() < weight {
                return BEGIN - back * 30 * DAY + day * DAY + hour * 3600 + self.dice.below(3600);
            }
        }
    }

    fn outcome(&mut self, rank: u64) -> RepairOutcome {
        // On one host most restarts do not help.
        let bad = if rank == 2 { 0.6 } else { 0.07 };
        match self.dice.roll() {
            roll if roll > bad => RepairOutcome::Healed,
            roll if roll > bad * 0.4 => RepairOutcome::NotHealed,
            roll if roll > bad * 0.1 => RepairOutcome::CouldNotRun,
            _ => RepairOutcome::Unknown,
        }
    }

    fn why(&mut self) -> Reason {
        let job = "66f0a1b2-00ff00ff00ff00ff".to_owned();
        let left = Duration::from_secs(240);
        match self.dice.below(10) {
            0..4 => Reason::CoolingDown { job, left },
            4..6 => Reason::SameEvent { job },
            6 => Reason::BreakerOpen { ineffective: 3, left },
            7 => Reason::FleetStarted { started: 20, left },
            8 => Reason::Acknowledged,
            _ => Reason::HostNotUp(ObjectState::Down),
        }
    }

    /// Writes a repair with one rung.
    pub fn repair(&mut self, host: &str, service: &str, at: u64, outcome: RepairOutcome) {
        let took = Duration::from_secs_f64(
            1.2 * 10_f64.powf(self.dice.roll() * self.dice.roll() * 2.2 + 0.1),
        );
        let job = self.reserve(host, service, at, &Decision::Repair("httpd".parse().unwrap()));
        let begun = seconds(at);
        let rung = RungStart { number: 1, gate: Some(host), deadline: begun + took };
        let text = "rung 1 of 2: ssh httpd";
        self.ledger.begin_rung(&job, begun + took.mul_f64(0.1), &rung, text).unwrap();
        if outcome != RepairOutcome::CouldNotRun {
            let (at, text) =
                (begun + took.mul_f64(0.6), "repair 'httpd' ended with exit 0 after 0.4 s");
            self.ledger.step(&job, at, StepKind::Ran, Some(1), text).unwrap();
        }
        let text = match outcome {
            RepairOutcome::Healed => {
                "HTTP OK: HTTP/1.1 200 OK - 240 bytes in 0.001 second response time"
            }
            RepairOutcome::NotHealed => {
                "connect to address 192.0.2.1 and port 80: Connection refused"
            }
            RepairOutcome::CouldNotRun => {
                "no answer from 192.0.2.1 port 22 while connecting within 90 s"
            }
            RepairOutcome::Unknown => "the connection was cut; the gate does not answer",
        };
        self.ledger.finish(&job, begun + took, outcome, text).unwrap();
    }

    /// Writes one refusal.
    pub fn refuse(&mut self, host: &str, service: &str, at: u64, why: Reason) {
        self.reserve(host, service, at, &Decision::NoAction(why));
    }

    fn reserve(&mut self, host: &str, service: &str, at: u64, decision: &Decision) -> JobId {
        self.jobs += 1;
        let job: JobId = format!("{at:x}-{:016x}", self.jobs).parse().unwrap();
        let (state_type, attempt) =
            if self.dice.roll() < 0.85 { (StateType::Soft, 3) } else { (StateType::Hard, 4) };
        let event = Event::new(host, Some(service), ObjectState::Critical, state_type, attempt);
        let minute = Duration::from_secs(60);
        let claim = Claim {
            job: &job,
            event: &event,
            lease: minute,
            horizon: Policy::default().horizon(&event),
            observed: None,
        };
        let _ = self.ledger.reserve(&claim, &|| seconds(at), &|_| decision.clone()).unwrap();
        job
    }
}

/// Returns the time `n` hours after the start of the month, in seconds since the epoch.
pub fn hour(n: u64) -> u64 {
    BEGIN + n * 3600
}

fn name(rank: u64) -> (String, String) {
    match rank {
        0 => (HOSTILE_HOST.into(), HOSTILE_SERVICE.into()),
        n if n.is_multiple_of(3) => (format!("db{n:03}.example.net"), "PostgreSQL".into()),
        n => (format!("web{n:03}"), "HTTP".into()),
    }
}

fn seconds(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(at)
}
