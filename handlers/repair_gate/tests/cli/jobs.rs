//! Jobs: run once, one at a time, at their pace, and remembered through crashes, reboots and damage.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::common::{Answer, GATE, JOB, Lab, alive, read_pid, wait_until};
use serde_json::json;

const NOTE: &str = "echo ran >> \"$1/runs\"";

/// What is wrong, and how to make it so.
type Damage<'a> = (&'a str, &'a dyn Fn(&Lab));

fn other(n: usize) -> String {
    format!("20261123-other{n:04}")
}

#[test]
fn a_repair_is_run_and_reported() {
    let lab = Lab::with("echo out; echo err >&2; exit 3", &json!({}));
    let answer = lab.repair(JOB);
    answer.is("failed");
    assert_eq!((answer.code, &answer.json["exit"], &answer.json["signal"]), (1, &json!(3), &json!(null)));
    assert_eq!((answer.text("repair"), answer.text("job"), answer.output().as_str()), ("x", JOB, "out\nerr"));
    assert!(answer.json["started"].as_u64().unwrap() > 1_700_000_000 && answer.json["seconds"].as_f64().unwrap() < 5.0);
    assert_eq!(answer.stderr, "");
}

#[test]
fn a_known_job_is_reported_and_never_run_again() {
    let lab = Lab::with(NOTE, &json!({}));
    let first = lab.repair(JOB);
    first.is("done");
    for _ in 0..3 {
        assert_eq!(lab.repair(JOB).json, first.json);
    }
    assert_eq!(lab.runs(), 1);
    let status = lab.ask(&format!("status {JOB}"));
    assert_eq!((status.text("answer"), status.code), ("status", 0));
    assert_eq!(status.json["started"], first.json["started"]);
    lab.ask("status 20261123-never").refused("no-such-job");
    lab.ask(&format!("repair y {JOB}")).refused("bad-request");
}

#[test]
fn a_signal_is_told_apart_from_an_exit_code() {
    let lab = Lab::with("kill -SEGV $$", &json!({}));
    let answer = lab.repair(JOB);
    assert_eq!((&answer.is("failed").json["signal"], &answer.json["exit"]), (&json!(11), &json!(null)));
}

#[test]
fn a_timeout_stops_the_whole_group_with_its_grandchildren() {
    let lab = Lab::with("(sh -c 'echo $$ > \"$0/pid\"; sleep 60' \"$1\" & wait) & wait", &json!({"timeout": "1s"}));
    let answer = lab.repair(JOB);
    assert_eq!((answer.is("timeout").code, &answer.json["exit"]), (1, &json!(null)));
    let pid = read_pid(&lab.path("pid"));
    wait_until("the grandchild is gone", || !alive(&pid));
}

#[test]
fn a_repair_deaf_to_sigterm_is_killed_after_the_grace() {
    let lab = Lab::with("trap '' TERM; echo $$ > \"$1/pid\"; while :; do sleep 0.2; done", &json!({"timeout": "1s"}));
    let answer = lab.repair(JOB);
    assert!(answer.is("timeout").json["seconds"].as_f64().unwrap() >= 11.0, "{}", answer.json);
    assert!(!alive(&read_pid(&lab.path("pid"))));
}

#[test]
fn the_timeout_is_kept_even_when_the_gate_has_died() {
    let lab = Lab::with("echo $$ > \"$1/pid\"; sleep 60", &json!({"timeout": "1s"}));
    let mut gate = lab.spawn(&format!("repair x {JOB}"));
    let pid = read_pid(&lab.path("pid"));
    gate.kill().unwrap();
    gate.wait().unwrap();
    assert!(alive(&pid));
    wait_until("the repair was stopped", || !alive(&pid));
}

#[test]
fn its_own_124_and_137_are_failures_and_no_timeouts() {
    for code in [124, 137] {
        let lab = Lab::with(&format!("exit {code}"), &json!({}));
        assert_eq!(lab.repair(JOB).is("failed").json["exit"], json!(code));
    }
}

