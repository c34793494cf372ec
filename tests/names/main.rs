//! Tests of names in ISO-8859-1, which Nagios accepts. A name must get from argv to the ledger, the
//! command file and the output unchanged. The service in these tests also has two _REPAIR lines.
//! Nagios passes the value in the first of these lines to the handler.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use e2e::{Lab, Nagios, Watch, until};
use ledger::RepairOutcome;
use policy::{ReasonCode, unspell};
use rusqlite::Connection;
use serde_json::{Value, json};

/// The service's description in escaped form. `\xD6` is an Ö in ISO-8859-1. The description also
/// contains a backslash that looks like an escape.
const SERVICE: &str = r"\xD6l C:\x5Cxfade";
const MINUTE: Duration = Duration::from_secs(60);

/// A check that is CRITICAL unless the file named in its argument exists.
const CHECK: &str = "#!/bin/sh\n[ -e \"$1\" ] && { echo OK; exit 0; }\necho CRITICAL; exit 2\n";

/// A service that is OK while a certain file exists, and a local repair that creates this file.
struct Site {
    flag: PathBuf,
    nagios: Nagios,
    lab: Lab,
}

impl Site {
    fn new() -> Site {
        let lab = Lab::new();
        let check = lab.place.file("monitor/check_flag", CHECK, 0o755, None);
        let flags = lab.place.directory("monitor/flags", lab.monitor.nagios.ids());
        let flag = flags.join(OsStr::from_bytes(&unspell(SERVICE)));
        fs::write(&flag, "").unwrap();
        let named = flags.join("{service}");
        lab.policy(|policy| {
            policy["status_file"] = json!(lab.place.at("monitor/nagios/status.dat"));
            policy["fleet"]["share"] = json!(100);
            policy["repairs"]["flag"] = json!({
                "ladder": [{"local": ["/bin/touch", named]}], "verify": [check, named],
                "settle": "0s", "cooldown": "0s", "healthy_for": "1h",
            });
        });
        let periods = "check_period always\n notification_period always\n contacts pager";
        let more = format!(
            "define command {{\n command_name check_flag\n command_line {} '{}/$SERVICEDESC$'\n}}\n\
             define service {{\n use repairable-service\n host_name web1\n \
             service_description {SERVICE}\n {periods}\n check_command check_flag\n \
             retry_interval 1\n _REPAIR flag\n _REPAIR httpd\n}}\n",
            check.display(),
            flags.display()
        );
        let nagios = lab.nagios(&Watch { more, ..Watch::default() });
        Site { flag, nagios, lab }
    }

