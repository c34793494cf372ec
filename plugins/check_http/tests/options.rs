//! Tests the options that monitoring-plugins' check_http 2.3.3 does not have. Some of them come
//! from check_curl. The others were requested by users.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;

use std::time::Duration;

use support::{Run, Server, Step};

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
const OK: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";

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
fn state_regex_sets_state_of_unsatisfied_pattern() {
    ends(
        OK,
        &["-r", "nope", "--state-regex", "warning"],
        1,
        "HTTP WARNING: HTTP/1.1 200 OK - pattern not found",
    );
    ends(OK, &["-r", "hello", "--invert-regex", "--state-regex", "WARNING"], 1, "pattern found");
    ends(OK, &["-r", "nope", "--state-regex=critical"], 2, "pattern not found");
}

#[test]
fn status_option_maps_codes_to_states() {
    let unauthorized = "HTTP/1.1 401 Unauthorized\r\n\r\n";
    ends(
        unauthorized,
        &["--status", "401=ok,4xx=critical"],
        0,
        "HTTP OK: HTTP/1.1 401 Unauthorized",
    );
    ends(
        "HTTP/1.1 404 NF\r\n\r\n",
        &["--status", "401=ok,4xx=critical"],
        2,
        "HTTP CRITICAL: HTTP/1.1 404 NF",
    );
    ends(OK, &["--status", "401=ok"], 0, "HTTP OK");
    ends(
        "HTTP/1.1 301 M\r\nLocation: /\r\n\r\n",
        &["-f", "follow", "--status", "301=warning"],
        1,
        "HTTP WARNING: HTTP/1.1 301 M",
    );
}

#[test]
fn match_all_requires_every_string_and_pattern() {
    ends(OK, &["-s", "nope", "-s", "hello"], 0, "HTTP OK");
    ends(OK, &["-s", "nope", "-s", "hello", "--match-all"], 2, "string 'nope' not found");
    ends(OK, &["-r", "^h", "-r", "o$", "-s", "ell", "--match-all"], 0, "HTTP OK");
    ends(OK, &["-r", "x", "-r", "o$", "--match-all"], 2, "pattern not found");
}

#[test]
fn header_regex_ignores_case() {
    ends(OK, &["--header-regex", "^server: *X"], 0, "HTTP OK");
    ends(OK, &["--header-regex", "^nope:"], 2, "header pattern not found");
}

#[test]
fn expects_string_after_redirects() {
    let away = "HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n";
    let options = ["-f", "sticky", "-e", "200", "--expect-after-redirects"];
    let (run, requests) = check(&[away, OK], &options);
    assert!(
        run.code == Some(0) && run.text.contains("Status line output matched \"200\""),
        "{run:?}"
    );
    assert_eq!(requests.len(), 2);
    let (run, _) = check(&[away, "HTTP/1.1 500 Bad\r\n\r\n"], &options);
    assert_eq!(run.code, Some(2), "{run:?}");
}

#[test]
fn timeout_result_sets_state_of_timeout() {
    let silent = || Server::doing(vec![vec![Step::Wait(Duration::from_secs(20))]]);
    for (state, code, word) in [("unknown", 3, "UNKNOWN"), ("1", 1, "WARNING"), ("OK", 0, "OK")] {
        let run = silent()
            .run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT", "-t", "1", "--timeout-result", state]);
        assert_eq!(
            (run.code, run.text),
            (Some(code), format!("{word} - Socket timeout after 1 seconds\n"))
        );
    }
}

#[test]
fn always_perfdata_prints_perfdata_without_response() {
    let run = support::run(PROGRAM, &["-I", "127.0.0.1", "-p", "1", "--always-perfdata"]);
    let expected =
        "HTTP CRITICAL - Unable to open TCP socket|time=Ts;;;0.000000;10.000000 size=0B;;;0;\n";
    assert!(run.code == Some(2) && run.text.ends_with(expected), "{run:?}");
}

