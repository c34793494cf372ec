//! Telling Nagios, through its external command file: a comment, and a forced check so that a
//! recovery is seen at once.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use plugin_kit::clean;
use policy::Event;

use policy_file::WatchService;

/// Why Nagios could not be told. The repair itself is not affected.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// Nagios is not running, or reads commands from another place. The file is never created.
    #[error(
        "Nagios is not told: {path} is no named pipe; see command_file in nagios.cfg and \
         check_external_commands"
    )]
    NoPipe {
        /// The command file of the policy.
        path: PathBuf,
    },
    /// Missing, not ours to write, or nobody reads it.
    #[error("Nagios is not told: {path}: {why}")]
    Unwritable {
        /// The command file of the policy.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

/// The longest comment; Nagios keeps it in memory and in its status file.
const LONGEST: usize = 800;

/// What Nagios is told after a repair.
#[derive(Debug, Clone, Copy)]
pub struct News<'a> {
    /// The object that was to be repaired.
    pub event: &'a Event,
    /// The comment it gets.
    pub text: &'a str,
    /// Healed: a forced check, so that the recovery is seen at once. Else people are told, by the
    /// service that is given.
    pub healed: bool,
    /// The passive service that is set CRITICAL when it is not healed.
    pub watch: Option<&'a WatchService>,
}

/// Writes the commands into Nagios' command file.
pub fn tell(file: &Path, news: News<'_>, now: SystemTime) -> Result<(), Untold> {
    let unwritable = |why| Untold::Unwritable { path: file.to_owned(), why };
    let mut pipe = pipe(file)?;
    for command in commands(news, now) {
        put(&mut pipe, &command).map_err(unwritable)?;
    }
    Ok(())
}

/// How long a Nagios that does not come to read its pipe is waited for: it may be at its start, or
/// many may tell it something.
const PATIENCE: Duration = Duration::from_secs(10);

/// One write, of no more than PIPE_BUF: it is taken whole or not at all, and commands of several
/// writers do not mix.
fn put(pipe: &mut File, command: &str) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match pipe.write_all(command.as_bytes()) {
            Err(why) if why.kind() == ErrorKind::WouldBlock && Instant::now() < until => {
                thread::sleep(Duration::from_millis(20))
            }
            put => return put,
        }
    }
}

/// The command file, opened for writing, with somebody who reads it.
pub fn pipe(file: &Path) -> Result<File, Untold> {
    safe_file::open_fifo_for_writing(file).map_err(|why| match why {
        safe_file::Error::Kind { .. } => Untold::NoPipe { path: file.to_owned() },
        safe_file::Error::NoReader { .. } => {
            let why = io::Error::other("nobody reads it: is Nagios running?");
            Untold::Unwritable { path: file.to_owned(), why }
        }
        safe_file::Error::Io { why, .. } => Untold::Unwritable { path: file.to_owned(), why },
        why => Untold::Unwritable { path: file.to_owned(), why: why.into() },
    })
}

/// Part of the text comes from the repaired host, and Nagios' own web pages print comments as they
/// are.
fn harmless(text: &str) -> String {
    clean(text).replace('<', "(").replace('>', ")").replace('&', "+")
}

/// A longer write may be cut where the pipe is full, and the next command of anybody would be lost
/// with the rest of it (PIPE_BUF, pipe(7)).
const PIPE_BUF: usize = 4096;

/// One command, with as much of the text as one write has room for.
fn whole(head: String, text: &str) -> String {
    let room = PIPE_BUF.saturating_sub(head.len() + 1);
    let (text, _) = text.split_at(text.floor_char_boundary(room));
    head + text + "\n"
}

