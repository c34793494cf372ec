//! Tests `repairctl` with hostile text in the ledger, as root, as Nagios' user, and as an unrelated
//! user.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use ledger::{Claim, RepairOutcome, StepKind};
use policy::{Decision, Event, ObjectState, Policy, Reason, StateType};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{copy_program, set_mode};

/// UID of the user Nagios runs as in these tests: nobody.
const NAGIOS: u32 = 65534;
/// UID of an unrelated user: daemon.
const STRANGER: u32 = 1;

/// Terminal control sequences in 7-bit and 8-bit form, a right-to-left override, HTML, perfdata and
/// line breaks.
const HOSTILE: &str =
    "\u{1b}[2J\u{9b}31m\u{7f}\u{202e}<script>alert(1)</script>\"'|x=1\nOK\r\u{85}";

struct Context {
    dir: TempDir,
}

/// Exit code and output of a command.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Context {
    fn new() -> Context {
        let site = Context { dir: tempfile::tempdir().unwrap() };
        set_mode(site.dir.path(), 0o755);
        fs::create_dir(site.at("ledger")).unwrap();
        set_mode(site.at("ledger"), 0o750);
        chown(site.at("ledger"), Some(NAGIOS), Some(NAGIOS)).unwrap();
        let repairs =
            json!({"httpd": {"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"]}});
        fs::write(
            site.at("policy.json"),
            json!({"ledger": site.ledger(), "repairs": repairs}).to_string(),
        )
        .unwrap();
        fs::write(site.at("nagios.cfg"), "nagios_user=nobody\n").unwrap();
        copy_program(env!("CARGO_BIN_EXE_repairctl"), site.at("repairctl"));
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn ledger(&self) -> PathBuf {
        self.at("ledger/ledger.sqlite")
    }

    fn said_to<W: AsRef<OsStr>>(&self, uid: u32, words: &[W]) -> Said {
        let mut command = Command::new(self.at("repairctl"));
        command
            .arg("--policy")
            .arg(self.at("policy.json"))
            .args(words)
            .uid(uid)
            .gid(uid)
            .env_remove("SUDO_USER");
        let done = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Said { code: done.status.code().unwrap(), out: text(&done.stdout), err: text(&done.stderr) }
    }

    /// Runs doctor as root, and returns the result of one check.
    fn doctor_check(&self, name: &str) -> Value {
        let cfg = self.at("nagios.cfg");
        let said = self.said_to(0, &["doctor", "--json", "--nagios-cfg", cfg.to_str().unwrap()]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        let mut checks = report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["check"] == name).unwrap().clone()
    }

    /// Records one repair and one refusal that contain hostile text.
    fn record(&self) {
        // Only the ledger's owner can write to it. The test runs as root, so make root the owner.
        self.give_ledger_to(0);
        let mut ledger = ledger::open_sqlite(&self.ledger()).unwrap();
        let event = Event::new(HOSTILE, Some(HOSTILE), ObjectState::Critical, StateType::Hard, 4);
        let span = Duration::from_secs(60);
        for (job, decision) in [
            ("hostile-1", Decision::Repair("httpd".parse().unwrap())),
            (
                "hostile-2",
                Decision::NoAction(Reason::Paused {
                    by: HOSTILE.into(),
                    reason: HOSTILE.into(),
                    left: None,
                }),
            ),
        ] {
            let job = job.parse().unwrap();
            let horizon = Policy::default().horizon(&event);
            let claim = Claim { job: &job, event: &event, lease: span, horizon, observed: None };
            if ledger.reserve(&claim, &SystemTime::now, &|_| decision.clone()).unwrap().is_ok() {
                ledger.step(&job, SystemTime::now(), StepKind::Evidence, None, HOSTILE).unwrap();
                ledger.finish(&job, SystemTime::now(), RepairOutcome::Unknown, HOSTILE).unwrap();
            }
        }
        drop(ledger);
        self.give_ledger_to(NAGIOS);
    }

    fn give_ledger_to(&self, uid: u32) {
        let files = fs::read_dir(self.at("ledger")).unwrap().map(|file| file.unwrap().path());
        std::iter::once(self.at("ledger"))
            .chain(files)
            .for_each(|place| chown(place, Some(uid), Some(uid)).unwrap());
    }
}

/// Whether a string contains neither control characters nor a right-to-left override.
fn harmless(text: &str) -> bool {
    !text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}')
}

