//! The files of a Nagios server on which Nagios does not run. Root and Nagios' user own separate
//! directories.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use e2e::{Account, Place, run, until};
use serde_json::{Value, json};

/// Arguments with which Nagios calls the handler for the site's fault.
pub const FAULT: &str = "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd";

/// The repairctl commands that an admin uses, without the site's paths.
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

/// A site in which root owns the policy, and Nagios' user owns the ledger and Nagios' files.
pub struct Site {
    /// The user that Nagios runs as.
    pub nagios: Account,
    /// Path of the repairctl under test.
    pub ctl: PathBuf,
    /// Path of the handle_repair under test.
    pub handler: PathBuf,
    /// Path of policy.json, which root owns.
    pub policy: PathBuf,
    /// Path of nagios.cfg, which root owns.
    pub cfg: PathBuf,
    /// Directory of the ledger, which Nagios' user owns.
    pub ledger: PathBuf,
    /// Directory with Nagios' status file, object cache, log and command file. Nagios' user owns
    /// it.
    pub var: PathBuf,
    /// Path of the file that the repair creates in `var`.
    pub mark: PathBuf,
    /// The directory with all files of the site.
    pub place: Place,
}

/// The exit code and output of a program.
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

    /// Writes a file that belongs to Nagios' user into `var`.
    pub fn theirs(&self, name: &str, text: &str) {
        self.place.file(&format!("var/{name}"), text, 0o644, self.nagios.ids());
    }

    pub fn change_policy(&self, change: impl Fn(&mut Value)) {
        let mut policy = serde_json::from_str(&fs::read_to_string(&self.policy).unwrap()).unwrap();
        change(&mut policy);
        fs::write(&self.policy, policy.to_string()).unwrap();
    }

    /// Makes it look as if web1/HTTP had been CRITICAL for an hour and had missed its repair.
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

    /// Returns the arguments of a repairctl command, with the site's paths added.
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

    /// Runs repairctl as `user`, or as root if there is no `user`.
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

    /// Starts a process named `nagios` with this environment, as Nagios' user.
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

/// A process that is killed at the end of the test.
pub struct Planted(Child);

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
