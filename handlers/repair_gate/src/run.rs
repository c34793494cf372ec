//! Runs one command without a shell, with a clean environment, a time limit (see the module
//! `timeout`) and bounded output. Returns as soon as the command has ended, even if it has left
//! processes running.

use std::io::{self, PipeReader, PipeWriter, Read, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::durations::TimeLimit;
use crate::output::{Excerpt, clean};
use crate::stream::LineStream;
use crate::timeout::{self, ProcessEnd};
use crate::{syslog, threads};

/// How long to wait for the reader thread after the command has ended. At that time, the last
/// output is already in the pipe, so the thread needs little time.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// Returns the path of this program, for the sudoers file and sudo commands. Removes " (deleted)"
/// from its end. The link in /proc gets this suffix if the program file is replaced while it runs,
/// see proc(5).
///
/// # Errors
/// Fails if the path cannot be determined or is not UTF-8.
pub(crate) fn gate_path() -> io::Result<String> {
    let path = std::env::current_exe()?
        .into_os_string()
        .into_string()
        .map_err(|_| io::ErrorKind::InvalidFilename)?;
    Ok(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
}

/// Why a command has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ExecutionFailure {
    NotStarted(String),
    /// The command did not end by the hard limit, or the process that enforces its timeout was
    /// killed. The command may still be running.
    Lost,
}

/// How a command ended, and what it printed.
pub(crate) struct ExecutedCommand {
    pub(crate) end: Result<ProcessEnd, ExecutionFailure>,
    pub(crate) elapsed: Duration,
    pub(crate) output: Vec<String>,
}

impl ExecutedCommand {
    /// Returns why the command has no exit code, or `None` if it has one.
    pub(crate) fn no_exit_code(&self) -> Option<String> {
        match &self.end {
            Ok(ProcessEnd::Exit(_)) => None,
            Ok(ProcessEnd::Signal(signal)) => Some(format!("signal {signal} ended the command")),
            Ok(ProcessEnd::TimedOut) | Err(ExecutionFailure::Lost) => {
                Some("the gate stopped the command because it took too long".to_owned())
            }
            Err(ExecutionFailure::NotStarted(why)) => Some(clean(why, 300)),
        }
    }
}

/// Runs `argv` under `limit`, through sudo(8) if `account` is given. Sends each line of output to
/// `stream` as soon as it is complete.
pub(crate) fn run(
    argv: &[String],
    account: Option<&str>,
    limit: TimeLimit,
    stream: Option<LineStream>,
) -> ExecutedCommand {
    run_into(Excerpt::streaming(stream), argv, account, limit)
}

/// Runs a program and keeps even long lines of its output, so that they can be parsed.
pub(crate) fn query(argv: &[String]) -> ExecutedCommand {
    run_into(Excerpt::to_read(), argv, None, TimeLimit::DIAGNOSIS)
}

fn run_into(
    excerpt: Excerpt,
    argv: &[String],
    account: Option<&str>,
    limit: TimeLimit,
) -> ExecutedCommand {
    gate_path()
        .and_then(|gate| execute(&command_line(&gate, argv, account, limit), limit, excerpt))
        .unwrap_or_else(|e| ExecutedCommand {
            end: Err(ExecutionFailure::NotStarted(e.to_string())),
            elapsed: Duration::ZERO,
            output: Vec::new(),
        })
}

fn command_line(
    gate: &str,
    argv: &[String],
    account: Option<&str>,
    limit: TimeLimit,
) -> Vec<String> {
    let sudo =
        account.map(|account| ["/usr/bin/sudo", "-n", "-u", account, "--"].map(str::to_owned));
    sudo.into_iter().flatten().chain(limit.command_line(gate, argv)).collect()
}

/// Returns [`ProcessEnd::TimedOut`] if the exit code shows that `repair_gate within` stopped the
/// command. A command can also exit with this code by itself, but then it ends before the timeout.
fn recognize_timeout(end: ProcessEnd, elapsed: Duration, limit: TimeLimit) -> ProcessEnd {
    let stopped = end == ProcessEnd::Exit(i32::from(timeout::TIMED_OUT));
    if stopped && elapsed >= limit.timeout { ProcessEnd::TimedOut } else { end.of_command() }
}

fn execute(words: &[String], limit: TimeLimit, excerpt: Excerpt) -> io::Result<ExecutedCommand> {
    let begun = Instant::now();
    let (reader, writer) = pipe()?;
    let leftover = reader.try_clone()?;
    let excerpt = Arc::new(Mutex::new(excerpt));
    // Start both threads before the command, so that nothing has run if a thread cannot be created.
    let drained = drain(reader, Arc::clone(&excerpt))?;
    let ended = start(command(words, writer)?)?;
    let end = match ended.recv_timeout(limit.hard()) {
        Ok(Ok(status)) if status.signal() == Some(timeout::KILLED) => Err(ExecutionFailure::Lost),
        Ok(Ok(status)) => Ok(recognize_timeout(status.into(), begun.elapsed(), limit)),
        Ok(Err(e)) => {
            let program = words.first().map_or("", String::as_str);
            Err(ExecutionFailure::NotStarted(format!("{program}: {e}")))
        }
        Err(_) => Err(ExecutionFailure::Lost),
    };
    if drained.recv_timeout(LAST_OUTPUT).is_err() {
        keep_open(leftover);
    }
    let excerpt = std::mem::take(&mut *excerpt.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(ExecutedCommand { end, elapsed: begun.elapsed(), output: excerpt.lines() })
}

fn command(words: &[String], writer: PipeWriter) -> io::Result<Command> {
    let (program, arguments) = words.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C");
    command.current_dir("/").process_group(0);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    Ok(command)
}

fn start(mut command: Command) -> io::Result<Receiver<io::Result<ExitStatus>>> {
    let (send, ended) = mpsc::channel();
    threads::spawn(move || {
        let child = command.spawn();
        // Close our write end of the pipe, which `command` holds. Otherwise the reader would never
        // see the end of the output.
        drop(command);
        let _ = send.send(child.and_then(|mut child| child.wait()));
    })?;
    Ok(ended)
}

fn drain(mut reader: PipeReader, excerpt: Arc<Mutex<Excerpt>>) -> io::Result<Receiver<()>> {
    let (send, drained) = mpsc::channel();
    threads::spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            let mut excerpt = excerpt.lock().unwrap_or_else(PoisonError::into_inner);
            excerpt.push(buffer.get(..n).unwrap_or_default());
        }
        let _ = send.send(());
    })?;
    Ok(drained)
}

