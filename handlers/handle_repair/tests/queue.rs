//! Tests the queue of waiting calls with the real handler and worker.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handle_repair::queue::{CallQueue, SLOTS, WorkerSlot};
use ledger::{Claim, Filter, RepairOutcome};
use policy::{Decision, Event, JobId, ObjectState, Policy, StateType};
use tempfile::TempDir;
use testkit::wait_until;

/// A directory with a policy whose repair always succeeds.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        let policy = format!(
            "{{\"ledger\": {:?}, \"repairs\": {{\"httpd\": {{\"ladder\": [{{\"local\": \
             [\"/bin/true\"]}}], \"verify\": [\"/bin/true\"], \"settle\": \"0s\"}}}}}}",
            site.ledger()
        );
        fs::write(site.policy(), policy).unwrap();
        site
    }

    fn policy(&self) -> PathBuf {
        self.dir.path().join("policy.json")
    }

    fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger.sqlite")
    }

    fn queue(&self) -> CallQueue {
        CallQueue::open(&self.ledger()).unwrap()
    }

    /// Calls the handler and returns the job ID if it dispatched the call.
    fn call(&self, words: &str) -> Option<String> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handle_repair"));
        command.args(words.split_whitespace()).args(["--policy", "policy.json"]);
        let output = command.current_dir(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, rest) = text.split_once(": job ")?;
        rest.split(' ').next().map(str::to_owned)
    }

    /// Returns the hosts of all recorded repairs and refusals, oldest first.
    fn on_record(&self) -> Vec<String> {
        let Ok(mut ledger) = ledger::open_sqlite_read_only(&self.ledger()) else {
            return Vec::new();
        };
        let repairs = ledger.repairs(&Filter::default()).unwrap().into_iter();
        let mut hosts: Vec<_> = repairs.map(|one| (one.reserved, one.host)).collect();
        let refusals = ledger.refused(&Filter::default()).unwrap().into_iter();
        hosts.extend(refusals.map(|one| (one.at, one.host)));
        hosts.sort();
        hosts.into_iter().map(|(_, host)| host).collect()
    }

    /// Waits until the queue holds no calls.
    fn wait_until_answered(&self) {
        wait_until("an empty queue", || {
            let names = fs::read_dir(self.dir.path().join("ledger.sqlite.queue")).unwrap();
            let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.into_iter().all(|name| name.starts_with("slot-") || name == "role")
        });
    }
}

fn fault(host: &str) -> String {
    format!("CRITICAL HARD 4 --host {host} --service HTTP --repair httpd")
}

#[test]
fn leaves_a_call_to_the_next_worker_when_no_slot_is_free() {
    let site = Site::new();
    let slots: Vec<WorkerSlot> =
        (0..SLOTS).map(|_| site.queue().free_slot().unwrap().unwrap()).collect();
    for host in ["web1", "web2"] {
        site.call(&fault(host)).unwrap();
    }
    assert!(site.queue().has_waiting().unwrap() && site.on_record().is_empty());
    drop(slots);
    site.call(&fault("web3")).unwrap();
    site.wait_until_answered();
    assert_eq!(site.on_record(), ["web1", "web2", "web3"]);
}

#[test]
fn a_worker_of_the_sweep_leaves_its_slot_to_a_waiting_call() {
    let site = Site::new();
    let mut slots: Vec<WorkerSlot> =
        (0..SLOTS).map(|_| site.queue().free_slot().unwrap().unwrap()).collect();
    site.call(&fault("web1")).unwrap();
    // Start a worker as the sweep does.
    let slot = slots.pop().unwrap().share().unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_repair_worker"));
    worker.arg("--job=job-of-the-sweep").args(fault("web2").split(' ')).stdin(slot);
    worker.args(["--policy", "policy.json"]).current_dir(site.dir.path());
    assert!(worker.output().unwrap().status.success());
    drop(worker);
    site.wait_until_answered();
    assert_eq!(site.on_record(), ["web2", "web1"]);
    drop(slots);
}

#[test]
fn answers_a_call_once_although_its_worker_died_after_recording_it() {
    let site = Site::new();
    let job = site.call(&fault("web1")).unwrap();
    site.wait_until_answered();
    // Queue the same call again. Then take the call and drop it, as if a worker died before it
    // removed the call.
    let argv: Vec<_> = fault("web1").split(' ').map(Into::into).collect();
    let id: JobId = job.parse().unwrap();
    site.queue().add(&id, &site.policy(), &argv).unwrap();
    drop(site.queue().take().unwrap().unwrap());
    site.call(&fault("web2")).unwrap();
    site.wait_until_answered();
    assert_eq!(site.on_record(), ["web1", "web2"]);
}

