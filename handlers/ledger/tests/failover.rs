//! Tests that the ledger never uses a PostgreSQL server after another one has taken over from it,
//! and that reservations survive a failover.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::SystemTime;

use common::{HOUR, Place, code, config, event, job, policy, reserve};
use ledger::{Claim, Error, Ledger, RepairOutcome};
use policy::{Decision, History};
use policy_file::LedgerConfig;
use serde_json::json;
use testkit::{Postgres, wait_until};

/// A primary server with a database, and its standby, which has all records of the primary.
struct Pair {
    place: Place,
    primary: Arc<Postgres>,
    standby: Postgres,
    database: String,
}

impl Pair {
    fn start() -> Pair {
        let primary = Arc::new(Postgres::start());
        let place = Place::on(Arc::clone(&primary));
        let (_, database) = place.database.clone().unwrap();
        let standby = Postgres::standby_of(&primary);
        Pair { place, primary, standby, database }
    }

    /// Waits until the standby has all records. Then stops the primary and makes the standby accept
    /// writes.
    fn fail_over(&self) {
        let sql = "SELECT pg_current_wal_lsn()";
        let written = self.primary.sql("postgres", sql);
        let applied = format!("SELECT pg_last_wal_replay_lsn() >= '{}'", written.trim());
        wait_until("the standby has all records", || {
            self.standby.sql("postgres", &applied).trim() == "t"
        });
        self.primary.stop();
        self.standby.promote();
        let sql = "SELECT pg_is_in_recovery()";
        wait_until("the standby accepts writes", || {
            self.standby.sql("postgres", sql).trim() == "f"
        });
    }

    /// Returns the settings of a monitoring server that knows these servers.
    fn config(&self, servers: &[&Postgres], place: &Place) -> LedgerConfig {
        config(servers, &self.database, &place.dir)
    }
}

/// Reserves a repair without looking at the history.
fn grant(ledger: &mut dyn Ledger, n: u32, host: &str) -> Result<(), Error> {
    let (job, event) = (job(n), event(host, &n.to_string(), 4));
    let horizon = policy().horizon(&event);
    let claim = Claim { job: &job, event: &event, lease: HOUR, horizon, observed: None };
    let decide = |_: &History| Decision::Repair("httpd".parse().unwrap());
    ledger.reserve(&claim, &SystemTime::now, &decide).map(|granted| drop(granted.unwrap()))
}

fn refusal(opened: Result<Box<dyn Ledger>, Error>) -> String {
    opened.err().unwrap().to_string()
}

#[test]
fn uses_new_primary_that_only_other_servers_have_seen() {
    let pair = Pair::start();
    let (here, there) = (pair.place.beside(), pair.place.beside());
    let both = [&*pair.primary, &pair.standby];
    drop(ledger::open(&pair.config(&both, &here)).unwrap());
    pair.fail_over();
    let mut other = ledger::open(&pair.config(&both, &there)).unwrap();
    pair.standby.sql(&pair.database, "UPDATE selfheal.site SET timeline = '00000002'");
    let now = SystemTime::now();
    assert_eq!(code(reserve(&mut other, 1, &event("web1", "1", 4), now)), "repair");
    // The old primary comes back and accepts writes, although it does not know the repair.
    pair.primary.restart();
    let here_config = pair.config(&both, &here);
    let mut ledger = ledger::open(&here_config).unwrap();
    assert_eq!(code(reserve(&mut ledger, 2, &event("web1", "1", 4), now)), "already-running");
    assert!(ledger::open_read_only(&here_config).unwrap().repair_of(&job(1)).unwrap().is_some());
    // An admin has to stop the old primary, because a monitoring server that can reach no other
    // server would use it.
    let found = ledger::test_write(&here_config).unwrap_err();
    assert!(matches!(found, Error::TwoPrimaries { .. }), "{found}");
    let old = format!("{}:{}", pair.primary.socket_dir().display(), pair.primary.port);
    assert!(found.to_string().contains(&format!("stop {old} at once")), "{found}");
    let LedgerConfig::Postgres(postgres) = &here_config else { unreachable!() };
    assert!(matches!(ledger::examine(postgres), Err(Error::TwoPrimaries { .. })));
    let alone = refusal(ledger::open(&pair.config(&[&pair.primary], &here)));
    assert!(alone.contains("another server has taken over from it"), "{alone}");
    pair.primary.stop();
    ledger::test_write(&here_config).unwrap();
}

