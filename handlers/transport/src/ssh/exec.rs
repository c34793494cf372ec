//! One question over a logged-in session: a channel, the words, and what came back.

use std::io::{ErrorKind, Read};
use std::time::Instant;

use ssh2::Channel;

use super::connection::{Wire, again, code};
use crate::response_buffer::{GRACE, Heard};
use crate::text::quoted;
use crate::{Answer, Error, Phase, Request};

/// Asks, and believes only the frame.
pub(crate) fn ask(
    wire: &mut Wire,
    request: &Request,
    watch: &mut dyn FnMut(&str),
) -> Result<Answer, Error> {
    let phase = request.phase();
    let mut channel = open(wire)?;
    exec(wire, &mut channel, request, phase)?;
    let heard = listen(wire, &mut channel, phase, watch)?;
    // Said once, not waited for: the session is reused or dropped, and neither needs the host's
    // consent.
    let _ = channel.close();
    heard.answer(wire.host(), request, phase)
}

fn open(wire: &mut Wire) -> Result<Channel, Error> {
    match wire.drive(Phase::Open, |session| session.channel_session())? {
        Ok(channel) => Ok(channel),
        Err(e) if e.number == code::CHANNEL_FAILURE => Err(Error::Denied {
            host: wire.host().into(),
            what: "a channel",
            detail: e.to_string(),
        }),
        Err(e) => Err(wire.error(Phase::Open, &e)),
    }
}

fn exec(
    wire: &mut Wire,
    channel: &mut Channel,
    request: &Request,
    phase: Phase,
) -> Result<(), Error> {
    let words = request.to_string();
    match wire.drive(phase, |_| channel.exec(&words))? {
        // A command that reads its standard input must find its end, not wait for us.
        Ok(()) => wire.drive(phase, |_| channel.send_eof())?.map_err(|e| wire.error(phase, &e)),
        Err(e) if e.number == code::CHANNEL_REQUEST_DENIED => Err(Error::Denied {
            host: wire.host().into(),
            what: "the command",
            detail: e.to_string(),
        }),
        Err(e) => Err(wire.error(phase, &e)),
    }
}

/// Reads both streams to their end, whatever fills first: a window that nobody empties stops both
/// sides.
fn listen(
    wire: &mut Wire,
    channel: &mut Channel,
    phase: Phase,
    watch: &mut dyn FnMut(&str),
) -> Result<Heard, Error> {
    let mut heard = Heard::new();
    let mut grace: Option<Instant> = None;
    loop {
        let read = drain(&mut heard, channel, watch);
        if heard.too_much {
            return Ok(heard);
        }
        match read {
            Ok(()) if channel.eof() => {
                if !heard.answered() {
                    heard.ending = ending(wire, channel, phase);
                }
                return Ok(heard);
            }
            Ok(()) => {}
            // A whole answer over the checked connection is the answer, however the connection
            // ends.
            Err(_) if heard.answered() => return Ok(heard),
            Err(e) => {
                wire.past(phase)?;
                return Err(wire.cut(phase, &e));
            }
        }
        if heard.answered()
            && *grace.get_or_insert_with(|| Instant::now() + GRACE) <= Instant::now()
        {
            return Ok(heard);
        }
        match wire.wait(phase, grace) {
            Err(_) if heard.answered() => return Ok(heard),
            waited => waited?,
        }
    }
}

/// Takes what has arrived. The error is what ended the connection.
fn drain(
    heard: &mut Heard,
    channel: &mut Channel,
    watch: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let out = take(&mut channel.stream(0), &mut buffer)?;
        heard.stdout(out, watch);
        let nothing_out = out.is_empty();
        let err = take(&mut channel.stderr(), &mut buffer)?;
        heard.stderr(err);
        if heard.too_much || (nothing_out && err.is_empty()) {
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

/// How the command ended. It may be told after the end of the output, so the close of the channel
/// is waited for a little. libssh2 says 0 when there is no exit status.
fn ending(wire: &mut Wire, channel: &mut Channel, phase: Phase) -> Option<String> {
    let until = Instant::now() + GRACE;
    while Instant::now() < until && channel.wait_close().is_err_and(|e| again(&e)) {
        wire.wait(phase, Some(until)).ok()?;
    }
    let signal = channel.exit_signal().ok().and_then(|ended| ended.exit_signal);
    match (signal, channel.exit_status()) {
        (Some(signal), _) => {
            Some(format!("the command was killed by signal {}", quoted(signal.as_bytes())))
        }
        (None, Ok(0)) | (None, Err(_)) => None,
        (None, Ok(code)) => Some(format!("the command exited with {code}")),
    }
}
