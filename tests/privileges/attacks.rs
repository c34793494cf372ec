//! Attacks on root by Nagios' user.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use e2e::run;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use crate::site::{FAULT, Site};

/// Calls `again` repeatedly as Nagios' user while `attacked` runs.
fn under_attack(site: &Site, again: impl Fn() + Send + Sync, attacked: impl FnOnce()) {
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let (done, again) = (&done, &again);
        let attack = move || {
            while !done.load(Ordering::Relaxed) {
                again();
            }
        };
        let _done = Done(done);
        scope.spawn(move || site.nagios.does(attack));
        attacked();
    });
}

/// Nagios' user exchanges the command file for a link to a file that root owns. A program that
/// first checks the path and then opens it could be made to follow the link.
#[test]
fn exchanged_command_file_never_redirects_root() {
    let site = Site::new();
    site.fault();
    let victim = site.place.file("victim", "root's", 0o600, None);
    let (pipe, link) = (site.var.join("nagios.cmd"), site.var.join("link"));
    site.nagios.does(|| symlink(&victim, &link).unwrap());
    // Keep the pipe open for reading, so that writers can open it.
    let _reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let exchange = || renameat_with(CWD, &pipe, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    under_attack(&site, exchange, || {
        for run in 0..200 {
            let words = format!(
                "{FAULT} --foreground --policy {} --problem-id {run}",
                site.policy.display()
            );
            let mut command = Command::new(&site.handler);
            command.args(words.split(' ')).stdout(Stdio::null());
            if run % 6 == 5 {
                command.uid(site.nagios.uid).gid(site.nagios.gid);
            }
            command.status().unwrap();
            let _ = fs::remove_file(&site.mark);
            assert_eq!(fs::read_to_string(&victim).unwrap(), "root's", "run {run}");
        }
    });
}

/// Nagios' user replaces a new directory with a link. A program that changes the mode and owner of
/// a path would follow the link.
#[test]
fn init_never_changes_owner_through_link() {
    let site = Site::new();
    let victim = site.place.directory("victim", None);
    let before = fs::metadata(&victim).unwrap();
    let (dir, link) = (site.var.join("ledger"), site.var.join("link"));
    site.nagios.does(|| symlink(&victim, &link).unwrap());
    let words = [
        "--policy",
        site.policy.to_str().unwrap(),
        "init",
        "--dir",
        dir.to_str().unwrap(),
        "--nagios-cfg",
    ];
    // Replace the directory that init has just created with a link.
    let exchange = || {
        let _ = renameat_with(CWD, &dir, CWD, &link, RenameFlags::EXCHANGE);
        let _ = fs::remove_dir(&link);
        let _ = symlink(&victim, &link);
        let _ = fs::remove_file(&dir);
    };
    under_attack(&site, exchange, || {
        for run in 0..100 {
            let done = Command::new(&site.ctl)
                .args(words)
                .arg(&site.cfg)
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let after = fs::metadata(&victim).unwrap();
            assert_eq!(
                (after.uid(), after.gid(), after.mode()),
                (before.uid(), before.gid(), before.mode()),
                "run {run}"
            );
            let text = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.code() == Some(3) && text.contains("can be changed by"),
                "run {run}: {text}"
            );
        }
    });
}

/// When root runs `report`, it may write its page only into a directory in which no other account
/// can plant a link, or which belongs to the user who called sudo.
#[test]
fn report_as_root_avoids_directories_of_other_accounts() {
    let site = Site::new();
    let victim = site.place.file("victim", "root's", 0o600, None);
    let (page, link) = (site.var.join("page.html"), site.var.join("link.html"));
    site.nagios.does(|| symlink(&victim, &link).unwrap());
    let report = |to: &Path, caller: &str| {
        site.ctl_with(
            None,
            &["report", "--html", to.to_str().unwrap()],
            &[("SUDO_UID", caller), ("SUDO_GID", caller)],
        )
    };
    for to in [&page, &link] {
        let refused = report(to, "1");
        assert!(
            refused.code == 3 && refused.err.contains(" | runuser -u nagios -- tee "),
            "{refused:?}"
        );
    }
    assert!(!page.exists() && fs::read_to_string(&victim).unwrap() == "root's");
    let own = site.place.directory("home", Some((1, 1))).join("page.html");
    assert_eq!(report(&own, "1").code, 0);
    let roots = site.place.at("etc/page.html");
    assert_eq!(report(&roots, "1").code, 0);
    assert!(own.exists() && roots.exists());
}

