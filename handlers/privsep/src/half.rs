//! The half of the program that keeps running as root. It starts the unprivileged child process and
//! reads the child's answer.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use plugin_kit::printable;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

use crate::account::Account;
use crate::error::Error;
use crate::json_text;
use crate::step_down::option;

/// Maximum size in bytes of an answer, or of each part if the answer comes in parts.
const LONGEST: usize = 16 << 20;
/// Maximum number of arrays, objects and strings in an answer or a part.
const MOST_VALUES: usize = 1_000_000;
/// How long to wait for the rest of the child's standard error after killing the child.
const STDERR_GRACE: Duration = Duration::from_secs(1);
/// How long the child may take to exit after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(10);
/// Maximum length in bytes of a displayed line of the child's output. Longer lines are split.
const LONGEST_LINE: u64 = 64 << 10;

/// The environment of the child process. It contains only the variables in `NAMES`. Other
/// variables, such as LD_PRELOAD, must not pass between root and the account.
#[derive(Debug, Clone)]
pub struct Environment(Vec<(&'static str, OsString)>);

impl Environment {
    const NAMES: [&str; 5] = ["HOME", "PATH", "SSH_AUTH_SOCK", "LANG", "TZ"];
    const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

    /// Returns the default environment for an account, with the language and time zone of this
    /// process.
    pub fn of(account: &Account) -> Environment {
        let ours =
            ["LANG", "TZ"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        Environment(
            [("HOME", account.home.clone().into()), ("PATH", Environment::PATH.into())]
                .into_iter()
                .chain(ours)
                .collect(),
        )
    }

    /// Takes the values of the allowed variables from another process. `process` is the content of
    /// that process's /proc/PID/environ, see proc(5).
    pub fn with_process(mut self, process: &[u8]) -> Environment {
        use std::os::unix::ffi::OsStrExt;
        for variable in process.split(|byte| *byte == 0) {
            let Some(equals) = variable.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = variable.split_at(equals);
            if let Some(name) =
                Environment::NAMES.into_iter().find(|known| known.as_bytes() == name)
            {
                self.0.retain(|(known, _)| *known != name);
                self.0
                    .push((name, OsStr::from_bytes(value.get(1..).unwrap_or_default()).to_owned()));
            }
        }
        self
    }
}

/// The unprivileged half of the program: a child process that runs as Nagios' user.
pub struct Half {
    account: String,
    child: Child,
}

impl Half {
    /// Starts this program again as `account`, with the arguments `argv`.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub fn start(
        account: &Account,
        environment: Environment,
        argv: &[OsString],
        stdin: Stdio,
    ) -> Result<Half, Error> {
        let failed = |why| Error::Start { account: account.name.clone(), why };
        let mut command = Command::new("/proc/self/exe");
        command.arg0(std::env::args_os().next().unwrap_or_default()).arg(option(account));
        // Relative paths in the arguments refer to our working directory, so pass the directory as
        // well. The child changes to that directory after it has switched to the account.
        command.arg(std::env::current_dir().unwrap_or_default()).args(argv);
        command.env_clear().envs(environment.0).current_dir("/");
        let child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        Ok(Half { account: account.name.clone(), child })
    }

    /// Reads the answer, which is a `Result<T, String>` in JSON, and copies the child's standard
    /// error to ours. Then kills the child. If `exact` is set, keeps control characters in the
    /// answer instead of removing them. Set it only for an answer that another program will read.
    ///
    /// # Errors
    /// Returns [`Error::Reported`] if the child answers with an error. Returns other errors if
    /// there is no valid answer within the size limit and `timeout`.
    pub fn answer<T: DeserializeOwned>(
        mut self,
        timeout: Duration,
        exact: bool,
    ) -> Result<T, Error> {
        let shown = self.show_errors();
        let read = self.read(timeout);
        self.stop(shown);
        self.parse(&read?, exact)
    }

    /// Reads an answer that comes in parts. Passes each part to `each`, until `each` returns
    /// `Break` or the answer ends. Each part is a line with a `Result<Option<T>, String>` in JSON,
    /// and `Ok(None)` ends the answer. Otherwise works like [`Half::answer`]. Keeps at most two
    /// parts in memory.
    ///
    /// # Errors
    /// Returns the same errors as [`Half::answer`]. `timeout` and the size limit apply to each
    /// part.
    pub fn parts<T: DeserializeOwned>(
        mut self,
        timeout: Duration,
        exact: bool,
        each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let shown = self.show_errors();
        let passed = self.pass_parts(timeout, exact, each);
        self.stop(shown);
        passed
    }

    fn pass_parts<T: DeserializeOwned>(
        &mut self,
        timeout: Duration,
        exact: bool,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let stdout = self.stdout()?;
        let (sender, receiver) = mpsc::sync_channel(0);
        let read = move || {
            let mut from = BufReader::new(stdout);
            let mut next = || {
                let mut line = Vec::new();
                let read = from.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line);
                read.map(|_| line)
            };
            while sender.send(next()).is_ok() {}
        };
        thread::Builder::new().spawn(read).map_err(|why| self.unreadable(why))?;
        loop {
            let part = self.next(&receiver, timeout)?;
            let Some(part) = self.parse::<Option<T>>(&part, exact)? else { return Ok(()) };
            if each(part).is_break() {
                return Ok(());
            }
        }
    }

    /// Kills the child, which has nothing more to do because its answer is complete or too late.
    /// Then waits for the rest of the child's standard error, but at most for `STDERR_GRACE`,
    /// because the child may be in a system call that another account can prolong.
    fn stop(&mut self, shown: Option<thread::JoinHandle<()>>) {
        let _ = self.child.kill();
        let until = Instant::now() + STDERR_GRACE;
        while shown.as_ref().is_some_and(|shown| !shown.is_finished()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.try_wait();
    }

    fn parse<T: DeserializeOwned>(&self, bytes: &[u8], exact: bool) -> Result<T, Error> {
        let parse = || {
            if exact {
                return serde_json::from_slice(bytes);
            }
            match std::str::from_utf8(bytes) {
                Ok(text) => serde_json::from_str(&json_text::clean(text)),
                Err(_) => serde_json::from_slice(bytes),
            }
        };
        let answer: Result<T, String> = parse()
            .map_err(|why| Error::Answer { account: self.account.clone(), why: why.to_string() })?;
        answer.map_err(|text| Error::Reported { account: self.account.clone(), text })
    }

    /// Passes each line of the child's output to `each`, without control characters, until the
    /// child exits. Passes SIGINT and SIGTERM on to the child as SIGTERM.
    ///
    /// # Errors
    /// Fails if this process cannot wait for the child.
    pub fn relay(mut self, mut each: impl FnMut(&str)) -> Result<ExitStatus, Error> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // Ignore an error from `set_handler`. Without the handler, a signal ends this process, and
        // the child then gets SIGTERM as its parent death signal. The handler sends SIGKILL on the
        // second signal or after a grace period, because the account may have suspended the child
        // with SIGSTOP, and a suspended process does not react to SIGTERM.
        let mut terminated = false;
        let _ = ctrlc::set_handler(move || {
            let Some(pid) = pid else { return };
            let signal = if terminated { Signal::KILL } else { Signal::TERM };
            let _ = kill_process(pid, signal);
            if !terminated {
                thread::spawn(move || {
                    thread::sleep(GRACE);
                    let _ = kill_process(pid, Signal::KILL);
                });
            }
            terminated = true;
        });
        let shown = self.show_errors();
        if let Some(stdout) = self.child.stdout.take() {
            lines(stdout, &mut each);
        }
        let _ = shown.map(thread::JoinHandle::join);
        self.child.wait().map_err(|why| Error::Start { account: self.account.clone(), why })
    }

    fn show_errors(&mut self) -> Option<thread::JoinHandle<()>> {
        let stderr = self.child.stderr.take()?;
        let show = || lines(stderr, &mut |line| drop(writeln!(io::stderr(), "{line}")));
        thread::Builder::new().spawn(show).ok()
    }

    fn read(&mut self, timeout: Duration) -> Result<Vec<u8>, Error> {
        let stdout = self.stdout()?;
        let (sender, receiver) = mpsc::channel();
        let read = move || {
            let mut bytes = Vec::new();
            let read = stdout.take(LONGEST as u64 + 1).read_to_end(&mut bytes);
            let _ = sender.send(read.map(|_| bytes));
        };
        thread::Builder::new().spawn(read).map_err(|why| self.unreadable(why))?;
        self.next(&receiver, timeout)
    }

    fn next(
        &self,
        receiver: &mpsc::Receiver<io::Result<Vec<u8>>>,
        timeout: Duration,
    ) -> Result<Vec<u8>, Error> {
        let bytes = receiver
            .recv_timeout(timeout)
            .map_err(|_| Error::Late { account: self.account.clone(), timeout })?
            .map_err(|why| self.unreadable(why))?;
        if bytes.len() > LONGEST || json_text::large_values(&bytes) > MOST_VALUES {
            let (limit, values) = (LONGEST, MOST_VALUES);
            Err(Error::TooLarge { account: self.account.clone(), limit, values })
        } else {
            Ok(bytes)
        }
    }

    fn stdout(&mut self) -> Result<ChildStdout, Error> {
        let closed = || io::ErrorKind::BrokenPipe.into();
        self.child.stdout.take().ok_or_else(|| self.unreadable(closed()))
    }

    fn unreadable(&self, why: io::Error) -> Error {
        Error::Start { account: self.account.clone(), why }
    }
}

/// Passes each line of `from` to `each` without control characters. Splits lines that are longer
/// than `LONGEST_LINE`.
fn lines(from: impl Read, each: &mut impl FnMut(&str)) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        // Keep tabs, which separate the columns in output for programs.
        let columns: Vec<String> = text.trim_end_matches('\n').split('\t').map(printable).collect();
        each(&columns.join("\t"));
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_on_only_allowed_variables() {
        let root = Account::named("root").unwrap().unwrap();
        let process = b"LD_PRELOAD=/tmp/evil.so\0HOME=/of/nagios\0SSH_AUTH_SOCK=/run/agent\0\
                        nonsense\0PATHX=1\0";
        let Environment(variables) = Environment::of(&root).with_process(process);
        let value = |name| {
            variables
                .iter()
                .filter(|(known, _)| *known == name)
                .map(|(_, value)| value.to_str().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (value("HOME"), value("SSH_AUTH_SOCK"), value("PATH")),
            (vec!["/of/nagios"], vec!["/run/agent"], vec![Environment::PATH])
        );
        assert!(variables.iter().all(|(name, _)| Environment::NAMES.contains(name)));
    }

    /// Returns the parts of the answer that `script` prints, and how the answer ended.
    fn parts(script: &str) -> (Vec<String>, Result<(), Error>) {
        let child = Command::new("/bin/sh")
            .args(["-c", script])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (half, mut parts) = (Half { account: "nobody".into(), child }, Vec::new());
        let ended = half.parts(Duration::from_secs(60), false, |part| {
            parts.push(part);
            if parts.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        (parts, ended)
    }

    #[test]
    fn passes_on_parts_until_the_answer_ends() {
        let (all, ended) =
            parts(r#"printf '%s\n' '{"Ok":"a\u001b"}' '{"Ok":"b"}' '{"Ok":null}' '{"Ok":"c"}'"#);
        assert_eq!((all, ended.is_ok()), (vec!["a ".to_owned(), "b".to_owned()], true));
        let (all, ended) = parts(r#"while echo '{"Ok":"a"}'; do :; done"#);
        assert_eq!((all.len(), ended.is_ok()), (3, true), "the receiver stops an endless answer");
    }

    #[test]
    fn reports_truncated_and_oversized_answers_in_parts() {
        let (all, ended) = parts(r#"echo '{"Ok":"a"}'"#);
        assert!(all == ["a"] && matches!(ended, Err(Error::Answer { .. })), "{ended:?}");
        let (all, ended) = parts(r#"echo '{"Ok":"a"}'; echo '{"Err":"no ledger"}'"#);
        assert!(all == ["a"] && matches!(ended, Err(Error::Reported { .. })), "{ended:?}");
        for endless in ["exec cat /dev/zero", "exec yes '{},' | tr -d '\\n'"] {
            let (_, ended) = parts(endless);
            assert!(matches!(ended, Err(Error::TooLarge { .. })), "{ended:?}");
        }
        let (_, ended) = parts("exec head -c 3000000 /dev/zero | tr '\\0' '['; echo");
        assert!(matches!(ended, Err(Error::TooLarge { .. })), "{ended:?}");
    }
}
