//! Runs one command: no shell, a clean environment, a time limit (kept by `within`), bounded
//! output. Returns when the command has ended, whatever it has left running.

use std::io::{self, PipeReader, PipeWriter, Read, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::durations::TimeLimit;
use crate::output::{Excerpt, clean};
use crate::stream::LineStream;
use crate::{threads, timeout};

/// After the command has ended, its last output is in the pipe already; this is for the reader's
/// scheduling.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// Where this program is, for sudoers and for sudo. proc(5): the link of a program that was
/// replaced while it runs says so.
pub(crate) fn gate() -> io::Result<String> {
    let path = std::env::current_exe()?
        .into_os_string()
        .into_string()
        .map_err(|_| io::ErrorKind::InvalidFilename)?;
    Ok(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned())
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    Exit(i32),
    Signal(i32),
    TimedOut,
    NotStarted(String),
    /// It did not end at the hard limit; the gate waits no longer.
    Lost,
}

impl CommandEnd {
    /// Why there is no exit code; `None` where there is one.
    pub(crate) fn without_code(&self) -> Option<String> {
        match self {
            CommandEnd::Exit(_) => None,
            CommandEnd::Signal(signal) => Some(format!("ended by signal {signal}")),
            CommandEnd::TimedOut | CommandEnd::Lost => Some("stopped: it took too long".to_owned()),
            CommandEnd::NotStarted(why) => Some(clean(why, 300)),
        }
    }
}

/// What came of a command.
pub(crate) struct ExecutedCommand {
    pub(crate) end: CommandEnd,
    pub(crate) elapsed: Duration,
    pub(crate) output: Vec<String>,
}

/// Runs `argv` under `limit`, through sudo(8) when it is another `account`'s. Each line it prints
/// goes to `live` at once.
pub(crate) fn run(
    argv: &[String],
    account: Option<&str>,
    limit: TimeLimit,
    live: Option<LineStream>,
) -> ExecutedCommand {
    let begun = Instant::now();
    let ran = gate().and_then(|gate| execute(&words(&gate, argv, account, limit), limit, live));
    let (end, output) = ran.unwrap_or_else(|e| (CommandEnd::NotStarted(e.to_string()), Vec::new()));
    let elapsed = begun.elapsed();
    ExecutedCommand { end: named(end, elapsed, limit), elapsed, output }
}

fn words(gate: &str, argv: &[String], account: Option<&str>, limit: TimeLimit) -> Vec<String> {
    let sudo =
        account.map(|account| ["/usr/bin/sudo", "-n", "-u", account, "--"].map(str::to_owned));
    sudo.into_iter().flatten().chain(limit.command_line(gate, argv)).collect()
}

/// `within` tells by an exit code that it had to stop the command. The command may end with the
/// same code by itself, but then before the time was over.
fn named(end: CommandEnd, elapsed: Duration, limit: TimeLimit) -> CommandEnd {
    let over = elapsed >= limit.timeout;
    if over && end == CommandEnd::Exit(i32::from(timeout::TIMED_OUT)) {
        CommandEnd::TimedOut
    } else {
        end
    }
}

fn execute(
    words: &[String],
    limit: TimeLimit,
    live: Option<LineStream>,
) -> io::Result<(CommandEnd, Vec<String>)> {
    let (reader, writer) = pipe()?;
    let leftover = reader.try_clone()?;
    let excerpt = Arc::new(Mutex::new(Excerpt::told(live)));
    // Both threads are there before anything runs: a machine that has no room for them has run
    // nothing.
    let drained = drain(reader, Arc::clone(&excerpt))?;
    let ended = start(command(words, writer)?)?;
    let end = match ended.recv_timeout(limit.hard()) {
        Ok(Ok(status)) => end_of(status),
        Ok(Err(e)) => {
            CommandEnd::NotStarted(format!("{}: {e}", words.first().map_or("", String::as_str)))
        }
        Err(_) => CommandEnd::Lost,
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
    let (tell, ended) = mpsc::channel();
    threads::spawn(move || {
        let child = command.spawn();
        // It holds the writing end of the pipe, which would never end.
        drop(command);
        let _ = tell.send(child.and_then(|mut child| child.wait()));
    })?;
    Ok(ended)
}

fn drain(mut reader: PipeReader, excerpt: Arc<Mutex<Excerpt>>) -> io::Result<Receiver<()>> {
    let (tell, drained) = mpsc::channel();
    threads::spawn(move || {
        let mut buffer = vec![0; 32 * 1024];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            let mut excerpt = excerpt.lock().unwrap_or_else(PoisonError::into_inner);
            excerpt.push(buffer.get(..n).unwrap_or_default());
        }
        let _ = tell.send(());
    })?;
    Ok(drained)
}

/// The command has ended, but something it started still has the pipe: a daemon. Were the pipe
/// closed now, SIGPIPE would kill that daemon at its next word, long after the repair was called a
/// success; a file in its place could fill the disk. So cat(1) goes on reading for it, tied to
/// nothing of ours, and ends when the daemon does.
fn keep_open(leftover: PipeReader) {
    let mut cat = Command::new("/bin/cat");
    cat.env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(leftover)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Err(e) = cat.spawn() {
        crate::syslog::warn(&format!(
            "nothing reads on for what the repair left running: /bin/cat: {e}"
        ));
    }
}

fn end_of(status: ExitStatus) -> CommandEnd {
    match (status.code(), status.signal()) {
        (Some(code), _) => CommandEnd::Exit(code),
        (None, Some(signal)) => CommandEnd::Signal(signal),
        (None, None) => CommandEnd::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: TimeLimit =
        TimeLimit { timeout: Duration::from_mins(1), grace: Duration::from_secs(10) };

    #[test]
    fn another_account_goes_through_sudo_around_the_time_limit() {
        let argv = ["/usr/bin/systemctl", "restart", "httpd"].map(str::to_owned);
        assert_eq!(
            words("/gate", &argv, None, LIMIT).join(" "),
            "/gate within 60 10 /usr/bin/systemctl restart httpd"
        );
        assert_eq!(
            words("/gate", &argv, Some("root"), LIMIT).join(" "),
            "/usr/bin/sudo -n -u root -- /gate within 60 10 /usr/bin/systemctl restart httpd"
        );
    }

    #[test]
    fn its_own_124_is_no_timeout() {
        let after = |seconds| named(CommandEnd::Exit(124), Duration::from_secs(seconds), LIMIT);
        assert_eq!((after(59), after(60)), (CommandEnd::Exit(124), CommandEnd::TimedOut));
        assert_eq!(named(CommandEnd::Exit(0), Duration::from_secs(61), LIMIT), CommandEnd::Exit(0));
    }
}
