//! Tests what only a ledger in PostgreSQL has: several servers, deadlines, failover, rights and
//! TLS.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use common::{Place, at, code, config, event, job, policy, reserve};
use ledger::{Claim, Error, Ledger, Paused, RepairOutcome, RungStart, ServerFault, StepKind};
use policy::{Decision, Event, History};
use policy_file::{LedgerConfig, PostgresConfig};
use serde_json::json;
use testkit::{Postgres, certificates, wait_until};

fn postgres(config: &LedgerConfig) -> &PostgresConfig {
    match config {
        LedgerConfig::Postgres(postgres) => postgres,
        LedgerConfig::Sqlite(path) => panic!("{path:?}"),
    }
}

/// Reserves a repair, and calls `during` while the site is locked.
fn reserve_with(
    ledger: &mut dyn Ledger,
    n: u32,
    host: &str,
    lease: Duration,
    during: &dyn Fn(),
) -> Result<(), Error> {
    let (job, event) = (job(n), event(host, &n.to_string(), 4));
    let horizon = policy().horizon(&event);
    let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
    let decide = |_: &History| {
        during();
        Decision::Repair("httpd".parse().unwrap())
    };
    ledger.reserve(&claim, &SystemTime::now, &decide).map(|granted| drop(granted.unwrap()))
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn repair_of_other_server_is_alive_until_its_lease_is_over() {
    let place = Place::postgres();
    let beside = place.beside();
    let (mut here, mut there) = (place.open(), beside.open());
    let now = SystemTime::now();
    assert_eq!(code(reserve(&mut here, 1, &event("web1", "1", 4), now)), "repair");
    let running = |ledger: &mut Box<dyn Ledger>| ledger.running().unwrap()[0].alive;
    assert!(running(&mut here) && running(&mut there));
    assert_eq!(code(reserve(&mut there, 2, &event("web1", "1", 4), now)), "already-running");
    // Only the worker's own server can see that the worker is dead.
    drop(here);
    here = place.open();
    assert!(!running(&mut here) && running(&mut there));
    let after_lease = now + Duration::from_secs(121);
    assert_eq!(code(reserve(&mut there, 3, &event("web1", "1", 4), after_lease)), "cooling-down");
    let after_cooldown = now + Duration::from_secs(721);
    assert_eq!(code(reserve(&mut there, 4, &event("web1", "1", 4), after_cooldown)), "repair");
    let record = there.repair_of(&job(1)).unwrap().unwrap();
    assert_eq!(record.outcome, Some(RepairOutcome::CouldNotRun), "{}", record.text);
}

#[test]
fn worker_that_wakes_up_after_its_lease_runs_nothing() {
    let place = Place::postgres();
    let beside = place.beside();
    let (mut late, mut other) = (place.open(), beside.open());
    let now = SystemTime::now() - 20 * MINUTE;
    assert_eq!(code(reserve(&mut late, 1, &event("web1", "1", 4), now)), "repair");
    assert_eq!(code(reserve(&mut other, 2, &event("web1", "2", 4), now + 13 * MINUTE)), "repair");
    let rung = RungStart { number: 1, gate: Some("web1"), deadline: SystemTime::now() };
    let refused = late.begin_rung(&job(1), SystemTime::now(), &rung, "rung 1 of 1");
    assert!(matches!(refused, Err(Error::NoSuchJob { .. })), "{refused:?}");
    assert_eq!(late.steps(&job(1)).unwrap(), []);
    // The late repair no longer counts towards the fleet limit, even if its host has no other
    // repair.
    assert_eq!(code(reserve(&mut late, 3, &event("web2", "1", 4), now)), "repair");
    let refused = late.begin_rung(&job(3), SystemTime::now(), &rung, "rung 1 of 1");
    assert!(matches!(refused, Err(Error::NoSuchJob { .. })), "{refused:?}");
}

#[test]
fn same_problem_id_of_other_server_is_another_problem() {
    let place = Place::postgres();
    let beside = place.beside();
    let (mut here, mut there) = (place.open(), beside.open());
    assert_eq!(code(reserve(&mut here, 1, &event("web1", "7", 4), at(0))), "repair");
    here.finish(&job(1), at(1), RepairOutcome::Healed, "").unwrap();
    assert_eq!(code(reserve(&mut here, 2, &event("web1", "7", 4), at(1000))), "same-event");
    assert_eq!(code(reserve(&mut there, 3, &event("web1", "7", 4), at(1000))), "repair");
}

#[test]
fn only_one_sweep_runs_on_all_servers() {
    let place = Place::postgres();
    let beside = place.beside();
    let (mut here, mut there) = (place.open(), beside.open());
    let lock = here.lock_sweep().unwrap();
    assert!(lock.is_some() && there.lock_sweep().unwrap().is_none());
    drop(lock);
    wait_until("the lock is free", || there.lock_sweep().unwrap().is_some());
}

#[test]
fn database_allows_one_open_repair_per_host_of_a_site() {
    let place = Place::postgres();
    let mut ledger = place.open();
    reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap();
    // The decision in `reserve_with` grants every repair, so only the database can refuse the
    // second repair.
    let second = reserve_with(ledger.as_mut(), 2, "web1", MINUTE, &|| {}).unwrap_err();
    assert!(second.to_string().contains("repair_running"), "{second}");
    reserve_with(ledger.as_mut(), 3, "web2", MINUTE, &|| {}).unwrap();
    assert_eq!(ledger.running().unwrap().len(), 2);
}

#[test]
fn stopped_worker_loses_the_lock_and_reserves_nothing() {
    let place = Place::postgres();
    let beside = place.beside();
    let (mut stopped, mut next) = (place.open(), beside.open());
    let sleep = || thread::sleep(Duration::from_secs(8));
    let begun = Instant::now();
    thread::scope(|scope| {
        let stopped = scope.spawn(|| reserve_with(stopped.as_mut(), 1, "web1", MINUTE, &sleep));
        thread::sleep(Duration::from_secs(1));
        reserve_with(next.as_mut(), 2, "web1", MINUTE, &|| {}).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(8));
        let refused = stopped.join().unwrap().unwrap_err();
        // The worker sends the reservation and the commit together. If that fails, it does not know
        // whether the server has received them, although here it has received neither.
        assert!(matches!(refused, Error::Unconfirmed { .. }), "{refused}");
    });
    assert_eq!(next.records(9).unwrap().len(), 1);
    // The connection is gone, so the next call opens another one.
    reserve_with(stopped.as_mut(), 3, "web2", MINUTE, &|| {}).unwrap();
}

