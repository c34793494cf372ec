//! Invariants of check_http for any response, whether it comes from a web server or from an
//! attacker in its place. Each test runs a whole check against a server in this process, which
//! listens on a Unix socket.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugin_kit::State;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags, open};
use rustix::net::{SendFlags, send};

use crate::text::{holds, is_harmless};

/// Options for check_http. The first byte of an input selects one of these sets. Redirects stay on
/// the Unix socket. Inputs with a redirect to https are skipped, because check_http would start
/// TLS.
const COMMAND_LINES: &[(u8, &[&str])] = &[
    (b'a', &[]),
    (b'b', &["-s", "needle"]),
    (b'c', &["-r", "need(le)+$", "-l", "-R", "^x"]),
    (b'd', &["-e", "200,ICY", "-d", "X-Needle:"]),
    (b'e', &["-M", "1d", "-m", "10:500", "-E"]),
    (b'f', &["-f", "sticky", "--max-redirs", "3"]),
    (b'g', &["-f", "stickyport", "--max-redirs", "3", "-L"]),
    (b'h', &["-B", "-v"]),
    (b'i', &["-N", "-f", "critical"]),
    (b'j', &["-j", "HEAD", "--status", "401=ok,4xx=critical"]),
    (b'k', &["-H", "web1", "--invert-regex", "-r", "needle"]),
];

/// Time limit for one check, with a large margin for a busy machine. The check's own timeout is
/// much shorter (`-t 4`).
const LIMIT: Duration = Duration::from_secs(30);

/// Checks the result of check_http. The first byte of the input selects the options, and the rest
/// is the response.
///
/// Each check ends in time. Its output is a single line, except with `-v`, and its only `|` is the
/// one before the perfdata. If the response is missing or does not satisfy the options, the result
/// is never OK. The result does not depend on how the response is split into packets.
pub fn http_response(bytes: &[u8]) {
    let Some((first, answer)) = bytes.split_first() else { return };
    let (letter, options) =
        COMMAND_LINES.iter().find(|(letter, _)| letter == first).unwrap_or(&(b'a', &[]));
    if holds(&answer.to_ascii_lowercase(), b"https") && options.contains(&"-f") {
        return;
    }
    let (state, output) = check(options, vec![answer.to_vec()]);
    one_verdict(*letter, &output);
    if state == State::Ok {
        justified(*letter, answer, &output);
    }
    if *letter == b'a' {
        let (begin, end) = answer.split_at(answer.len() / 2);
        let (in_pieces, other) = check(options, vec![begin.to_vec(), end.to_vec()]);
        assert_eq!(in_pieces, state, "the result in pieces differs: {output:?} {other:?}");
    }
}

fn one_verdict(letter: u8, output: &str) {
    assert!(output.ends_with('\n') && output.matches('|').count() <= 1, "{output:?}");
    let (first, more) = output.split_once('\n').expect("the output ends with a newline");
    assert!(is_harmless(first) && !first.trim().is_empty(), "{output:?}");
    if letter == b'h' {
        assert!(more.lines().all(|line| is_harmless(&line.replace('\t', " "))), "{output:?}");
    } else {
        assert_eq!(more, "", "more than one line");
    }
}

/// Checks that the result OK was justified, that is, that the response satisfies the options.
fn justified(letter: u8, answer: &[u8], output: &str) {
    assert!(!answer.is_empty(), "OK without a response: {output:?}");
    // Do not search a chunked response, because it may contain the string in several pieces.
    let whole = !holds(&answer.to_ascii_lowercase(), b"chunked");
    let has = |text: &str| holds(answer, text.as_bytes());
    match letter {
        b'b' => assert!(!whole || has("needle"), "{output:?}"),
        b'c' => assert!(!whole || answer.to_ascii_lowercase().contains(&b'x'), "{output:?}"),
        b'd' => assert!((has("200") || has("ICY")) && has("X-Needle:"), "{output:?}"),
        b'k' => assert!(has("HTTP/1.") && !output.contains("pattern found"), "{output:?}"),
        _ => assert!(has("HTTP/1."), "{output:?}"),
    }
}

fn check(options: &[&str], pieces: Vec<Vec<u8>>) -> (State, String) {
    let server = &*SERVER;
    *server.pieces.lock().unwrap_or_else(PoisonError::into_inner) = pieces;
    let socket = format!("/proc/self/fd/{}", server.file.as_raw_fd());
    let mut argv: Vec<OsString> = vec!["-I".into(), socket.into(), "-t".into(), "4".into()];
    argv.extend(options.iter().map(OsString::from));
    let start = Instant::now();
    let outcome = check_http::run(&argv).unwrap_or_else(|problem| panic!("no result: {problem}"));
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
    (outcome.state(), String::from_utf8(outcome.render()).expect("the output is UTF-8"))
}

struct Server {
    /// A descriptor of the socket file. The file has already been unlinked, so that it disappears
    /// when this process ends, even after a crash.
    file: OwnedFd,
    /// The response, divided into the pieces in which it is sent. The server sends this response to
    /// every client until the next check stores another one here.
    pieces: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// The only server in this process.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let path =
        std::env::temp_dir().join(format!("nagios-selfheal-invariants.{}", std::process::id()));
    let listener =
        UnixListener::bind(&path).expect("a socket in the directory for temporary files");
    let file = open(&path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .expect("our own socket can be opened");
    std::fs::remove_file(&path).expect("our own socket can be removed");
    let server = Server { file, pieces: Arc::default() };
    let pieces = Arc::clone(&server.pieces);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner).clone();
            answer(stream, &pieces);
        }
    });
    server
});

fn answer(mut stream: UnixStream, pieces: &[Vec<u8>]) {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !holds(&request, b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => {
                request.extend_from_slice(piece.get(..count).unwrap_or_default())
            }
            _ => return,
        }
    }
    for piece in pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            // If the client has closed the connection, return. Because of `NOSIGNAL`, sending then
            // fails with an error instead of raising SIGPIPE.
            match send(&stream, rest, SendFlags::NOSIGNAL) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(_) => return,
            }
        }
        std::thread::yield_now();
    }
}
