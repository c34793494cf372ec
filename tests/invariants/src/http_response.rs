//! What a web server, or anyone in its place, responds to check_http. The whole check runs,
//! against a server on a unix socket in this very process.

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

/// Command lines, by the first character of an input. Redirects stay at our socket; one to https is
/// left out below, because TLS would follow.
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

/// Time for a check, with a large margin for a busy machine; without a limit it would be ten
/// seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// The first character chooses the options, the rest is the response. There is always a result, in
/// time, in one line whose only `|` is ours. No response, or one that fails the options, is never
/// OK; and how the network cuts an answer to pieces changes nothing.
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
        assert_eq!(in_pieces, state, "in pieces it is another result: {output:?} {other:?}");
    }
}

fn one_verdict(letter: u8, output: &str) {
    assert!(output.ends_with('\n') && output.matches('|').count() <= 1, "{output:?}");
    let (first, more) = output.split_once('\n').expect("it ends with a newline");
    assert!(is_harmless(first) && !first.trim().is_empty(), "{output:?}");
    if letter == b'h' {
        assert!(more.lines().all(|line| is_harmless(&line.replace('\t', " "))), "{output:?}");
    } else {
        assert_eq!(more, "", "more than one line");
    }
}

/// The check was OK, so the response must satisfy its options.
fn justified(letter: u8, answer: &[u8], output: &str) {
    assert!(!answer.is_empty(), "no answer is OK: {output:?}");
    // Chunks may cut a text to pieces, and NUL counts as a blank.
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
    let outcome = check_http::run(&argv).unwrap_or_else(|problem| panic!("no verdict: {problem}"));
    assert!(start.elapsed() < LIMIT, "it took {:?}", start.elapsed());
    (outcome.state(), String::from_utf8(outcome.render()).expect("what is printed is UTF-8"))
}

struct Server {
    /// The socket's file, which has no name any more: nothing is left behind, however this process
    /// ends.
    file: OwnedFd,
    pieces: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// One for the process. It sends the same response on every connection until it gets another.
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
    let mut heard = Vec::new();
    let mut piece = [0; 1024];
    while !holds(&heard, b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => {
                heard.extend_from_slice(piece.get(..count).unwrap_or_default())
            }
            _ => return,
        }
    }
    for piece in pieces {
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            // The client may close early.
            match send(&stream, rest, SendFlags::NOSIGNAL) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(_) => return,
            }
        }
        std::thread::yield_now();
    }
}
