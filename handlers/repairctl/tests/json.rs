//! Tests that the `--json` output of every command has the form that the manual page describes, and
//! that all commands use the same encoding for names that are not UTF-8.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ledger::{Claim, Ledger, Paused, RepairOutcome, StepKind};
use policy::{Decision, Event, JobId, ObjectState, Policy, Reason, StateType};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A service description in ISO-8859-1.
const SERVICE: &[u8] = b"Gr\xf6\xdfe C:\\xfade";
/// [`SERVICE`] as repairctl prints it.
const SPELLED: &str = r"Gr\xF6\xDFe C:\x5Cxfade";

struct Site {
    dir: TempDir,
}

impl Site {
    /// Creates a ledger with one repair for each outcome, a running repair, an open breaker, a
    /// refusal and a pause.
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        testkit::set_mode(site.dir.path(), 0o755);
        let repairs = json!({"httpd": {
            "ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"], "settle": "0s",
        }});
        let policy = json!({
            "ledger": site.at("ledger.sqlite"), "status_file": site.at("status.dat"),
            "repairs": repairs, "hosts": {r"w\xe41": {"user": "fix"}},
        });
        fs::write(site.at("policy.json"), policy.to_string()).unwrap();
        fs::write(site.at("nagios.cfg"), "nagios_user=root\n").unwrap();
        site.files_of_nagios();
        site.record();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn files_of_nagios(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let status = format!(
            "info {{\n\tcreated={now}\n\t}}\nprogramstatus {{\n\tenable_event_handlers=1\n\t}}\n\
             hoststatus {{\n\thost_name=w#1\n\tcurrent_state=0\n\t}}\n\
             servicestatus {{\n\thost_name=w#1\n\tservice_description=@\n\tcurrent_state=2\n\
             \tstate_type=1\n\tcurrent_attempt=4\n\tmax_attempts=4\n\tcurrent_problem_id=7\n\
             \tlast_check={now}\n\tlast_time_ok={0}\n\tlast_hard_state_change={0}\n\
             \tevent_handler_enabled=1\n\
             \t_REPAIR=0;httpd\n\t}}\n",
            now - 600,
        );
        let objects = "define host {\n\thost_name\tw#1\n\taddress\t192.0.2.1\n\t}\n\
             define service {\n\thost_name\tw#1\n\tservice_description\t@\n\t_REPAIR\thttpd\n\t}\n";
        let log = format!(
            "[{}] SERVICE ALERT: w#1;@;CRITICAL;HARD;4;down\n\
             [{}] SERVICE ALERT: w#1;@;OK;HARD;4;up\n\
             [{}] SERVICE ALERT: w#1;@;CRITICAL;HARD;4;down\n",
            now - 500,
            now - 100,
            now - 90,
        );
        for (name, text) in
            [("status.dat", status), ("objects.cache", objects.to_owned()), ("nagios.log", log)]
        {
            let bytes = text.bytes().flat_map(|byte| match byte {
                b'#' => vec![0xe4],
                b'@' => SERVICE.to_vec(),
                byte => vec![byte],
            });
            fs::write(self.at(name), bytes.collect::<Vec<u8>>()).unwrap();
        }
    }

    fn record(&self) {
        let mut ledger = ledger::open_sqlite(&self.at("ledger.sqlite")).unwrap();
        let now = SystemTime::now();
        let ago = |seconds| now - Duration::from_secs(seconds);
        for n in 1..=6 {
            self.repair(ledger.as_mut(), n, "web1", "HTTP", ago(3000 - 100 * n));
            ledger.finish(&job(n), ago(2950 - 100 * n), RepairOutcome::NotHealed, "no").unwrap();
        }
        self.repair(ledger.as_mut(), 7, r"w\xE41", SPELLED, ago(90_000));
        ledger.step(&job(7), ago(89_990), StepKind::Ran, Some(1), "exit 0").unwrap();
        ledger.finish(&job(7), ago(89_980), RepairOutcome::Healed, "yes").unwrap();
        self.repair(ledger.as_mut(), 8, "web3", "HTTP", ago(100));
        ledger.finish(&job(8), ago(50), RepairOutcome::Unknown, "cut").unwrap();
        self.repair(ledger.as_mut(), 9, "web4", "HTTP", ago(10));
        let refusal = Decision::NoAction(Reason::Flapping);
        reserve(ledger.as_mut(), 10, r"w\xE41", SPELLED, ago(89_000), &refusal);
        let pause = Paused {
            host: Some("web9".into()),
            service: None,
            by: "ann".into(),
            reason: "work".into(),
            since: ago(60),
            until: None,
        };
        ledger.pause(&pause).unwrap();
    }

    fn repair(&self, ledger: &mut dyn Ledger, n: u64, host: &str, service: &str, at: SystemTime) {
        let granted = Decision::Repair("httpd".parse().unwrap());
        reserve(ledger, n, host, service, at, &granted);
    }

    fn run<W: AsRef<OsStr>>(&self, words: &[W]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        command.arg("--policy").arg(self.at("policy.json")).args(words).env_remove("SUDO_USER");
        let done = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
    }

    fn json(&self, words: &[&str]) -> Value {
        let (_, out, err) = self.run(&[words, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|why| panic!("{words:?}: {why}: {out} {err}"))
    }
}

