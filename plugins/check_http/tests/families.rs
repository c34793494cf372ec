//! Tests the options that check_http shares with check_curl and with nagios-plugins' check_http,
//! but not with monitoring-plugins' check_http 2.3.3.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;

use std::time::Duration;

use support::{Run, Server, Step};

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn check(answers: &[&str], options: &[&str]) -> (Run, Vec<String>) {
    let server = Server::answering(answers);
    let run = server.run(PROGRAM, &[&["-I", "127.0.0.1", "-p", "PORT"], options].concat());
    (run, server.requests())
}

#[track_caller]
fn ends(answer: &str, options: &[&str], code: i32, text: &str) {
    let (run, _) = check(&[answer], options);
    assert!(run.code == Some(code) && run.text.contains(text), "{options:?}: {run:?}");
}

#[test]
fn show_url_adds_the_url_before_the_size() {
    ends(OK, &["-U"], 0, "HTTP OK: HTTP/1.1 200 OK - http://127.0.0.1:PORT/ - 43 bytes in ");
    ends(OK, &["-H", "h", "-u", "/x?y", "--show-url"], 0, " 200 OK - http://h:PORT/x?y - 43 bytes");
    ends(OK, &["-U", "-r", "x"], 2, " 200 OK - pattern not found - http://127.0.0.1:PORT/ - 43 ");
    let away = "HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n";
    let (run, _) = check(&[away, OK], &["-U", "-f", "curl"]);
    assert!(run.text.contains(" - http://127.0.0.1:PORT/next - "), "{run:?}");
}

#[test]
fn timeout_option_takes_a_state() {
    for (limit, code, text) in [
        ("1:ok", 0, "OK - Socket timeout after 1 seconds\n"),
        ("1:3", 3, "UNKNOWN - Socket timeout after 1 seconds\n"),
        ("1:", 2, "CRITICAL - Socket timeout after 1 seconds\n"),
    ] {
        let server = Server::doing(vec![vec![Step::Wait(Duration::from_secs(20))]]);
        let run = server.run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT", "-t", limit]);
        assert_eq!((run.code, run.text.as_str()), (Some(code), text), "{limit}");
    }
}

#[test]
fn adds_perfdata_from_the_body() {
    let page = "HTTP/1.1 200 OK\r\n\r\nall is well|load=0.5;1;2;0 'a b'=3MB\nrm=`x` time=9s";
    let (run, _) = check(&[page], &["-o"]);
    assert!(run.text.ends_with(" size=70B;;;0; load=0.5;1;2;0; 'a b'=3MB;;;;\n"), "{run:?}");
    assert!(!run.text.contains("time=9s"), "{run:?}");
    let (run, _) = check(&[page], &["--output-body-as-perfdata", "-v"]);
    assert!(run.text.contains("\n-o ignored 5 words in the body"), "{run:?}");
    let (run, _) = check(&[page], &["-o", "-r", "nope"]);
    assert!(run.code == Some(2) && !run.text.contains("load="), "{run:?}");
}

#[test]
fn limits_perfdata_from_the_body() {
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let reserved = format!("{head}certificate_days=9 time_ssl=9 size=9 load=1");
    let (run, _) = check(&[&reserved], &["-o"]);
    assert!(run.text.ends_with(" size=62B;;;0; load=1;;;;\n"), "{run:?}");
    let many: String = (0..200).map(|count| format!(" l{count}=1")).collect();
    let (run, _) = check(&[&format!("{head}{many}")], &["-o", "-v"]);
    assert!(run.text.contains(" l99=1;;;;") && !run.text.contains(" l100=1;;;;"), "{run:?}");
    let huge: String = (0..100_000).map(|count| format!("l{count}=1 ")).collect();
    let (run, _) = check(&[&format!("{head}{}{huge}", "x".repeat(8187))], &["-o", "-t", "5"]);
    assert!(run.code == Some(0) && !run.text.contains(" l0="), "{:.300}", run.text);
    let (run, _) = check(&[&format!("{head}{huge}")], &["-o", "-t", "5"]);
    assert!(run.code == Some(0) && run.time.as_secs() < 5, "{:?} {:.300}", run.time, run.text);
}

#[test]
fn curl_follows_redirects() {
    let away = "HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n";
    let (run, requests) = check(&[away, OK], &["-f", "curl"]);
    assert!(run.code == Some(0) && requests.len() == 2, "{run:?}");
}

#[test]
fn accepts_only_the_format_that_it_prints() {
    ends(OK, &["--output-format", "multi-line"], 0, "HTTP OK");
    ends(OK, &["--output-format", "mp-test-json"], 3, "only multi-line is supported");
}

#[test]
fn page_size_accepts_ranges() {
    ends(OK, &["-m", "43"], 0, "HTTP OK");
    ends(OK, &["-m", "44:99999"], 1, "page size 43 too small");
    ends(OK, &["-m", "~:42"], 1, "page size 43 too large");
    ends(OK, &["-m", "@43:50"], 1, "page size 43 within the unwanted range");
    ends(OK, &["-m", "@44:50"], 0, "HTTP OK");
}

#[test]
fn noproxy_compares_the_address_too() {
    let proxy = ["-H", "h.example", "-x", "127.0.0.1:1", "--noproxy"];
    for list in ["127.0.0.0/8", "10.0.0.0/8,127.0.0.1", "*.example"] {
        ends(OK, &[&proxy[..], &[list]].concat(), 0, "HTTP OK");
    }
    ends(OK, &[&proxy[..], &["10.0.0.0/8"]].concat(), 2, "(at the proxy 127.0.0.1:1)");
}

#[test]
fn stray_words_are_used_or_reported() {
    let server = Server::answering(&[OK]);
    let run = server.run(PROGRAM, &["-H", "h", "-p", "PORT", "127.0.0.1", ""]);
    assert_eq!(run.code, Some(0), "{run:?}");
    ends(OK, &["-N", "true", "--continue-after-certificate", "1"], 0, "HTTP OK");
    ends(
        OK,
        &["-H", "h", "-C", "30", "14"],
        3,
        "check_http: unexpected word '14': did you mean -C 30,14?",
    );
    ends(OK, &["-H", ""], 3, "check_http: -H is empty (an unset macro?)");
}
