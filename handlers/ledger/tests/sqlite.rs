//! The ledger on real files: one repair at a time per host, cooldown, and nothing believed that cannot be read.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use ledger::{Claim, Error, Ledger, Outcome, Paused, SqliteLedger, Sweeping};
use policy::{Decision, Event, Fleet, History, JobId, Policy, Rules, State, StateType, Why, decide};
use tempfile::TempDir;

const HOUR: Duration = Duration::from_secs(3600);

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("ledger.sqlite")
    }

    fn open(&self) -> SqliteLedger {
        SqliteLedger::open(&self.path()).unwrap()
    }
}

fn event(host: &str, problem: &str, attempt: u32) -> Event {
    Event {
        problem_id: Some(problem.into()),
        repair: Some("httpd".parse().unwrap()),
        ..Event::new(host, Some("HTTP"), State::Critical, StateType::Hard, attempt)
    }
}

fn policy() -> Policy {
    Policy { repairs: [("httpd".parse().unwrap(), Rules::with_ladder(vec![]))].into(), fleet: Fleet::default() }
}

fn job(n: u32) -> JobId {
    format!("test-job-{n:04}").parse().unwrap()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
}

fn reserve(ledger: &mut SqliteLedger, n: u32, event: &Event, now: SystemTime) -> Result<(), Why> {
    let (job, policy) = (job(n), policy());
    let claim = Claim { job: &job, event, lease: Duration::from_secs(120), fleet_window: HOUR };
    let granted = ledger.reserve(&claim, &|| now, &|history: &History| -> Decision { decide(event, &policy, history) });
    granted.unwrap().map(|name| assert_eq!(name.as_str(), "httpd"))
}

fn code(granted: Result<(), Why>) -> &'static str {
    granted.map_or_else(|why| why.code(), |()| "repair")
}

#[test]
fn one_repair_runs_on_a_host_then_it_cools_down() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "7", 4), at(0))), "repair");
    let mut other = event("web1", "8", 4);
    other.service = Some("HTTPS".into());
    assert_eq!(code(reserve(&mut ledger, 2, &other, at(1))), "already-running");
    assert_eq!(code(reserve(&mut ledger, 3, &event("web2", "9", 4), at(1))), "repair");

    ledger.finish(&job(1), at(10), Outcome::Healed, "healed by httpd").unwrap();
    assert_eq!(code(reserve(&mut ledger, 4, &other, at(11))), "repair");
    ledger.finish(&job(4), at(12), Outcome::NotHealed, "").unwrap();
    assert_eq!(code(reserve(&mut ledger, 5, &event("web1", "10", 4), at(609))), "cooling-down");
    assert_eq!(code(reserve(&mut ledger, 6, &event("web1", "10", 4), at(610))), "repair");

    let refusals: Vec<String> = ledger.refusals(10).unwrap().into_iter().map(|refusal| refusal.why).collect();
    assert_eq!(refusals, ["cooling-down", "already-running"]);
    let newest = &ledger.records(1).unwrap()[0];
    assert_eq!((newest.job.as_str(), newest.outcome, newest.event.as_str()), ("test-job-0006", None, "CRITICAL;HARD;4"));
}

#[test]
fn the_same_event_is_answered_once_however_often_it_comes() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "7", 4), at(0))), "repair");
    ledger.finish(&job(1), at(1), Outcome::Healed, "").unwrap();
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "7", 4), at(3599))), "same-event");
    assert_eq!(code(reserve(&mut ledger, 3, &event("web1", "8", 4), at(3599))), "repair");
    ledger.finish(&job(3), at(3600), Outcome::Healed, "").unwrap();
    // Another event of a problem that was repaired: the cooldown is the first reason, then that.
    assert_eq!(code(reserve(&mut ledger, 5, &event("web1", "8", 3), at(3601))), "cooling-down");
    assert_eq!(code(reserve(&mut ledger, 5, &event("web1", "8", 3), at(5000))), "same-problem");
    // Nagios restarted without retention counts its problems anew.
    assert_eq!(code(reserve(&mut ledger, 4, &event("web1", "7", 4), at(9_000))), "repair");
}