fn job(n: u64) -> JobId {
    format!("json-job-{n:04}").parse().unwrap()
}

fn reserve(
    ledger: &mut dyn Ledger,
    n: u64,
    host: &str,
    service: &str,
    at: SystemTime,
    decision: &Decision,
) {
    let event = Event {
        problem_id: Some(n.to_string()),
        ..Event::new(host, Some(service), ObjectState::Critical, StateType::Hard, 4)
    };
    let span = Duration::from_secs(600);
    let job = job(n);
    let claim = Claim {
        job: &job,
        event: &event,
        lease: span,
        horizon: Policy::default().horizon(&event),
        observed: None,
    };
    let _ = ledger.reserve(&claim, &|| at, &|_| decision.clone()).unwrap();
}

/// Collects the keys in a document at any depth, except the keys in `because`, which are names of
/// rules.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                found.insert(key.clone());
                if key != "because" {
                    keys(value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')).filter(|word| !word.is_empty())
}

/// Returns the keys that the manual page lists for a command.
fn documented(command: &str) -> BTreeSet<String> {
    let form = repairctl::JSON_FORM;
    let is_start = |end| form.find(&format!("\n  {command}{end}"));
    let start = is_start(' ').or_else(|| is_start('\n')).unwrap_or_else(|| panic!("{command}"));
    let form = form.get(start + 1..).unwrap();
    let is_next = |line: &&str| !line.starts_with("   ");
    let lines = form.lines().enumerate().take_while(|(n, line)| *n == 0 || !is_next(line));
    let text: String = lines.map(|(_, line)| format!("{line}\n")).collect();
    let shape = text.split_once('{').unwrap().1.rsplit_once('}').unwrap().0;
    let mut keys: BTreeSet<String> = words(shape).map(str::to_owned).collect();
    if text.contains("REPAIR") {
        let repair = repairctl::JSON_FORM.split_once("A REPAIR is {").unwrap().1;
        keys.extend(words(repair.split_once('}').unwrap().0).map(str::to_owned));
    }
    keys
}

#[test]
fn json_of_every_command_matches_the_manual_page() {
    let site = Site::new();
    let place = |name: &str| site.at(name).display().to_string();
    let (cfg, cache, log) = (place("nagios.cfg"), place("objects.cache"), place("nagios.log"));
    let commands: [(&str, &[&str]); 9] = [
        ("doctor", &["doctor", "--nagios-cfg", &cfg, "web1"]),
        ("explain", &["explain", r"w\xE41", SPELLED]),
        ("history", &["history"]),
        ("history --refused", &["history", "--refused"]),
        ("lint", &["lint", &cache]),
        ("replay", &["replay", &log, "--objects", &cache]),
        ("show", &["show", "json-job-0007"]),
        ("status", &["status"]),
        ("sweep", &["sweep", "--dry-run"]),
    ];
    for (command, words) in commands {
        let document = site.json(words);
        assert_eq!(document["version"], 1, "{command}: {document}");
        let mut found = BTreeSet::new();
        keys(&document, &mut found);
        assert_eq!(found, documented(command), "{command}: {document:#}");
    }
    let all: BTreeSet<&str> = commands.iter().map(|(_, words)| words[0]).collect();
    assert_eq!(all, with_json(), "each command with --json is here");
    let because = &site.json(&["explain", "web1", "HTTP", "--state", "CRITICAL"])["because"];
    let names = because.as_object().unwrap().keys();
    assert!(names.clone().all(|name| words(name).eq([name])), "{because}");
}

/// Returns the names of the commands that accept `--json`.
fn with_json() -> BTreeSet<&'static str> {
    let command: &'static mut _ = Box::leak(Box::new(repairctl::cli::command()));
    command.build();
    let has_json = |command: &&clap::Command| {
        command.get_arguments().any(|argument| argument.get_long() == Some("json"))
    };
    command.get_subcommands().filter(has_json).map(clap::Command::get_name).collect()
}