    fn ctl(&self, words: &[&str]) -> (i32, String) {
        let done = self.lab.monitor.ctl(words).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn has_comment(&self, begin: &str) {
        until("the comment on the service", MINUTE, || {
            let comments = self.nagios.comments();
            comments.iter().any(|comment| comment.starts_with(begin)).then_some(())
        });
    }
}

#[test]
fn repairs_and_records_service_in_iso_8859_1() {
    let site = Site::new();
    let object = format!("web1/{SERVICE}");

    fs::remove_file(&site.flag).unwrap();
    until("the flag file", MINUTE, || site.flag.exists().then_some(()));
    site.has_comment(&format!("REPAIRED {object} with flag"));
    let record = site.lab.monitor.records().pop().unwrap();
    assert_eq!((record.host.as_str(), record.service.as_deref()), ("web1", Some(SERVICE)));
    // Nagios passed the first of the two _REPAIR values, `flag`.
    assert_eq!((record.repair.as_str(), record.outcome), ("flag", Some(RepairOutcome::Healed)));
    let store = Connection::open(&site.lab.monitor.ledger).unwrap();
    let bytes: Vec<u8> =
        store.query_row("SELECT service FROM repair", [], |row| row.get(0)).unwrap();
    assert_eq!(bytes, b"\xd6l C:\\xfade");
    let forced = format!("SCHEDULE_FORCED_SVC_CHECK;web1;{SERVICE};");
    let log = site.nagios.log_lines();
    assert!(log.iter().any(|line| line.contains(&forced)), "{log:#?}");
    assert!(log.iter().any(|line| line.contains(&format!("web1;{SERVICE};OK;SOFT"))), "{log:#?}");

    let (code, text) = site.ctl(&["explain", "web1", SERVICE]);
    let expected = [format!("{object}: NO ACTION"), "WOULD REPAIR with flag".into()];
    assert!(code == 0 && expected.iter().all(|part| text.contains(part)), "{code} {text}");
    assert!(site.ctl(&["history", "web1", SERVICE]).1.contains(&object));
    let cfg = site.lab.place.at("monitor/nagios/nagios.cfg");
    let (_, text) = site.ctl(&["lint", cfg.to_str().unwrap()]);
    assert!(text.contains("duplicate _REPAIR in this definition"), "{text}");
    assert!(text.contains(&object) && !text.contains("unusable-name"), "{text}");
}

#[test]
fn pauses_and_sweeps_service_in_iso_8859_1() {
    let site = Site::new();
    let object = format!("web1/{SERVICE}");

    let (code, text) = site.ctl(&["pause", "web1", SERVICE, "--reason", "work"]);
    assert!(code == 0 && text.starts_with(&format!("{object}: paused")), "{code} {text}");
    fs::remove_file(&site.flag).unwrap();
    until("the refusal at HARD", MINUTE, || {
        let refusals = site.lab.monitor.refusals();
        let paused = refusals.iter().filter(|no| no.reason.code() == Some(ReasonCode::Paused));
        paused.clone().any(|no| no.event == "CRITICAL;HARD;4").then_some(())
    });
    assert!(!site.flag.exists());
    let document = |words: &[&str]| -> Value {
        let (_, text) = site.ctl(words);
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{words:?}: {why}: {text}"))
    };
    assert_eq!(document(&["status", "--json"])["pauses"][0]["service"], SERVICE);
    assert_eq!(site.ctl(&["resume", "web1", SERVICE]).0, 0);
    let swept = until("HARD in the status file, swept", MINUTE, || {
        let swept = document(&["sweep", "--json"]);
        swept["objects"].as_array().is_some_and(|objects| !objects.is_empty()).then_some(swept)
    });
    assert_eq!(swept["objects"][0]["service"], SERVICE, "{swept}");
    assert_eq!(swept["objects"][0]["outcome"], "healed", "{swept}");
    assert!(site.flag.exists());
}

/// Lint must interpret the dollar signs in a command line as Nagios does.
#[test]
fn lint_pairs_dollar_signs_like_nagios() {
    let lab = Lab::new();
    let record =
        "#!/bin/sh\nout=$1; shift; for word; do printf '%s\\n' \"$word\"; done > \"$out\"\n";
    let record = lab.place.file("monitor/record", record, 0o755, None);
    let told = lab.place.directory("monitor/told", lab.monitor.nagios.ids());
    let lines = [
        ("good", "'$HOSTNAME$' 'a$$b' '$HOSTSTATE:web1$' '$_SERVICEREPAIR$'"),
        ("unknown", "'$HOSTNAM$' '$HOSTNAME$'"),
        ("stray", "'pa$s' '$HOSTNAME$' '$SERVICEDESC$'"),
    ];
    let periods = "check_period always\n notification_period always\n contacts pager";
    let more = lines.map(|(name, words)| {
        format!(
            "define command {{\n command_name {name}\n command_line {} {} {words}\n}}\n\
             define service {{\n use repairable-service\n host_name web1\n \
             service_description {name}\n {periods}\n check_command fails\n event_handler {name}\n \
             retry_interval 1\n _REPAIR httpd\n}}\n",
            record.display(),
            told.join(name).display()
        )
    });
    let more = "define command {\n command_name fails\n command_line /bin/sh -c 'exit 2'\n}\n"
        .to_owned()
        + &more.concat();
    let _nagios = lab.nagios(&Watch { more, ..Watch::default() });
    let words = |name: &str| {
        until(name, MINUTE, || {
            let text = fs::read_to_string(told.join(name)).ok()?;
            (!text.is_empty()).then(|| text.lines().map(str::to_owned).collect::<Vec<_>>())
        })
    };
    assert_eq!(words("good"), ["web1", "a$b", "UP", "httpd"]);
    assert_eq!(words("unknown"), ["$HOSTNAM$", "web1"]);
    assert_eq!(words("stray")[..2], ["pa$s", "$HOSTNAME$"]);
    let cfg = lab.place.at("monitor/nagios/nagios.cfg");
    let site = lab.place.at("monitor/nagios/objects.cfg");
    let objects = fs::read_to_string(&site).unwrap();
    fs::write(&site, objects.replace(&record.display().to_string(), "/usr/bin/handle_repair"))
        .unwrap();
    let linted = lab.monitor.ctl(&["lint", cfg.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(linted.stdout).unwrap();
    let found = |code: &str, command: &str| {
        text.lines().any(|line| line.contains(code) && line.contains(command))
    };
    assert!(found("[stray-dollar]", "command stray"), "{text}");
    assert!(found("[unknown-macro]", "command unknown"), "{text}");
    assert!(!found("[stray-dollar]", "command good"), "{text}");
}
