//! The monitor side with its policy, keys and ledger.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use ledger::{Ledger, Record, Refusal, Step};
use policy_file::LedgerConfig;
use serde_json::{Value, json};

use crate::account::Account;
use crate::place::{Place, give, run};
use crate::web::WebSide;

/// This project's programs and files on the Nagios server.
#[derive(Debug)]
pub struct Monitor {
    directory: PathBuf,
    /// The user that Nagios runs as.
    pub nagios: Account,
    /// Path of the handle_repair under test.
    pub handler: PathBuf,
    /// Path of the check_http under test.
    pub check: PathBuf,
    /// Path of the repairctl under test.
    pub repairctl: PathBuf,
    /// Path of the lab's policy.json.
    pub policy: PathBuf,
    /// Path of the lab's ledger, unless a test's policy names another one.
    pub ledger: PathBuf,
    /// Path of Nagios' external command file.
    pub command_file: PathBuf,
}

impl Monitor {
    /// Configures the monitor side, with a policy that repairs `httpd` on the given web side.
    pub fn new(place: &Place, web: &WebSide) -> Monitor {
        Monitor::named("monitor", place, web)
    }

    /// Configures one of several Nagios servers. Its files are in the directory `name`.
    pub fn named(name: &str, place: &Place, web: &WebSide) -> Monitor {
        let nagios = Account::nagios();
        let directory = place.directory(name, nagios.ids());
        for name in ["repair_worker", "check_http_openssl", "check_repairs"] {
            place.program(name);
        }
        let key = directory.join("id_ed25519");
        fs::copy(web.key(), &key).expect("the key of the monitor");
        give(&key, nagios.ids());
        let monitor = Monitor {
            handler: place.program("handle_repair"),
            check: place.program("check_http"),
            repairctl: place.program("repairctl"),
            policy: directory.join("policy.json"),
            ledger: directory.join("ledger.sqlite"),
            command_file: directory.join("rw/nagios.cmd"),
            nagios,
            directory,
        };
        monitor.record_host_key(web, &web.host_key("ed25519"));
        let policy = monitor.default_policy(web);
        monitor.write_policy(&policy);
        monitor
    }

    /// Adds the host's key to known_hosts under another name.
    pub fn record_also(&self, web: &WebSide, name: &str) {
        let line = format!("[{name}]:{} {}\n", web.sshd.port, web.host_key("ed25519"));
        let known = fs::read_to_string(self.known_hosts()).expect("known_hosts");
        fs::write(self.known_hosts(), known + &line).expect("known_hosts");
    }

    /// Replaces known_hosts with the single entry `key` for web1.
    pub fn record_host_key(&self, web: &WebSide, key: &str) {
        fs::write(self.known_hosts(), format!("[web1]:{} {key}\n", web.sshd.port))
            .expect("known_hosts");
    }

    /// Returns the lab's policy. A test can change it and pass it to [`Monitor::write_policy`].
    pub fn default_policy(&self, web: &WebSide) -> Value {
        json!({
            "ledger": self.ledger,
            "command_file": self.command_file,
            "fleet": {"started": {"count": 10_000, "per": "1h"}},
            "ssh": {
                "user": web.account.name,
                "port": web.sshd.port,
                "key": self.key(),
                "known_hosts": [self.known_hosts()],
            },
            "repairs": {"httpd": {
                "ladder": [{"ssh": "httpd"}],
                "verify": [
                    self.check, "-H", "{address}", "-p", web.apache.port.to_string(), "-t", "2",
                ],
                "timeout": "20s", "settle": "0s",
                // The tests kill Apache again and again, so no limit may stop the repairs.
                "cooldown": "1s", "healthy_for": "0s", "window": {"count": 10_000, "per": "1h"},
            }},
        })
    }

    /// Returns the path of the monitor's private key.
    pub fn key(&self) -> PathBuf {
        self.directory.join("id_ed25519")
    }