#[test]
fn cleans_recorded_texts_for_terminals_and_pages() {
    let site = Context::new();
    site.record();
    for words in [
        &["history"][..],
        &["history", "--refused"],
        &["show", "hostile-1"],
        &["status"],
        &["report", "--text", "--since", "1h"],
        &["report", "--since", "1h", "--html", "-"],
    ] {
        let Said { code, out, err } = site.said_to(0, words);
        assert!(code == 0 && err.is_empty() && harmless(&out), "{words:?}: {code} {err} {out}");
        assert!(!words.contains(&"--html") || !out.contains("<script"), "{out}");
    }
    for words in [&["history"][..], &["history", "--refused"], &["show", "hostile-1"], &["status"]]
    {
        let Said { code, out, .. } = site.said_to(0, &[words, &["--json"]].concat());
        assert!(code == 0 && harmless(&out), "{words:?}: {code} {out}");
        let json: Value = serde_json::from_str(&out).unwrap();
        // JSON contains the recorded text unchanged, with escapes for its control characters.
        assert!(out.contains("\\u009b31m"), "{out}");
        assert!(json.to_string().contains('\u{9b}'), "{json}");
    }
}

/// An admin who forgot sudo must not be advised to change the owner of Nagios' files.
#[test]
fn advises_other_users_to_run_it_as_root() {
    let site = Context::new();
    site.record();
    let told = |wanted: &str| {
        for words in [
            &["status"][..],
            &["history"],
            &["pause", "--reason", "x"],
            &["report", "--text"],
            &["show", "hostile"],
        ] {
            let Said { code, out, err } = site.said_to(STRANGER, words);
            assert!(
                code == 3 && out.is_empty() && err.contains(wanted),
                "{words:?}: {code} {out} {err}"
            );
            assert!(!err.contains("chown") && !err.contains("move it"), "{err}");
        }
    };
    told("run this program as one of them");
    set_mode(site.at("ledger"), 0o755);
    told("run this program as root or as the user Nagios runs as");
    set_mode(site.at("policy.json"), 0o600);
    told("run the command as Nagios' user, or with sudo, as yourself: sudo /");
}

#[test]
fn nagios_can_use_a_ledger_created_by_root() {
    let site = Context::new();
    for words in [
        &["status"][..],
        &["history"],
        &["report", "--text"],
        &["pause", "--reason", "x"],
        &["status"],
        &["resume"],
    ] {
        site.said_to(0, words);
    }
    assert!(site.ledger().exists());
    let Said { code, out, err } =
        site.said_to(NAGIOS, &["pause", "--for", "1h", "--reason", "mine"]);
    assert!(
        code == 0 && out.contains("everything: paused by nobody for another 60 min: mine"),
        "{code} {out} {err}"
    );
}

#[test]
fn pause_as_root_accepts_names_that_are_not_utf_8() {
    let site = Context::new();
    site.record();
    let words = |command| [command, OsStr::from_bytes(b"w\xe41"), OsStr::new("--reason=x")];
    let Said { code, out, err } = site.said_to(0, &words(OsStr::new("pause")));
    assert!(code == 0 && out.starts_with(r"w\xE41: paused by root"), "{code} {out} {err}");
    let status = site.said_to(0, &["status"]).out;
    assert!(status.contains("paused\tw\\xE41: paused by root"), "{status}");
    let store = rusqlite::Connection::open(site.ledger()).unwrap();
    let host = store.query_row("SELECT host FROM pause", [], |row| row.get::<_, Vec<u8>>(0));
    assert_eq!(host.unwrap(), b"w\xe41");
    let Said { code, out, err } = site.said_to(0, &["resume", r"w\xE41"]);
    assert!(code == 0 && out.contains("resumed"), "{code} {out} {err}");
}

#[test]
fn names_who_set_the_replaced_pause() {
    let site = Context::new();
    site.said_to(0, &["pause", "--reason", "storage migration"]);
    let narrower = site.said_to(0, &["pause", "web1", "--reason", "another scope"]);
    assert!(!narrower.out.contains("replaces"), "{}", narrower.out);
    let Said { out, .. } = site.said_to(NAGIOS, &["pause", "--for", "30m", "--reason", "a look"]);
    assert!(
        out.contains(
            "It replaces this pause: paused by root until repairs are resumed: storage migration"
        ),
        "{out}"
    );
}

#[test]
fn doctor_names_each_ledger_file_that_nagios_cannot_use() {
    let site = Context::new();
    site.record();
    let finding = || site.doctor_check("ledger");
    assert_eq!(finding()["verdict"], "ok", "{}", finding());
    for end in ["", ".turn", ".jobs"] {
        let file = PathBuf::from(format!("{}{end}", site.ledger().display()));
        chown(&file, Some(0), Some(0)).unwrap();
        let found = finding();
        assert_eq!(found["text"], format!("this user cannot write to {}", file.display()));
        let fix = found["fix"].as_str().unwrap();
        assert!(
            fix.starts_with("as root: chown -hR nobody:") && fix.contains(" -- chmod -R u+rwX "),
            "{found}"
        );
        chown(&file, Some(NAGIOS), Some(NAGIOS)).unwrap();
    }
    set_mode(site.at("ledger"), 0o775);
    assert!(
        finding()["text"].as_str().unwrap().contains("can be written by others"),
        "{}",
        finding()
    );
}