#[test]
fn sends_requested_http_version() {
    let (_, requests) = check(&[OK], &["--http-version", "1.1"]);
    assert!(
        requests[0].starts_with("GET / HTTP/1.1\r\n")
            && requests[0].contains("\r\nHost: 127.0.0.1:PORT\r\n")
    );
    let (_, requests) = check(&[OK], &["--http-version", "1.0", "-H", "h"]);
    assert!(
        requests[0].starts_with("GET / HTTP/1.0\r\n")
            && requests[0].contains("\r\nHost: h:PORT\r\n")
    );
    let run = support::run(PROGRAM, &["-H", "h", "--http-version", "2"]);
    assert!(run.code == Some(3) && run.text.contains("only 1.0 and 1.1 are supported"), "{run:?}");
}

#[test]
fn sends_haproxy_line() {
    let server = Server::answering(&[OK]);
    let run = server.run(
        PROGRAM,
        &["-I", "127.0.0.1", "-p", "PORT", "--haproxy-protocol", "--source-address", "127.0.0.1"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let request = server.requests().concat();
    let words: Vec<&str> = request.lines().next().unwrap().split(' ').collect();
    assert_eq!(
        (&words[..4], words[5]),
        (&["PROXY", "TCP4", "127.0.0.1", "127.0.0.1"][..], "PORT"),
        "{request}"
    );
}

#[test]
fn reads_passwords_from_files() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "u:p\n").unwrap();
    let path = file.path().to_str().unwrap();
    let (_, requests) =
        check(&[OK], &["--authorization-file", path, "--proxy-authorization-file", path]);
    assert!(
        requests[0]
            .contains("\r\nAuthorization: Basic dTpw\r\nProxy-Authorization: Basic dTpw\r\n"),
        "{requests:?}"
    );
}

