//! Nagios' external command file: a comment, and a forced check so that a recovery is seen at once.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use plugin_kit::clean;
use policy::unspell;
use policy_file::WatchService;

use crate::notification::Notification;

/// Why a command did not reach Nagios. The repair itself is not affected.
#[derive(Debug, thiserror::Error)]
pub enum CommandFileError {
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
        /// The system's error.
        why: io::Error,
    },
}

/// The longest comment; Nagios keeps it in memory and in its status file.
const LONGEST: usize = 800;

/// Writes the commands for a notification. If it did not heal, `watch` is set CRITICAL.
///
/// # Errors
/// The pipe cannot be opened, or stays full until `deadline`.
pub fn send(
    file: &Path,
    notification: &Notification<'_>,
    watch: Option<&WatchService>,
    now: SystemTime,
    deadline: Instant,
) -> Result<(), CommandFileError> {
    let unwritable = |why| CommandFileError::Unwritable { path: file.to_owned(), why };
    let mut pipe = open(file)?;
    for command in commands(notification, watch, now) {
        put(&mut pipe, &command, deadline).map_err(unwritable)?;
    }
    Ok(())
}

/// Writes a command at once, which is no longer than PIPE_BUF: it is taken whole or not at all, and
/// commands of several writers do not mix. A Nagios that does not read its pipe may be starting, or
/// have many writers.
fn put(pipe: &mut File, command: &[u8], deadline: Instant) -> io::Result<()> {
    loop {
        match pipe.write_all(command) {
            Err(why) if why.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(20))
            }
            put => return put,
        }
    }
}

/// Opens the command file for writing.
///
/// # Errors
/// It is not a pipe, not ours to write, or no process reads it.
pub fn open(file: &Path) -> Result<File, CommandFileError> {
    let unwritable = |why| CommandFileError::Unwritable { path: file.to_owned(), why };
    safe_file::open_fifo_for_writing(file).map_err(|why| match why {
        safe_file::Error::Kind { .. } => CommandFileError::NoPipe { path: file.to_owned() },
        safe_file::Error::NoReader { .. } => {
            unwritable(io::Error::other("nobody reads it: is Nagios running?"))
        }
        safe_file::Error::Io { why, .. } => unwritable(why),
        why => unwritable(why.into()),
    })
}

/// Part of the text comes from the repaired host, and Nagios' own web pages do not escape comments.
fn harmless(text: &str) -> String {
    clean(text).replace('<', "(").replace('>', ")").replace('&', "+")
}

/// A longer write may be cut where the pipe is full, and the next command of any writer would be
/// lost with the rest of it (PIPE_BUF, pipe(7)).
const PIPE_BUF: usize = 4096;

/// One command, with as much of the text as one write has room for.
fn whole(head: &[&[u8]], text: &str) -> Vec<u8> {
    let head = head.concat();
    let room = PIPE_BUF.saturating_sub(head.len() + 1);
    let (text, _) = text.split_at(text.floor_char_boundary(room));
    [&head, text.as_bytes(), b"\n"].concat()
}

fn commands(
    notification: &Notification<'_>,
    watch: Option<&WatchService>,
    now: SystemTime,
) -> Vec<Vec<u8>> {
    let Notification { event, text, healed } = notification;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let text: String = harmless(text).chars().take(LONGEST).collect();
    let begin = |command: &str| format!("[{seconds}] {command};").into_bytes();
    let (object, kind) = match &event.service {
        Some(service) => (service_of(&event.host, service), "SVC"),
        None => (unspell(&event.host), "HOST"),
    };
    let comment = begin(&format!("ADD_{kind}_COMMENT"));
    let mut commands = vec![whole(&[&comment, &object, b";0;nagios-selfheal;"], &text)];
    if *healed {
        let check = begin(&format!("SCHEDULE_FORCED_{kind}_CHECK"));
        commands.push(whole(&[&check, &object, b";"], &seconds.to_string()));
    } else if let Some(WatchService { host, service }) = watch {
        let result = begin("PROCESS_SERVICE_CHECK_RESULT");
        commands.push(whole(&[&result, &service_of(host, service), b";2;"], &text));
    }
    commands
}