#[test]
fn replay_prints_one_json_document_per_line() {
    let site = Site::new();
    let place = |name: &str| site.at(name).display().to_string();
    let (log, cache) = (place("nagios.log"), place("objects.cache"));
    let words = ["replay", &log, "--objects", &cache, "--decisions", "--json"];
    let (code, out, err) = site.run(&words);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (last, decisions) = lines.split_last().unwrap();
    assert_eq!((&last["version"], decisions.len()), (&json!(1), 2), "{out}");
    assert_eq!(last["objects"][0]["service"], SPELLED, "{out}");
    for decision in decisions {
        let mut found = BTreeSet::new();
        keys(decision, &mut found);
        assert_eq!(found, documented("replay --decisions"), "{decision}");
        assert_eq!((&decision["host"], &decision["service"]), (&json!(r"w\xE41"), &json!(SPELLED)));
    }
    assert_eq!(
        (&decisions[0]["decision"], &decisions[0]["repair"]),
        (&json!("repair"), &json!("httpd"))
    );
    assert_eq!(decisions[1]["decision"], "no-action");
}

#[test]
fn accepts_and_prints_names_that_are_not_utf_8() {
    let site = Site::new();
    let raw = |words: &[&[u8]]| -> Vec<OsString> {
        words.iter().map(|word| OsStr::from_bytes(word).to_owned()).collect()
    };
    let service = &[b"w\xe41".as_slice(), SERVICE];
    for names in [
        raw(service),
        [r"w\xE41", SPELLED].map(OsString::from).to_vec(),
        [r"w\xe41", SPELLED].map(OsString::from).to_vec(),
    ] {
        let run = |command: &str, more: &[&str]| {
            let words: Vec<OsString> = [command.into()]
                .into_iter()
                .chain(names.iter().cloned())
                .chain(more.iter().map(OsString::from))
                .collect();
            site.run(&words)
        };
        let (code, out, err) = run("explain", &[]);
        assert_eq!(code, 0, "{out} {err}");
        assert!(out.starts_with(&format!(r"w\xE41/{SPELLED}: WOULD REPAIR with httpd")), "{out}");
        let (_, out, _) = run("history", &[]);
        assert!(out.contains("json-job-0007") && out.lines().count() == 2, "{out}");
        let (code, out, err) = run("pause", &["--reason", "x"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        assert!(out.starts_with(&format!(r"w\xE41/{SPELLED}: paused by ")), "{out}");
        let (code, out, _) = run("explain", &[]);
        assert!(code == 1 && out.contains("NO ACTION: paused by "), "{code} {out}");
        assert_eq!(run("resume", &[]).0, 0);
    }
    let swept = site.json(&["sweep", "--dry-run"]);
    assert_eq!(swept["objects"][0]["service"], SPELLED);
    assert_eq!(swept["objects"][0]["outcome"], "would offer", "{swept}");
    // A pause that was set with escaped names also applies to the sweep.
    assert_eq!(site.run(&["pause", r"w\xE41", SPELLED, "--reason", "x"]).0, 0);
    let paused = site.json(&["sweep", "--dry-run"]);
    assert_eq!(paused["objects"][0]["code"], "paused", "{paused}");
    // `\x0A` in an argument does not become a line break. No object has this name.
    let (code, out, err) = site.run(&["explain", r"w\x0A1", "HTTP"]);
    assert!(code == 3 && !format!("{out}{err}").trim_end().contains('\n'), "{code} {out} {err}");
}