/// Starts cat(1) to keep reading the pipe if the command has left a daemon running. If the pipe
/// were closed, SIGPIPE would kill the daemon at its next write, long after the repair was reported
/// as successful. If the output went to a file instead, it could fill the disk. cat(1) runs in a
/// process group of its own and ends when the daemon ends.
fn keep_open(leftover: PipeReader) {
    let mut cat = Command::new("/bin/cat");
    cat.env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(leftover)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(e) = cat.spawn() {
        syslog::warn(&format!(
            "cannot start /bin/cat to read the output of the daemon that the repair has left \
             running: {e}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: TimeLimit =
        TimeLimit { timeout: Duration::from_mins(1), grace: Duration::from_secs(10) };

    #[test]
    fn runs_command_of_another_account_through_sudo() {
        let argv = ["/usr/bin/systemctl", "restart", "httpd"].map(str::to_owned);
        assert_eq!(
            command_line("/gate", &argv, None, LIMIT).join(" "),
            "/gate within 60 10 /usr/bin/systemctl restart httpd"
        );
        assert_eq!(
            command_line("/gate", &argv, Some("root"), LIMIT).join(" "),
            "/usr/bin/sudo -n -u root -- /gate within 60 10 /usr/bin/systemctl restart httpd"
        );
    }

    #[test]
    fn exit_code_124_before_the_timeout_is_not_a_timeout() {
        let after =
            |seconds| recognize_timeout(ProcessEnd::Exit(124), Duration::from_secs(seconds), LIMIT);
        assert_eq!((after(59), after(60)), (ProcessEnd::Exit(124), ProcessEnd::TimedOut));
        assert_eq!(
            recognize_timeout(ProcessEnd::Exit(0), Duration::from_secs(61), LIMIT),
            ProcessEnd::Exit(0)
        );
    }
}
