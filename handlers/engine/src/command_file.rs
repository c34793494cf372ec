//! Writes to Nagios' external command file. After every repair, adds a comment to the repaired
//! object. If the repair helped, also forces a check, so that Nagios sees the recovery immediately.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use policy::unspell;
use policy_file::WatchService;

use crate::notification::Notification;

/// Why a command did not reach Nagios. The result of the repair is not affected.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum CommandFileError {
    /// The path is not a pipe. Either Nagios reads its commands elsewhere, or Nagios is not
    /// running. This program never creates the file.
    #[error(
        "cannot send commands to Nagios: {path} is not a named pipe; check the settings \
         command_file and check_external_commands in nagios.cfg"
    )]
    NoPipe { path: PathBuf },
    /// The command file is missing or not writable, or no process reads it.
    #[error("cannot send commands to Nagios: {path}: {why}")]
    Unwritable { path: PathBuf, why: io::Error },
}

/// Writes the commands for a notification. If the repair did not help, sets the service `watch` to
/// CRITICAL.
///
/// # Errors
/// Fails if the pipe cannot be opened or stays full until `deadline`.
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

/// Writes a command of at most PIPE_BUF bytes. The kernel takes either the whole command or
/// nothing, so the commands of several writers do not mix. If the pipe is full, waits until
/// `deadline`, because Nagios may still be starting, or there may be many writers.
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
/// Fails if the file is not a pipe, is not writable, or is not being read by any process.
pub fn open(file: &Path) -> Result<File, CommandFileError> {
    let unwritable = |why| CommandFileError::Unwritable { path: file.to_owned(), why };
    safe_file::open_fifo_for_writing(file).map_err(|why| match why {
        safe_file::Error::Kind { .. } => CommandFileError::NoPipe { path: file.to_owned() },
        safe_file::Error::NoReader { .. } => {
            unwritable(io::Error::other("no process reads from the pipe: is Nagios running?"))
        }
        safe_file::Error::Io { why, .. } => unwritable(why),
        why => unwritable(why.into()),
    })
}

/// Maximum length in bytes of an atomic write to a pipe (pipe(7)). If the pipe is full, a longer
/// write can be cut short. Nagios would then also lose the next command, no matter which program
/// writes it.
const PIPE_BUF: usize = 4096;

/// Builds a command, and shortens its text so that the command fits into one write.
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
    let Notification { event, healed, .. } = notification;
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let text = notification.comment();
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

/// Returns `host;service` as bytes, in the format of external commands.
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
    fn reports_success_with_a_comment_and_a_forced_check() {
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
    fn fits_each_command_into_one_write_for_long_names() {
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
    fn reports_failure_with_a_comment_and_a_critical_service() {
        let watch = WatchService { host: "mon".into(), service: "Repairs".into() };
        let service = event(Some("HTTP"));
        let sent = commands(&ended(&service, "not healed", false), Some(&watch), at_42());
        assert_eq!(sent[1], b"[42] PROCESS_SERVICE_CHECK_RESULT;mon;Repairs;2;not healed\n");
        assert_eq!(made(&service, "not healed", false).len(), 1);
    }

    #[test]
    fn writes_names_as_bytes_and_texts_with_spelled_names() {
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
                // Close the last writer, so that the reader sees the end of the file.
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
    fn refuses_regular_files_and_pipes_without_a_reader() {
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