#[test]
fn gives_up_when_another_transaction_holds_the_lock() {
    let place = Place::postgres();
    let mut ledger = place.open();
    let (server, name) = place.database.clone().unwrap();
    let holder = thread::spawn(move || {
        let sql = "BEGIN; SELECT FROM selfheal.site FOR UPDATE; SELECT pg_sleep(12)";
        server.sql(&name, sql);
    });
    thread::sleep(Duration::from_secs(1));
    let refused = reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap_err();
    assert!(refused.to_string().contains("held the lock of the site"), "{refused}");
    holder.join().unwrap();
    assert_eq!(ledger.records(9).unwrap(), []);
    reserve_with(ledger.as_mut(), 2, "web1", MINUTE, &|| {}).unwrap();
}

#[test]
fn reservation_without_confirmation_runs_nothing_and_expires() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let mut ledger = place.open();
    server.set("synchronous_standby_names", "'missing'");
    // A refusal does not wait for the standby.
    let unnamed = Event { repair: None, ..event("web1", "1", 4) };
    assert_eq!(code(reserve(&mut ledger, 9, &unnamed, SystemTime::now())), "no-repair-named");
    let refused = reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap_err();
    assert!(matches!(refused, Error::Unconfirmed { .. }), "{refused}");
    assert_eq!(fs::read_dir(place.jobs()).unwrap().count(), 0, "the worker's lock is released");
    server.set("synchronous_standby_names", "''");
    // The server records the reservation as soon as it no longer waits for the standby.
    wait_until("the reservation", || !ledger.running().unwrap().is_empty());
    assert!(!ledger.running().unwrap()[0].alive);
    let next = event("web1", "2", 4);
    assert_eq!(code(reserve(&mut ledger, 2, &next, SystemTime::now())), "already-running");
    let later = SystemTime::now() + 15 * MINUTE;
    assert_eq!(code(reserve(&mut ledger, 3, &next, later)), "repair");
}

