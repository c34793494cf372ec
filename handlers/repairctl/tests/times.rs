//! Tests times in arguments and output: local times in the time zone that TZ names, and the UTC
//! times that `--json` prints.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ledger::{Claim, RepairOutcome};
use policy::{Decision, Event, ObjectState, Policy, StateType};
use serde_json::{Value, json};
use tempfile::TempDir;

/// 2026-07-01 12:00 UTC, in seconds since 1970.
const NOON: u64 = 1_782_907_200;

/// Creates a ledger with one repair at noon UTC, and a time zone file (RFC 9636, version 2) for a
/// fictional zone with an offset of -5:45 h.
fn site() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let repairs = json!({"httpd": {"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"]}});
    fs::write(
        at("policy.json"),
        json!({"ledger": at("ledger.sqlite"), "repairs": repairs}).to_string(),
    )
    .unwrap();
    let mut ledger = ledger::open_sqlite(&at("ledger.sqlite")).unwrap();
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(NOON);
    let (job, span) = ("noon-0001".parse().unwrap(), Duration::from_secs(60));
    let event = Event::new("web1", None, ObjectState::Down, StateType::Hard, 3);
    let claim = Claim {
        job: &job,
        event: &event,
        lease: span,
        horizon: Policy::default().horizon(&event),
        observed: None,
    };
    let granted = ledger.reserve(&claim, &|| noon, &|_| Decision::Repair("httpd".parse().unwrap()));
    assert!(granted.unwrap().is_ok());
    ledger.finish(&job, noon + span, RepairOutcome::Healed, "").unwrap();
    // A time zone file contains this block twice, followed by the rule for the time zone. A block
    // consists of a header, the counts (one local time type, four bytes for its name), the type and
    // the name.
    let block = [
        b"TZif2".as_slice(),
        &[0; 15 + 16],
        &[0, 0, 0, 1, 0, 0, 0, 4],
        &(-20_700_i32).to_be_bytes(),
        b"\0\0LAB\0",
    ]
    .concat();
    fs::create_dir(at("zones")).unwrap();
    fs::write(at("zones/Lab"), [&block[..], &block, b"\nLAB5:45\n"].concat()).unwrap();
    dir
}

fn said(site: &TempDir, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
    command.arg("--policy").arg(site.path().join("policy.json")).args(words);
    let done = command.env("TZ", "Lab").env("TZDIR", site.path().join("zones")).output().unwrap();
    String::from_utf8([done.stdout, done.stderr].concat()).unwrap()
}

#[test]
fn uses_time_zone_from_tz_variable() {
    let site = site();
    let listed = said(&site, &["history"]);
    assert!(listed.contains("\n2026-07-01 06:15:00\t"), "{listed}");
    assert!(
        said(&site, &["history", "--since", "2026-07-01 06:16"]).contains("No matching repair")
    );
    assert!(said(&site, &["history", "--until", "2026-07-01 06:16"]).contains("noon-0001"));
}

#[test]
fn accepts_times_printed_as_json() {
    let site = site();
    let listed: Value = serde_json::from_str(&said(&site, &["history", "--json"])).unwrap();
    let began = listed.pointer("/repairs/0/began").and_then(Value::as_str).unwrap();
    assert_eq!(began, "2026-07-01T12:00:00Z");
    assert!(said(&site, &["history", "--since", began]).contains("noon-0001"));
    assert!(said(&site, &["history", "--until", began]).contains("No matching repair"));
}

#[test]
fn rejects_invalid_times() {
    let site = site();
    for bad in ["9999-12-31", "2026-02-30", "yesterday", "7", "2026-07-01T25:00:00Z"] {
        let told = said(&site, &["history", "--since", bad]);
        assert!(
            told.contains(&format!(
                "'{bad}' is not a time: write 90m (minutes ago), 7d (days ago)"
            )),
            "{told}"
        );
    }
}
