//! Runs a program of this server: no shell, a clean environment, a limit.

use std::ffi::OsStr;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugin_kit::clean;
use rustix::process::{Pid, Signal, kill_process_group};
use transport::OutputLines;

/// How much of a program's output is kept: its first line is what matters.
pub const KEPT: usize = 8192;

/// How a program ended.
pub struct ProgramEnd {
    /// `None` when it was stopped at its limit.
    pub status: Option<ExitStatus>,
    /// The first line it printed, cleaned; `no output` when there is none.
    pub line: String,
}

/// Runs a program to its end or its limit, and leaves none of its children behind at the limit. Its
/// stderr is dropped.
pub fn run(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    limit: Duration,
) -> io::Result<ProgramEnd> {
    let deadline = Instant::now() + limit;
    let (output, writer) = CapturedOutput::begin()?;
    let mut command = Command::new(program);
    clean_room(&mut command).args(arguments).process_group(0);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(writer).spawn()?;
    // It holds our copy of the writing end, and the pipe would never end.
    drop(command);
    let status = wait(&mut child, deadline, &mut || ())?;
    Ok(ProgramEnd { status, line: output.first_line(&mut |_| ()) })
}

/// Gives a command nothing of our environment and none of our directories.
pub fn clean_room(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")])
        .current_dir("/")
}

/// What a program prints.
pub struct CapturedOutput {
    reader: JoinHandle<Vec<u8>>,
    lines: Receiver<String>,
    pipe: PipeReader,
}

impl CapturedOutput {
    /// Returns the end to write to as well.
    ///
    /// A thread of its own reads: a child that fills the pipe must not stop us from watching the
    /// clock. It is not joined when the program is stopped, for a grandchild may hold the pipe for
    /// ever. It is there before the program is: where there is no room for it, nothing has been
    /// run.
    pub fn begin() -> io::Result<(CapturedOutput, PipeWriter)> {
        let (output, writer) = io::pipe()?;
        let (pipe, (tell, lines)) = (output.try_clone()?, mpsc::channel());
        let reader = thread::Builder::new().spawn(move || listen(output, &tell))?;
        Ok((CapturedOutput { reader, lines, pipe }, writer))
    }

    /// Passes the lines that have come since the last call to `watch`.
    pub fn show(&self, watch: &mut dyn FnMut(&str)) {
        self.lines.try_iter().for_each(|line| watch(&line));
    }

    /// Returns the first line, cleaned, once the program has ended; `no output` when there is none.
    pub fn first_line(self, watch: &mut dyn FnMut(&str)) -> String {
        let patience = Instant::now() + Duration::from_millis(200);
        while !self.reader.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        self.show(watch);
        let kept = if self.reader.is_finished() {
            self.reader.join().unwrap_or_default()
        } else {
            keep_reading(self.pipe);
            Vec::new()
        };
        let line = String::from_utf8_lossy(&kept).lines().next().unwrap_or_default().to_owned();
        let text = clean(line.split('|').next().unwrap_or_default().trim_end());
        if text.trim().is_empty() { "no output".to_owned() } else { text }
    }
}

/// Lets cat(1) read on for a daemon that a program has left behind: it would be killed when it next
/// prints into a pipe that nobody reads.
pub fn keep_reading(pipe: impl Into<Stdio>) {
    let mut cat = Command::new("/bin/cat");
    clean_room(&mut cat).process_group(0).stdin(pipe);
    let _ = cat.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Reads to the end, keeps the beginning, and tells each line as it comes.
fn listen(mut output: PipeReader, tell: &Sender<String>) -> Vec<u8> {
    let (mut kept, mut lines, mut buffer) = (Vec::new(), OutputLines::all(), [0; 16 * 1024]);
    while let Ok(n @ 1..) = output.read(&mut buffer) {
        let bytes = buffer.get(..n).unwrap_or_default();
        kept.extend(bytes.iter().take(KEPT.saturating_sub(kept.len())));
        lines.push(bytes, &mut |line| {
            let _ = tell.send(line.to_owned());
        });
    }
    kept
}

/// Waits for a child that leads a process group, and kills the group at the deadline. The pauses
/// grow: most checks end within milliseconds, repairs take seconds.
pub fn wait(
    child: &mut Child,
    deadline: Instant,
    show: &mut dyn FnMut(),
) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(500);
    loop {
        show();
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause.min(deadline.saturating_duration_since(Instant::now())));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// `exit 1` or `signal 9`, for people.
pub fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}
