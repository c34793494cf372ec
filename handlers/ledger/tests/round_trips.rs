//! Counts how often a decision waits for the answer of PostgreSQL. Each round trip counts, because
//! all other servers of the site wait until the decision has been made.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::SystemTime;

use common::{Place, code, event, job, reserve};
use ledger::RepairOutcome;
use serde_json::json;

/// Counts the requests that follow an answer.
#[derive(Default)]
struct RoundTrips {
    count: AtomicU32,
    is_answered: AtomicBool,
}

impl RoundTrips {
    /// Passes connections to a socket in `directory` on to the socket `server`.
    fn through(directory: &Path, server: &Path) -> Arc<RoundTrips> {
        let trips = Arc::new(RoundTrips::default());
        let listener = UnixListener::bind(directory.join(".s.PGSQL.5432")).unwrap();
        let (counted, server) = (Arc::clone(&trips), server.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map(Result::unwrap) {
                let server = UnixStream::connect(&server).unwrap();
                let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let (requests, answers) = (Arc::clone(&counted), Arc::clone(&counted));
                thread::spawn(move || {
                    pass_on(client, server, || {
                        let is_next = requests.is_answered.swap(false, Ordering::SeqCst);
                        requests.count.fetch_add(is_next.into(), Ordering::SeqCst);
                    });
                });
                thread::spawn(move || {
                    pass_on(back.0, back.1, || answers.is_answered.store(true, Ordering::SeqCst));
                });
            }
        });
        trips
    }

    fn during(&self, call: impl FnOnce()) -> u32 {
        let before = self.count.load(Ordering::SeqCst);
        call();
        self.count.load(Ordering::SeqCst) - before
    }
}

/// Passes bytes on until the connection ends. Calls `note` before it passes on a part.
fn pass_on(mut from: UnixStream, mut to: UnixStream, note: impl Fn()) {
    let mut part = [0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut part) {
        note();
        if to.write_all(&part[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

#[test]
fn decision_takes_few_round_trips() {
    let place = Place::postgres();
    let (server, database) = place.database.clone().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let socket = server.socket_dir().join(format!(".s.PGSQL.{}", server.port));
    let trips = RoundTrips::through(directory.path(), &socket);
    let keys = json!({"hosts": [directory.path()], "dbname": database, "state": place.dir.path()});
    let config = serde_json::from_value(json!({"postgres": keys})).unwrap();
    let mut ledger = ledger::open(&config).unwrap();
    let now = SystemTime::now();
    for (n, wanted) in [(1, "repair"), (2, "already-running")] {
        let taken = trips.during(|| {
            assert_eq!(
                code(reserve(&mut ledger, n, &event("web1", &n.to_string(), 4), now)),
                wanted
            );
        });
        // The test of the connection, the lock, the clock, the history and the commit.
        assert!(taken <= 5, "{wanted}: {taken} round trips");
    }
    ledger.finish(&job(1), now, RepairOutcome::NotHealed, "").unwrap();
    let later = now + common::HOUR;
    let taken = trips.during(|| {
        assert_eq!(code(reserve(&mut ledger, 3, &event("web1", "3", 4), later)), "repair");
    });
    // Now there is a repair on record. Its time decides which refusals to read, so they are read
    // only after the first answers have arrived. This costs additional round trips.
    assert!(taken <= 8, "{taken} round trips");
}
