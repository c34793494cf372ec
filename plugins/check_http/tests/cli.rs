//! Runs check_http as Nagios does, against servers with all kinds of responses. Compares the exit
//! code and the exact output with the expected ones.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod support;

use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use support::{Run, Server, Step};

const PROGRAM: &str = env!("CARGO_BIN_EXE_check_http");
const OK: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";

fn check(answers: &[&str], options: &[&str]) -> (Run, Vec<String>) {
    let server = Server::answering(answers);
    let run = server.run(PROGRAM, &[&["-I", "127.0.0.1", "-p", "PORT"], options].concat());
    assert_eq!(run.stderr, "", "{options:?}");
    (run, server.requests())
}

#[track_caller]
fn expect(answer: &str, options: &[&str], code: i32, text: &str) {
    let (run, _) = check(&[answer], options);
    assert_eq!(
        (run.code, run.text.trim_end_matches('\n')),
        (Some(code), text),
        "{options:?} {answer:?}"
    );
}

/// Returns the expected output, with its perfdata, for a response of `bytes` bytes.
fn line(state: &str, message: &str, bytes: usize) -> String {
    format!(
        "HTTP {state}: {message} - {bytes} bytes in T second response time \
         |time=Ts;;;0.000000;10.000000 size={bytes}B;;;0;"
    )
}

