//! Running a program on this server: a verify command, or a `local` rung. No shell, a clean
//! environment, a limit.

use std::fs;
use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use plugin_kit::{State, clean};
use policy::Rung;
use rustix::process::{Pid, Signal, kill_process_group};
use transport::OutputLines;

use super::climb::Check;
use policy_file::Config;

/// How much of a program's output is kept: its first line is what matters.
const KEPT: usize = 8192;

/// How a program ended.
pub struct Ran {
    /// `None` when it was stopped at its limit.
    pub status: Option<ExitStatus>,
    /// The first line it printed, cleaned; `no output` when there is none.
    pub line: String,
}

/// How long a verify command may take: plugins end themselves after ten seconds, and none needs
/// longer than the repair.
pub fn limit(rung: &Rung) -> Duration {
    rung.timeout.max(Duration::from_secs(15))
}

/// Where verify commands are looked for: among our own programs first.
pub fn places(config: &Config) -> Vec<PathBuf> {
    let us = std::env::current_exe().ok();
    let beside = us
        .as_deref()
        .and_then(Path::parent)
        .map(|directory| [directory.to_owned(), directory.join("plugins")]);
    beside.into_iter().flatten().chain(config.plugin_path.iter().cloned()).collect()
}

/// Runs a verify command: its exit code is a Nagios state. Whatever is none proves nothing, neither
/// health nor fault.
pub fn verify(argv: &[String], plugin_path: &[PathBuf], limit: Duration) -> Check {
    let unknown = |text| Check { state: State::Unknown, text };
    let (program, arguments) = match find(argv, plugin_path) {
        Ok(found) => found,
        Err(why) => return unknown(why),
    };
    match run(&program, arguments, limit, None) {
        Err(why) => unknown(format!("cannot run {}: {why}", program.display())),
        Ok(Ran { status: None, .. }) => {
            unknown(format!("{} did not end within {} s", program.display(), limit.as_secs()))
        }
        Ok(Ran { status: Some(status), line }) => match status.code().and_then(State::from_code) {
            Some(state) => Check { state, text: line },
            None => unknown(format!("{} ended with {}: {line}", program.display(), how(status))),
        },
    }
}

/// The program of a command and its arguments. A name without a slash is looked for in the plugin
/// directories alone, never in `PATH`.
pub fn find<'a>(
    argv: &'a [String],
    plugin_path: &[PathBuf],
) -> Result<(PathBuf, &'a [String]), String> {
    let (program, arguments) = argv.split_first().ok_or("there is no verify command")?;
    if program.contains('/') {
        let found = is_file(Path::new(program))?;
        return if found {
            Ok((program.into(), arguments))
        } else {
            Err(format!("there is no {program}"))
        };
    }
    for place in plugin_path.iter().map(|directory| directory.join(program)) {
        if is_file(&place)? {
            return Ok((place, arguments));
        }
    }
    let places: Vec<String> = plugin_path.iter().map(|place| place.display().to_string()).collect();
    Err(format!("the verify command '{program}' is in none of {}", places.join(", ")))
}