/// The programs must refuse a ledger that contains a view. A query of this test's view would never
/// end, because the view has infinitely many rows.
#[test]
fn refuses_ledger_with_view_immediately() {
    let site = Site::new();
    site.ctl(Some(&site.nagios), &["pause", "--reason", "x"]);
    let ledger = site.ledger.join("ledger.sqlite");
    site.nagios.does(|| {
        let endless = "WITH RECURSIVE more (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM more) \
                       SELECT n AS host, '' AS service, \
                       '' AS by_whom, '' AS reason, 0 AS since, 9e18 AS until FROM more";
        let store = rusqlite::Connection::open(&ledger).unwrap();
        store.execute_batch(&format!("DROP TABLE pause; CREATE VIEW pause AS {endless}")).unwrap();
    });
    for words in [
        &["status"][..],
        &["pause", "--reason", "x"],
        &["resume"],
        &["history"],
        &["explain", "web1", "HTTP"],
    ] {
        let begun = Instant::now();
        let ended = site.ctl(None, words);
        assert!(
            ended.code == 3 && ended.err.contains("is not a ledger of nagios-selfheal"),
            "{words:?}: {ended:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{words:?}");
    }
}

/// Puts pipes, devices and endless files in place of the files that root's commands read.
#[test]
fn never_hangs_on_pipes_devices_and_endless_files() {
    let site = Site::new();
    let (pipe, cfg) = (site.var.join("pipe"), site.cfg.display().to_string());
    run(Command::new("mkfifo").arg(&pipe));
    let pipe = pipe.to_str().unwrap();
    let policy = site.policy.to_str().unwrap();
    site.theirs(
        "pipes.cfg",
        &format!(
            "nagios_user=nagios\nobject_cache_file={pipe}\nstatus_file={pipe}\ncfg_file={pipe}\n"
        ),
    );
    let pipes = site.var.join("pipes.cfg").display().to_string();
    for place in [pipe, "/dev/zero", "/dev/tty", "/proc/kmsg"] {
        let fault: Vec<&str> = FAULT.split(' ').chain(["--policy", place]).collect();
        for (program, words) in [
            (&site.ctl, vec!["lint", place]),
            (&site.ctl, vec!["--policy", policy, "replay", place, "--repair", "httpd"]),
            (&site.ctl, vec!["--policy", policy, "replay", &cfg, "--objects", place]),
            (&site.ctl, vec!["--policy", policy, "doctor", "--nagios-cfg", place]),
            (&site.ctl, vec!["--policy", place, "status"]),
            (&site.ctl, vec!["--policy", policy, "sweep", "--objects", place]),
            (&site.ctl, vec!["--policy", policy, "doctor", "--nagios-cfg", &pipes]),
            (&site.ctl, vec!["lint", &pipes]),
            (&site.handler, fault),
        ] {
            for user in [None, site.nagios.ids()] {
                let mut command = Command::new("timeout");
                command.arg("20").arg(program).args(&words).stdin(Stdio::null());
                if let Some((uid, gid)) = user {
                    command.uid(uid).gid(gid);
                }
                let done = command.output().unwrap();
                let text =
                    String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
                assert!(
                    matches!(done.status.code(), Some(1..=3)),
                    "{words:?} as {user:?}: {:?} {text}",
                    done.status
                );
            }
        }
    }
}

