//! Tests with hostile servers. check_http prints one clean result for each of them, within the time
//! limit and with little memory.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Server, Step};

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
const HEAD: &str = "HTTP/1.1 200 OK\r\n";

/// Time limit in seconds for checks that would otherwise never end.
const SHORT: u64 = 3;
/// Time limit in seconds for checks that end by themselves. It is long enough for a busy machine.
const LONG: u64 = 30;

/// Runs check_http with `-t limit`. Returns its exit code, its output and its peak memory in KiB.
fn watched(server: &Server, limit: u64, options: &[&str]) -> (Option<i32>, String, u64) {
    let port = server.port.to_string();
    let start = Instant::now();
    let mut child = Command::new(PROGRAM)
        .args(["-I", "127.0.0.1", "-p", &port, "-t", &limit.to_string()])
        .args(options)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let status = std::fs::read_to_string(&status_file).unwrap_or_default();
        // Before exec, the child process still has the memory of this test program, so ignore its
        // peak until its name is check_http.
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .filter(|_| status.starts_with("Name:\tcheck_http\n"));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        assert!(start.elapsed() < Duration::from_secs(limit + 30), "it is still running");
        std::thread::sleep(Duration::from_millis(5));
    };
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
    (status.code(), text, peak)
}

fn endless(head: &str, forever: &str) -> Server {
    let forever = forever.repeat(1 + 65536 / forever.len());
    Server::doing(vec![vec![Step::Receive, Step::Send(head.into()), Step::Repeat(forever.into())]])
}

#[test]
fn limits_endless_responses() {
    for (head, forever, code, text) in [
        ("", "x", 2, "The header of the response is larger than 1 MiB"),
        (HEAD, "X: y\r\n", 2, "The header of the response is larger than 1 MiB"),
        ("HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "x", 2, "Socket timeout after 3 seconds"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n",
            "x",
            2,
            "Socket timeout after 3 seconds",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5\r\nhello\r\n",
            2,
            "Socket timeout after 3 seconds",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n",
            "x",
            2,
            "Socket timeout after 3 seconds",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "\r\n",
            2,
            "Socket timeout after 3 seconds",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "5",
            3,
            "Failed to unchunk message body",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "X: y\r\n",
            3,
            "Failed to unchunk message body",
        ),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", 2, "The server sent more than 100 interim responses"),
    ] {
        let (exit, output, peak) = watched(&endless(head, forever), SHORT, &["-s", "needle", "-B"]);
        assert!(
            exit == Some(code) && output.contains(text),
            "{head:?} {forever:?}: {exit:?} {output:.200}"
        );
        assert!(peak < 64 << 10, "{head:?} {forever:?}: {peak} KiB");
    }
}

#[test]
fn limits_endless_redirects() {
    // Redirect from /a to /b and back. A redirect to the current path would be recognized as a
    // loop.
    let to =
        |path: &str| format!("HTTP/1.1 302 Moved\r\nLocation: {path}?{}\r\n\r\n", "x".repeat(1000));
    let answers: Vec<String> =
        (0..10_000).map(|count| to(if count % 2 == 0 { "/a" } else { "/b" })).collect();
    let (exit, output, _) = watched(&Server::answering(&answers), LONG, &["-f", "follow"]);
    assert!(
        exit == Some(1)
            && output.starts_with("HTTP WARNING - maximum redirection depth 15 exceeded"),
        "{output:.200}"
    );
    let (exit, output, peak) = watched(
        &Server::answering(&answers),
        SHORT,
        &["-f", "follow", "--max-redirs", "4294967295"],
    );
    assert_eq!((exit, output.as_str()), (Some(2), "CRITICAL - Socket timeout after 3 seconds\n"));
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[test]
fn searches_whole_large_body_in_little_memory() {
    let length = 40 << 20;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", length + 6);
    let body = vec![b'x'; length];
    let server = Server::doing(vec![vec![
        Step::Receive,
        Step::Send(head.into()),
        Step::Send(body),
        Step::Send(b"needle".to_vec()),
    ]]);
    for options in [&["-s", "needle"][..], &["-r", "n[e]+dle"], &["-R", "x(x|y)*NEEDLE$"]] {
        let (exit, output, peak) = watched(&server, LONG, options);
        assert!(exit == Some(0) && peak < 16 << 10, "{options:?}: {output:.300} {peak} KiB");
    }
}

#[test]
fn searches_decompression_bomb_up_to_the_limit() {
    let plain = vec![b'x'; 200 << 20];
    let bomb = [
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..],
        &miniz_oxide::deflate::compress_to_vec(&plain, 1),
        &[0; 8],
    ]
    .concat();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let server =
        Server::doing(vec![vec![Step::Receive, Step::Send(head.into()), Step::Send(bomb)]]);
    let (exit, output, peak) = watched(
        &server,
        LONG,
        &["--enable-automatic-decompression", "-s", "needle", "-r", "needle"],
    );
    assert!(
        exit == Some(2)
            && output.contains("pattern not found (only the first 16 MiB were searched)"),
        "{output:.300}"
    );
    assert!(peak < 64 << 10, "{peak} KiB");
    let absent = ["--enable-automatic-decompression", "-r", "needle", "--invert-regex"];
    let (exit, output, _) = watched(&server, LONG, &absent);
    assert!(
        exit == Some(2)
            && output.contains(
                "the rest of the body may contain the pattern (only the first 16 MiB were searched)"
            ),
        "{output:.300}"
    );
}