/// Whether there is such a file. A place that cannot be looked into is an error, for the program
/// may be there.
fn is_file(place: &Path) -> Result<bool, String> {
    match fs::metadata(place) {
        Ok(found) => Ok(found.is_file()),
        Err(why) if matches!(why.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(why) => Err(format!("{}: {why}", place.display())),
    }
}

/// Runs a program to its end or its limit, and leaves none of its children behind at the limit.
/// Whoever watches is given the lines of both its streams, as they come; else what it says on
/// stderr is not heard.
pub fn run(
    program: &Path,
    arguments: &[String],
    limit: Duration,
    watch: Option<&mut dyn FnMut(&str)>,
) -> io::Result<Ran> {
    let deadline = Instant::now() + limit;
    let (output, writer) = io::pipe()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stderr(if watch.is_some() { Stdio::from(writer.try_clone()?) } else { Stdio::null() })
        .stdout(writer);
    let (tell, lines) = mpsc::channel();
    // A thread of its own: a child that fills the pipe must not stop us from watching the clock. It
    // is not joined when the program is stopped, for a grandchild may hold the pipe for ever. It is
    // there before the program is: where there is no room for it, nothing has been run.
    let reader = thread::Builder::new().spawn(move || listen(output, &tell))?;
    let mut child = command.spawn()?;
    // It holds our copies of the writing end, and the pipe would never end.
    drop(command);
    let mut quiet = |_: &str| ();
    let watch = watch.unwrap_or(&mut quiet);
    let mut show = || lines.try_iter().for_each(|line: String| watch(&line));
    let status = wait(&mut child, deadline, &mut show)?;
    let patience = Instant::now() + Duration::from_millis(200);
    while !reader.is_finished() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
    show();
    let kept = if reader.is_finished() { reader.join().unwrap_or_default() } else { Vec::new() };
    let line = String::from_utf8_lossy(&kept).lines().next().unwrap_or_default().to_owned();
    let text = line.split('|').next().unwrap_or_default().trim_end();
    let text = clean(text);
    Ok(Ran { status, line: if text.trim().is_empty() { "no output".to_owned() } else { text } })
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

/// Waits with growing pauses: most checks end within milliseconds, repairs take seconds.
fn wait(
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str, limit: Duration) -> Check {
        verify(&["/bin/sh".into(), "-c".into(), script.into()], &[], limit)
    }

    #[test]
    fn the_exit_code_is_the_state_and_the_first_line_the_text() {
        let long = Duration::from_secs(60);
        let warning = check("echo 'HTTP WARNING: slow |time=1s'; echo more; exit 1", long);
        assert_eq!((warning.state, warning.text.as_str()), (State::Warning, "HTTP WARNING: slow"));
        let silent = check("echo; exit 0", long);
        assert_eq!((silent.state, silent.text.as_str()), (State::Ok, "no output"));
        // Codes that are no state, signals, and what cannot be run prove nothing.
        assert_eq!(check("exit 42", long).state, State::Unknown);
        assert_eq!(check("kill -9 $$", long).state, State::Unknown);
        assert_eq!(verify(&["/nonexistent".into()], &[], long).state, State::Unknown);
        assert_eq!(verify(&["sh".into()], &["/nonexistent".into()], long).state, State::Unknown);
    }

    #[test]
    fn reports_why_a_place_cannot_be_looked_into() {
        let name = "x".repeat(300);
        for (argv, places) in
            [(name.clone(), vec!["/usr/bin".into()]), (format!("/usr/bin/{name}"), vec![])]
        {
            assert!(find(&[argv], &places).unwrap_err().contains("File name too long"));
        }
    }

    #[test]
    fn a_command_that_hangs_is_stopped_with_its_children() {
        let begun = Instant::now();
        let stopped = check("sleep 60 & sleep 60", Duration::from_millis(200));
        assert_eq!(stopped.state, State::Unknown);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn whoever_watches_hears_both_streams_while_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let go = dir.path().join("go");
        let script = format!(
            "echo out; echo err >&2; until [ -e {} ]; do sleep 0.02; done; echo last",
            go.display()
        );
        let mut heard = Vec::new();
        let mut watch = |line: &str| {
            heard.push(line.to_owned());
            if heard.len() == 2 {
                std::fs::write(&go, "").unwrap();
            }
        };
        let ran = run(
            Path::new("/bin/sh"),
            &["-c".into(), script],
            Duration::from_secs(20),
            Some(&mut watch),
        )
        .unwrap();
        assert_eq!(
            (ran.status.and_then(|status| status.code()), ran.line.as_str()),
            (Some(0), "out")
        );
        assert_eq!(heard, ["out", "err", "last"]);
    }

    #[test]
    fn a_child_that_keeps_the_output_open_holds_nothing_up() {
        let begun = Instant::now();
        assert_eq!(check("echo ok; sleep 60 & exit 0", Duration::from_secs(55)).state, State::Ok);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn a_flood_of_output_is_bounded() {
        let flooded =
            check("head -c 5000000 /dev/zero | tr '\\0' x; exit 0", Duration::from_secs(30));
        assert_eq!((flooded.state, flooded.text.len()), (State::Ok, KEPT));
    }
}