#[test]
fn withholds_credentials_from_redirect_to_other_host() {
    let elsewhere = Server::answering(&[OK]);
    let away = format!("HTTP/1.1 302 F\r\nLocation: http://localhost:{}/\r\n\r\n", elsewhere.port);
    let (run, requests) = check(
        &[&away],
        &["-f", "follow", "-a", "u:p", "-b", "q:r", "-k", "Cookie: secret", "-k", "X: y"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        requests[0].contains("Authorization: Basic dTpw") && requests[0].contains("Cookie: secret")
    );
    let there = elsewhere.requests().concat();
    assert!(
        there.contains("X: y") && !there.contains("uthorization") && !there.contains("secret"),
        "{there}"
    );
}

#[test]
fn connects_through_a_proxy() {
    let proxy = Server::answering(&[OK]);
    let url = format!("http://u:p@127.0.0.1:{}", proxy.port);
    let run = support::run(PROGRAM, &["-H", "far.example:81", "-u", "/x", "-x", &url]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let request = proxy.requests().concat();
    assert!(request.starts_with("GET http://far.example:81/x HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("\r\nProxy-Authorization: Basic dTpw\r\n"), "{request}");
    let refusing = Server::answering(&["HTTP/1.1 407 Who are you\r\n\r\n"]);
    let run = support::run(
        PROGRAM,
        &["-H", "far.example", "-S", "-x", &format!("127.0.0.1:{}", refusing.port)],
    );
    assert!(
        run.code == Some(2)
            && run.text.contains("the proxy refused CONNECT: HTTP/1.1 407 Who are you"),
        "{run:?}"
    );
    assert!(refusing.requests()[0].starts_with("CONNECT far.example:443 HTTP/1.1\r\n"));
}

#[test]
fn noproxy_bypasses_proxy() {
    let server = Server::answering(&[OK]);
    let port = server.port.to_string();
    let run = support::run(
        PROGRAM,
        &["-H", "localhost", "-p", &port, "-x", "127.0.0.1:1", "--noproxy", "localhost"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(server.requests()[0].starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn decompresses_bodies_on_request() {
    // The word "hello", compressed with gzip.
    let body = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xcbH\xcd\xc9\xc9\x07\0\x86\xa6\x106\x05\0\0\0";
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX: y\r\n\r\n", &body[..]].concat();
    let server = Server::answering(&[answer]);
    let options = ["-I", "127.0.0.1", "-p", "PORT", "-s", "hello"];
    assert_eq!(server.run(PROGRAM, &options).code, Some(2));
    let run = server.run(PROGRAM, &[&options[..], &["--enable-automatic-decompression"]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(server.requests()[1].contains("\r\nAccept-Encoding: gzip, deflate\r\n"));
    let broken = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip";
    ends(
        broken,
        &["-s", "x", "--enable-automatic-decompression"],
        2,
        "string 'x' not found on 'http://127.0.0.1:PORT/', body cannot be decompressed",
    );
}

#[test]
fn empty_body_needs_no_decompression() {
    let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n";
    let option = "--enable-automatic-decompression";
    ends(&format!("{head}Content-Length: 0\r\n\r\n"), &["-B", option], 0, "HTTP OK");
    ends(&format!("{head}Content-Length: 9\r\n\r\n"), &["-B", "-j", "HEAD", option], 0, "HTTP OK");
    ends(&format!("{head}\r\nnot read"), &["-B", "-N", option], 0, "HTTP OK");
    let missing = "string 'x' not found on 'http://127.0.0.1:PORT/' - ";
    ends(&format!("{head}Content-Length: 0\r\n\r\n"), &["-s", "x", option], 2, missing);
}

#[test]
fn undecodable_body_satisfies_no_condition() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n\x0b\x02hello\x03";
    let options = ["-r", "error", "--invert-regex", "--enable-automatic-decompression"];
    ends(answer, &options, 2, " - body cannot be decompressed, its coding is 'br' - ");
}

#[test]
fn connects_to_addresses_with_a_zone() {
    let server = Server::on("::1", &[OK]);
    let (one, port) = ("::1%lo", server.port.to_string());
    let run = support::run(PROGRAM, &["-H", one, "-p", &port]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(server.requests()[0].contains("\r\nHost: [::1]:"), "{:?}", server.requests());
    let missing = support::run(PROGRAM, &["-H", "::1%nosuchzone", "-p", &port]);
    assert_ne!(missing.code, Some(0), "{missing:?}");
}

#[test]
fn checks_json_bodies() {
    let answer = "HTTP/1.1 200 OK\r\nX: y\r\n\r\n{\"status\":\"up\",\"depth\":17}";
    let (run, _) = check(
        &[answer],
        &["--json", "/status==\"up\"", "--json", "/depth<20", "--json-perfdata", "/depth"],
    );
    assert!(run.code == Some(0) && run.text.ends_with(" depth=17;;;;\n"), "{run:?}");
    ends(
        answer,
        &["--json", "/status==\"down\""],
        2,
        "200 OK - JSON: expected /status==\"down\", found \"up\" - ",
    );
    let run = support::run(PROGRAM, &["-H", "h", "--json", "/status==up"]);
    assert!(run.code == Some(3) && run.text.contains("put a string in double quotes"), "{run:?}");
}

#[test]
fn sends_internationalized_names_in_ascii_and_shows_them_as_typed() {
    let options = ["-H", "BÜCHER.example", "-d", "nope"];
    let (run, requests) = check(&[OK], &options);
    assert!(requests[0].contains("\r\nHost: xn--bcher-kva.example:PORT\r\n"), "{requests:?}");
    assert!(run.text.contains("not found on 'http://BÜCHER.example:PORT/'"), "{run:?}");
    // The site redirects to its own name in ASCII, so check_http may send the credentials again.
    let away = "HTTP/1.1 302 F\r\nLocation: http://xn--bcher-kva.example:PORT/x\r\n\r\n";
    let options = ["-H", "bücher.example", "-f", "sticky", "-a", "u:p", "-U"];
    let (run, requests) = check(&[away, OK], &options);
    assert!(requests[1].contains("Authorization: Basic"), "{requests:?}");
    assert!(run.text.contains(" - http://bücher.example:PORT/x - "), "{run:?}");
    let (run, _) = check(&[OK], &["-H", "bu\u{308}cher.example"]);
    assert!(run.code == Some(3) && run.text.contains("write it in composed form"), "{run:?}");
}