#[test]
fn a_daemon_that_keeps_its_output_holds_nothing_open_and_lives_on() {
    let script = "sh -c 'echo $$ > \"$0/pid\"; while :; do echo still here; sleep 0.05; done' \"$1\" & sleep 0.2; echo started";
    let lab = Lab::with(script, &json!({}));
    // Its output is a pipe whose end `output()` waits for, as sshd does: a daemon that had it would keep this waiting.
    let answer = lab.repair(JOB);
    assert!(answer.is("done").json["seconds"].as_f64().unwrap() < 5.0);
    assert!(answer.output().contains("started"));
    let pid = read_pid(&lab.path("pid"));
    // It has written to the gate's pipe many times by now, and a closed one would have ended it.
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(alive(&pid), "the daemon was ended by SIGPIPE");
    // The lock is not its, either.
    lab.repair(&other(1)).is("done");
    assert!(Command::new("/bin/kill").args(["-KILL", &pid, &read_pid(&lab.path("pid"))]).status().is_ok());
}

#[test]
fn much_output_is_bounded_and_cleaned() {
    let lab = Lab::with("seq 100000; printf '\\033[31mred\\007\\n'; head -c 5000000 /dev/zero | tr '\\0' x", &json!({}));
    let answer = lab.repair(JOB);
    let lines = answer.is("done").json["output"].as_array().unwrap();
    assert_eq!((lines.len(), &lines[0], &lines[39]), (41, &json!("1"), &json!("?[31mred?")));
    assert!(lines.iter().all(|line| line.as_str().unwrap().len() <= 303));
}

#[test]
fn a_program_that_is_not_there_is_a_failure_with_its_reason() {
    let lab = Lab::new();
    lab.repairs(&json!({"x": {"run": ["/nonexistent/program"]}}));
    assert!(lab.repair(JOB).is("failed").output().contains("/nonexistent/program"));
}

#[test]
fn of_fifty_gates_at_once_exactly_one_runs() {
    let lab = Lab::with(&format!("{NOTE}; sleep 3"), &json!({"cooldown": "60s"}));
    let gates: Vec<Child> = (0..50).map(|n| lab.spawn(&format!("repair x {}", other(n)))).collect();
    let answers: Vec<Answer> = gates.into_iter().map(|gate| Answer::of(&gate.wait_with_output().unwrap())).collect();
    assert_eq!(lab.runs(), 1);
    let done: Vec<&Answer> = answers.iter().filter(|answer| answer.json["state"] == json!("done")).collect();
    assert_eq!(done.len(), 1);
    let winner = &done[0].json["job"];
    for answer in answers.iter().filter(|answer| answer.json["job"] != *winner) {
        // On a loaded machine one may come so late that the winner has ended.
        if answer.json["reason"] != json!("cooldown") {
            answer.refused("busy");
            assert_eq!(&answer.json["running"], winner, "the others are told which job runs");
        }
    }
}

#[test]
fn fifty_gates_with_one_job_id_run_it_once_and_all_report_it() {
    let lab = Lab::with(&format!("{NOTE}; sleep 1"), &json!({}));
    let gates: Vec<Child> = (0..50).map(|_| lab.spawn(&format!("repair x {JOB}"))).collect();
    let mut states: HashMap<String, usize> = HashMap::new();
    for gate in gates {
        let answer = Answer::of(&gate.wait_with_output().unwrap());
        assert_eq!(answer.text("job"), JOB);
        *states.entry(answer.text("state").to_owned()).or_default() += 1;
    }
    assert_eq!(lab.runs(), 1);
    assert!(states.keys().all(|state| state == "done" || state == "running"), "{states:?}");
}

#[test]
fn cooldown_and_budget_are_kept_here_whoever_asks() {
    let lab = Lab::with(NOTE, &json!({"cooldown": "1h"}));
    lab.repair(JOB).is("done");
    let answer = lab.repair(&other(1));
    answer.refused("cooldown");
    assert!((3590..=3600).contains(&answer.json["retry_after"].as_u64().unwrap()));
    lab.edit_record(JOB, |record| {
        for key in ["started", "ended", "deadline"] {
            record[key] = json!(record[key].as_u64().unwrap() - 3_600_000);
        }
    });
    lab.repair(&other(2)).is("done");

    let lab = Lab::with(NOTE, &json!({"budget": {"count": 2, "window": "1h"}}));
    lab.repair(JOB).is("done");
    lab.repair(&other(1)).is("done");
    let answer = lab.repair(&other(2));
    answer.refused("budget");
    assert!((3590..=3600).contains(&answer.json["retry_after"].as_u64().unwrap()));
    assert_eq!(lab.runs(), 2);
}

