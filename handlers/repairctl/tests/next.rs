//! Tests what `repairctl explain` prints about the next attempt, and how an admin can trigger an
//! attempt.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ledger::{Claim, RepairOutcome};
use policy::{Decision, Event, ObjectState, Policy, StateType};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Site {
    dir: TempDir,
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

impl Site {
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        let at = |name: &str| site.dir.path().join(name);
        let policy = json!({
            "ledger": at("ledger.sqlite"), "status_file": at("status.dat"),
            "repairs": {"httpd": {
                "ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"], "cooldown": "0s",
            }},
        });
        fs::write(at("policy.json"), policy.to_string()).unwrap();
        site
    }

    /// Writes a status file in which the service has this state.
    fn shows(&self, state: u8, state_type: u8, attempt: u8, more: &str) {
        let now = seconds(SystemTime::now());
        let text = format!(
            "info {{\n\tcreated={now}\n\t}}\nprogramstatus {{\n\tenable_event_handlers=1\n\
             \tprogram_start={}\n\t}}\nhoststatus {{\n\thost_name=web1\n\tcurrent_state=0\n\t}}\n\
             servicestatus {{\n\thost_name=web1\n\tservice_description=HTTP\n\
             \tcurrent_state={state}\n\tstate_type={state_type}\n\tcurrent_attempt={attempt}\n\
             \tmax_attempts=4\n\tcurrent_problem_id=7\n\tlast_check={}\n\tnext_check={}\n\
             \tlast_time_ok={}\n\
             \tevent_handler_enabled=1\n\t_REPAIR=0;httpd\n{more}\t}}\n",
            now - 50_000,
            now + 5,
            now + 45,
            now - 40_000
        );
        fs::write(self.dir.path().join("status.dat"), text).unwrap();
    }

    /// Records three repairs without success, the last of them a few seconds ago. Their problem IDs
    /// are `first` and the next two numbers.
    fn open_breaker(&self, first: u32) {
        let mut ledger = ledger::open_sqlite(&self.dir.path().join("ledger.sqlite")).unwrap();
        for n in 0..3u32 {
            let now = SystemTime::now() - Duration::from_secs(u64::from(10 * (3 - n)));
            let job = format!("job-0000{n}").parse().unwrap();
            let (critical, hard) = (ObjectState::Critical, StateType::Hard);
            let mut event = Event::new("web1", Some("HTTP"), critical, hard, 4);
            event.problem_id = Some((first + n).to_string());
            let horizon = Policy::default().horizon(&event);
            let lease = Duration::from_secs(60);
            let claim = Claim { job: &job, event: &event, lease, horizon, observed: None };
            let repair = Decision::Repair("httpd".parse().unwrap());
            ledger.reserve(&claim, &|| now, &|_| repair.clone()).unwrap().unwrap();
            ledger.finish(&job, now, RepairOutcome::NotHealed, "").unwrap();
        }
    }

    fn ctl(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        command.arg("--policy").arg(self.dir.path().join("policy.json")).args(words);
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn explain(&self) -> Value {
        let (_, text) = self.ctl(&["explain", "web1", "HTTP", "--json"]);
        serde_json::from_str(&text).unwrap()
    }
}

#[test]
fn explain_names_the_trigger_of_the_next_attempt() {
    let site = Site::new();
    let trigger = |wanted: &str| {
        let explained = site.explain();
        let next = &explained["next"];
        assert!(next["trigger"].as_str().unwrap().starts_with(wanted), "{wanted}: {explained:#}");
        next["at"].as_str().map(str::to_owned)
    };
    site.shows(0, 1, 1, "");
    assert_eq!(trigger("the next fault, at SOFT attempt 3 or later, or when it is HARD"), None);
    site.shows(2, 0, 2, "");
    assert!(trigger("the result of Nagios' check attempt 3 of 4").is_some());
    site.shows(2, 1, 4, "");
    trigger("the next sweep: never tried");
    site.shows(2, 1, 4, "\tevent_handler_enabled=0\n");
    trigger("nothing: the object's event handler is disabled");
    site.shows(1, 1, 4, "");
    trigger("the next state change");
}

#[test]
fn explain_does_not_announce_a_repair_without_a_trigger() {
    let site = Site::new();
    site.open_breaker(50);
    site.shows(2, 1, 4, "");
    // With these limits the decision itself would permit a repair, so only the sweep's rule
    // prevents the repair.
    let policy = site.dir.path().join("policy.json");
    let patient = fs::read_to_string(&policy)
        .unwrap()
        .replace("\"cooldown\":\"0s\"", "\"cooldown\":\"0s\",\"breaker\":9,\"per_incident\":9");
    fs::write(&policy, patient).unwrap();
    let explained = site.explain();
    assert_eq!(explained["decision"], "no-action", "{explained:#}");
    assert_eq!(explained["reason"], "escalated");
    assert!(
        explained["next"]["trigger"]
            .as_str()
            .unwrap()
            .starts_with("nothing until it is no longer CRITICAL")
    );
}

#[test]
fn reset_closes_the_breaker_and_permits_another_sweep() {
    let site = Site::new();
    // The last recorded repair was for the same event as the one for which the sweep would start a
    // worker.
    site.open_breaker(5);
    site.shows(2, 1, 4, "");
    let explained = site.explain();
    assert_eq!(explained["reason"], "same-event", "{explained:#}");
    let because = explained["because"]["breaker"].as_str().unwrap().to_owned();
    let (_, status) = site.ctl(&["status"]);
    let sentence = because.strip_prefix("no: ").unwrap();
    let counted = sentence.split(" without a fault").next().unwrap();
    assert!(status.contains(counted.split("closes after").next().unwrap()), "{status}\n{because}");

    let (code, text) = site.ctl(&["reset", "web1", "HTTTP", "--reason", "x"]);
    assert!(code == 1 && text.contains("check the name"), "{code} {text}");
    assert_eq!(site.explain()["reason"], "same-event");
    let (code, text) = site.ctl(&["reset", "web1", "HTTP", "--reason", " "]);
    assert!(code == 3 && text.contains("--reason is empty"), "{code} {text}");

    let (code, text) = site.ctl(&["reset", "web1", "HTTP", "--reason", "disk replaced"]);
    assert!(
        code == 0 && text.contains("repairs were held back: the breaker is open"),
        "{code} {text}"
    );
    let explained = site.explain();
    assert_eq!(explained["decision"], "repair", "{explained:#}");
    assert!(explained["next"]["trigger"].as_str().unwrap().starts_with("the next sweep"));
    assert!(explained["because"]["breaker"].as_str().unwrap().contains("reset"));
}