/// `host;service`, as Nagios writes them.
fn service_of(host: &str, service: &str) -> Vec<u8> {
    [unspell(host), unspell(service)].join(&b';')
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use policy::Event;

    use super::*;

    fn event(service: Option<&str>) -> Event {
        Event::new("web1", service, policy::ObjectState::Critical, policy::StateType::Hard, 4)
    }

    fn at_42() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(42)
    }

    fn ended<'a>(event: &'a Event, text: &'a str, healed: bool) -> Notification<'a> {
        Notification { event, text, healed }
    }

    fn made(event: &Event, text: &str, healed: bool) -> Vec<String> {
        let commands = commands(&ended(event, text, healed), None, at_42());
        commands.into_iter().map(|command| String::from_utf8(command).unwrap()).collect()
    }

    #[test]
    fn reports_success_by_a_comment_and_a_forced_check() {
        let service = event(Some("HTTP"));
        assert_eq!(
            made(&service, "done", true),
            [
                "[42] ADD_SVC_COMMENT;web1;HTTP;0;nagios-selfheal;done\n",
                "[42] SCHEDULE_FORCED_SVC_CHECK;web1;HTTP;42\n"
            ]
        );
        assert_eq!(
            made(&event(None), "done", true)[1],
            "[42] SCHEDULE_FORCED_HOST_CHECK;web1;42\n"
        );
    }

    #[test]
    fn writes_each_command_at_once_for_names_of_any_length() {
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
        for command in commands(&ended(&event, &text, false), Some(&watch), at_42()) {
            assert!(
                command.len() <= PIPE_BUF && command.ends_with("\u{1f525}\n".as_bytes()),
                "{}",
                command.len()
            );
        }
    }

    #[test]
    fn reports_failure_by_a_comment_and_a_critical_service() {
        let watch = WatchService { host: "mon".into(), service: "Repairs".into() };
        let service = event(Some("HTTP"));
        let sent = commands(&ended(&service, "not healed", false), Some(&watch), at_42());
        assert_eq!(sent[1], b"[42] PROCESS_SERVICE_CHECK_RESULT;mon;Repairs;2;not healed\n");
        assert_eq!(made(&service, "not healed", false).len(), 1);
    }

    #[test]
    fn writes_the_bytes_of_names_and_spells_them_in_texts() {
        let watch = WatchService { host: "mon".into(), service: r"Repar\xE9".into() };
        let service = event(Some(r"Gr\xF6\xDFe C:\x5Cxfade"));
        let text = format!("not healed: {}", service.object());
        let sent = commands(&ended(&service, &text, false), Some(&watch), at_42());
        let name = b"Gr\xf6\xdfe C:\\xfade";
        let comment = br";0;nagios-selfheal;not healed: web1/Gr\xF6\xDFe C:\x5Cxfade";
        let wanted = [b"[42] ADD_SVC_COMMENT;web1;".as_slice(), name, comment, b"\n"].concat();
        assert_eq!(sent[0], wanted);
        assert!(sent[1].starts_with(b"[42] PROCESS_SERVICE_CHECK_RESULT;mon;Repar\xe9;2;not "));
    }

    #[test]
    fn keeps_hostile_text_within_one_command() {
        let hostile = format!("x\n[1] SHUTDOWN_PROGRAM\n<script>{}", "y".repeat(10_000));
        let service = event(Some("HTTP"));
        let made = made(&service, &hostile, false);
        assert_eq!((made.len(), made[0].matches('\n').count()), (1, 1));
        assert!(made[0].len() < 4096 && !made[0].contains(['<', '>', '&']));
    }

    #[test]
    fn waits_for_a_full_pipe() {
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
            let sent = scope.spawn(|| {
                let deadline = Instant::now() + Duration::from_secs(10);
                let sent = send(&file, &ended(&host, "x", true), None, at_42(), deadline);
                // Then there is no writer left, and the reader is at the end.
                drop(full);
                sent
            });
            thread::sleep(Duration::from_millis(100));
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            sent.join().unwrap().unwrap();
            assert!(text.ends_with("SCHEDULE_FORCED_HOST_CHECK;web1;42\n"), "{}", text.len());
        });
    }

    #[test]
    fn writes_to_pipes_only_and_never_blocks_without_a_reader() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nagios.cmd");
        let host = event(None);
        let send = || send(&file, &ended(&host, "x", true), None, at_42(), Instant::now());
        assert!(matches!(send(), Err(CommandFileError::Unwritable { .. })));
        assert!(!file.exists());
        fs::write(&file, "").unwrap();
        assert!(matches!(send(), Err(CommandFileError::NoPipe { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"");
        fs::remove_file(&file).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
        let failed = send().unwrap_err();
        assert!(
            matches!(failed, CommandFileError::Unwritable { .. })
                && failed.to_string().ends_with("is Nagios running?"),
            "{failed}"
        );
    }
}
