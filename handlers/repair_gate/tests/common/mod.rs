//! Creates a separate host for every test, with repairs.json and a state directory. A marker file
//! shows whether a repair has run.
#![allow(dead_code, reason = "no test program uses all of the lab")]

pub mod installed;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::set_mode;
pub use testkit::{free_port, wait_until};

pub const GATE: &str = env!("CARGO_BIN_EXE_repair_gate");
pub const JOB: &str = "20261123-00000001";

/// The directory of a test host. It is below /run, because the gate trusts no file in a directory
/// that everyone can write to, such as /tmp.
pub struct GateLab {
    dir: TempDir,
}

/// The exit code and the answer of a gate, and the output lines that came before the answer.
#[derive(Debug)]
pub struct GateResult {
    pub code: i32,
    pub json: Value,
    pub stderr: String,
    /// Output lines of the repair that were sent while it was running.
    pub streamed: Vec<String>,
}

impl GateResult {
    /// Parses an answer, and checks what must hold for every answer: the exit code is between 0 and
    /// 3, and the output consists of a newline, the repair's output lines and one framed line at
    /// the end.
    pub fn of(output: &Output) -> GateResult {
        let code = output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"));
        assert!((0..=3).contains(&code), "{output:?}");
        let stdout = String::from_utf8(output.stdout.clone()).expect("the answer is UTF-8");
        assert!(stdout.ends_with('\n'), "cut short: {output:?}");
        assert!(stdout.starts_with('\n'), "no newline at the beginning: {output:?}");
        assert!(!stdout.replace('\n', "").contains(char::is_control), "{stdout:?}");
        let mut lines: Vec<&str> = stdout.lines().filter(|line| !line.is_empty()).collect();
        let object = lines
            .pop()
            .and_then(|last| last.strip_prefix("SHN1 "))
            .unwrap_or_else(|| panic!("not framed: {output:?}"));
        let streamed: Option<Vec<String>> =
            lines.into_iter().map(|line| Some(line.strip_prefix("SHP1 ")?.to_owned())).collect();
        let streamed = streamed.unwrap_or_else(|| panic!("neither output nor answer: {output:?}"));
        let json = serde_json::from_str(object).expect("the answer is JSON");
        GateResult {
            code,
            json,
            streamed,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn text(&self, key: &str) -> &str {
        self.json[key].as_str().unwrap_or_else(|| panic!("no {key}: {}", self.json))
    }

    pub fn output(&self) -> String {
        let lines: Vec<&str> = self.json["output"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap())
            .collect();
        lines.join("\n")
    }

    /// Asserts that the answer is a refusal for `reason` with exit code 3, and returns its message.
    #[track_caller]
    pub fn refused(&self, reason: &str) -> &str {
        assert_eq!(
            (&self.json["answer"], &self.json["reason"], self.code),
            (&json!("refused"), &json!(reason), 3),
            "{}",
            self.json
        );
        self.text("text")
    }

    /// Asserts that the answer is about a job in `state`.
    #[track_caller]
    pub fn is(&self, state: &str) -> &GateResult {
        assert_eq!(self.json["state"], json!(state), "{}", self.json);
        self
    }
}

impl GateLab {
    /// Creates a host with the repair `touch`, which creates the marker.
    pub fn new() -> GateLab {
        let me = fs::read_to_string("/proc/self/status").unwrap();
        assert!(
            me.contains("\nUid:\t0\t0\t"),
            "these tests must run as root, because the gate trusts only files that root owns"
        );
        let dir = tempfile::Builder::new()
            .prefix("repair_gate-")
            .tempdir_in("/run")
            .expect("a directory below /run");
        set_mode(dir.path(), 0o755);
        let lab = GateLab { dir };
        lab.mkdir("etc", 0o755);
        lab.mkdir("state", 0o700);
        lab.repairs(&json!({"touch": {"run": ["/usr/bin/touch", lab.marker()], "cooldown": "0s"}}));
        lab
    }

    /// Creates a host with the repair `x`, which runs `script` and has these additional fields in
    /// repairs.json.
    pub fn with(script: &str, fields: &Value) -> GateLab {
        let lab = GateLab::new();
        let mut x = json!({"run": ["/bin/sh", "-c", script, "sh", lab.path("")], "cooldown": "0s"});
        for (key, value) in fields.as_object().unwrap() {
            x[key] = value.clone();
        }
        lab.repairs(&json!({"x": x}));
        lab
    }

    fn mkdir(&self, name: &str, mode: u32) {
        fs::create_dir(self.path(name)).unwrap();
        self.chmod(name, mode);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("etc/repairs.json")
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn marker(&self) -> PathBuf {
        self.path("marker")
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        set_mode(self.path(name), mode);
    }

    pub fn repairs(&self, repairs: &Value) {
        self.config_text(&json!({"repairs": repairs}).to_string());
    }

    pub fn config_text(&self, text: &str) {
        fs::write(self.config(), text).unwrap();
        self.chmod("etc/repairs.json", 0o644);
    }

    /// Returns the command that sshd would use to start the gate, with a clean environment.
    pub fn command(&self, request: Option<&[u8]>) -> Command {
        let mut command = Command::new(GATE);
        command.arg("--config").arg(self.config()).arg("--state").arg(self.state());
        command.env_clear().env("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22");
        if let Some(request) = request {
            command.env("SSH_ORIGINAL_COMMAND", OsStr::from_bytes(request));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self, request: &str) -> Child {
        self.command(Some(request.as_bytes())).spawn().unwrap()
    }

    pub fn request_bytes(&self, request: Option<&[u8]>) -> GateResult {
        GateResult::of(&self.command(request).output().unwrap())
    }

    pub fn request(&self, request: &str) -> GateResult {
        self.request_bytes(Some(request.as_bytes()))
    }

    /// Requests the repair `x` with this job ID.
    pub fn repair(&self, job: &str) -> GateResult {
        self.request(&format!("repair x {job}"))
    }

    /// Runs the gate as an administrator would, with these arguments and without a request.
    pub fn run_by_hand(&self, words: &[&str]) -> Output {
        Command::new(GATE)
            .arg("--config")
            .arg(self.config())
            .args(words)
            .env_clear()
            .output()
            .unwrap()
    }

    /// Returns the relative paths of everything below the state directory, sorted.
    pub fn state_files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut dirs = vec![self.state()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(entry.path());
                }
                found.push(entry.path().strip_prefix(self.state()).unwrap().display().to_string());
            }
        }
        found.sort();
        found
    }

    /// Returns the path of a job's record. When another repair begins, the gate moves the record to
    /// the directory of the repair that it belongs to.
    pub fn record_path(&self, job: &str) -> PathBuf {
        let jobs = self.state().join("jobs");
        let file = format!("{job}.json");
        let mut dirs = fs::read_dir(&jobs).into_iter().flatten().map(|entry| entry.unwrap().path());
        dirs.find_map(|dir| Some(dir.join(&file)).filter(|path| path.exists()))
            .unwrap_or_else(|| jobs.join(&file))
    }

    /// Edits the record of a job on disk, and removes the index, which contains the record's times.
    pub fn edit_record(&self, job: &str, edit: impl FnOnce(&mut Value)) {
        let path = self.record_path(job);
        let mut record: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        edit(&mut record);
        fs::write(&path, record.to_string()).unwrap();
        let _ = fs::remove_file(path.with_file_name("index"));
    }

    /// Returns how many times the script has run. Each run appends one line to the file `runs`
    /// (`echo >> "$1/runs"`).
    pub fn runs(&self) -> usize {
        fs::read_to_string(self.path("runs")).map_or(0, |text| text.lines().count())
    }
}

/// Whether a process with this ID exists and is not a zombie.
pub fn alive(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a script has written its process ID to `path`, and returns the ID.
pub fn read_pid(path: &Path) -> String {
    wait_until(&format!("{} is written", path.display()), || {
        fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))
    });
    fs::read_to_string(path).unwrap().trim().to_owned()
}