#[test]
fn repairs_nothing_after_failover_until_the_longest_lease_is_over() {
    let primary = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&primary));
    let (_, name) = place.database.clone().unwrap();
    let standby = Postgres::standby_of(&primary);
    let both = config(&[&primary, &standby], &name, &place.dir);
    let lease = Duration::from_secs(10);
    let mut ledger = ledger::open(&both).unwrap();
    reserve_with(ledger.as_mut(), 1, "web1", lease, &|| {}).unwrap();
    wait_until("the standby has the reservation", || {
        standby.sql(&name, "SELECT count(*) FROM selfheal.repair").trim() == "1"
    });
    let only_standby = config(&[&standby], &name, &place.dir);
    let refused = ledger::open(&only_standby).err().unwrap();
    assert!(matches!(&refused, Error::NoServer { tried, .. } if tried.len() == 1), "{refused}");
    assert!(refused.to_string().contains("it accepts no writes"), "{refused}");
    primary.stop();
    standby.promote();
    // The worker goes on, because the new server knows its reservation.
    ledger.step(&job(1), SystemTime::now(), StepKind::Ran, None, "").unwrap();
    ledger.finish(&job(1), SystemTime::now(), RepairOutcome::Healed, "").unwrap();
    let begun = Instant::now();
    let mut refusals = 0;
    while let Err(refused) = reserve_with(ledger.as_mut(), 2, "web2", lease, &|| {}) {
        assert!(matches!(refused, Error::FailedOver { .. }), "{refused}");
        assert!(begun.elapsed() < lease + MINUTE);
        refusals += 1;
        thread::sleep(Duration::from_millis(500));
    }
    assert!(begun.elapsed() >= lease - Duration::from_secs(1) && refusals > 1);
    let sql = "SELECT timeline, failed_over IS NULL FROM selfheal.site";
    assert_eq!(standby.sql(&name, sql).trim(), "00000002|t");
    // The old primary comes back and accepts writes, although it does not know the last repair.
    primary.restart();
    let old = config(&[&primary], &name, &place.dir);
    let refused = ledger::open(&old).err().unwrap().to_string();
    assert!(refused.contains("another server has taken over from it (stop it"), "{refused}");
    assert!(ledger::open(&both).unwrap().repair_of(&job(2)).unwrap().is_some());
}

#[test]
fn names_every_server_that_does_not_answer() {
    let place = Place::postgres();
    let (server, name) = place.database.clone().unwrap();
    let socket = server.socket_dir().display();
    let open = |keys: serde_json::Value| {
        let mut postgres = json!({"dbname": name, "state": place.dir.path()});
        postgres.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let config = serde_json::from_value(json!({"postgres": postgres})).unwrap();
        ledger::open(&config).map(drop).map_err(|why| why.to_string())
    };
    let good = format!("{socket}:{}", server.port);
    let password = place.dir.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    testkit::set_mode(&password, 0o600);
    open(json!({"hosts": ["127.0.0.1:1", good], "password_file": password})).unwrap();
    let hosts = ["127.0.0.1:1", "/missing"];
    let away = open(json!({"hosts": hosts, "password_file": password})).unwrap_err();
    for part in [&name, "127.0.0.1:1: Connection refused", "/missing:5432: No such file"] {
        assert!(away.contains(part), "{away}");
    }
    let no_role = open(json!({"hosts": [good], "user": "nobody"})).unwrap_err();
    assert!(no_role.contains("role \"nobody\" does not exist (check \"user\""), "{no_role}");
    let no_database = open(json!({"hosts": [good], "dbname": "missing"})).unwrap_err();
    assert!(no_database.contains("check \"dbname\" in the policy"), "{no_database}");
    let no_site = open(json!({"hosts": [good], "site": "it's"})).unwrap_err();
    assert!(no_site.contains("has no site it's; as the owner"), "{no_site}");
    let no_tables = open(json!({"hosts": [good], "dbname": "postgres"})).unwrap_err();
    assert!(no_tables.contains("does not contain the tables of nagios-selfheal"), "{no_tables}");
}