#[test]
fn unsearched_rest_of_plain_body_is_not_ok() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let size = (16 << 20) + 6;
    let body = [format!("{head}{size:x}\r\n").into_bytes(), vec![b'x'; 16 << 20]].concat();
    // The last chunk arrives alone, and contains no data.
    let steps = vec![
        Step::Receive,
        Step::Send(body),
        Step::Send("needle".into()),
        Step::Wait(Duration::from_millis(500)),
        Step::Send("\r\n0\r\n\r\n".into()),
    ];
    let absent = ["--enable-automatic-decompression", "-r", "needle", "--invert-regex"];
    let (exit, output, _) = watched(&Server::doing(vec![steps]), LONG, &absent);
    assert!(exit == Some(2) && output.contains("only the first 16 MiB"), "{output:.300}");
}

#[test]
fn slow_response_times_out() {
    let drops =
        (0..100).flat_map(|_| [Step::Send(b"X".to_vec()), Step::Wait(Duration::from_millis(100))]);
    let steps = [Step::Receive, Step::Send(HEAD.into())].into_iter().chain(drops).collect();
    let (exit, output, _) = watched(&Server::doing(vec![steps]), SHORT, &[]);
    assert_eq!((exit, output.as_str()), (Some(2), "CRITICAL - Socket timeout after 3 seconds\n"));
}

#[test]
fn stalled_handshake_times_out() {
    let server = Server::doing(vec![vec![Step::Wait(Duration::from_secs(30))]]);
    let (exit, output, _) = watched(&server, SHORT, &["-S"]);
    assert_eq!((exit, output.as_str()), (Some(2), "CRITICAL - Socket timeout after 3 seconds\n"));
}

#[test]
fn invalid_handshake_is_critical() {
    let record = [&b"\x16\x03\x03\x40\x00\x02\xff\xff\xff"[..], &[0x55; 0x4000 - 4]].concat();
    let server = Server::doing(vec![vec![Step::Repeat(record)]]);
    let (exit, output, peak) = watched(&server, LONG, &["-C", "10"]);
    assert!(
        exit == Some(2) && output.starts_with("CRITICAL - Cannot make SSL connection.\n"),
        "{output:.300}"
    );
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[test]
fn server_cannot_forge_a_result() {
    let server = Server::answering(&[
        "HTTP/1.1 500 \x1b[2K|time=0\x07\0 \u{202e}x\r\nX: y\r\n\r\na|b\nc\x1b",
    ]);
    let (exit, output, _) = watched(&server, LONG, &["-B"]);
    assert_eq!(exit, Some(2));
    assert_eq!(output.matches('|').count(), 1, "{output:?}");
    assert!(
        output.chars().all(|c| !c.is_control() || c == '\n') && !output.contains('\u{202e}'),
        "{output:?}"
    );
}