#[test]
fn rejects_fifo_and_other_files_as_status_file_without_blocking() {
    let site = Context::new();
    let file = site.at("status.dat");
    let mut policy: Value =
        serde_json::from_str(&fs::read_to_string(site.at("policy.json")).unwrap()).unwrap();
    policy["status_file"] = json!(file);
    fs::write(site.at("policy.json"), policy.to_string()).unwrap();
    let verdict = || site.doctor_check("status file")["verdict"].clone();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let text = format!(
        "info {{\n\tcreated={now}\n\t}}\nhoststatus {{\n\thost_name=web1\n\t_REPAIR=0;httpd\n\t}}\n"
    );
    fs::write(&file, text).unwrap();
    assert_eq!(verdict(), "ok");
    let out = site.said_to(0, &["status"]).out;
    assert!(
        out.contains("0 of 1 objects with a repair")
            && out.contains("unless only one object is in trouble"),
        "{out}"
    );
    fs::write(&file, "").unwrap();
    assert_eq!(verdict(), "wrong");
    let out = site.said_to(0, &["status"]).out;
    assert!(out.contains("unknown:") && out.contains("is not a Nagios status file"), "{out}");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(verdict(), "wrong");
    fs::remove_dir(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(verdict(), "wrong");
}

#[test]
fn prints_the_range_of_a_rejected_number() {
    let site = Context::new();
    for words in [["doctor", "--jobs", "0"], ["trust", "--port", "0"]] {
        let Said { code, err, .. } = site.said_to(0, &words);
        assert!(code == 3 && err.contains("0 is not in 1..=65535"), "{code} {err}");
    }
}

#[test]
fn init_adds_missing_repairs_to_an_existing_policy() {
    let site = Context::new();
    let (dir, cfg) = (site.at("ledger"), site.at("nagios.cfg"));
    let init = |more: &[&str]| {
        let words = ["init", "--dir", dir.to_str().unwrap(), "--nagios-cfg", cfg.to_str().unwrap()];
        site.said_to(0, &[&words, more].concat())
    };
    let policy = || fs::read_to_string(site.at("policy.json")).unwrap();
    let before = policy();
    let both = &["--repair", "httpd", "--repair", "mariadb"];
    // Init shows the difference and fails, because there is no terminal on which it could ask.
    let Said { code, out, err } = init(both);
    assert!(code == 3 && out.contains("nobody") && out.contains("(from /"), "{code} {out} {err}");
    assert!(out.contains("  +     \"mariadb\": {") && !out.contains("+     \"httpd\""), "{out}");
    assert!(err.contains("pass --yes to skip the question"), "{err}");
    assert_eq!(policy(), before);
    // With --yes, init adds only the missing repair, and keeps the file's owner and mode.
    set_mode(site.at("policy.json"), 0o640);
    chown(site.at("policy.json"), Some(0), Some(NAGIOS)).unwrap();
    let Said { code, out, err } = init(&[&both[..], &["--yes"]].concat());
    assert!(code == 0 && out.contains("changed  "), "{code} {out} {err}");
    let (old, mut new): (Value, Value) =
        (serde_json::from_str(&before).unwrap(), serde_json::from_str(&policy()).unwrap());
    let added = new["repairs"].as_object_mut().unwrap().remove("mariadb").unwrap();
    assert_eq!((&new, &added["ladder"]), (&old, &json!([{"ssh": "mariadb"}])));
    let found = fs::metadata(site.at("policy.json")).unwrap();
    assert_eq!((found.mode() & 0o777, found.uid(), found.gid()), (0o640, 0, NAGIOS));
    let Said { code, out, .. } = init(both);
    assert!(code == 0 && !out.contains("  + "), "{code} {out}");
    let Said { code, out, err } = init(&["--repair", "httpd:nginx", "--repair", "httpd:apache2"]);
    assert!(
        code == 3 && out.is_empty() && err.contains("duplicate repair 'httpd'"),
        "{code} {out} {err}"
    );
    fs::write(&cfg, "").unwrap();
    let Said { code, out, .. } = init(&["--nagios-user", "nobody"]);
    assert!(code == 0 && out.contains("(from --nagios-user)"), "{code} {out}");
}

#[test]
fn init_refuses_a_public_key_without_its_private_key() {
    let site = Context::new();
    fs::write(site.at("id_ed25519.pub"), "ssh-ed25519 AAAA old\n").unwrap();
    let (dir, cfg) = (site.at("ledger"), site.at("nagios.cfg"));
    let words = ["init", "--dir", dir.to_str().unwrap(), "--nagios-cfg", cfg.to_str().unwrap()];
    let Said { code, err, .. } = site.said_to(0, &words);
    assert!(
        code == 3 && err.contains("id_ed25519.pub exists, but its private key"),
        "{code} {err}"
    );
    fs::remove_file(site.at("id_ed25519.pub")).unwrap();
    let Said { code, out, err } = site.said_to(0, &words);
    assert!(code == 0 && site.at("id_ed25519").exists(), "{code} {out} {err}");
}