#[test]
fn connects_again_after_the_server_was_away() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let mut ledger = place.open();
    reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap();
    server.stop();
    thread::sleep(Duration::from_secs(2));
    let away = ledger.finish(&job(1), SystemTime::now(), RepairOutcome::Healed, "").unwrap_err();
    assert!(matches!(away, Error::NoServer { .. }), "{away}");
    server.restart();
    ledger.finish(&job(1), SystemTime::now(), RepairOutcome::Healed, "").unwrap();
}

#[test]
fn gives_up_on_a_server_that_does_not_answer() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let mut ledger = place.open();
    let backends = server.sql("postgres", "SELECT pid FROM pg_stat_activity");
    let postmaster = fs::read_to_string(server.log().with_file_name("data/postmaster.pid"));
    let postmaster = postmaster.unwrap().lines().next().unwrap().to_owned();
    let signal = |name: &str| {
        let all = backends.split_whitespace().chain([postmaster.as_str()]);
        // The list also contains the server process of psql, which has already ended, so kill(1)
        // reports an error.
        Command::new("/bin/kill").arg(name).args(all).output().unwrap();
    };
    signal("-STOP");
    let begun = Instant::now();
    let refused = reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {});
    let took = begun.elapsed();
    signal("-CONT");
    let refused = refused.unwrap_err();
    assert!(refused.to_string().contains("no answer within 5 s"), "{refused}");
    assert!(took < Duration::from_secs(15), "{took:?}");
    reserve_with(ledger.as_mut(), 2, "web2", MINUTE, &|| {}).unwrap();
}

