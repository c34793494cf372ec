//! The files of a large site, and the programs whose cost must stay low on such a site. These
//! programs are measured by `make scale`, and the test `growth` checks what they print.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde_json::Value;
use testkit::nagios_log;

use crate::account::Account;
use crate::place::{Place, give, run};

/// A generated site, see `tests/scale/site`.
#[derive(Debug)]
pub struct LargeSite {
    place: Place,
    nagios: Account,
    numbers: Value,
    /// Number of the next run for which `command` needs a unique number.
    next_run: AtomicU64,
}

/// A row of the cost table: a program that runs on a large site.
#[derive(Debug)]
pub struct CostRow {
    /// What the row measures.
    pub name: &'static str,
    /// The highest acceptable cost at full size.
    pub target: &'static str,
    /// The program and its arguments, with the placeholders of [`LargeSite::command`].
    words: Vec<String>,
    /// The request to the gate; `None` if the program is not the gate.
    request: Option<&'static str>,
    /// A file whose modification time is updated before each run, as if Nagios had written the file
    /// again.
    touched: Option<PathBuf>,
    /// User and group that run the program.
    user: (u32, u32),
    /// The expected exit code of each run.
    pub code: i32,
    /// The expected output of each run.
    pub output: ExpectedOutput,
}

/// What the output of a program must contain.
#[derive(Debug)]
pub enum ExpectedOutput {
    /// The output must contain this text.
    Text(String),
    /// The output must be a JSON object that contains a list with this name and length.
    List(&'static str, u64),
}

impl LargeSite {
    /// Generates a site with the program `generator`, which is built from `tests/scale/site`.
    pub fn generate(generator: &Path, scale: &str) -> LargeSite {
        let (place, nagios) = (Place::new(), Account::nagios());
        let dir = place.at("site");
        run(Command::new(generator).arg(&dir).args([scale, "1"]));
        let json = |name: &str| {
            let text = fs::read_to_string(dir.join(name)).expect("a file of the site");
            serde_json::from_str::<Value>(&text).expect("JSON")
        };
        let (numbers, mut policy) = (json("site.json"), json("policy.json"));
        place.file("policy.json", &policy.to_string(), 0o644, None);
        policy.as_object_mut().expect("an object").remove("status_file");
        place.file("no_status.json", &policy.to_string(), 0o644, None);
        place.file("one_line", "[1790000000] LOG VERSION: 2.0\n", 0o644, None);
        // Move the gate's files, because the gate refuses files below a directory that Nagios' user
        // can change.
        for name in ["gate", "repairs.json"] {
            fs::rename(dir.join(name), place.at(name)).expect("the files of the gate");
        }
        // Rename the log, because a failed test prints every file whose name ends in `.log`.
        fs::rename(dir.join("nagios.log"), dir.join("log")).expect("the log");
        for name in ["", "ledger.sqlite"] {
            give(&dir.join(name), nagios.ids());
        }
        place.program("repair_worker");
        LargeSite { place, nagios, numbers, next_run: AtomicU64::new(0) }
    }

    /// Returns one of the numbers in `site.json`.
    pub fn number(&self, name: &str) -> u64 {
        let number = self.numbers.get(name).and_then(Value::as_u64);
        number.unwrap_or_else(|| panic!("no {name} in {}", self.numbers))
    }

    /// Returns the size of the log in megabytes.
    pub fn log_megabytes(&self) -> f64 {
        let file = fs::metadata(self.place.at("site/log")).expect("the log");
        file.len() as f64 / 1e6
    }

    /// Returns all rows. Those that write to the ledger come last.
    pub fn rows(&self) -> Vec<CostRow> {
        let mut rows = self.ledger_rows();
        rows.extend(self.file_rows());
        rows.extend(self.event_rows());
        rows.push(self.gate_row());
        rows
    }

    /// Returns the rows for commands that read the ledger.
    fn ledger_rows(&self) -> Vec<CostRow> {
        let list = |row: CostRow, key, name| CostRow {
            output: ExpectedOutput::List(key, self.number(name)),
            ..row
        };
        let breakers = format!("breakers={};", self.number("breakers"));
        let check = self.row("check_repairs", "50 ms", "check_repairs {options}", &breakers);
        let history = self.row("history", "200 ms", "repairctl {options} history", "not-healed");
        // Also run the command on a terminal, where it prints the number of refusals as well.
        let line = history.words.join(" ");
        let on_terminal = ["script", "-qec", &line, "/dev/null"].map(str::to_owned).into();
        let terminal =
            self.row("history on a terminal", "200 ms", "repairctl", "Refused, of the newest");
        let status = self.ctl("status", "200 ms", "status", "the breaker is open");
        vec![
            CostRow { code: 2, ..check },
            history,
            CostRow { words: on_terminal, ..terminal },
            self.ctl("history --refused", "200 ms", "history --refused", "breaker-open"),
            list(
                self.ctl("history --limit 0 --json", "20 MB", "history --limit 0 --json", ""),
                "repairs",
                "repairs",
            ),
            list(
                self.ctl("... --refused", "20 MB", "history --limit 0 --json --refused", ""),
                "refusals",
                "refusals",
            ),
            CostRow { code: 1, ..status },
            self.ctl("report --month", "2 s, 60 MB", "report --text --month {month}", "healed"),
        ]
    }

