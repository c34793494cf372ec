//! Runs a program on this server, without a shell, with a clean environment and a time limit.

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

/// Maximum number of bytes of a program's output to keep. NRPE sends no more than this.
const KEPT: usize = 64 * 1024;
/// Maximum number of bytes of the first line to keep.
pub const LINE: usize = 8192;

/// Exit status and output of a program.
pub struct ProgramEnd {
    /// Exit status; `None` if the program was stopped at its time limit.
    pub status: Option<ExitStatus>,
    /// First line of stdout without control characters, or `no output` if nothing is left.
    pub line: String,
}

/// Runs a program until it ends. At the time limit, kills the program's whole process group.
/// Discards stderr.
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
    // Close the command's copy of the write end, or the reader would never see the end of the
    // output.
    drop(command);
    let status = wait(&mut child, deadline, &mut || ())?;
    Ok(ProgramEnd { status, line: first_line(&output.into_bytes(&mut |_| ())) })
}

/// Gives a command a fixed environment and `/` as its working directory.
pub fn clean_room(command: &mut Command) -> &mut Command {
    command
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")])
        .current_dir("/")
}

/// A program's output, which a thread reads from a pipe.
pub struct CapturedOutput {
    reader: JoinHandle<Vec<u8>>,
    lines: Receiver<String>,
    pipe: PipeReader,
}

impl CapturedOutput {
    /// Creates the pipe and starts the reader. Also returns the pipe's write end, which becomes the
    /// program's output.
    ///
    /// A separate thread reads the output, so that a child that fills the pipe does not keep the
    /// caller from enforcing the time limit. If the program was stopped, the thread is not joined,
    /// because a grandchild may keep the pipe open indefinitely. The thread is started before the
    /// program. If the thread cannot be created, nothing has been run.
    pub fn begin() -> io::Result<(CapturedOutput, PipeWriter)> {
        let (output, writer) = io::pipe()?;
        let (pipe, (tell, lines)) = (output.try_clone()?, mpsc::channel());
        let reader = thread::Builder::new().spawn(move || listen(output, &tell))?;
        Ok((CapturedOutput { reader, lines, pipe }, writer))
    }

    /// Calls `watch` with each line that has arrived since the last call.
    pub fn show(&self, watch: &mut dyn FnMut(&str)) {
        self.lines.try_iter().for_each(|line| watch(&line));
    }

    /// Returns the first [`KEPT`] bytes of the output. Returns nothing if a daemon keeps the pipe
    /// open. Call this only after the program has ended.
    pub fn into_bytes(self, watch: &mut dyn FnMut(&str)) -> Vec<u8> {
        let patience = Instant::now() + Duration::from_millis(200);
        while !self.reader.is_finished() && Instant::now() < patience {
            thread::sleep(Duration::from_millis(1));
        }
        self.show(watch);
        if self.reader.is_finished() {
            return self.reader.join().unwrap_or_default();
        }
        keep_reading(self.pipe);
        Vec::new()
    }
}

/// Returns the first line of a program's output without perfdata and control characters, or `no
/// output` if it is empty.
pub fn first_line(output: &[u8]) -> String {
    let line = output.split(|byte| matches!(byte, b'\n' | b'|')).next().unwrap_or_default();
    let line = line.get(..LINE).unwrap_or(line);
    let text = clean(String::from_utf8_lossy(line).trim_end());
    if text.trim().is_empty() { "no output".to_owned() } else { text }
}

/// Starts a cat(1) that keeps reading the pipe. Otherwise a daemon that a program left behind would
/// be killed by SIGPIPE when it next writes to the pipe.
pub fn keep_reading(pipe: impl Into<Stdio>) {
    let mut cat = Command::new("/bin/cat");
    clean_room(&mut cat).process_group(0).stdin(pipe);
    let _ = cat.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Reads `output` until it ends and sends each line to `tell`. Returns the first [`KEPT`] bytes.
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
/// between polls grow, because most checks end within milliseconds but repairs take seconds.
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

/// Formats an exit status, for example as `exit 1` or `signal 9`.
pub fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown exit status".to_owned(),
    }
}
