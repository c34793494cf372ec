//! Measures how fast the stores reserve repairs: SQLite, PostgreSQL, and PostgreSQL with a
//! synchronous standby. All of them flush each reservation to the disk. Run it with
//! `cargo run --release -p ledger --example reservations [SECONDS]`.
//!
//! Each reservation is on an open connection and for another host, and the repair ends before the
//! next reservation. The latency covers only the reservation. The rate counts a reservation
//! together with the end of its repair, because every reservation is followed by an end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "this benchmark may panic"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::{Place, event, job};
use ledger::{Claim, RepairOutcome};
use policy::{Fleet, History, Policy, Quota, decide};
use testkit::Postgres;

/// How many connections reserve at the same time.
const AT_ONCE: usize = 32;

fn main() {
    let seconds = env::args().nth(1).map_or(5, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs(seconds);
    let flush = ["fsync=on"];
    let alone = Arc::new(Postgres::start_with(&flush));
    let primary = Arc::new(Postgres::start_with(&flush));
    let standby = Postgres::standby_of(&primary);
    primary.set("synchronous_standby_names", "'*'");
    let stores = [
        ("SQLite", Place::new()),
        ("PostgreSQL", Place::on(alone)),
        ("PostgreSQL, synchronous standby", Place::on(Arc::clone(&primary))),
    ];
    println!(
        "{:<34}{:>9}{:>12}{:>10}{:>10}{:>12}",
        "reservations", "at once", "per second", "p50 ms", "p99 ms", "/ SQLite"
    );
    for at_once in [1, AT_ONCE] {
        let mut of_sqlite = None;
        for (name, place) in &stores {
            let (rate, [median, high]) = measure(place, at_once, time);
            let ratio = rate / *of_sqlite.get_or_insert(rate);
            println!("{name:<34}{at_once:>9}{rate:>12.0}{median:>10.2}{high:>10.2}{ratio:>12.2}");
        }
    }
    // A standby that had stopped would have blocked every reservation.
    assert_eq!(standby.sql("postgres", "SELECT pg_is_in_recovery()").trim(), "t");
}

/// Reserves repairs on several connections for the given time. Returns the reservations per second,
/// and the median and the 99th percentile of their latencies in milliseconds.
fn measure(place: &Place, at_once: usize, time: Duration) -> (f64, [f64; 2]) {
    let begun = Instant::now();
    let mut latencies: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..at_once).map(|_| scope.spawn(|| reserve_until(place, begun + time))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let elapsed = begun.elapsed();
    latencies.sort_unstable();
    let percentile =
        |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    (latencies.len() as f64 / elapsed.as_secs_f64(), [50, 99].map(percentile))
}

/// Reserves and ends repairs on one connection. Returns the latencies of the reservations.
fn reserve_until(place: &Place, end: Instant) -> Vec<Duration> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut policy: Policy = common::policy();
    let started = Quota { count: u32::MAX, per: Duration::from_secs(1) };
    policy.fleet = Fleet { running: u32::MAX, started, ..Fleet::default() };
    let mut ledger = place.open();
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (job, event) = (job(number), event(&format!("web{number}"), &number.to_string(), 4));
        let horizon = policy.horizon(&event);
        let lease = Duration::from_secs(120);
        let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
        let begun = Instant::now();
        let granted = ledger.reserve(&claim, &SystemTime::now, &|history: &History| {
            decide(&event, &policy, history)
        });
        latencies.push(begun.elapsed());
        granted.unwrap().unwrap();
        ledger.finish(&job, SystemTime::now(), RepairOutcome::Healed, "").unwrap();
    }
    latencies
}