#[test]
fn a_clock_that_went_back_makes_it_no_bolder() {
    let lab = Lab::with(NOTE, &json!({}));
    lab.repair(JOB).is("done");
    lab.edit_record(JOB, |record| {
        for key in ["started", "ended", "deadline"] {
            record[key] = json!(record[key].as_u64().unwrap() + 3_600_000);
        }
    });
    let answer = lab.repair(&other(1));
    assert!(answer.refused("cooldown").contains("the clock has gone back"));
    assert_eq!(lab.runs(), 1);
}

#[test]
fn a_killed_gate_leaves_a_job_that_is_running_then_unknown_and_never_run_again() {
    let lab = Lab::with(&format!("{NOTE}; sleep 2"), &json!({}));
    let mut gate = lab.spawn(&format!("repair x {JOB}"));
    wait_until("it runs", || lab.runs() == 1);
    gate.kill().unwrap();
    gate.wait().unwrap();
    // Its repair may still be running, so nothing else may.
    assert!(lab.ask(&format!("status {JOB}")).is("running").json["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(lab.repair(JOB).is("running").code, 2);
    let busy = lab.repair(&other(1));
    assert!(busy.refused("busy").contains("lost its gate"));
    assert_eq!(busy.json["running"], json!(JOB));

    let reboot = |record: &mut serde_json::Value| record["boot"] = json!("another-boot");
    let saved = fs::read(lab.record_path(JOB)).unwrap();
    lab.edit_record(JOB, reboot);
    lab.ask(&format!("status {JOB}")).is("unknown");
    fs::write(lab.record_path(JOB), saved).unwrap();

    lab.edit_record(JOB, |record| {
        record["started"] = json!(record["started"].as_u64().unwrap() - 200_000);
        record["deadline"] = json!(record["deadline"].as_u64().unwrap() - 200_000);
    });
    lab.ask(&format!("status {JOB}")).is("unknown");
    assert_eq!(lab.repair(JOB).is("unknown").code, 2);
    lab.repair(&other(2)).is("done");
    assert_eq!(lab.runs(), 2, "the lost job was not run again");
}

#[test]
fn whoever_asked_may_go_and_the_outcome_is_on_record() {
    let lab = Lab::with(&format!("{NOTE}; echo much; sleep 0.5; exit 3"), &json!({}));
    let mut command = lab.command(Some(format!("repair x {JOB}").as_bytes()));
    let mut gate = command.spawn().unwrap();
    drop((gate.stdout.take(), gate.stderr.take()));
    assert_eq!(gate.wait().unwrap().code(), Some(1), "the exit code still tells");
    lab.ask(&format!("status {JOB}")).is("failed");

    // With no descriptors at all, and with a full disk behind stdout.
    for (n, redirection) in ["<&- >&- 2>&-", ">/dev/full 2>&1"].iter().enumerate() {
        let mut shell = Command::new("/bin/sh");
        let script =
            format!("exec '{}' --config '{}' --state '{}' {redirection}", GATE, lab.config().display(), lab.state().display());
        shell.args(["-c", &script]).env("SSH_ORIGINAL_COMMAND", format!("repair x {}", other(n)));
        assert_eq!(shell.status().unwrap().code(), Some(1));
        let status = lab.ask(&format!("status {}", other(n)));
        assert_eq!((status.is("failed").output().as_str(), &status.json["exit"]), ("much", &json!(3)));
    }
}

#[test]
fn damaged_state_is_refused_and_never_taken_for_empty() {
    let damages: [Damage; 10] = [
        ("an empty record", &|lab| fs::write(lab.record_path(JOB), "").unwrap()),
        ("garbage", &|lab| fs::write(lab.record_path(JOB), "{\"job\": 1}").unwrap()),
        ("a cut record", &|lab| {
            let text = fs::read(lab.record_path(JOB)).unwrap();
            fs::write(lab.record_path(JOB), &text[..text.len() / 2]).unwrap();
        }),
        ("somebody else's record", &|lab| lab.edit_record(JOB, |record| record["job"] = json!("20261123-another"))),
        ("a huge record", &|lab| fs::write(lab.record_path(JOB), vec![b' '; 300_000]).unwrap()),
        ("a record others can write", &|lab| lab.chmod(&format!("state/jobs/{JOB}.json"), 0o666)),
        ("a record of another account", &|lab| chown(lab.record_path(JOB), Some(65534), None).unwrap()),
        ("a symlink for a record", &|lab| {
            fs::rename(lab.record_path(JOB), lab.path("moved")).unwrap();
            symlink(lab.path("moved"), lab.record_path(JOB)).unwrap();
        }),
        ("a fifo for a record", &|lab| {
            fs::remove_file(lab.record_path(JOB)).unwrap();
            assert!(Command::new("/usr/bin/mkfifo").arg(lab.record_path(JOB)).status().unwrap().success());
        }),
        ("records gone, lock still there", &|lab| fs::remove_dir_all(lab.state().join("jobs")).unwrap()),
    ];
    for (what, damage) in damages {
        let lab = Lab::with(NOTE, &json!({}));
        lab.repair(JOB).is("done");
        damage(&lab);
        for job in [JOB, &other(1)] {
            let answer = lab.repair(job);
            assert_eq!(answer.json["reason"], json!("state"), "{what}: {}", answer.json);
        }
        assert_eq!(lab.runs(), 1, "{what}");
        assert_eq!((lab.ask("list").code, lab.ask("version").code), (0, 0), "{what}");
    }
}

#[test]
fn a_damaged_state_directory_is_refused() {
    let damages: [Damage; 7] = [
        ("missing", &|lab| fs::remove_dir(lab.state()).unwrap()),
        ("writable by others", &|lab| lab.chmod("state", 0o770)),
        ("of another account", &|lab| chown(lab.state(), Some(65534), None).unwrap()),
        ("a symlink", &|lab| {
            fs::rename(lab.state(), lab.path("real")).unwrap();
            symlink(lab.path("real"), lab.state()).unwrap();
        }),
        ("a file", &|lab| {
            fs::remove_dir(lab.state()).unwrap();
            fs::write(lab.state(), "").unwrap();
        }),
        ("a symlink for the lock", &|lab| symlink(lab.path("elsewhere"), lab.state().join("lock")).unwrap()),
        ("a symlink for the records", &|lab| symlink(lab.path("etc"), lab.state().join("jobs")).unwrap()),
    ];
    for (what, damage) in damages {
        let lab = Lab::with(NOTE, &json!({}));
        damage(&lab);
        let answer = lab.repair(JOB);
        assert_eq!(answer.json["reason"], json!("state"), "{what}: {}", answer.json);
        assert!(!lab.path("elsewhere").exists(), "{what}");
        assert_eq!((lab.runs(), lab.ask("list").code), (0, 0), "{what}");
    }
}

/// A file system of its own for the state directory, taken away again at the end.
struct Mounted(PathBuf);

impl Mounted {
    fn new(lab: &Lab, options: &str) -> Mounted {
        let mounted = Mounted(lab.state());
        mounted.run("/bin/mount", &["-t", "tmpfs", "-o", options, "tmpfs"]);
        mounted
    }

    fn run(&self, program: &str, words: &[&str]) {
        assert!(Command::new(program).args(words).arg(&self.0).status().unwrap().success(), "{program} {words:?}");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("/bin/umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_read_only_state_directory_runs_nothing_but_still_answers() {
    let lab = Lab::with(NOTE, &json!({}));
    let mounted = Mounted::new(&lab, "mode=0700");
    lab.repair(JOB).is("done");
    mounted.run("/bin/mount", &["-o", "remount,ro"]);
    assert!(lab.repair(&other(1)).refused("state").contains("Read-only"));
    lab.ask(&format!("status {JOB}")).is("done");
    lab.repair(JOB).is("done");
    assert_eq!((lab.runs(), lab.ask("list").code, lab.ask("version").code), (1, 0, 0));
}

#[test]
fn a_full_state_directory_runs_nothing_and_keeps_what_it_knows() {
    let lab = Lab::with(NOTE, &json!({}));
    let _mounted = Mounted::new(&lab, "mode=0700,size=64k");
    lab.repair(JOB).is("done");
    let filler = lab.state().join("filler");
    assert!(fs::write(&filler, vec![0; 1 << 20]).is_err(), "the file system should be full now");
    assert!(lab.repair(&other(1)).refused("state").contains("No space"));
    lab.ask(&format!("status {JOB}")).is("done");
    assert_eq!((lab.runs(), lab.ask("list").code), (1, 0));
    fs::remove_file(filler).unwrap();
    lab.repair(&other(1)).is("done");
}

#[test]
fn old_records_go_and_recent_ones_stay() {
    let lab = Lab::with(NOTE, &json!({}));
    for n in 0..3 {
        lab.repair(&other(n)).is("done");
    }
    for (n, age) in [(0, 25), (1, 23)] {
        lab.edit_record(&other(n), |record| {
            for key in ["started", "ended", "deadline"] {
                record[key] = json!(record[key].as_u64().unwrap() - age * 3_600_000);
            }
        });
    }
    fs::write(lab.state().join("jobs/.20261123-crashed.tmp"), "half a rec").unwrap();
    lab.repair(&other(3)).is("done");
    let files = lab.state_files();
    assert_eq!(
        files,
        [
            "jobs",
            &format!("jobs/{}.json", other(1)),
            &format!("jobs/{}.json", other(2)),
            &format!("jobs/{}.json", other(3)),
            "lock"
        ]
    );
}

#[test]
fn a_diagnosis_runs_its_commands_and_changes_no_record() {
    let lab = Lab::with(
        "exit 0",
        &json!({"diagnose": [["/bin/echo", "a", "b c"], ["/bin/sh", "-c", "echo no >&2; exit 4"], ["/nonexistent"]]}),
    );
    let answer = lab.ask("diagnose x");
    assert_eq!((answer.text("answer"), answer.text("repair"), answer.code), ("diagnose", "x", 0));
    let reports = answer.json["reports"].as_array().unwrap();
    assert_eq!(reports[0], json!({"run": ["/bin/echo", "a", "b c"], "exit": 0, "output": ["a b c"]}));
    assert_eq!((&reports[1]["exit"], &reports[1]["output"]), (&json!(4), &json!(["no"])));
    assert_eq!(reports[2]["exit"], json!(127));
    lab.ask("diagnose y").refused("unknown-repair");
    assert_eq!(lab.state_files(), ["diagnose", "jobs"]);
}

#[test]
fn the_largest_diagnosis_fits_what_a_server_reads() {
    let worst = ["/bin/sh", "-c", "yes '\"\"\"\"\\\"' | tr -d '\\n' | head -c 100000 | fold -w 400; exit 0"];
    let lab = Lab::with("exit 0", &json!({"diagnose": vec![worst; 8]}));
    let output = lab.command(Some(b"diagnose x")).output().unwrap();
    assert_eq!(Answer::of(&output).json["reports"].as_array().unwrap().len(), 8);
    assert!((190_000..256 * 1024).contains(&output.stdout.len()), "{}", output.stdout.len());
}

#[test]
fn a_login_with_a_careless_umask_repairs_nothing() {
    let lab = Lab::with(NOTE, &json!({}));
    let script = format!("umask 0; exec '{}' --config '{}' --state '{}'", GATE, lab.config().display(), lab.state().display());
    let output =
        Command::new("/bin/sh").args(["-c", &script]).env("SSH_ORIGINAL_COMMAND", format!("repair x {JOB}")).output().unwrap();
    assert!(Answer::of(&output).refused("config").contains("umask"));
    assert_eq!(lab.runs(), 0);
}