#[test]
fn reader_cannot_write() {
    let place = Place::postgres();
    let mut reader = ledger::open_read_only(&place.config()).unwrap();
    assert_eq!(reader.records(9).unwrap(), []);
    let refused = reserve_with(reader.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap_err();
    assert!(refused.to_string().contains("read-only transaction"), "{refused}");
}

#[test]
fn reserves_nothing_in_database_that_its_owner_made_read_only() {
    let place = Place::postgres();
    let (server, name) = place.database.clone().unwrap();
    server.sql(&name, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let refused = ledger::open(&place.config()).err().unwrap().to_string();
    assert!(refused.contains("it accepts no writes (name its primary server"), "{refused}");
    assert_eq!(ledger::open_read_only(&place.config()).unwrap().records(9).unwrap(), []);
}

#[test]
fn sites_in_one_database_share_nothing() {
    let place = Place::postgres();
    let (server, name) = place.database.clone().unwrap();
    let beside = place.beside();
    let mut config = postgres(&beside.config()).clone();
    config.site = "second".into();
    server.sql(&name, &ledger::postgres_schema(&config));
    let (mut first, mut second) =
        (place.open(), ledger::open(&LedgerConfig::Postgres(config)).unwrap());
    let now = SystemTime::now();
    assert_eq!(code(reserve(&mut first, 1, &event("web1", "1", 4), now)), "repair");
    assert_eq!(code(reserve(&mut second, 2, &event("web1", "1", 4), now)), "repair");
    for ledger in [&mut first, &mut second] {
        assert_eq!((ledger.records(9).unwrap().len(), ledger.running().unwrap().len()), (1, 1));
        assert_eq!(ledger.fleet(MINUTE, now).unwrap().running, 1);
        assert!(ledger.lock_sweep().unwrap().is_some());
    }
}

#[test]
fn creates_tables_once_and_lists_missing_rights() {
    let server = Postgres::shared();
    let dir = tempfile::tempdir().unwrap();
    server.create_database("owned");
    let mut config = postgres(&config(&[&server], "owned", &dir)).clone();
    config.user = "postgres".into();
    assert!(ledger::migrate(&config).unwrap());
    assert!(!ledger::migrate(&config).unwrap());
    ledger::examine(&config).unwrap();
    server.sql("owned", "CREATE ROLE weak LOGIN");
    config.user = "weak".into();
    let refused = ledger::examine(&config).unwrap_err();
    assert!(refused.is_about_schema(), "{refused}");
    server.sql("owned", &ledger::postgres_schema(&config));
    let report = ledger::examine(&config).unwrap();
    assert_eq!((report.replicas, report.is_synchronous, report.is_encrypted), (0, false, false));
    assert!(report.version.starts_with(char::is_numeric), "{report:?}");
    assert_eq!(report.clock_skew, Duration::ZERO);
    ledger::test_write(&LedgerConfig::Postgres(config.clone())).unwrap();
    server.sql("owned", "REVOKE INSERT ON selfheal.step FROM weak");
    let refused = ledger::examine(&config).unwrap_err();
    assert!(refused.to_string().contains("INSERT ON step"), "{refused}");
    server.sql("owned", "REVOKE UPDATE (outcome) ON selfheal.repair FROM weak");
    let refused = ledger::examine(&config).unwrap_err();
    assert!(refused.to_string().contains("UPDATE (outcome) ON repair"), "{refused}");
    // A second site needs only a row of its own.
    config.user = "postgres".into();
    config.site = "second".into();
    assert!(ledger::migrate(&config).unwrap());
}

#[test]
fn owner_runs_nothing_in_a_schema_of_another_role() {
    let server = Postgres::shared();
    let dir = tempfile::tempdir().unwrap();
    server.create_database("not_ours");
    server.sql("not_ours", "CREATE ROLE intruder; CREATE SCHEMA selfheal AUTHORIZATION intruder");
    let mut config = postgres(&config(&[&server], "not_ours", &dir)).clone();
    config.user = "postgres".into();
    let refused = ledger::migrate(&config).unwrap_err();
    assert!(refused.to_string().contains("another role owns the schema"), "{refused}");
}

#[test]
fn workers_cannot_change_or_delete_the_history() {
    let place = Place::postgres();
    let (server, name) = place.database.clone().unwrap();
    for sql in [
        "DELETE FROM repair",
        "DELETE FROM refusal",
        "DELETE FROM step",
        "UPDATE step SET text = ''",
        "UPDATE repair SET host = ''",
        "UPDATE repair SET reserved = 0",
        "TRUNCATE refusal",
        "DROP TABLE pause",
        "INSERT INTO site (name, timeline) VALUES ('x', '')",
        "CREATE TABLE theirs (x int)",
    ] {
        let sql = format!(
            "SET ROLE selfheal; SET search_path = selfheal; DO $$ BEGIN {sql}; RAISE 'done'; \
             EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
        );
        server.sql(&name, &sql);
    }
}

#[test]
fn keeps_every_record_of_the_last_ninety_days() {
    let place = Place::postgres();
    let mut ledger = place.open();
    reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap();
    ledger.finish(&job(1), SystemTime::now(), RepairOutcome::Healed, "").unwrap();
    let far = SystemTime::now() + Duration::from_secs(400 * 24 * 3600);
    assert!(!ledger.expire(Some(Duration::ZERO), far).unwrap());
    assert_eq!(ledger.records(9).unwrap().len(), 1);
}

#[test]
fn encrypts_connections_and_checks_the_certificate() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let (_, name) = place.database.clone().unwrap();
    let ca = place.dir.path().join("ca.pem");
    fs::copy(server.use_tls("IP:127.0.0.1"), &ca).unwrap();
    let other = tempfile::tempdir().unwrap();
    certificates(other.path(), "IP:127.0.0.1");
    let config = |host: &str, ca: &Path| -> LedgerConfig {
        let host = format!("{host}:{}", server.port);
        let postgres =
            json!({"hosts": [host], "dbname": name, "ca": ca, "state": place.dir.path()});
        serde_json::from_value(json!({"postgres": postgres})).unwrap()
    };
    let good = config("127.0.0.1", &ca);
    assert!(ledger::examine(postgres(&good)).unwrap().is_encrypted);
    drop(ledger::open(&good).unwrap());
    for (bad, part) in [
        (config("127.0.0.1", &other.path().join("ca.pem")), "certificate"),
        (config("localhost", &ca), "certificate"),
        (config("127.0.0.1", &other.path().join("server.key")), "it contains no certificate"),
        (config("127.0.0.1", Path::new("/missing/ca.pem")), "No such file"),
    ] {
        let refused = ledger::open(&bad).err().unwrap().to_string();
        assert!(refused.contains(part), "{refused}");
    }
    // A server without TLS is refused as well.
    server.set("ssl", "off");
    let refused = ledger::open(&good).err().unwrap();
    assert!(refused.to_string().contains("does not support TLS"), "{refused}");
}

#[test]
fn sends_the_password_from_its_file() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let (_, name) = place.database.clone().unwrap();
    server.sql("postgres", "ALTER ROLE selfheal PASSWORD 'secret'");
    let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
    fs::write(server.log().with_file_name("data/pg_hba.conf"), rules).unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()");
    let file = place.dir.path().join("password");
    let host = format!("{}:{}", server.socket_dir().display(), server.port);
    let keys = json!({"hosts": [host], "dbname": name, "password_file": file,
        "state": place.dir.path()});
    let config: LedgerConfig = serde_json::from_value(json!({"postgres": keys})).unwrap();
    let open = |password: &str, mode| {
        fs::write(&file, password).unwrap();
        testkit::set_mode(&file, mode);
        ledger::open(&config).map(drop).map_err(|why| why.to_string())
    };
    wait_until("the server reads its rules", || open("wrong\n", 0o600).is_err());
    open("secret\n", 0o640).unwrap();
    let wrong = open("wrong\n", 0o600).unwrap_err();
    assert!(wrong.contains("check \"user\" and \"password_file\""), "{wrong}");
    let open_to_all = open("secret\n", 0o644).unwrap_err();
    assert!(open_to_all.contains("every account can read it"), "{open_to_all}");
}