#[test]
fn a_worker_that_died_and_says_nothing_frees_its_host_when_its_lease_is_over() {
    let place = Place::new();
    let mut worker = place.open();
    assert_eq!(code(reserve(&mut worker, 1, &event("web1", "1", 4), at(0))), "repair");
    drop(worker);
    let mut ledger = place.open();
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "2", 4), at(119))), "already-running");
    // From then on it counts as a repair that ended with its lease.
    assert_eq!(code(reserve(&mut ledger, 3, &event("web1", "2", 4), at(120))), "cooling-down");
    assert_eq!(code(reserve(&mut ledger, 4, &event("web1", "2", 4), at(720))), "repair");
}

/// A machine that wakes up goes on where it was, and its clock is hours ahead.
#[test]
fn a_worker_that_lives_keeps_its_host_however_far_the_clock_has_jumped() {
    let place = Place::new();
    let (mut worker, mut other) = (place.open(), place.open());
    assert_eq!(code(reserve(&mut worker, 1, &event("web1", "1", 4), at(0))), "repair");
    assert_eq!(code(reserve(&mut other, 2, &event("web1", "2", 4), at(30_000))), "already-running");
    assert_eq!(other.fleet(HOUR, at(30_000)).unwrap().running, 1);
    drop(worker);
    assert_eq!(other.fleet(HOUR, at(30_000)).unwrap().running, 0);
    assert_eq!(code(reserve(&mut other, 3, &event("web1", "2", 4), at(30_000))), "repair");
}

#[test]
fn a_clock_that_goes_back_does_not_make_it_bolder() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "1", 4), at(5000))), "repair");
    ledger.finish(&job(1), at(5001), Outcome::Healed, "").unwrap();
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "2", 4), at(0))), "clock-went-back");
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "2", 4), at(4999))), "cooling-down");
}

#[test]
fn what_could_not_be_run_is_no_answer_and_starts_no_cooldown() {
    let place = Place::new();
    let mut ledger = place.open();
    assert_eq!(code(reserve(&mut ledger, 1, &event("web1", "7", 4), at(0))), "repair");
    ledger.finish(&job(1), at(1), Outcome::CouldNotRun, "").unwrap();
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "7", 4), at(2))), "repair");
}

#[test]
fn a_worker_that_died_is_known_at_once() {
    let place = Place::new();
    let mut worker = place.open();
    assert_eq!(code(reserve(&mut worker, 1, &event("web1", "1", 4), at(0))), "repair");
    let mut next = place.open();
    assert!(next.abandoned("web1").unwrap().is_empty());
    // The kernel frees the lock of a process that ends, however it ends; dropping the ledger does the same here.
    drop(worker);
    let abandoned = next.abandoned("web1").unwrap();
    assert_eq!(abandoned.iter().map(|record| record.job.as_str()).collect::<Vec<_>>(), ["test-job-0001"]);
    assert!(next.abandoned("web2").unwrap().is_empty());
    next.finish(&job(1), at(5), Outcome::Unknown, "its worker died").unwrap();
    assert!(next.abandoned("web1").unwrap().is_empty());
    assert_eq!(code(reserve(&mut next, 2, &event("web1", "2", 4), at(10))), "cooling-down");
    assert_eq!(fs::read_dir(place.dir.path().join("ledger.sqlite.jobs")).unwrap().count(), 0);
}