    /// Returns the rows for commands that read Nagios' files.
    fn file_rows(&self) -> Vec<CostRow> {
        let replay = "replay --objects {site}/objects.cache {log}";
        let trust = "trust {busy} --port 1 --nagios-cfg {site}/nagios.cfg";
        let doctor = "doctor {busy} --nagios-cfg {site}/nagios.cfg";
        let (lint, log) = ("lint {site}/nagios.cfg", "replay --repair httpd {site}/log");
        let trust = self.ctl("trust", "100 ms, 10 MB", trust, "refused");
        let doctor = self.ctl("doctor of one host", "100 ms, 10 MB", doctor, "1 host:");
        vec![
            self.ctl("lint", "2 s, 200 MB", lint, "nothing found in"),
            self.ctl("replay --objects", "2 s, 200 MB", replay, "1 lines in 1 log"),
            self.ctl("replay", "600 MB/s", log, "assumed to heal"),
            CostRow { code: 1, ..doctor },
            CostRow { code: 2, ..trust },
        ]
    }

    /// Returns the rows for handler calls. Each call runs a repair in the foreground, so that the
    /// worker's cost is included.
    fn event_rows(&self) -> Vec<CostRow> {
        let call = |name, target, host: &str, policy: &str| {
            let words = format!(
                "handle_repair CRITICAL HARD 4 --host {host} --address 127.0.0.1 --service HTTP \
                 --repair httpd --max-attempts 4 --host-state UP --foreground --policy {}",
                self.place.at(policy).display()
            );
            self.row(name, target, &words, "REPAIRED ")
        };
        let first = call("call, first on a status file", "60 ms", "{cold}", "policy.json");
        let touched = Some(self.place.at("site/status.dat"));
        vec![
            call("call, cold object", "8 ms", "{cold}", "no_status.json"),
            call("call, object with most repairs", "10 ms", "{busy}", "no_status.json"),
            CostRow { touched, ..first },
            call("call, next on that status file", "5 ms", "{cold}", "policy.json"),
        ]
    }

    /// Returns the row for a repair at the gate.
    fn gate_row(&self) -> CostRow {
        let (config, state) = (self.place.at("repairs.json"), self.place.at("gate"));
        let words =
            format!("repair_gate --config {} --state {}", config.display(), state.display());
        let row = self.row("gate: repair", "5 ms", &words, "\"state\":\"done\"");
        CostRow { request: Some("repair restart00 scale-job-{run}"), user: (0, 0), ..row }
    }

    /// Returns a row for a repairctl command.
    fn ctl(&self, name: &'static str, target: &'static str, words: &str, text: &str) -> CostRow {
        self.row(name, target, &format!("repairctl {{options}} {words}"), text)
    }

    /// Returns a row for one of our programs, with arguments that contain no blanks.
    fn row(&self, name: &'static str, target: &'static str, words: &str, text: &str) -> CostRow {
        let options = format!("--policy {}", self.place.at("policy.json").display());
        let words = words.replace("{options}", &options);
        let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        if let Some(program) = words.first_mut() {
            *program = self.place.program(program).display().to_string();
        }
        let (user, output) =
            ((self.nagios.uid, self.nagios.gid), ExpectedOutput::Text(text.to_owned()));
        CostRow { name, target, words, request: None, touched: None, user, code: 0, output }
    }

    /// Returns the command for one run of a row. If `wrapper` is not empty, it holds a program and
    /// arguments that start the command. Every cold object and every job ID at the gate is used
    /// only once.
    pub fn command(&self, row: &CostRow, wrapper: &[&str]) -> Command {
        let is_numbered = row.request.is_some() || row.words.iter().any(|word| word == "{cold}");
        let run = self.next_run.fetch_add(u64::from(is_numbered), Ordering::Relaxed);
        let words = wrapper.iter().map(|&word| word.to_owned());
        let mut words = words.chain(row.words.iter().map(|word| self.fill(word, run)));
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words).uid(row.user.0).gid(row.user.1).current_dir("/");
        if let Some(request) = row.request {
            command.env("SSH_ORIGINAL_COMMAND", self.fill(request, run));
        }
        if let Some(path) = &row.touched {
            let file = File::options().append(true).open(path).expect("the file to touch");
            file.set_modified(SystemTime::now()).expect("a new time");
        }
        command
    }

    /// Replaces the placeholders in a word or a request.
    fn fill(&self, text: &str, run: u64) -> String {
        let place = |name| self.place.at(name).display().to_string();
        text.replace("{site}", &place("site"))
            .replace("{log}", &place("one_line"))
            .replace("{month}", &past_month())
            .replace("{busy}", &nagios_log::host(0))
            .replace("{cold}", &nagios_log::host(self.number("hosts") - 1 - run))
            .replace("{run}", &run.to_string())
    }
}

/// Returns a past month in the format that `report --month` expects.
fn past_month() -> String {
    run(Command::new("date").args(["-d", "-31 days", "+%Y-%m"])).trim().to_owned()
}