fn commands(news: News<'_>, now: SystemTime) -> Vec<String> {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let text: String = harmless(news.text).chars().take(LONGEST).collect();
    let (object, kind) = match &news.event.service {
        Some(service) => (format!("{};{service}", news.event.host), "SVC"),
        None => (news.event.host.clone(), "HOST"),
    };
    let mut commands =
        vec![whole(format!("[{seconds}] ADD_{kind}_COMMENT;{object};0;nagios-selfheal;"), &text)];
    if news.healed {
        commands.push(format!("[{seconds}] SCHEDULE_FORCED_{kind}_CHECK;{object};{seconds}\n"));
    } else if let Some(WatchService { host, service }) = news.watch {
        commands.push(whole(
            format!("[{seconds}] PROCESS_SERVICE_CHECK_RESULT;{host};{service};2;"),
            &text,
        ));
    }
    commands
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use std::fs;

    use super::*;

    fn event(service: Option<&str>) -> Event {
        Event::new("web1", service, policy::ObjectState::Critical, policy::StateType::Hard, 4)
    }

    fn at_42() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(42)
    }

    fn news<'a>(event: &'a Event, text: &'a str, healed: bool) -> News<'a> {
        News { event, text, healed, watch: None }
    }

    #[test]
    fn a_success_is_a_comment_and_a_forced_check() {
        let service = event(Some("HTTP"));
        assert_eq!(
            commands(news(&service, "done", true), at_42()),
            [
                "[42] ADD_SVC_COMMENT;web1;HTTP;0;nagios-selfheal;done\n",
                "[42] SCHEDULE_FORCED_SVC_CHECK;web1;HTTP;42\n"
            ]
        );
        assert_eq!(
            commands(news(&event(None), "done", true), at_42())[1],
            "[42] SCHEDULE_FORCED_HOST_CHECK;web1;42\n"
        );
    }

    #[test]
    fn a_command_is_one_write_however_long_its_names_are() {
        let (name, watch) =
            ("n".repeat(600), WatchService { host: "mon".into(), service: "r".repeat(1200) });
        let (event, text) = (
            Event::new(
                &name,
                Some(&name),
                policy::ObjectState::Critical,
                policy::StateType::Hard,
                4,
            ),
            "\u{1f525}".repeat(900),
        );
        for command in commands(News { watch: Some(&watch), ..news(&event, &text, false) }, at_42())
        {
            assert!(
                command.len() <= PIPE_BUF && command.ends_with("\u{1f525}\n"),
                "{}",
                command.len()
            );
        }
    }

    #[test]
    fn giving_up_is_a_comment_and_a_critical_service() {
        let watch = WatchService { host: "mon".into(), service: "Repairs".into() };
        let service = event(Some("HTTP"));
        let told =
            commands(News { watch: Some(&watch), ..news(&service, "not healed", false) }, at_42());
        assert_eq!(told[1], "[42] PROCESS_SERVICE_CHECK_RESULT;mon;Repairs;2;not healed\n");
        assert_eq!(commands(news(&service, "not healed", false), at_42()).len(), 1);
    }

    #[test]
    fn text_cannot_become_a_second_command_nor_a_long_one() {
        let hostile = format!("x\n[1] SHUTDOWN_PROGRAM\n<script>{}", "y".repeat(10_000));
        let service = event(Some("HTTP"));
        let made = commands(news(&service, &hostile, false), at_42());
        assert_eq!((made.len(), made[0].matches('\n').count()), (1, 1));
        assert!(made[0].len() < 4096 && !made[0].contains(['<', '>', '&']));
    }

    #[test]
    fn a_pipe_that_is_full_just_now_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nagios.cmd");
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let reader = thread::spawn({
            let file = file.clone();
            move || File::open(file).unwrap()
        });
        let mut full = File::create(&file).unwrap();
        let mut reader = reader.join().unwrap();
        rustix::io::ioctl_fionbio(&full, true).unwrap();
        while full.write_all(&[b'x'; PIPE_BUF]).is_ok() {}
        let host = event(None);
        thread::scope(|scope| {
            let told = scope.spawn(|| {
                let told = tell(&file, news(&host, "x", true), at_42());
                // Then there is nobody left who writes, and the reader is at the end.
                drop(full);
                told
            });
            thread::sleep(Duration::from_millis(100));
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            told.join().unwrap().unwrap();
            assert!(text.ends_with("SCHEDULE_FORCED_HOST_CHECK;web1;42\n"), "{}", text.len());
        });
    }

    #[test]
    fn what_is_no_pipe_is_never_written_to_and_a_pipe_without_a_reader_does_not_block() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nagios.cmd");
        let host = event(None);
        let tell = || tell(&file, news(&host, "x", true), at_42());
        assert!(matches!(tell(), Err(Untold::Unwritable { .. })));
        assert!(!file.exists());
        fs::write(&file, "").unwrap();
        assert!(matches!(tell(), Err(Untold::NoPipe { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"");
        fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let untold = tell().unwrap_err();
        assert!(
            matches!(untold, Untold::Unwritable { .. })
                && untold.to_string().ends_with("is Nagios running?"),
            "{untold}"
        );
    }
}