#[test]
fn imports_every_record_of_an_sqlite_file() {
    let from = Place::new();
    let mut old = from.open();
    for (n, host) in [(1, r"w\xE4b1"), (2, "web2")] {
        assert_eq!(code(reserve(&mut old, n, &event(host, "1", 4), at(0))), "repair");
        let rung = RungStart { number: 1, gate: Some(host), deadline: at(60) };
        old.begin_rung(&job(n), at(1), &rung, "rung 1 of 1").unwrap();
    }
    old.finish(&job(1), at(9), RepairOutcome::Healed, "healed").unwrap();
    assert_eq!(code(reserve(&mut old, 3, &event(r"w\xE4b1", "2", 4), at(10))), "cooling-down");
    drop(old);
    let to = Place::postgres();
    let counts = ledger::import(&from.path(), postgres(&to.config())).unwrap();
    let wanted = "2 repairs, 2 steps, 1 refusals, 0 pauses and 0 resets";
    assert_eq!(counts.to_string(), wanted);
    let (mut old, mut new) = (from.open(), to.open());
    assert_eq!(old.records(9).unwrap(), new.records(9).unwrap());
    assert_eq!(old.refusals(9).unwrap(), new.refusals(9).unwrap());
    assert_eq!(old.steps(&job(2)).unwrap(), new.steps(&job(2)).unwrap());
    let next = event("web2", "3", 4);
    let horizon = policy().horizon(&next);
    let history = |ledger: &mut Box<dyn Ledger>| ledger.history(&next, &horizon, at(100)).unwrap();
    assert_eq!(history(&mut old), history(&mut new));
    let again = ledger::import(&from.path(), postgres(&to.config())).unwrap_err();
    assert!(matches!(again, Error::NotEmpty { .. }), "{again}");
}