#[test]
fn open_connection_reserves_nothing_once_a_newer_primary_is_known() {
    let pair = Pair::start();
    pair.fail_over();
    pair.primary.restart();
    // This worker knows only the old primary.
    let mut old = ledger::open(&pair.config(&[&pair.primary], &pair.place)).unwrap();
    let now = SystemTime::now();
    assert_eq!(code(reserve(&mut old, 1, &event("web1", "1", 4), now)), "repair");
    old.finish(&job(1), now, RepairOutcome::Healed, "").unwrap();
    // Another worker of the same monitoring server finds the new primary.
    let both = pair.config(&[&pair.primary, &pair.standby], &pair.place);
    drop(ledger::open(&both).unwrap());
    let refused = grant(old.as_mut(), 2, "web2").unwrap_err().to_string();
    assert!(refused.contains("another server has taken over from it"), "{refused}");
    assert_eq!(pair.primary.sql(&pair.database, "SELECT count(*) FROM selfheal.repair"), "1\n");
}

#[test]
fn standby_shows_that_another_server_has_taken_over() {
    let pair = Pair::start();
    pair.fail_over();
    let next = Postgres::standby_of(&pair.standby);
    pair.standby.stop();
    pair.primary.restart();
    let both = [&*pair.primary, &next];
    for place in [pair.place.beside(), pair.place.beside()] {
        let refused = refusal(ledger::open(&pair.config(&both, &place)));
        assert!(refused.contains("another server has taken over from it"), "{refused}");
        assert!(refused.contains("it accepts no writes"), "{refused}");
    }
    // A monitoring server that has used the old primary remembers the newer timeline as soon as it
    // has seen this timeline on the standby.
    let place = pair.place.beside();
    let old = pair.config(&[&pair.primary], &place);
    drop(ledger::open(&old).unwrap());
    refusal(ledger::open(&pair.config(&both, &place)));
    assert!(refusal(ledger::open(&old)).contains("another server has taken over from it"));
}

#[test]
fn uses_neither_of_two_primaries_on_the_same_timeline() {
    let pair = Pair::start();
    let second = Postgres::standby_of(&pair.primary);
    pair.fail_over();
    second.promote();
    wait_until("the second standby accepts writes", || {
        second.sql("postgres", "SELECT pg_is_in_recovery()").trim() == "f"
    });
    let both = pair.config(&[&pair.standby, &second], &pair.place);
    let refused = refusal(ledger::open(&both));
    assert_eq!(refused.matches("another server accepts writes as well").count(), 2, "{refused}");
    second.stop();
    drop(ledger::open(&both).unwrap());
}

#[test]
fn two_names_of_one_server_are_not_two_servers() {
    let place = Place::postgres();
    let (server, database) = place.database.clone().unwrap();
    let socket = server.socket_dir().display();
    let hosts = [format!("{socket}:{}", server.port), format!("{socket}/.:{}", server.port)];
    let keys = json!({"hosts": hosts, "dbname": database, "state": place.dir.path()});
    let config = serde_json::from_value(json!({"postgres": keys})).unwrap();
    drop(ledger::open(&config).unwrap());
    ledger::test_write(&config).unwrap();
}

#[test]
fn waits_for_standby_even_if_the_role_commits_earlier() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let config = place.config();
    let LedgerConfig::Postgres(postgres) = &config else { unreachable!() };
    for setting in ["off", "local"] {
        server.sql("postgres", &format!("ALTER ROLE selfheal SET synchronous_commit = {setting}"));
        assert_eq!(ledger::examine(postgres).unwrap().synchronous_commit, setting);
    }
    server.set("synchronous_standby_names", "'missing'");
    let mut ledger = place.open();
    let refused = grant(ledger.as_mut(), 1, "web1").unwrap_err();
    assert!(matches!(refused, Error::Unconfirmed { .. }), "{refused}");
}

#[test]
fn notices_that_no_synchronous_standby_answers() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    server.set("synchronous_standby_names", "'missing'");
    let no_standby = || ledger::test_write(&place.config()).unwrap_err();
    assert!(matches!(no_standby(), Error::NoStandby { .. }), "{}", no_standby());
    // This standby is not named in synchronous_standby_names, so a commit still waits.
    let _standby = Postgres::standby_of(&server);
    let connected = "SELECT count(*) FROM pg_stat_replication";
    wait_until("a connected standby", || server.sql("postgres", connected).trim() == "1");
    ledger::test_write(&place.config()).unwrap();
    let refused = grant(place.open().as_mut(), 1, "web1").unwrap_err();
    assert!(matches!(refused, Error::Unconfirmed { .. }), "{refused}");
    wait_until("a commit that waits", || ledger::test_write(&place.config()).is_err());
    assert!(matches!(no_standby(), Error::NoStandby { .. }), "{}", no_standby());
    server.set("synchronous_standby_names", "''");
    wait_until("no commit waits", || ledger::test_write(&place.config()).is_ok());
}