/// Reserves web1 for `job`. Then drops the ledger and the job's lock, as if the worker had died.
fn reserve_and_die(site: &Site, job: &JobId) {
    let event = Event::new("web1", Some("HTTP"), ObjectState::Critical, StateType::Hard, 4);
    let (lease, horizon) = (Duration::from_secs(60), Policy::default().horizon(&event));
    let claim = Claim { job, event: &event, lease, horizon, observed: None };
    let repair = |_: &_| Decision::Repair("httpd".parse().unwrap());
    let mut ledger = ledger::open_sqlite(&site.ledger()).unwrap();
    ledger.reserve(&claim, &SystemTime::now, &repair).unwrap().unwrap();
}

/// Returns the recorded outcome of a repair.
fn outcome(site: &Site, job: &JobId) -> Option<RepairOutcome> {
    let mut ledger = ledger::open_sqlite_read_only(&site.ledger()).unwrap();
    ledger.repair_of(job).unwrap().unwrap().outcome
}

#[test]
fn closes_the_repair_of_a_dead_worker_that_answered_the_same_call() {
    let site = Site::new();
    let argv: Vec<_> = fault("web1").split(' ').map(Into::into).collect();
    let job: JobId = "dead-worker-1".parse().unwrap();
    site.queue().add(&job, &site.policy(), &argv).unwrap();
    drop(site.queue().take().unwrap().unwrap());
    reserve_and_die(&site, &job);
    site.call(&fault("web2")).unwrap();
    site.wait_until_answered();
    assert_eq!(outcome(&site, &job), Some(RepairOutcome::CouldNotRun));
}

#[test]
fn closes_the_repair_of_a_dead_worker_although_the_verify_command_is_missing() {
    let site = Site::new();
    let job: JobId = "dead-worker-1".parse().unwrap();
    reserve_and_die(&site, &job);
    let policy = fs::read_to_string(site.policy()).unwrap();
    let policy = policy.replace("\"verify\": [\"/bin/true\"]", "\"verify\": [\"/nonexistent\"]");
    fs::write(site.policy(), policy).unwrap();
    site.call(&fault("web1")).unwrap();
    site.wait_until_answered();
    assert_eq!(outcome(&site, &job), Some(RepairOutcome::CouldNotRun));
}

#[test]
fn drops_a_call_that_ends_every_worker() {
    let site = Site::new();
    let argv: Vec<_> = fault("web1").split(' ').map(Into::into).collect();
    site.queue().add(&"deadly-job".parse().unwrap(), &site.policy(), &argv).unwrap();
    (0..10).for_each(|_| drop(site.queue().take().unwrap().unwrap()));
    site.call(&fault("web2")).unwrap();
    site.wait_until_answered();
    assert_eq!(site.on_record(), ["web2"]);
}

#[test]
fn answers_other_calls_after_one_that_is_not_valid() {
    let site = Site::new();
    let add = |job: &str, argv: &[&str]| {
        let argv: Vec<_> = argv.iter().map(Into::into).collect();
        site.queue().add(&job.parse().unwrap(), &site.policy(), &argv).unwrap();
    };
    add("no-arguments", &[]);
    add(
        "unknown-repair",
        &["CRITICAL", "HARD", "4", "--host=web2", "--service=HTTP", "--repair=none"],
    );
    site.call(&fault("web1")).unwrap();
    site.wait_until_answered();
    assert_eq!(site.on_record(), ["web2", "web1"]);
}

#[test]
fn touches_no_queue_without_a_repair_or_in_the_foreground() {
    let site = Site::new();
    assert_eq!(site.call("OK HARD 1 --host web1 --service HTTP --repair httpd"), None);
    assert_eq!(fs::read_dir(site.dir.path()).unwrap().count(), 1);
    site.call(&format!("{} --foreground", fault("web1")));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(site.on_record().len(), 1);
    assert!(!site.dir.path().join("ledger.sqlite.queue").exists());
}

#[test]
fn refuses_event_that_a_late_handler_passes() {
    let site = Site::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // The default of max_event_age is ten minutes.
    for (host, age) in [("web1", 3600), ("web2", 590)] {
        site.call(&format!("{} --seen {}", fault(host), now - age)).unwrap();
    }
    site.wait_until_answered();
    let mut ledger = ledger::open_sqlite_read_only(&site.ledger()).unwrap();
    let refusals = ledger.refused(&Filter::default()).unwrap();
    let refused: Vec<_> = refusals.iter().map(|one| (&*one.host, one.reason.as_str())).collect();
    assert_eq!(refused, [("web1", "waited-too-long")]);
    let repairs = ledger.repairs(&Filter::default()).unwrap();
    assert_eq!(repairs.iter().map(|one| &*one.host).collect::<Vec<_>>(), ["web2"]);
}
