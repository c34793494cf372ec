use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::TempDir;

struct Site(TempDir);

impl Site {
    fn new() -> Site {
        Site(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> CallQueue {
        CallQueue::open(&self.0.path().join("ledger.sqlite")).unwrap()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join("ledger.sqlite.queue").join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.at("")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn job(number: usize) -> JobId {
    format!("job-{number:05}").parse().unwrap()
}

fn add(queue: &CallQueue, number: usize) {
    queue.add(&job(number), Path::new("/policy.json"), &["OK".into()]).unwrap();
}

#[test]
fn returns_calls_in_order_with_the_exact_bytes_of_their_arguments() {
    let site = Site::new();
    let argv: Vec<OsString> = [b"CRITICAL".as_slice(), b"", b"Gr\xf6\xdfe\n", b""]
        .map(|w| OsStr::from_bytes(w).into())
        .into();
    let (before, policy) = (SystemTime::now(), OsStr::from_bytes(b"/etc/p \xe4.json"));
    site.open().add(&job(1), Path::new(policy), &argv).unwrap();
    add(&site.open(), 0);
    let mut queue = site.open();
    let first = queue.take().unwrap().unwrap();
    assert_eq!((first.job.clone(), first.deaths), (job(1), 0));
    assert!((before..=SystemTime::now()).contains(&first.at));
    assert_eq!(queue.read(&first).unwrap(), (PathBuf::from(policy), argv));
    let second = queue.take().unwrap().unwrap();
    assert_eq!(second.job, job(0));
    assert!(queue.take().unwrap().is_none());
}

#[test]
fn gives_the_call_of_a_dead_worker_to_another_until_it_is_removed() {
    let site = Site::new();
    add(&site.open(), 1);
    let taken = site.open().take().unwrap().unwrap();
    assert!(!site.open().has_waiting().unwrap());
    assert!(site.open().take().unwrap().is_none());
    // Drop the call to close its file, as the kernel does when a worker dies.
    drop(taken);
    assert!(site.open().has_waiting().unwrap());
    let again = site.open().take().unwrap().unwrap();
    assert_eq!((again.job.clone(), again.deaths), (job(1), 1));
    site.open().remove(again);
    assert!(!site.open().has_waiting().unwrap());
    assert!(site.names().is_empty());
}

#[test]
fn gives_each_call_to_one_of_many_workers() {
    const CALLS: usize = 400;
    let site = Site::new();
    let work = || {
        let (mut queue, mut taken) = (site.open(), Vec::new());
        while let Some(call) = queue.take().unwrap() {
            taken.push(call.job.clone());
            queue.remove(call);
        }
        taken
    };
    (0..CALLS).for_each(|number| add(&site.open(), number));
    let mut taken: Vec<JobId> = thread::scope(|scope| {
        let workers: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    taken.sort();
    assert_eq!(taken, (0..CALLS).map(job).collect::<Vec<_>>());
}

#[test]
fn withdraws_only_the_call_of_one_job() {
    let site = Site::new();
    (0..3).for_each(|number| add(&site.open(), number));
    site.open().withdraw(&job(1));
    let mut queue = site.open();
    let rest = [queue.take(), queue.take(), queue.take()].map(|call| call.unwrap().map(|c| c.job));
    assert_eq!(rest, [Some(job(0)), Some(job(2)), None]);
}

#[test]
fn gives_out_a_fixed_number_of_slots() {
    let site = Site::new();
    let take = || site.open().free_slot().unwrap();
    let mut taken: Vec<WorkerSlot> = (0..SLOTS).map(|_| take().unwrap()).collect();
    assert!(take().is_none());
    // A slot becomes free only when no process has its file open any more.
    let shared = taken[3].share().unwrap();
    drop(taken.remove(3));
    assert!(take().is_none());
    drop(shared);
    taken.push(take().unwrap());
    assert!(take().is_none());
}

#[test]
fn gives_the_decision_role_to_one_worker_at_a_time() {
    let site = Site::new();
    assert!(!site.open().has_decider().unwrap());
    let role = site.open().role().unwrap().unwrap();
    assert!(site.open().has_decider().unwrap() && site.open().role().unwrap().is_none());
    drop(role);
    assert!(!site.open().has_decider().unwrap());
    assert!(site.open().role().unwrap().is_some());
}

#[test]
fn gives_out_the_free_role_while_others_check_it() {
    let site = Site::new();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let queue = site.open();
                while !is_done.load(Ordering::Relaxed) {
                    queue.has_decider().unwrap();
                }
            });
        }
        let queue = site.open();
        let taken = (0..2000).filter(|_| queue.role().unwrap().is_some()).count();
        is_done.store(true, Ordering::Relaxed);
        assert_eq!(taken, 2000);
    });
}

#[test]
fn ignores_everything_that_is_not_a_call_without_blocking() {
    let site = Site::new();
    add(&site.open(), 1);
    assert!(
        std::process::Command::new("mkfifo")
            .arg(site.at("1.job-fifo.0"))
            .status()
            .unwrap()
            .success()
    );
    symlink("/etc/passwd", site.at("1.job-link.0")).unwrap();
    fs::create_dir(site.at("1.job-directory.0")).unwrap();
    for name in ["x", "1.job-00000", "1.job-00000.0.0", "01.job-00000.0", "1.-job-0000.0"] {
        fs::write(site.at(&format!("x{name}")), "").unwrap();
        fs::write(site.at(&format!("{name}.")), "").unwrap();
    }
    let mut queue = site.open();
    let call = queue.take().unwrap().unwrap();
    assert_eq!(call.job, job(1));
    assert!(queue.take().unwrap().is_none());
    queue.remove(call);
    assert!(!site.open().has_waiting().unwrap());
}

#[test]
fn refuses_calls_that_are_too_long_or_too_many() {
    let site = Site::new();
    let long = "x".repeat(usize::try_from(LONGEST_CALL).unwrap());
    let add_long = site.open().add(&job(1), Path::new("/p"), &[long.clone().into()]);
    assert!(matches!(add_long, Err(QueueError::TooLong)), "{add_long:?}");
    // Nagios' user can also write a file to the queue directly, and the file can be too large for a
    // call.
    fs::write(site.at("1.job-00001.0"), long + "x").unwrap();
    let mut queue = site.open();
    let call = queue.take().unwrap().unwrap();
    assert!(queue.read(&call).unwrap_err().to_string().contains("is larger than"));
    queue.most = 200;
    // Only some handlers count the waiting calls, so a few calls above the limit can still be
    // added.
    let add = |number| queue.add(&job(number), Path::new("/p"), &[]);
    let refused = (0..10_000).find_map(|number| add(number).err()).unwrap();
    assert!(refused.to_string().contains("too many calls are waiting in"), "{refused}");
    assert!((0..100).all(|number| add(number).is_err()));
    for name in site.names().iter().filter(|name| *name != FULL) {
        fs::remove_file(site.at(name)).unwrap();
    }
    // The first handler finds that the queue has drained, although the file FULL still exists.
    add(0).unwrap();
}

#[test]
fn removes_drafts_that_a_dead_handler_has_left() {
    let site = Site::new();
    let mut queue = site.open();
    for (name, age) in [(".1.job-00001.0", 2 * DRAFT_TIME), (".2.job-00002.0", Duration::ZERO)] {
        fs::write(site.at(name), "").unwrap();
        let file = File::options().write(true).open(site.at(name)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    assert!(queue.take().unwrap().is_none());
    assert_eq!(site.names(), [".2.job-00002.0"]);
}

#[test]
fn refuses_a_directory_that_another_account_can_change() {
    let site = Site::new();
    drop(site.open());
    testkit::set_mode(site.at(""), 0o770);
    let refused = CallQueue::open(&site.0.path().join("ledger.sqlite")).unwrap_err();
    assert!(refused.to_string().contains("can be changed by group ID"), "{refused}");
}