#[test]
fn a_worker_that_ends_while_we_look_is_not_dead() {
    let place = Place::new();
    let (mut worker, mut other) = (place.open(), place.open());
    thread::scope(|scope| {
        let repairs = scope.spawn(|| {
            for n in 0..200 {
                let now = at(u64::from(n) * 3600);
                assert_eq!(code(reserve(&mut worker, n, &event(&format!("web{n}"), "1", 4), now)), "repair");
                worker.finish(&job(n), now, Outcome::Healed, "").unwrap();
            }
        });
        while !repairs.is_finished() {
            let running = other.running().unwrap();
            assert!(running.iter().all(|running| running.alive), "{running:?}");
        }
    });
}

#[test]
fn a_ledger_that_others_can_write_is_not_believed() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.open());
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(SqliteLedger::open(&place.path()), Err(Error::Writable(_))));
}

#[test]
fn a_ledger_that_others_can_take_away_is_not_believed() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let place = Place::new();
    drop(place.open());
    let mode = |bits| fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(bits)).unwrap();
    for (bits, exposed) in [(0o770, true), (0o757, true), (0o1777, false), (0o750, false)] {
        mode(bits);
        let opened = SqliteLedger::open(&place.path());
        assert_eq!(matches!(opened, Err(Error::Exposed(_))), exposed, "{bits:o}: {:?}", opened.err());
    }
    // Nor is one begun where others could put another in its place.
    mode(0o777);
    fs::remove_file(place.path()).unwrap();
    assert!(matches!(SqliteLedger::open(&place.path()), Err(Error::Exposed(_))));
    assert!(!place.path().exists());
    // Root may look at everybody's.
    mode(0o750);
    chown(place.dir.path(), Some(65534), None).unwrap();
    drop(place.open());
}

/// Root tries something by hand, in the directory of Nagios' user: what is made is that user's, and nothing else becomes so.
#[test]
fn root_gives_away_nothing_but_what_it_made() {
    use std::os::unix::fs::{MetadataExt, chown, symlink};
    let (place, elsewhere) = (Place::new(), tempfile::tempdir().unwrap());
    chown(place.dir.path(), Some(65534), Some(65534)).unwrap();
    let beside = |end: &str| place.path().with_added_extension(end);
    let (file, directory) = (elsewhere.path().join("shadow"), elsewhere.path().join("cron.d"));
    fs::write(&file, "root's").unwrap();
    fs::create_dir(&directory).unwrap();
    let mut ledger = place.open();
    let (now, policy) = (at(0), policy());
    let mut reserve = |n| {
        let (job, event) = (job(n), event("web1", &n.to_string(), 4));
        let claim = Claim { job: &job, event: &event, lease: HOUR, fleet_window: HOUR };
        ledger.reserve(&claim, &|| now, &|history: &History| -> Decision { decide(&event, &policy, history) })
    };
    for (end, planted) in [("turn", &file), ("jobs", &directory)] {
        symlink(planted, beside(end)).unwrap();
        let refused = reserve(1).unwrap_err().to_string();
        assert!(refused.contains("no link"), "{refused}");
        fs::remove_file(beside(end)).unwrap();
    }
    fs::remove_file(beside("turn")).unwrap();
    fs::hard_link(&file, beside("turn")).unwrap();
    assert!(reserve(1).unwrap_err().to_string().contains("another name"));
    fs::remove_file(beside("turn")).unwrap();
    symlink(&file, beside("sweep")).unwrap();
    assert!(Sweeping::begin(&place.path()).is_err());
    for mine in [&file, &directory] {
        assert_eq!(fs::symlink_metadata(mine).unwrap().uid(), 0, "{}", mine.display());
    }
    reserve(2).unwrap().unwrap();
    for theirs in [place.path(), beside("turn"), beside("jobs"), beside("jobs").join("test-job-0002")] {
        assert_eq!(fs::symlink_metadata(&theirs).unwrap().uid(), 65534, "{}", theirs.display());
    }
}

