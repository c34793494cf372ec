//! A Nagios server without Nagios: what root owns in one directory, what Nagios' user owns in
//! others.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use e2e::{Account, Place, run, until};
use serde_json::{Value, json};

/// The call that Nagios makes for the site's fault.
pub const FAULT: &str = "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd";

/// What an admin types on a day.
pub const DAY: &[&[&str]] = &[
    &["init", "--repair", "httpd"],
    &["lint"],
    &["doctor"],
    &["trust", "web1", "--fingerprint", "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
    &["explain", "web1", "HTTP"],
    &["sweep", "--dry-run"],
    &["pause", "web1", "--reason", "a look"],
    &["resume", "web1"],
    &["reset", "web1", "HTTP", "--reason", "the cause is fixed"],
    &["status"],
    &["sweep"],
    &["history"],
    &["history", "--json"],
    &["report", "--text", "--since", "1h"],
    &["replay", "--repair", "httpd"],
];

/// Root's policy, and the ledger and the files of Nagios' user.
pub struct Site {
    /// As whom Nagios runs.
    pub nagios: Account,
    /// repairctl.
    pub ctl: PathBuf,
    /// handle_repair.
    pub handler: PathBuf,
    /// policy.json, root's.
    pub policy: PathBuf,
    /// nagios.cfg, root's.
    pub cfg: PathBuf,
    /// The directory of the ledger, Nagios' own.
    pub ledger: PathBuf,
    /// Nagios' own directory of status file, object cache, log and command file.
    pub var: PathBuf,
    /// What the repair leaves, in `var`.
    pub mark: PathBuf,
    /// All of it.
    pub place: Place,
}

/// How a program ended, and what it printed.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Site {
    pub fn new() -> Site {
        let (place, nagios) = (Place::new(), Account::nagios());
        for name in ["repair_worker", "check_http", "check_repairs", "repair_gate"] {
            place.program(name);
        }
        let (ledger, var) =
            (place.directory("ledger", nagios.ids()), place.directory("var", nagios.ids()));
        let etc = place.directory("etc", None);
        let at = |name: &str| var.join(name).display().to_string();
        let settings = [
            ("nagios_user", "nagios".into()),
            ("nagios_group", "nagios".into()),
            ("object_cache_file", at("objects.cache")),
            ("status_file", at("status.dat")),
            ("command_file", at("nagios.cmd")),
            ("log_file", at("nagios.log")),
            ("cfg_file", at("objects.cache")),
        ];
        let cfg = settings.map(|(name, value)| format!("{name}={value}\n")).concat();
        let site = Site {
            ctl: place.program("repairctl"),
            handler: place.program("handle_repair"),
            policy: etc.join("policy.json"),
            cfg: place.file("etc/nagios.cfg", &cfg, 0o644, None),
            mark: var.join("mark"),
            ledger,
            var,
            nagios,
            place,
        };
        let key = etc.join("id_ed25519");
        run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key));
        for file in [&key, &key.with_added_extension("pub")] {
            std::os::unix::fs::chown(file, Some(site.nagios.uid), Some(site.nagios.gid)).unwrap();
        }
        let policy = json!({
            "ledger": site.ledger.join("ledger.sqlite"), "status_file": site.var.join("status.dat"),
            "command_file": site.var.join("nagios.cmd"),
            "ssh": {"key": key, "known_hosts": [etc.join("known_hosts")]},
            "repairs": {"httpd": {
                "ladder": [{"local": ["/usr/bin/touch", site.mark]}], "verify": ["/usr/bin/test", "-e", site.mark],
                "settle": "0s", "cooldown": "0s", "healthy_for": "0s", "window": {"count": 10_000, "per": "1h"},
            }},
            "fleet": {"started": {"count": 10_000, "per": "1h"}},
        });
        site.place.file("etc/policy.json", &policy.to_string(), 0o644, None);
        run(Command::new("mkfifo").arg(site.var.join("nagios.cmd")));
        site.theirs(
            "nagios.log",
            "[1700000000] SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused\n",
        );
        site.theirs(
            "objects.cache",
            "define host {\n\thost_name\tweb1\n\taddress\t127.0.0.1\n\t}\ndefine service \
            {\n\thost_name\tweb1\n\
             \tservice_description\tHTTP\n\tmax_check_attempts\t4\n\t_REPAIR\thttpd\n\t}\n",
        );
        site.status(0);
        site
    }

    /// A file in Nagios' own directory.
    pub fn theirs(&self, name: &str, text: &str) {
        self.place.file(&format!("var/{name}"), text, 0o644, self.nagios.ids());
    }

    pub fn change_policy(&self, change: impl Fn(&mut Value)) {
        let mut policy = serde_json::from_str(&fs::read_to_string(&self.policy).unwrap()).unwrap();
        change(&mut policy);
        fs::write(&self.policy, policy.to_string()).unwrap();
    }

    /// web1/HTTP is broken since an hour, and its one chance was lost.
    pub fn fault(&self) {
        self.status(2);
    }

    fn status(&self, state: u8) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let (hour, checked) = (now - 3600, now - 2);
        self.theirs(
            "status.dat",
            &format!(
                "info {{\n\tcreated={now}\n\t}}\nprogramstatus \
                {{\n\tprogram_start={hour}\n\tenable_event_handlers=1\n\t}}\n\
                 hoststatus {{\n\thost_name=web1\n\tcurrent_state=0\n\tlast_check={checked}\n\tlast_time_up={checked}\n\t}}\n\
                 servicestatus {{\n\thost_name=web1\n\tservice_description=HTTP\n\tcurrent_state={state}\n\tstate_type=1\n\
                 \tcurrent_attempt=4\n\tmax_attempts=4\n\tlast_check={checked}\n\tlast_state_change={hour}\n\
                 \tlast_hard_state_change={hour}\n\tlast_time_ok={hour}\n\tcurrent_problem_id=7\n\
                 \tevent_handler_enabled=1\n\t_REPAIR=0;httpd\n\t}}\n"
            ),
        );
    }

    /// The words of repairctl for `words`, with the site's own files where they are to be named.
    pub fn words(&self, words: &[&str]) -> Vec<String> {
        let (cfg, log, ledger) = (&self.cfg, self.var.join("nagios.log"), &self.ledger);
        let more: Vec<&Path> = match words[0] {
            "init" => vec![Path::new("--dir"), ledger, Path::new("--nagios-cfg"), cfg],
            "doctor" | "trust" => vec![Path::new("--nagios-cfg"), cfg],
            "lint" => vec![cfg],
            "replay" => vec![&log],
            _ => vec![],
        };
        let policy = ["--policy", self.policy.to_str().unwrap()].map(str::to_owned);
        let more = more.iter().map(|word| word.display().to_string());
        policy.into_iter().chain(words.iter().map(|word| (*word).to_owned())).chain(more).collect()
    }

    /// Runs repairctl as root, or as `user`.
    pub fn ctl(&self, user: Option<&Account>, words: &[&str]) -> Ended {
        self.ctl_with(user, words, &[])
    }

    pub fn ctl_with(
        &self,
        user: Option<&Account>,
        words: &[&str],
        environment: &[(&str, &str)],
    ) -> Ended {
        let mut command = Command::new(&self.ctl);
        command.args(self.words(words)).env_remove("SUDO_USER").envs(environment.iter().copied());
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        let done = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended {
            code: done.status.code().unwrap_or(-1),
            out: text(done.stdout),
            err: text(done.stderr),
        }
    }

    /// A process that looks like Nagios, with this environment.
    pub fn planted_nagios(&self, environment: &[(&str, &str)]) -> Planted {
        let program = self.place.at("bin/nagios");
        run(Command::new("cp").args(["/usr/bin/tail"]).arg(&program));
        let mut command = Command::new(&program);
        command
            .arg("-f")
            .arg(&self.cfg)
            .env_clear()
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.uid(self.nagios.uid).gid(self.nagios.gid).spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        until("the planted Nagios", Duration::from_secs(30), || {
            (fs::read_to_string(&comm).ok()? == "nagios\n").then_some(())
        });
        Planted(child)
    }
}

/// Ends with the test.
pub struct Planted(Child);

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