    /// Returns the path of the known_hosts file that repairs use.
    pub fn known_hosts(&self) -> PathBuf {
        self.directory.join("known_hosts")
    }

    /// Replaces policy.json. A worker that starts meanwhile reads the old file or the new one.
    pub fn write_policy(&self, policy: &Value) {
        self.replace(&self.policy, &format!("{policy:#}\n"));
    }

    /// Replaces a file in the directory of this server.
    pub fn replace(&self, path: &Path, text: &str) {
        let new = self.directory.join("new");
        fs::write(&new, text).expect("a file of the monitor");
        fs::rename(new, path).expect("a file of the monitor");
    }

    /// Creates the command file, and reads it in Nagios' place. Returns the commands that arrive.
    pub fn commands(&self) -> Receiver<String> {
        let directory = self.command_file.parent().expect("a directory");
        fs::create_dir_all(directory).expect("the directory of the command file");
        give(directory, self.nagios.ids());
        run(Command::new("mkfifo").args(["-m", "666"]).arg(&self.command_file));
        // Open the pipe for reading and writing. Opening it only for reading would wait for a
        // writer, and reading would end when a writer closes the pipe.
        let pipe = OpenOptions::new().read(true).write(true).open(&self.command_file);
        let (pipe, (sender, commands)) = (pipe.expect("the command file"), mpsc::channel());
        thread::spawn(move || {
            let lines = BufReader::new(pipe).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        commands
    }

    /// Runs the handler as the user nagios, as Nagios does, and waits for it.
    pub fn call(&self, arguments: &str) -> Output {
        let words = arguments.split_whitespace();
        self.as_nagios(&self.handler)
            .args(words)
            .arg("--policy")
            .arg(&self.policy)
            .output()
            .expect("the handler runs")
    }

    /// Returns a command that runs repairctl with the lab's policy, as the user nagios.
    pub fn ctl(&self, arguments: &[&str]) -> Command {
        let mut command = self.as_nagios(&self.repairctl);
        command.arg("--policy").arg(&self.policy).args(arguments);
        command
    }

    /// Returns a command that runs a program as the user nagios.
    pub fn as_nagios(&self, program: &Path) -> Command {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(program);
        command.uid(self.nagios.uid).gid(self.nagios.gid).current_dir("/");
        command
    }

    /// Returns all repairs in the ledger, newest first.
    pub fn records(&self) -> Vec<Record> {
        self.read(|ledger| ledger.records(100_000).expect("records")).unwrap_or_default()
    }

    /// Returns all refusals in the ledger, newest first.
    pub fn refusals(&self) -> Vec<Refusal> {
        self.read(|ledger| ledger.refusals(1000).expect("refusals")).unwrap_or_default()
    }

    /// Returns the recorded steps of a repair.
    pub fn steps(&self, job: &str) -> Vec<Step> {
        self.read(|ledger| ledger.steps(&job.parse().expect("a job id")).expect("steps"))
            .expect("the ledger")
    }

    /// Reads from the ledger as the user nagios. Returns `None` if the ledger does not exist yet.
    pub fn read<T: Send>(&self, look: impl FnOnce(&mut dyn Ledger) -> T + Send) -> Option<T> {
        self.nagios.does(|| {
            ledger::open_read_only(&self.store()).ok().map(|mut ledger| look(ledger.as_mut()))
        })
    }

    /// Opens the ledger for writing as the user nagios and calls `change` with it.
    pub fn write<T: Send>(&self, change: impl FnOnce(&mut dyn Ledger) -> T + Send) -> T {
        self.nagios.does(|| change(ledger::open(&self.store()).expect("the ledger").as_mut()))
    }

    /// Returns the location of the ledger, as the lab's policy defines it.
    pub fn store(&self) -> LedgerConfig {
        let config = policy_file::read(&self.policy);
        config.map_or_else(|_| LedgerConfig::Sqlite(self.ledger.clone()), |config| config.ledger)
    }
}
