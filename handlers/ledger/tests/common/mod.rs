//! Creates ledgers in temporary directories, and events and reservations for them.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ledger::{Claim, Ledger};
use policy::{
    Decision, Event, Fleet, History, JobId, ObjectState, Policy, Reason, Rules, StateType, decide,
};
use tempfile::TempDir;

pub const HOUR: Duration = Duration::from_secs(3600);

pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("ledger.sqlite")
    }

    pub fn open(&self) -> Box<dyn Ledger> {
        ledger::open_sqlite(&self.path()).unwrap()
    }
}

pub fn event(host: &str, problem: &str, attempt: u32) -> Event {
    Event {
        problem_id: Some(problem.into()),
        repair: Some("httpd".parse().unwrap()),
        ..Event::new(host, Some("HTTP"), ObjectState::Critical, StateType::Hard, attempt)
    }
}

pub fn policy() -> Policy {
    Policy {
        repairs: [("httpd".parse().unwrap(), Rules::with_ladder(vec![]))].into(),
        fleet: Fleet::default(),
    }
}

pub fn job(n: u32) -> JobId {
    format!("test-job-{n:04}").parse().unwrap()
}

pub fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

pub fn reserve(
    ledger: &mut Box<dyn Ledger>,
    n: u32,
    event: &Event,
    now: SystemTime,
) -> Result<(), Reason> {
    let (job, policy) = (job(n), policy());
    let claim = Claim {
        job: &job,
        event,
        lease: Duration::from_secs(120),
        horizon: policy.horizon(event),
        observed: None,
    };
    let granted = ledger.reserve(&claim, &|| now, &|history: &History| -> Decision {
        decide(event, &policy, history)
    });
    granted.unwrap().map(|name| assert_eq!(name.as_str(), "httpd"))
}

pub fn code(granted: Result<(), Reason>) -> &'static str {
    granted.map_or_else(|why| why.code().as_str(), |()| "repair")
}
