//! Runs one command: no shell, a clean environment, a time limit for its whole process group, bounded output. Returns
//! when the command has ended, whatever it has left running.

use std::io::{self, PipeReader, PipeWriter, Read, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::excerpt::Excerpt;

/// A time limit, and how long after it SIGKILL follows SIGTERM. Seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) seconds: u64,
    pub(crate) grace: u64,
}

/// Beyond limit and grace, what timeout(1) may need to end.
const SLACK: u64 = 3;
/// After the command has ended, its last output is in the pipe already; this is for the reader's scheduling.
const LAST_OUTPUT: Duration = Duration::from_millis(200);
/// Given outright, for the default can be set through the environment (RUST_MIN_STACK).
const STACK: usize = 256 * 1024;

impl Limit {
    /// Of a repair: ten seconds to end cleanly once it is asked to.
    pub(crate) fn of_repair(seconds: u64) -> Limit {
        Limit { seconds, grace: 10 }
    }

    /// Of a command that only looks.
    pub(crate) const DIAGNOSIS: Limit = Limit { seconds: 10, grace: 2 };

    /// When the gate itself stops waiting.
    fn hard(self) -> Duration {
        Duration::from_secs(self.seconds + self.grace + SLACK)
    }

    /// When the command has certainly been stopped, in milliseconds from its start.
    pub(crate) fn deadline(self) -> u64 {
        (self.seconds + self.grace + SLACK + 2).saturating_mul(1000)
    }

    /// `argv` under timeout(1), which is in its own process group with the command: it signals the group, as the account
    /// the command runs under, which the gate may not and std cannot. This is the text that stands in sudoers.
    pub(crate) fn around(self, argv: &[String]) -> Vec<String> {
        let timeout = ["/usr/bin/timeout".into(), format!("--kill-after={}", self.grace), self.seconds.to_string()];
        timeout.into_iter().chain(argv.iter().cloned()).collect()
    }
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    Exit(i32),
    Signal(i32),
    TimedOut,
    NotStarted(String),
    /// It did not end at the hard limit; the gate waits no longer.
    Lost,
}

/// What came of a command.
pub(crate) struct Ran {
    pub(crate) end: End,
    pub(crate) seconds: f64,
    pub(crate) output: Vec<String>,
}

/// Runs `argv` under `limit`, through sudo(8) when it is another `account`'s.
pub(crate) fn run(argv: &[String], account: Option<&str>, limit: Limit) -> Ran {
    let words = words(argv, account, limit);
    let begun = Instant::now();
    let (end, output) = execute(&words, limit).unwrap_or_else(|e| (End::NotStarted(e.to_string()), Vec::new()));
    let elapsed = begun.elapsed();
    Ran { end: named(end, elapsed, limit), seconds: (elapsed.as_secs_f64() * 1000.0).round() / 1000.0, output }
}

fn words(argv: &[String], account: Option<&str>, limit: Limit) -> Vec<String> {
    let sudo = account.map(|account| ["/usr/bin/sudo", "-n", "-u", account, "--"].map(str::to_owned));
    sudo.into_iter().flatten().chain(limit.around(argv)).collect()
}

/// timeout(1): 124 when it had to stop the command, 137 or death by SIGKILL when it had to kill it. The command may end
/// with the same codes by itself, but then before the time was over.
fn named(end: End, elapsed: Duration, limit: Limit) -> End {
    let over = elapsed >= Duration::from_secs(limit.seconds);
    match end {
        End::Exit(124 | 137) | End::Signal(9) if over => End::TimedOut,
        end => end,
    }
}

fn execute(words: &[String], limit: Limit) -> io::Result<(End, Vec<String>)> {
    let (reader, writer) = pipe()?;
    let leftover = reader.try_clone()?;
    let excerpt = Arc::new(Mutex::new(Excerpt::default()));
    // Both threads are there before anything runs: a machine that has no room for them has run nothing.
    let drained = drain(reader, Arc::clone(&excerpt))?;
    let ended = start(command(words, writer)?)?;
    let end = match ended.recv_timeout(limit.hard()) {
        Ok(Ok(status)) => end_of(status),
        Ok(Err(e)) => End::NotStarted(format!("{}: {e}", words.first().map_or("", String::as_str))),
        Err(_) => End::Lost,
    };
    if drained.recv_timeout(LAST_OUTPUT).is_err() {
        keep_open(leftover);
    }
    let excerpt = std::mem::take(&mut *excerpt.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((end, excerpt.lines()))
}

fn command(words: &[String], writer: PipeWriter) -> io::Result<Command> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    Ok(command)
}