#[test]
fn fifty_at_once_for_one_host_make_one_repair() {
    let place = Place::new();
    let workers: Vec<_> = (0..50)
        .map(|n| {
            let path = place.path();
            thread::spawn(move || {
                let mut ledger = SqliteLedger::open(&path).unwrap();
                code(reserve(&mut ledger, n, &event("web1", &n.to_string(), 4), at(0)))
            })
        })
        .collect();
    let answers: Vec<&str> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    assert_eq!(answers.iter().filter(|answer| **answer == "repair").count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == "already-running").count(), 49);
    let drafts = fs::read_dir(place.dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("new-"));
    assert_eq!(drafts.count(), 0);
}

#[test]
fn steps_are_kept_in_order_and_an_ended_job_stays_ended() {
    let place = Place::new();
    let mut ledger = place.open();
    reserve(&mut ledger, 1, &event("web1", "1", 4), at(0)).unwrap();
    ledger.step(&job(1), at(1), "run", "httpd").unwrap();
    ledger.step(&job(1), at(2), "verify", "HTTP OK").unwrap();
    let steps: Vec<String> = ledger.steps(&job(1)).unwrap().into_iter().map(|step| step.what).collect();
    assert_eq!(steps, ["run", "verify"]);
    ledger.finish(&job(1), at(3), Outcome::Healed, "").unwrap();
    assert!(matches!(ledger.finish(&job(1), at(4), Outcome::Unknown, ""), Err(Error::NoSuchJob { .. })));
    assert_eq!(ledger.records(1).unwrap()[0].outcome, Some(Outcome::Healed));
}

#[test]
fn what_is_not_our_ledger_is_an_error_and_stays_as_it_was() {
    let place = Place::new();
    for content in [
        &b"this is no database, and long enough to be sure of it ......................................................"[..],
        &[0xff; 4096],
    ] {
        fs::write(place.path(), content).unwrap();
        let refused = SqliteLedger::open(&place.path()).err().unwrap();
        assert!(matches!(refused, Error::Foreign(_) | Error::Store { .. }), "{refused}");
        assert_eq!(fs::read(place.path()).unwrap(), content);
    }
    fs::remove_file(place.path()).unwrap();
    let other = rusqlite::Connection::open(place.path()).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(SqliteLedger::open(&place.path()), Err(Error::Foreign(_))));
}

#[test]
fn what_is_no_file_is_neither_waited_for_nor_followed() {
    let place = Place::new();
    let refused = || matches!(SqliteLedger::open(&place.path()), Err(Error::NoFile(_)));
    assert!(std::process::Command::new("mkfifo").arg(place.path()).status().unwrap().success());
    assert!(refused());
    fs::remove_file(place.path()).unwrap();
    fs::create_dir(place.path()).unwrap();
    assert!(refused());
    fs::remove_dir(place.path()).unwrap();
    let elsewhere = place.dir.path().join("elsewhere");
    drop(SqliteLedger::open(&elsewhere).unwrap());
    std::os::unix::fs::symlink(&elsewhere, place.path()).unwrap();
    assert!(refused());
}

#[test]
fn a_newer_schema_is_refused() {
    let place = Place::new();
    drop(place.open());
    let newer = rusqlite::Connection::open(place.path()).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(SqliteLedger::open(&place.path()), Err(Error::Newer { found: 99, .. })));
}

#[test]
fn a_missing_directory_is_named() {
    let place = Place::new();
    let path = place.dir.path().join("missing/ledger.sqlite");
    let refused = SqliteLedger::open(&path).err().unwrap().to_string();
    assert!(refused.contains("/missing cannot be used"), "{refused}");
}

#[test]
fn looking_creates_nothing() {
    let place = Place::new();
    assert!(matches!(SqliteLedger::open_read_only(&place.path()), Err(Error::Missing(_))));
    assert!(!place.path().exists());
    drop(place.open());
    let mut reader = SqliteLedger::open_read_only(&place.path()).unwrap();
    assert_eq!(reader.history(&event("web1", "1", 4), HOUR, at(0)).unwrap(), History::default());
    assert!(reader.step(&job(1), at(0), "x", "y").is_err());
}

