//! Running a program on this server: a verify command, or a `local` rung. No shell, a clean environment, a limit.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use plugin_kit::{State, clean};
use policy::Rung;
use rustix::process::{Pid, Signal, kill_process_group};

use super::climb::Check;

/// How much of a program's output is kept: its first line is what matters.
const KEPT: u64 = 8192;

/// How a program ended.
pub struct Ran {
    /// `None` when it was stopped at its limit.
    pub status: Option<ExitStatus>,
    /// The first line it printed, cleaned.
    pub line: String,
}

/// How long a verify command may take: plugins end themselves after ten seconds, and none needs longer than the repair.
pub fn limit(rung: &Rung) -> Duration {
    rung.timeout.max(Duration::from_secs(15))
}

/// Runs a verify command: its exit code is a Nagios state, and whatever is none is no proof of health.
pub fn verify(argv: &[String], plugin_path: &[PathBuf], limit: Duration) -> Check {
    let critical = |text| Check { state: State::Critical, text };
    let Some((program, arguments)) = argv.split_first() else {
        return critical("there is no verify command".into());
    };
    let Some(program) = find(program, plugin_path) else {
        let places: Vec<String> = plugin_path.iter().map(|place| place.display().to_string()).collect();
        return critical(format!("the verify command '{program}' is in none of {}", places.join(", ")));
    };
    match run(&program, arguments, limit) {
        Err(why) => critical(format!("cannot run {}: {why}", program.display())),
        Ok(Ran { status: None, .. }) => critical(format!("{} did not end within {} s", program.display(), limit.as_secs())),
        Ok(Ran { status: Some(status), line }) => {
            Check { state: status.code().and_then(State::from_code).unwrap_or(State::Critical), text: line }
        }
    }
}

/// A name without a slash is looked for in the plugin directories alone, never in `PATH`.
fn find(program: &str, plugin_path: &[PathBuf]) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    plugin_path.iter().map(|directory| directory.join(program)).find(|place| place.is_file())
}

/// Runs a program to its end or its limit, and leaves none of its children behind at the limit.
pub fn run(program: &Path, arguments: &[String], limit: Duration) -> io::Result<Ran> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LC_ALL", "C")])
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = child.stdout.take();
    // A thread of its own: a child that fills the pipe must not stop us from watching the clock. It is not joined
    // when the program is stopped, for a grandchild may hold the pipe for ever.
    let reader = thread::spawn(move || {
        let mut kept = Vec::new();
        if let Some(mut output) = output {
            let _ = output.by_ref().take(KEPT).read_to_end(&mut kept);
            let _ = io::copy(&mut output, &mut io::sink());
        }
        kept
    });
    let status = wait(&mut child, deadline)?;
    let patience = Instant::now() + Duration::from_millis(200);
    while !reader.is_finished() && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
    let kept = if reader.is_finished() { reader.join().unwrap_or_default() } else { Vec::new() };
    let line = String::from_utf8_lossy(&kept).lines().next().unwrap_or_default().to_owned();
    let text = line.split('|').next().unwrap_or_default().trim_end();
    Ok(Ran { status, line: clean(text) })
}

/// Waits with growing pauses: most checks end within milliseconds, repairs take seconds.
fn wait(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_micros(500);
    loop {
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
        let long = Duration::from_secs(10);
        let warning = check("echo 'HTTP WARNING: slow |time=1s'; echo more; exit 1", long);
        assert_eq!((warning.state, warning.text.as_str()), (State::Warning, "HTTP WARNING: slow"));
        assert_eq!(check("exit 0", long).state, State::Ok);
        // Codes that are no state, and signals, prove nothing.
        assert_eq!(check("exit 42", long).state, State::Critical);
        assert_eq!(check("kill -9 $$", long).state, State::Critical);
        assert_eq!(verify(&["/nonexistent".into()], &[], long).state, State::Critical);
        assert_eq!(verify(&["sh".into()], &["/nonexistent".into()], long).state, State::Critical);
    }

    #[test]
    fn a_command_that_hangs_is_stopped_with_its_children() {
        let begun = Instant::now();
        let stopped = check("sleep 60 & sleep 60", Duration::from_millis(200));
        assert_eq!(stopped.state, State::Critical);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_child_that_keeps_the_output_open_holds_nothing_up() {
        let begun = Instant::now();
        assert_eq!(check("echo ok; sleep 5 & exit 0", Duration::from_secs(10)).state, State::Ok);
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn a_flood_of_output_is_bounded() {
        let flooded = check("head -c 5000000 /dev/zero | tr '\\0' x; exit 0", Duration::from_secs(30));
        assert_eq!((flooded.state, flooded.text.len()), (State::Ok, usize::try_from(KEPT).unwrap()));
    }
}
