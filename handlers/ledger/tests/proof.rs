//! Tests that the ledger does not mistake another program that listens on PostgreSQL's port for
//! PostgreSQL.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use common::Place;
use policy_file::LedgerConfig;
use serde_json::json;
use testkit::{Postgres, wait_until};

/// Opens the ledger in a database on a host, with the password "secret".
fn open(host: &str, database: &str, state: &Path) -> Result<(), String> {
    let password = state.join("password");
    fs::write(&password, "secret\n").unwrap();
    testkit::set_mode(&password, 0o600);
    let keys = json!({"hosts": [host], "dbname": database, "password_file": password,
        "state": state});
    let config: LedgerConfig = serde_json::from_value(json!({"postgres": keys})).unwrap();
    ledger::open(&config).map(drop).map_err(|why| why.to_string())
}

#[test]
fn server_on_loopback_interface_must_know_the_password() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    let (_, database) = place.database.clone().unwrap();
    server.sql("postgres", "ALTER ROLE selfheal PASSWORD 'secret'");
    let open = |name: &str| open(&format!("{name}:{}", server.port), &database, place.dir.path());
    let allow = |rule: &str| {
        let rules = format!("local all all trust\nhost all all 127.0.0.1/32 {rule}\n");
        fs::write(server.log().with_file_name("data/pg_hba.conf"), rules).unwrap();
        server.sql("postgres", "SELECT pg_reload_conf()");
        let shown = "SELECT auth_method FROM pg_hba_file_rules WHERE type = 'host'";
        wait_until("the new rule", || server.sql("postgres", shown).trim() == rule);
    };
    allow("scram-sha-256");
    wait_until("a login with SCRAM", || open("127.0.0.1").is_ok());
    open("localhost").unwrap();
    for rule in ["trust", "password"] {
        allow(rule);
        wait_until("a login without proof", || {
            open("127.0.0.1").is_err_and(|why| why.contains("it may be another program"))
        });
    }
}

#[test]
fn sends_no_password_to_another_program() {
    // The three codes mean: no password is required, send the password itself, and send an MD5 hash
    // of the password.
    for (code, more) in [(0, &b""[..]), (3, b""), (5, b"salt")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let program = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut startup = [0; 1024];
            assert!(client.read(&mut startup).unwrap() > 8);
            let length = u8::try_from(8 + more.len()).unwrap();
            let request = [&[b'R', 0, 0, 0, length, 0, 0, 0, code], more].concat();
            client.write_all(&request).unwrap();
            let mut sent = Vec::new();
            client.read_to_end(&mut sent).unwrap();
            sent
        });
        let state = tempfile::tempdir().unwrap();
        let refused = open(&host, "selfheal", state.path()).unwrap_err();
        assert!(refused.contains("make pg_hba.conf require scram-sha-256"), "{refused}");
        assert_eq!(program.join().unwrap(), b"");
    }
}

#[test]
fn refuses_socket_in_directory_that_every_account_can_change() {
    let server = Arc::new(Postgres::start());
    let place = Place::on(Arc::clone(&server));
    drop(place.open());
    testkit::set_mode(server.socket_dir(), 0o1777);
    let refused = ledger::open(&place.config()).err().unwrap().to_string();
    assert!(refused.contains("every account can create a socket in this directory"), "{refused}");
}