fn start(mut command: Command) -> io::Result<Receiver<io::Result<ExitStatus>>> {
    let (tell, ended) = mpsc::channel();
    thread::Builder::new().stack_size(STACK).spawn(move || {
        let child = command.spawn();
        // It holds the writing end of the pipe, which would never end.
        drop(command);
        let _ = tell.send(child.and_then(|mut child| child.wait()));
    })?;
    Ok(ended)
}

fn drain(mut reader: PipeReader, excerpt: Arc<Mutex<Excerpt>>) -> io::Result<Receiver<()>> {
    let (tell, drained) = mpsc::channel();
    thread::Builder::new().stack_size(STACK).spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            let mut excerpt = excerpt.lock().unwrap_or_else(PoisonError::into_inner);
            excerpt.push(buffer.get(..n).unwrap_or_default());
        }
        let _ = tell.send(());
    })?;
    Ok(drained)
}

/// The command has ended, but something it started still has the pipe: a daemon. Were the pipe closed now, SIGPIPE would
/// kill that daemon at its next word, long after the repair was called a success; a file in its place could fill the
/// disk. So cat(1) goes on reading for it, tied to nothing of ours, and ends when the daemon does.
fn keep_open(leftover: PipeReader) {
    let mut cat = Command::new("/bin/cat");
    cat.env_clear().current_dir("/").process_group(0).stdin(leftover).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(e) = cat.spawn() {
        crate::syslog::warn(&format!("nothing reads on for what the repair left running: /bin/cat: {e}"));
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, Some(signal)) => End::Signal(signal),
        (None, None) => End::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Limit = Limit { seconds: 1, grace: 1 };

    fn shell(script: &str) -> Ran {
        run(&["/bin/sh", "-c", script].map(str::to_owned), None, SHORT)
    }

    #[test]
    fn exit_codes_and_signals_are_told_apart() {
        assert_eq!(shell("exit 0").end, End::Exit(0));
        assert_eq!(shell("exit 3").end, End::Exit(3));
        assert_eq!(shell("kill -TERM $$").end, End::Signal(15));
        assert_eq!(shell("exit 124").end, End::Exit(124), "its own 124 is no timeout");
        assert_eq!(shell("exit 137").end, End::Exit(137), "its own 137 is no timeout");
    }

    #[test]
    fn a_timeout_is_called_one_whether_it_ended_or_was_killed() {
        assert_eq!(shell("sleep 20").end, End::TimedOut);
        let deaf = shell("trap '' TERM; while :; do sleep 0.1; done");
        assert_eq!(deaf.end, End::TimedOut);
        assert!(deaf.seconds >= 2.0, "{}", deaf.seconds);
    }

    #[test]
    fn a_missing_program_is_a_failure_with_its_reason() {
        let ran = run(&["/nonexistent/program".to_owned()], None, SHORT);
        assert_eq!(ran.end, End::Exit(127));
        assert!(ran.output.join(" ").contains("/nonexistent/program"), "{:?}", ran.output);
    }

    #[test]
    fn the_surroundings_are_clean() {
        let ran = shell("/usr/bin/env | sort; pwd; readlink /proc/self/fd/0");
        let output = ran.output.join("\n");
        assert_eq!(output, "LC_ALL=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n/\n/dev/null");
    }

    #[test]
    fn both_outputs_are_kept_in_their_order() {
        assert_eq!(shell("echo out; echo err >&2; printf end").output, ["out", "err", "end"]);
    }

    #[test]
    fn a_runaway_writer_costs_no_memory_and_is_stopped() {
        let ran = shell("yes");
        assert_eq!(ran.end, End::TimedOut);
        assert_eq!(ran.output.len(), 41);
    }

    #[test]
    fn another_account_goes_through_sudo_around_timeout() {
        let argv = ["/usr/bin/systemctl", "restart", "httpd"].map(str::to_owned);
        assert_eq!(
            words(&argv, Some("root"), Limit::of_repair(60)).join(" "),
            "/usr/bin/sudo -n -u root -- /usr/bin/timeout --kill-after=10 60 /usr/bin/systemctl restart httpd"
        );
    }
}