#[test]
fn maps_status_codes_to_states() {
    for (status, code, state) in [
        ("200 OK", 0, "OK"),
        ("302 Found", 0, "OK"),
        ("404 Not Found", 1, "WARNING"),
        ("503 Down", 2, "CRITICAL"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\n\r\n");
        expect(&answer, &[], code, &line(state, &format!("HTTP/1.1 {status}"), answer.len()));
    }
    expect("HTTP/1.1 600 X\r\n\r\n", &[], 2, "HTTP CRITICAL: Invalid Status (HTTP/1.1 600 X)");
    expect("HTTP/1.1 20 OK\r\n\r\n", &[], 2, "HTTP CRITICAL: Invalid Status Line (HTTP/1.1 20 OK)");
    expect("", &[], 2, "HTTP CRITICAL - No data received from host");
    let icy = "HTTP CRITICAL - Invalid HTTP response received from host on port PORT: ICY 200 OK";
    expect("ICY 200 OK\r\n\r\n", &[], 2, icy);
}

#[test]
fn finds_final_response_after_interim_one_and_blank_lines() {
    let interim = "HTTP/1.1 100 C\r\n\r\n";
    for blank in ["", "\r\n", "\n\r\n\n"] {
        let last = "HTTP/1.1 500 Down\r\n\r\n";
        let answer = [interim, blank, interim, blank, last].concat();
        let text = line("CRITICAL", "HTTP/1.1 500 Down", answer.len());
        expect(&answer, &[], 2, &text);
        let pieces = [interim, blank, interim, blank, last]
            .into_iter()
            .flat_map(|piece| [Step::Send(piece.into()), Step::Wait(Duration::from_millis(50))]);
        let server = Server::doing(vec![std::iter::once(Step::Receive).chain(pieces).collect()]);
        let run = server.run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT"]);
        assert_eq!((run.code, run.text.trim_end()), (Some(2), text.as_str()), "{blank:?}");
        let answer = [interim, blank].concat();
        expect(&answer, &[], 0, &line("OK", "HTTP/1.1 100 C", answer.len()));
    }
}

#[test]
fn reports_all_problems_in_order() {
    let url = "http://127.0.0.1:PORT/";
    let size = OK.len();
    let message = format!(
        "HTTP/1.1 200 OK - Server date unknown, header 'a' not found on '{url}', string 'b' not \
         found on '{url}', \
         pattern not found, page size {size} too small"
    );
    let expected = line("CRITICAL", &message, size).replace("B;;;0;", "B;500;0;0;");
    expect(OK, &["-d", "a", "-s", "b", "-r", "c", "-m", "500", "-M", "1"], 2, &expected);
}

#[test]
fn expect_option_ignores_the_status_code() {
    let answer = "HTTP/1.1 404 NF\r\n\r\n";
    expect(
        answer,
        &["-e", "x,404"],
        0,
        &line("OK", "Status line output matched \"x,404\"", answer.len()),
    );
    let unexpected =
        "HTTP CRITICAL - Invalid HTTP response received from host on port PORT: HTTP/1.1 404 NF";
    expect(answer, &["-e", "200"], 2, unexpected);
}

#[test]
fn prints_thresholds_and_limits_in_perfdata() {
    let expected = format!(
        "HTTP WARNING: HTTP/1.1 200 OK - {0} bytes in T second response time \
         |time=Ts;0.000000;20.000000;0.000000;21.000000 size={0}B;;;0;",
        OK.len()
    );
    expect(OK, &["-w", "0", "-c", "20"], 1, &expected);
    let (run, _) = check(&[OK], &["-E"]);
    let parts = " time_connect=Ts;;;;10.000000  time_headers=Ts;;;;10.000000 \
                 time_firstbyte=Ts;;;;10.000000 time_transfer=Ts;;;;10.000000\n";
    assert!(run.text.ends_with(parts), "{}", run.text);
}

#[test]
fn sends_same_request_as_monitoring_plugins() {
    let (_, requests) = check(
        &[OK],
        &["-H", "h", "-u", "/x", "-k", "X: y", "-a", "u:p", "-A", "agent", "-P", "q=1"],
    );
    let expected = "POST /x HTTP/1.1\r\nUser-Agent: agent\r\nConnection: close\r\nHost: \
    h:PORT\r\nX: y\r\n\
                    Authorization: Basic dTpw\r\nContent-Type: \
                    application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\nq=1";
    assert_eq!(requests, [expected]);
}

#[test]
fn prints_body_and_link_on_request() {
    let (run, _) = check(&[OK], &["-B", "-L", "-H", "h"]);
    assert!(
        run.text.starts_with("<A HREF=\"http://h:PORT/\" target=\"_blank\">HTTP OK: "),
        "{}",
        run.text
    );
    assert!(run.text.contains("second response time </A>|time="), "{}", run.text);
    assert!(run.text.ends_with("B;;;0;\nhi\n"), "{}", run.text);
}

#[test]
fn follows_redirects_as_requested() {
    let to = |location: &str| format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n");
    let (run, requests) = check(&[&to("/next"), OK], &["-H", "localhost", "-f", "sticky"]);
    assert_eq!((run.code, requests.len()), (Some(0), 2));
    assert!(requests[1].starts_with("GET /next HTTP/1.1\r\n"), "{requests:?}");
    let (run, _) = check(&[&to("/a"), &to("/b"), OK], &["-f", "follow", "--max-redirs", "1"]);
    let too_deep =
        "HTTP WARNING - maximum redirection depth 1 exceeded - http://127.0.0.1:PORT/b\n";
    assert_eq!((run.code, run.text.as_str()), (Some(1), too_deep));
    expect(
        &to("/"),
        &["-H", "127.0.0.1", "-f", "follow"],
        2,
        "HTTP CRITICAL - redirection creates an infinite loop - http://127.0.0.1:PORT/",
    );
}

#[test]
fn closed_port_is_critical() {
    // Use port 1, on which nothing listens. A free port would be unsafe, because another test could
    // start to listen on it before the check runs.
    let run = support::run(PROGRAM, &["-H", "localhost", "-p", "1"]);
    let expected = "connect to address localhost and port 1: Connection refused\nHTTP CRITICAL - \
    Unable to open TCP socket\n";
    assert_eq!((run.code, run.text.as_str()), (Some(2), expected));
    let run = support::run(PROGRAM, &["-I", "/no/such/socket"]);
    let expected = "connect to file socket /no/such/socket: No such file or directory\nHTTP \
    CRITICAL - Unable to open TCP socket\n";
    assert_eq!((run.code, run.text.as_str()), (Some(2), expected));
    let run = support::run(PROGRAM, &["-H", "no-such-host.invalid", "-t", "5"]);
    assert_eq!(run.code, Some(2));
    assert!(run.text.ends_with("\nHTTP CRITICAL - Unable to open TCP socket\n"), "{}", run.text);
}

#[test]
fn connects_to_a_unix_socket() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let count = connection.read(&mut [0; 4096]).unwrap();
        connection.write_all(OK.as_bytes()).unwrap();
        count
    });
    let run = support::run(PROGRAM, &["-I", path.to_str().unwrap(), "-H", "h"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    assert!(server.join().unwrap() > 0);
}

#[test]
fn silent_server_times_out() {
    for steps in [
        vec![Step::Wait(Duration::from_secs(30))],
        vec![
            Step::Receive,
            Step::Send(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Step::Wait(Duration::from_secs(30)),
        ],
        vec![
            Step::Receive,
            Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi".to_vec()),
            Step::Wait(Duration::from_secs(30)),
        ],
    ] {
        let run =
            Server::doing(vec![steps]).run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT", "-t", "1"]);
        assert_eq!(
            (run.code, run.text.as_str()),
            (Some(2), "CRITICAL - Socket timeout after 1 seconds\n")
        );
        assert!(run.time < Duration::from_secs(2), "{:?}", run.time);
    }
}

#[test]
fn command_line_errors_are_unknown_on_stdout() {
    for (options, text) in [
        (&["--no-such-option"][..], "check_http: unrecognized option '--no-such-option'\n"),
        (&["-H"], "check_http: option requires an argument -- 'H'\n"),
        (&["-H", "h", "-p", "x"], "check_http: Invalid port number - x\n"),
        (&["-v"], "check_http: You must specify a server address or host name\n"),
    ] {
        let run = support::run(PROGRAM, options);
        assert_eq!(
            (run.code, run.text.as_str(), run.stderr.as_str()),
            (Some(3), text, ""),
            "{options:?}"
        );
    }
    let bad = std::ffi::OsString::from_vec(b"h\xff".to_vec());
    assert_eq!(support::run(PROGRAM, &[std::ffi::OsString::from("-H"), bad]).code, Some(3));
}

#[test]
fn help_and_version_exit_unknown() {
    let help = support::run(PROGRAM, &["--help"]);
    assert_eq!(help.code, Some(3));
    assert!(help.text.contains("Examples:") && help.text.lines().count() > 60);
    let version = support::run(PROGRAM, &["-V"]);
    assert_eq!(version.code, Some(3));
    assert!(version.text.starts_with("check_http v"), "{}", version.text);
}

#[test]
fn finds_latin_1_string() {
    let server = Server::answering(&[b"HTTP/1.1 200 OK\r\nX: y\r\n\r\ncaf\xe9 \xff\0"]);
    let string = std::ffi::OsString::from_vec(b"caf\xe9 \xff ".to_vec());
    let args: Vec<std::ffi::OsString> =
        vec!["-I".into(), "127.0.0.1".into(), "-p".into(), "PORT".into(), "-s".into(), string];
    assert_eq!(server.run(PROGRAM, &args).code, Some(0));
}

#[test]
fn shortens_missing_string_between_characters() {
    let complaint = |option: &str, shown: &str| {
        let what = if option == "-s" { "string" } else { "header" };
        line(
            "CRITICAL",
            &format!("HTTP/1.1 200 OK - {what} '{shown}...' not found on 'http://127.0.0.1:PORT/'"),
            OK.len(),
        )
    };
    for option in ["-s", "-d"] {
        expect(
            OK,
            &[option, "Übersicht über die Störungen"],
            2,
            &complaint(option, "Übersicht über die Stör"),
        );
        expect(
            OK,
            &[option, "Alle Systeme in der Gruppe \u{fc}ber"],
            2,
            &complaint(option, "Alle Systeme in der Gruppe"),
        );
        expect(
            OK,
            &[option, "Alle Systeme der Gruppe: \u{fc}ber"],
            2,
            &complaint(option, "Alle Systeme der Gruppe: "),
        );
        expect(OK, &[option, &"\u{20ac}".repeat(10)], 2, &complaint(option, &"\u{20ac}".repeat(8)));
    }
}

#[test]
fn prints_details_below_the_result() {
    let (run, _) = check(&[OK], &["-v", "-a", "user:secret"]);
    let lines: Vec<&str> = run.text.lines().collect();
    assert!(
        lines[0].starts_with("HTTP OK: HTTP/1.1 200 OK") && lines[0].contains("|time="),
        "{}",
        run.text
    );
    for expected in [
        "GET / HTTP/1.0",
        "STATUS: HTTP/1.1 200 OK",
        "**** HEADER ****",
        "Server: x",
        "**** CONTENT ****",
        "hi",
    ] {
        assert!(lines.contains(&expected), "{expected}: {}", run.text);
    }
    assert!(!run.text.contains("dXNlcjpzZWNyZXQ"), "the password is visible: {}", run.text);
}

#[test]
fn accepts_complete_response_on_open_connection() {
    for answer in [
        OK,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 304 NM\r\nX: y\r\n\r\n",
    ] {
        let steps =
            vec![Step::Receive, Step::Send(answer.into()), Step::Wait(Duration::from_secs(30))];
        let run = Server::doing(vec![steps]).run(PROGRAM, &["-I", "127.0.0.1", "-p", "PORT"]);
        assert!(run.code == Some(0) && run.time < Duration::from_secs(3), "{}", run.text);
    }
}

#[test]
fn ignores_the_locale() {
    let server = Server::answering(&[OK]);
    let port = server.port.to_string();
    let mut command = std::process::Command::new(PROGRAM);
    command
        .args(["-I", "127.0.0.1", "-p", &port, "-w", "9.5"])
        .env("LC_ALL", "de_DE.UTF-8")
        .env("LC_NUMERIC", "de_DE.UTF-8");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.code() == Some(0) && !text.contains(',') && text.contains(";9.500000;"),
        "{text}"
    );
}

#[test]
fn quotes_proxy_that_refuses_connect() {
    let server = Server::answering(&["HTTP/1.1 403 Forbidden\r\n\r\n"]);
    let run = server.run(
        PROGRAM,
        &["-I", "127.0.0.1", "-p", "PORT", "-H", "h", "-S", "-j", "CONNECT", "-b", "u:p"],
    );
    let expected = "CRITICAL - Cannot make SSL connection.\nthe proxy refused CONNECT: HTTP/1.1 \
    403 Forbidden\n";
    assert_eq!((run.code, run.text.as_str()), (Some(2), expected));
    assert!(
        server.requests()[0].starts_with("CONNECT h:443 HTTP/1.1\r\n"),
        "{:?}",
        server.requests()
    );
}

#[test]
fn reads_options_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plugins.ini");
    std::fs::write(&file, "[check_http]\nurl = /from-the-file\nstring=nope\n").unwrap();
    let (run, requests) = check(&[OK], &[&format!("--extra-opts=@{}", file.display()), "-s", "hi"]);
    assert_eq!(run.code, Some(0), "{}", run.text);
    assert!(requests[0].starts_with("GET /from-the-file HTTP/1.0"), "{requests:?}");
}