/// Nagios' user chooses the names of hosts, and root pastes doctor's fixes into a shell. No part of
/// a host name may run as a command there.
#[test]
fn host_name_never_becomes_command_of_root() {
    let site = Site::new();
    let pwned = site.place.at("pwned");
    let touch = format!("touch {}", pwned.display());
    let names = [
        format!("web1; {touch}"),
        format!("$({touch})"),
        format!("`{touch}`"),
        format!("' {touch} '"),
        format!("--replace; {touch}"),
        format!("fix: {touch}"),
        format!("web2\t   fix: {touch}"),
    ];
    let cache = |name: &String| {
        format!(
            "define host {{\n\thost_name\t{name}\n\taddress\t127.0.0.1\n\t}}\ndefine service \
            {{\n\thost_name\t{name}\n\
             \tservice_description\tHTTP\n\t_REPAIR\thttpd\n\t}}\n"
        )
    };
    site.theirs("objects.cache", &names.iter().map(cache).collect::<String>());
    site.change_policy(|policy| policy["repairs"]["httpd"]["ladder"] = json!([{"ssh": "httpd"}]));
    let doctor = site.ctl(None, &["doctor"]);
    let fixes: Vec<&str> =
        doctor.out.lines().filter_map(|line| Some(line.split_once("fix: ")?.1)).collect();
    assert!(
        fixes.iter().filter(|fix| fix.contains(" trust ")).count() >= names.len(),
        "{doctor:?}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&site.ctl(None, &["doctor", "--json"]).out).unwrap();
    let more = json["checks"].as_array().unwrap().iter().filter_map(|check| check["fix"].as_str());
    // Other tests paste the fixes that do not contain the host's name, so skip those fixes here.
    for fix in fixes.into_iter().chain(more).filter(|fix| fix.contains("touch")) {
        let line = fix.rsplit_once("as root: ").map_or(fix, |(_, line)| line);
        let line = line.replacen(&site.ctl.display().to_string(), ":", 1);
        // Define `sudo` and `touch` as shell functions, so that an injected command would leave a
        // trace.
        let builtin = format!("sudo() {{ :; }}; touch() {{ > {}; }}; {line}", pwned.display());
        let _ = Command::new("/bin/sh")
            .args(["-c", &builtin])
            .env("PATH", "/nonexistent")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!pwned.exists(), "{fix}");
    }
}

/// Root pastes doctor's fixes, and chown(1) and chmod(1) follow links. Therefore no fix for root
/// may name a file that Nagios' user can replace with a link.
#[test]
fn fixes_for_root_name_no_file_of_nagios() {
    let site = Site::new();
    let secret = site.place.file("secret", "root's", 0o600, None);
    let key = site.var.join("id_ed25519");
    site.nagios.does(|| symlink(&secret, &key).unwrap());
    site.change_policy(|policy| {
        policy["ssh"]["key"] = json!(key);
        policy["ledger"] = json!(site.var.join("heal/ledger.sqlite"));
    });
    let doctor = site.ctl(None, &["doctor", "web1"]);
    let fixes: Vec<&str> =
        doctor.out.lines().filter_map(|line| Some(line.split_once("fix: ")?.1)).collect();
    let is_roots = |command: &&str| {
        ["chown ", "chmod ", "install "].iter().any(|program| command.contains(program))
    };
    let wrong: Vec<&&str> =
        fixes.iter().filter(|fix| is_roots(fix) && !fix.starts_with("runuser ")).collect();
    assert!(
        wrong.is_empty() && fixes.iter().any(|fix| fix.starts_with("move the key to a directory")),
        "{doctor:?}"
    );
}

/// Only root is allowed to start the unprivileged process.
#[test]
fn refuses_step_down_option_from_other_users() {
    let site = Site::new();
    for uid in [site.nagios.uid, 1] {
        let mut command = Command::new(&site.ctl);
        command.args(["--step-down=0:0:root", "/", "status"]).uid(uid).gid(uid);
        let done = command.output().unwrap();
        assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    }
    let done =
        Command::new(&site.ctl).args(["--step-down=0:0:root", "/", "status"]).output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("becoming root"), "{done:?}");
}

/// Root must ignore a policy or nagios.cfg that another account can change.
#[test]
fn root_ignores_files_that_others_can_change() {
    let site = Site::new();
    fs::set_permissions(&site.policy, Permissions::from_mode(0o664)).unwrap();
    let refused = site.ctl(None, &["status"]);
    assert!(refused.code == 3 && refused.err.contains("`repairctl doctor` as root"), "{refused:?}");
    fs::set_permissions(&site.policy, Permissions::from_mode(0o644)).unwrap();
    let theirs = site.var.join("policy.json");
    fs::copy(&site.policy, &theirs).unwrap();
    for owner in [0, site.nagios.uid] {
        chown(&theirs, Some(owner), None).unwrap();
        for words in [["status"], ["history"]] {
            let done =
                Command::new(&site.ctl).arg("--policy").arg(&theirs).args(words).output().unwrap();
            let text = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(3), "{text}");
            assert!(
                text.contains("can be changed by") || text.contains("belongs to uid"),
                "{text}"
            );
        }
    }
    site.theirs("nagios.cfg", "nagios_user=daemon\n");
    let cfg = site.var.join("nagios.cfg");
    let done = Command::new(&site.ctl)
        .args(["--policy", site.policy.to_str().unwrap(), "doctor", "--nagios-cfg"])
        .arg(&cfg)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        text.contains(&format!(
            "doctor runs as uid {}, but Nagios runs as daemon",
            site.nagios.uid
        )),
        "{text}"
    );
}