#[test]
fn import_keeps_the_longer_pause() {
    let from = Place::new();
    let to = Place::postgres();
    let pause = |host: &str, until: Option<u64>| Paused {
        host: Some(host.into()),
        service: None,
        by: "ann".into(),
        reason: until.map_or("for ever", |_| "for an hour").into(),
        since: at(0),
        until: until.map(at),
    };
    for (place, [first, second]) in [(&from, [None, Some(3600)]), (&to, [Some(3600), None])] {
        let mut ledger = place.open();
        ledger.pause(&pause("web1", first)).unwrap();
        ledger.pause(&pause("web2", second)).unwrap();
    }
    from.open().pause(&pause("web3", None)).unwrap();
    let counts = ledger::import(&from.path(), postgres(&to.config())).unwrap();
    assert_eq!(counts.pauses, 3);
    let reasons = to.open().pauses(at(1)).unwrap().into_iter().map(|pause| pause.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), ["for ever"; 3]);
}

#[test]
fn import_waits_long_for_a_standby() {
    let from = Place::new();
    assert_eq!(code(reserve(&mut from.open(), 1, &event("web1", "1", 4), at(0))), "repair");
    let server = Arc::new(Postgres::start());
    let to = Place::on(Arc::clone(&server));
    server.set("synchronous_standby_names", "'missing'");
    let import = || ledger::import(&from.path(), postgres(&to.config()));
    thread::scope(|scope| {
        let import = scope.spawn(import);
        // A worker's commit would be given up after five seconds.
        thread::sleep(Duration::from_secs(7));
        assert!(!import.is_finished(), "{:?}", import.join());
        server.set("synchronous_standby_names", "''");
        assert_eq!(import.join().unwrap().unwrap().repairs, 1);
    });
}

#[test]
fn accepts_the_same_end_twice_but_no_other_end() {
    let place = Place::postgres();
    let mut ledger = place.open();
    reserve_with(ledger.as_mut(), 1, "web1", MINUTE, &|| {}).unwrap();
    let now = SystemTime::now();
    // The answer to the first call may have been lost, so that the worker repeats the call.
    for _ in 0..2 {
        ledger.finish(&job(1), now, RepairOutcome::Healed, "healed").unwrap();
    }
    for (n, outcome, text) in [
        (1, RepairOutcome::Unknown, "healed"),
        (1, RepairOutcome::Healed, ""),
        (2, RepairOutcome::Healed, ""),
    ] {
        let refused = ledger.finish(&job(n), now, outcome, text).unwrap_err();
        assert!(matches!(refused, Error::NoSuchJob { .. }), "{refused}");
    }
}

#[test]
fn fault_has_words_for_a_silent_server() {
    let fault = ServerFault::NoAnswer(Duration::from_secs(5));
    assert_eq!(fault.to_string(), "no answer within 5 s");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    fs::write(&password, "secret\n").unwrap();
    testkit::set_mode(&password, 0o600);
    let keys = json!({"hosts": [host], "password_file": password, "state": dir.path()});
    let config = serde_json::from_value(json!({"postgres": keys})).unwrap();
    let begun = Instant::now();
    let refused = ledger::open(&config).err().unwrap().to_string();
    assert!(refused.contains("no answer within 5 s"), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}
