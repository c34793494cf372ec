//! One question over a logged-in session: a channel, the words, and what came back.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use ssh2::Channel;

use super::io::{Wire, code};
use crate::answer::{self, excerpt};
use crate::{Answer, Error, Phase, Request};

/// More than any gate says: it bounds its own output far below.
const MOST: usize = 256 * 1024;
/// How much of stderr is kept, for the message when there is no answer.
const STDERR_KEPT: usize = 4 * 1024;
/// How long the end of the channel is waited for once the answer is there. A daemon that a repair has started may hold it
/// open for ever.
const GRACE: Duration = Duration::from_millis(500);

/// What the other side wrote, and how it ended.
#[derive(Default)]
struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    too_much: bool,
    ending: Option<String>,
}

/// Asks, and believes only the frame.
pub(crate) fn ask(wire: &mut Wire, request: &Request) -> Result<Answer, Error> {
    let phase = if request.may_change_the_host() { Phase::Repair } else { Phase::Ask };
    let mut channel = open(wire)?;
    exec(wire, &mut channel, request, phase)?;
    let heard = listen(wire, &mut channel, phase)?;
    // Said once, not waited for: the session is reused or dropped, and neither needs the host's consent.
    let _ = channel.close();
    if heard.too_much {
        return Err(not_framed(wire, request, phase, format!("it is longer than {} KiB", MOST / 1024)));
    }
    answer::read_answer(request, &heard.stdout).map_err(|why| not_framed(wire, request, phase, explained(why, &heard)))
}

fn not_framed(wire: &Wire, request: &Request, phase: Phase, why: String) -> Error {
    Error::NotFramed { host: wire.host().into(), request: request.to_string(), why, phase }
}

/// Why there is no answer, with what else the host had to say about it.
fn explained(why: String, heard: &Heard) -> String {
    let said = excerpt(&heard.stderr);
    let said = if said.is_empty() { String::new() } else { format!("; its stderr says '{said}'") };
    let ending = heard.ending.as_ref().map(|ending| format!("; {ending}")).unwrap_or_default();
    format!("{why}{said}{ending}")
}

fn open(wire: &mut Wire) -> Result<Channel, Error> {
    match wire.drive(Phase::Open, |session| session.channel_session())? {
        Ok(channel) => Ok(channel),
        Err(e) if e.number == code::CHANNEL_FAILURE => {
            Err(Error::Denied { host: wire.host().into(), what: "a channel", detail: e.to_string() })
        }
        Err(e) => Err(wire.error(Phase::Open, &e)),
    }
}

fn exec(wire: &mut Wire, channel: &mut Channel, request: &Request, phase: Phase) -> Result<(), Error> {
    let words = request.to_string();
    match wire.drive(phase, |_| channel.exec(&words))? {
        // A command that reads its standard input must find its end, not wait for us.
        Ok(()) => wire.drive(phase, |_| channel.send_eof())?.map_err(|e| wire.error(phase, &e)),
        Err(e) if e.number == code::CHANNEL_REQUEST_DENIED => {
            Err(Error::Denied { host: wire.host().into(), what: "the command", detail: e.to_string() })
        }
        Err(e) => Err(wire.error(phase, &e)),
    }
}

/// Reads both streams to their end, whatever fills first: a window that nobody empties stops both sides.
fn listen(wire: &mut Wire, channel: &mut Channel, phase: Phase) -> Result<Heard, Error> {
    let mut heard = Heard::default();
    let mut grace: Option<Instant> = None;
    loop {
        let read = heard.drain(channel);
        if heard.too_much {
            return Ok(heard);
        }
        let answered = answer::has_frame(&heard.stdout);
        match read {
            Ok(()) if channel.eof() => {
                heard.ending = ending(channel);
                return Ok(heard);
            }
            Ok(()) => {}
            // A whole answer over the checked connection is the answer, however the connection ends.
            Err(_) if answered => return Ok(heard),
            Err(e) => {
                wire.past(phase)?;
                return Err(wire.cut(phase, &e));
            }
        }
        if answered && *grace.get_or_insert_with(|| Instant::now() + GRACE) <= Instant::now() {
            return Ok(heard);
        }
        match wire.wait(phase, grace) {
            Err(_) if answered => return Ok(heard),
            waited => waited?,
        }
    }
}

impl Heard {
    /// Takes what has arrived. The error is what ended the connection.
    fn drain(&mut self, channel: &mut Channel) -> Result<(), String> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let out = take(&mut channel.stream(0), &mut buffer)?;
            self.too_much |= self.stdout.len() + out.len() > MOST;
            if self.too_much {
                return Ok(());
            }
            self.stdout.extend_from_slice(out);
            let nothing_out = out.is_empty();
            let err = take(&mut channel.stderr(), &mut buffer)?;
            let room = STDERR_KEPT.saturating_sub(self.stderr.len()).min(err.len());
            self.stderr.extend_from_slice(err.get(..room).unwrap_or_default());
            if nothing_out && err.is_empty() {
                return Ok(());
            }
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

/// How the command ended: for a message, never for a verdict. libssh2 says 0 when there is no exit status.
fn ending(channel: &Channel) -> Option<String> {
    let signal = channel.exit_signal().ok().and_then(|ended| ended.exit_signal);
    match (signal, channel.exit_status()) {
        (Some(signal), _) => Some(format!("the command was killed by SIG{}", excerpt(signal.as_bytes()))),
        (None, Ok(0)) | (None, Err(_)) => None,
        (None, Ok(code)) => Some(format!("the command exited with {code}")),
    }
}
