//! Sends one request over a logged-in session and reads the gate's output.

use std::io::{ErrorKind, Read};
use std::time::Instant;

use ssh2::Channel;

use super::connection::{Connection, again, code};
use crate::answer::Answer;
use crate::error::{Error, Phase};
use crate::request::Request;
use crate::response_buffer::{GRACE, ResponseBuffer};
use crate::text::quoted;

/// Sends a request and returns the gate's answer.
pub(crate) fn exec(
    connection: &mut Connection,
    request: &Request,
    progress: &mut dyn FnMut(&str),
) -> Result<Answer, Error> {
    let phase = request.phase();
    let mut channel = open(connection)?;
    send(connection, &mut channel, request, phase)?;
    let response = receive(connection, &mut channel, phase, progress)?;
    // Do not wait until the host confirms the close. The session is either reused or dropped, and
    // neither needs the confirmation.
    let _ = channel.close();
    response.answer(connection.host(), request, phase)
}

fn open(connection: &mut Connection) -> Result<Channel, Error> {
    match connection.drive(Phase::Open, |session| session.channel_session())? {
        Ok(channel) => Ok(channel),
        Err(e) if e.number == code::CHANNEL_FAILURE => Err(Error::Denied {
            host: connection.host().into(),
            what: "a channel",
            detail: e.to_string(),
        }),
        Err(e) => Err(connection.error(Phase::Open, &e)),
    }
}

fn send(
    connection: &mut Connection,
    channel: &mut Channel,
    request: &Request,
    phase: Phase,
) -> Result<(), Error> {
    let words = request.to_string();
    match connection.drive(phase, |_| channel.exec(&words))? {
        // Send an end of file. Otherwise a command that reads its standard input would wait
        // forever.
        Ok(()) => connection
            .drive(phase, |_| channel.send_eof())?
            .map_err(|e| connection.error(phase, &e)),
        Err(e) if e.number == code::CHANNEL_REQUEST_DENIED => Err(Error::Denied {
            host: connection.host().into(),
            what: "the command",
            detail: e.to_string(),
        }),
        Err(e) => Err(connection.error(phase, &e)),
    }
}

/// Reads stdout and stderr in turn until both end. If one of them were left unread, its window
/// would fill up and block the command.
fn receive(
    connection: &mut Connection,
    channel: &mut Channel,
    phase: Phase,
    progress: &mut dyn FnMut(&str),
) -> Result<ResponseBuffer, Error> {
    let mut response = ResponseBuffer::new();
    let mut grace: Option<Instant> = None;
    loop {
        let read = drain(&mut response, channel, progress);
        if response.overflowed {
            return Ok(response);
        }
        match read {
            Ok(()) if channel.eof() => {
                if !response.answered() {
                    (response.ending, response.exit) = ending(connection, channel, phase);
                }
                return Ok(response);
            }
            Ok(()) => {}
            // A complete answer over an authenticated connection counts, even if the connection
            // fails afterwards.
            Err(_) if response.answered() => return Ok(response),
            Err(e) => {
                connection.deadline.left(phase)?;
                return Err(connection.cut(phase, &e));
            }
        }
        if response.answered()
            && *grace.get_or_insert_with(|| Instant::now() + GRACE) <= Instant::now()
        {
            return Ok(response);
        }
        match connection.wait(phase, grace) {
            Err(_) if response.answered() => return Ok(response),
            waited => waited?,
        }
    }
}

/// Moves the received bytes into `response`. Returns an error with the reason if the connection
/// ended.
fn drain(
    response: &mut ResponseBuffer,
    channel: &mut Channel,
    progress: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let out = take(&mut channel.stream(0), &mut buffer)?;
        response.push_stdout(out, progress);
        let nothing_out = out.is_empty();
        let err = take(&mut channel.stderr(), &mut buffer)?;
        response.push_stderr(err);
        if response.overflowed || (nothing_out && err.is_empty()) {
            return Ok(());
        }
    }
}

fn take<'a>(stream: &mut impl Read, buffer: &'a mut [u8]) -> Result<&'a [u8], String> {
    match stream.read(buffer) {
        Ok(n) => Ok(buffer.get(..n).unwrap_or_default()),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(&[]),
        Err(e) => Err(e.to_string()),
    }
}

/// Returns how the command ended, as text for a message and as an exit status.
///
/// The status can arrive after the end of the output, so this waits up to [`GRACE`] for the channel
/// to close. Exit status 0 is treated as unknown, because libssh2 returns 0 if the host sent none.
fn ending(
    connection: &mut Connection,
    channel: &mut Channel,
    phase: Phase,
) -> (Option<String>, Option<i32>) {
    let until = Instant::now() + GRACE;
    while Instant::now() < until && channel.wait_close().is_err_and(|e| again(&e)) {
        if connection.wait(phase, Some(until)).is_err() {
            return (None, None);
        }
    }
    let signal = channel.exit_signal().ok().and_then(|ended| ended.exit_signal);
    match (signal, channel.exit_status()) {
        (Some(signal), _) => {
            let how = format!("the command was killed by signal {}", quoted(signal.as_bytes()));
            (Some(how), None)
        }
        (None, Ok(0)) | (None, Err(_)) => (None, None),
        (None, Ok(code)) => (Some(format!("the command exited with {code}")), Some(code)),
    }
}