fn pause(host: Option<&str>, service: Option<&str>, until: Option<SystemTime>) -> Paused {
    let text = |text: &str| text.to_owned();
    let (host, service) = (host.map(text), service.map(text));
    Paused { host, service, by: "alice".into(), reason: "migration".into(), since: at(0), until }
}

#[test]
fn a_pause_holds_in_its_scope_until_it_ends_or_is_resumed() {
    let place = Place::new();
    let mut ledger = place.open();
    let (web1, web2) = (event("web1", "7", 4), event("web2", "8", 4));
    for (n, (host, service, holds)) in
        [(None, None, [true, true]), (Some("web1"), None, [true, false]), (Some("web2"), Some("HTTP"), [false, true])]
            .into_iter()
            .enumerate()
    {
        ledger.pause(&pause(host, service, None)).unwrap();
        for (event, holds) in [&web1, &web2].into_iter().zip(holds) {
            assert_eq!(ledger.history(event, HOUR, at(1)).unwrap().paused.is_some(), holds, "{n}: {}", event.host);
        }
        assert_eq!(ledger.resume(host, service, at(2)).unwrap(), Some(pause(host, service, None)));
        assert_eq!(ledger.resume(host, service, at(2)).unwrap(), None);
    }
    ledger.pause(&pause(Some("web1"), None, Some(at(60)))).unwrap();
    let mut other = pause(Some("web1"), None, Some(at(90)));
    other.reason = "still".into();
    ledger.pause(&other).unwrap();
    assert_eq!(ledger.pauses(at(89)).unwrap(), [other]);
    assert_eq!(code(reserve(&mut ledger, 1, &web1, at(89))), "paused");
    assert_eq!((ledger.pauses(at(90)).unwrap(), ledger.resume(Some("web1"), None, at(90)).unwrap()), (vec![], None));
    assert_eq!(code(reserve(&mut ledger, 2, &web1, at(90))), "repair");
}

#[test]
fn how_it_stands_is_told_of_running_and_refused_jobs() {
    let place = Place::new();
    let mut ledger = place.open();
    let web1 = event("web1", "7", 4);
    assert_eq!(code(reserve(&mut ledger, 1, &web1, at(0))), "repair");
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "8", 4), at(1))), "already-running");
    let running = ledger.running().unwrap();
    assert_eq!((running.len(), running[0].alive, running[0].record.job.as_str()), (1, true, "test-job-0001"));
    assert_eq!(ledger.fleet(HOUR, at(5)).unwrap().running, 1);
    assert_eq!(ledger.refusal_of(&job(2), at(0)).unwrap().unwrap().why, "already-running");
    assert_eq!((ledger.refusal_of(&job(1), at(0)).unwrap(), ledger.repair_of(&job(2)).unwrap()), (None, None));
    ledger.finish(&job(1), at(9), Outcome::Unknown, "").unwrap();
    assert_eq!(ledger.repair_of(&job(1)).unwrap().unwrap().outcome, Some(Outcome::Unknown));
    assert_eq!((ledger.unknown_since(at(8)).unwrap().len(), ledger.unknown_since(at(9)).unwrap().len()), (1, 0));
    assert_eq!((ledger.repairs_since(&web1, at(0)).unwrap().len(), ledger.running().unwrap().len()), (0, 0));
    let only = ("web1".to_owned(), Some("HTTP".to_owned()), "httpd".to_owned());
    assert_eq!((ledger.in_trouble_since(at(8)).unwrap(), ledger.in_trouble_since(at(9)).unwrap()), (vec![only], vec![]));
}

#[test]
fn there_is_one_sweep_at_a_time() {
    let place = Place::new();
    let first = Sweeping::begin(&place.path()).unwrap();
    assert!(first.is_some() && Sweeping::begin(&place.path()).unwrap().is_none());
    drop(first);
    assert!(Sweeping::begin(&place.path()).unwrap().is_some());
}
