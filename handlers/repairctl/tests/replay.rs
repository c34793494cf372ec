//! Tests `repairctl replay` with archives in any order, compressed logs, hostile logs, and a log
//! that is larger than the available memory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;
use testkit::nagios_log;

const POLICY: &str = r#"{
    "repairs": {
        "httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["check_http", "-H", "{address}"]}
    }
}"#;

struct Context {
    directory: TempDir,
}

impl Context {
    fn new() -> Context {
        let site = Context { directory: tempfile::tempdir().unwrap() };
        site.write("policy.json", POLICY.as_bytes());
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.at(name), bytes).unwrap();
        self.at(name)
    }

    fn replay(&self, words: &[&str]) -> Output {
        let words = words
            .iter()
            .map(|word| if word.contains('.') { self.at(word) } else { PathBuf::from(word) });
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        command
            .env("TZ", "UTC")
            .arg("replay")
            .arg("--policy")
            .arg(self.at("policy.json"))
            .args(words);
        command.output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.replay(&[words, &["--json"]].concat());
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn fault(at: u64, host: &str) -> String {
    let alert = |after: u64, rest: &str| {
        format!("[{}] SERVICE ALERT: {host};HTTP;{rest};output\n", at + after)
    };
    [
        alert(0, "CRITICAL;SOFT;1"),
        alert(60, "CRITICAL;SOFT;2"),
        alert(120, "CRITICAL;SOFT;3"),
        alert(180, "CRITICAL;HARD;4"),
        format!("[{}] SERVICE NOTIFICATION: ann;{host};HTTP;CRITICAL;mail;output\n", at + 180),
        alert(3000, "OK;HARD;4"),
    ]
    .concat()
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

#[test]
fn sorts_plain_and_compressed_logs_by_time() {
    let site = Context::new();
    site.write("nagios.log", fault(1_700_200_000, "web1").as_bytes());
    site.write("archive-1.log", fault(1_700_000_000, "web1").as_bytes());
    // The file contains two gzip members, like the output of `cat a.gz b.gz`.
    let (early, late) = (fault(1_700_100_000, "web1"), fault(1_700_110_000, "web2"));
    site.write("archive-2.gz", &[packed(&early), packed(&late)].concat());
    site.write("empty.log", b"");
    let sum = site.json(&[
        "nagios.log",
        "archive-2.gz",
        "empty.log",
        "archive-1.log",
        "nagios.log",
        "--repair",
        "httpd",
    ]);
    assert_eq!(
        (&sum["logs"], &sum["lines"], &sum["incidents"]),
        (&3.into(), &24.into(), &4.into())
    );
    assert_eq!(
        (&sum["repairs"], &sum["notifications"], &sum["notifications_saved"]),
        (&4.into(), &4.into(), &4.into())
    );
    assert_eq!(
        (&sum["from"], &sum["to"]),
        (&"2023-11-14T22:13:20Z".into(), &"2023-11-17T06:36:40Z".into())
    );
}

#[test]
fn distinguishes_a_truncated_log_from_a_missing_one() {
    let site = Context::new();
    let whole = packed(&fault(1_700_000_000, "web1").repeat(100));
    site.write("cut.gz", &whole[..whole.len() / 2]);
    let output = site.replay(&["cut.gz", "/nonexistent.log", "--repair", "httpd"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("only partly read: ") && text.contains("/cut.gz: "), "{text}");
    assert!(text.contains("not read: /nonexistent.log: "), "{text}");
    assert_eq!(output.status.code(), Some(2), "{text}");
}

#[test]
fn prints_decisions_assumptions_and_summary() {
    let site = Context::new();
    site.write("nagios.log", fault(1_700_000_000, "web1").as_bytes());
    let output =
        site.replay(&["nagios.log", "--repair", "httpd", "--decisions", "--assume", "log"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let begin = "2023-11-14 22:15:20  web1/HTTP  CRITICAL;SOFT;3  repair: httpd\n\
                 2023-11-14 22:16:20  web1/HTTP  CRITICAL;HARD;4  cooling-down: cooling down after \
                 job 1: repairs are allowed again in 10 min\n\
                 2023-11-14 22:13:20 to 2023-11-14 23:03:20: 6 lines in 1 log\n\
                 objects: every service is assumed to have the repair 'httpd'\n\
                 assumed: each repair takes 10 s and heals the fault if the next line \
                 about the object is a recovery; nothing was paused; acknowledgements and flapping \
                 are ignored, because the policy has neither status_file nor icinga2\n";
    assert!(text.starts_with(begin), "{text}");
    assert!(
        text.contains("\nrepairs                            1  0 healed, 1 did not\n"),
        "{text}"
    );
    assert!(text.ends_with("\nweb1/HTTP\t1\t1\t1\t1\t0\n"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn reads_repairs_and_max_attempts_from_the_object_cache() {
    let site = Context::new();
    let service = |host: &str, repair: &str| {
        format!(
            "define service {{\n host_name {host}\n service_description HTTP\n max_check_attempts \
            2\n{repair}}}\n"
        )
    };
    let objects =
        ["web1", "web2"].map(|host| format!("define host {{\n host_name {host}\n}}\n")).concat();
    site.write(
        "objects.cache",
        (objects + &service("web1", " _REPAIR httpd\n") + &service("web2", "")).as_bytes(),
    );
    site.write(
        "nagios.log",
        (fault(1_700_000_000, "web1") + &fault(1_700_000_000, "web2")).as_bytes(),
    );
    let output =
        site.replay(&["nagios.log", "--objects", "objects.cache", "--decisions", "--json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    // The repair runs at SOFT 1, which is the last attempt before HARD because max_check_attempts
    // is 2.
    assert_eq!(
        (&lines[0]["host"], &lines[0]["event"], &lines[0]["decision"]),
        (&"web1".into(), &"CRITICAL;SOFT;1".into(), &"repair".into())
    );
    assert_eq!(
        lines[1]["objects_known_from"],
        format!("1 with a repair, according to {}", site.at("objects.cache").display())
    );
}

#[test]
fn reports_unusable_files_and_replays_the_rest() {
    let site = Context::new();
    site.write("nagios.log", fault(1_700_000_000, "web1").as_bytes());
    site.write(
        "syslog.log",
        b"Nov 24 03:12:44 mon nagios: SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;x\n",
    );
    site.write("damaged.gz", &packed(&fault(1_700_000_000, "web2"))[..30]);
    let output = site.replay(&[
        "nagios.log",
        "syslog.log",
        "missing.log",
        "damaged.gz",
        "--repair",
        "httpd",
        "--json",
    ]);
    let sum: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (output.status.code(), &sum["repairs"], sum["not_read"].as_array().unwrap().len()),
        (Some(2), &1.into(), 3)
    );
}

#[test]
fn exits_with_3_for_bad_arguments() {
    let site = Context::new();
    site.write("nagios.log", fault(1_700_000_000, "web1").as_bytes());
    site.write("web1.cfg", b"define host {\n host_name web1\n}\n");
    for (words, wanted) in [
        (vec!["nagios.log", "--repair", "htpd"], "has no repair 'htpd'"),
        (vec!["nagios.log", "--repair", "a;b"], "is not a repair name"),
        (vec!["nagios.log", "--repair", "httpd", "--takes", "soon"], "soon"),
        (vec!["nagios.log", "--repair", "httpd", "--objects", "x.cfg"], "cannot be used with"),
        (vec!["nagios.log", "--objects", "missing.cfg"], "cannot be read"),
        (vec!["nagios.log", "--objects", "nagios.log"], "is not a Nagios configuration"),
        (vec!["nagios.log", "--objects", "web1.cfg"], "no host or service has a _REPAIR"),
        (vec!["--repair", "httpd"], "NAGIOS.LOG"),
    ] {
        let output = site.replay(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(3) && said.contains(wanted) && output.stdout.is_empty(),
            "{words:?}: {said}"
        );
    }
}

/// Names in logs can be very long, and can contain arbitrary bytes and escape sequences.
#[test]
fn cleans_hostile_names_in_the_output() {
    let site = Context::new();
    let mut log = fault(1_700_000_000, "web\x1b[31m1").into_bytes();
    log.extend(
        b"[1700000000] SERVICE ALERT: \xff\xfe;\x07;CRITICAL;HARD;1;x\n[1700000001] SERVICE \
    ALERT: ;;CRITICAL;HARD;1;x\n",
    );
    log.extend(b"[1700000002] SERVICE ALERT: \x00\n[170000000");
    log.extend(vec![b'9'; 1_000_000]);
    log.extend(b"\n[1700000003] SERVICE ALERT: ");
    log.extend(vec![b'x'; 1_000_000]);
    log.extend(b";HTTP;CRITICAL;HARD;1;x\n");
    log.extend(fault(1_700_100_000, "web2").into_bytes());
    site.write("nagios.log", &log);
    let output = site.replay(&["nagios.log", "--repair", "httpd", "--decisions"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        !text.contains(['\x1b', '\x07', '\0'])
            && text.contains("web2/HTTP  CRITICAL;SOFT;3  repair: httpd"),
        "{text}"
    );
    assert_eq!(text.matches("  repair: httpd\n").count(), 4, "{text}");
}

/// The test limits the address space, which includes the program and its libraries, to 64 MB. The
/// log is larger than that, and contains ten thousand services, each with a repair.
#[test]
fn reads_a_large_log_in_little_memory() {
    let site = Context::new();
    let path = site.at("nagios.log");
    let mut to = BufWriter::new(File::create(&path).unwrap());
    nagios_log::write(&mut to, 80_000_000, 1000).unwrap();
    to.into_inner().unwrap().sync_all().unwrap();
    let output = limited(&site.at("policy.json"), &path, &["--repair", "httpd"]);
    let sum: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"));
    assert_eq!(output.status.code(), Some(0));
    assert!(
        sum["repairs"].as_u64().unwrap() > 100 && sum["lines"].as_u64().unwrap() > 500_000,
        "{sum:#}"
    );
}

#[test]
fn repairs_only_services_with_a_repair_in_a_generated_month() {
    let site = Context::new();
    let mut log = Vec::new();
    nagios_log::write(&mut log, 10_000_000, 1000).unwrap();
    site.write("nagios.log", &log);
    site.write("objects.cache", nagios_log::objects(1000).as_bytes());
    let sum = site.json(&["nagios.log", "--objects", "objects.cache"]);
    assert!(sum["repairs"].as_u64().unwrap() > 10, "{}", sum["repairs"]);
    let objects = sum["objects"].as_array().unwrap();
    assert!(
        objects.iter().all(|one| one["service"] == "HTTP" || one["service"] == "Load"),
        "{objects:#?}"
    );
}

fn limited(policy: &Path, log: &Path, known: &[&str]) -> Output {
    let mut command = Command::new("prlimit");
    command.arg(format!("--as={}", 64 * 1024 * 1024)).arg(env!("CARGO_BIN_EXE_repairctl"));
    command.args(["replay", "--json", "--policy"]).arg(policy).arg(log).args(known);
    command.output().expect("prlimit of util-linux")
}
