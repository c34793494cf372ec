//! Makes the server prove that it knows the role's password.
//!
//! While PostgreSQL is down, any account can listen on its port on the loopback interface. Without
//! TLS, only SCRAM shows who answers: the server has to prove that it knows the password, and the
//! password itself is never sent. tokio-postgres checks this proof, but would also accept a server
//! that requests no password at all, or that requests the password itself. This module rejects such
//! a server before tokio-postgres reads the server's request. The messages are described in the
//! chapter "Frontend/Backend Protocol" of PostgreSQL's manual.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::server_fault::Unproven;

/// A connection that fails unless the server uses SCRAM for the login.
pub(super) struct ProvenStream<S> {
    stream: S,
    login: LoginWatch,
}

impl<S> ProvenStream<S> {
    pub(super) fn new(stream: S) -> ProvenStream<S> {
        ProvenStream { stream, login: LoginWatch::default() }
    }
}

/// Follows the messages of a server until the login is complete.
#[derive(Default)]
struct LoginWatch {
    /// The type and length of the current message and, for an authentication message, its code.
    start: Vec<u8>,
    /// How many more bytes of the current message to skip.
    skip: usize,
    has_proof: bool,
    is_complete: bool,
}

impl LoginWatch {
    /// Processes the next bytes that the server has sent.
    fn follow(&mut self, mut bytes: &[u8]) -> Result<(), Unproven> {
        while let (false, Some((first, rest))) = (self.is_complete, bytes.split_first()) {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            self.start.push(*first);
            bytes = rest;
            self.inspect()?;
        }
        Ok(())
    }

    /// Evaluates the start of a message, if enough of it has arrived.
    fn inspect(&mut self) -> Result<(), Unproven> {
        let &[kind, a, b, c, d, ref code @ ..] = self.start.as_slice() else { return Ok(()) };
        // The length counts itself, but not the type.
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let left = (length + 1).checked_sub(self.start.len()).ok_or(Unproven)?;
        if kind == b'R' {
            match (code, self.has_proof) {
                (&[0, 0, 0, 0], true) => self.is_complete = true,
                // The list of mechanisms, the server's challenge, and the server's proof.
                (&[0, 0, 0, 10 | 11], false) => {}
                (&[0, 0, 0, 12], false) => self.has_proof = true,
                (&[_, _, _, _], _) => return Err(Unproven),
                _ => return Ok(()),
            }
        }
        self.start.clear();
        self.skip = left;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ProvenStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let new = buf.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.login.follow(new).map_err(io::Error::other))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ProvenStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an authentication message with this code and body.
    fn message(code: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(8 + body.len()).unwrap();
        [&[b'R', 0, 0, 0, length, 0, 0, 0, code], body].concat()
    }

    /// Follows messages that arrive in pieces of `size` bytes.
    fn follow(messages: &[Vec<u8>], size: usize) -> Result<bool, Unproven> {
        let mut login = LoginWatch::default();
        messages.concat().chunks(size).try_for_each(|piece| login.follow(piece))?;
        Ok(login.is_complete)
    }

    #[test]
    fn accepts_only_a_server_with_a_proof() {
        let [list, challenge, proof, ok] =
            [(10, &b"SCRAM-SHA-256\0\0"[..]), (11, b"r=abc"), (12, b"v=abc"), (0, b"")]
                .map(|(code, body)| message(code, body));
        let notice = b"N\0\0\0\x08\0\0\0\0".to_vec();
        let ready = b"Z\0\0\0\x05I".to_vec();
        for size in [1, 3, 100] {
            let login = [&notice, &list, &challenge, &proof, &ok, &ready].map(Clone::clone);
            assert!(follow(&login, size).unwrap());
            for refused in [
                vec![ok.clone()],
                vec![list.clone(), challenge.clone(), ok.clone()],
                vec![notice.clone(), message(3, b"")],
                vec![message(5, b"salt")],
                vec![b"R\0\0\0\x03".to_vec()],
            ] {
                assert!(follow(&refused, size).is_err(), "{refused:?}");
            }
            assert!(!follow(&[list.clone(), challenge.clone(), proof.clone()], size).unwrap());
        }
    }
}
