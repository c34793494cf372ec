//! Cases for complete and broken responses.

use super::{Case, PAGE, case, quirk, with};

pub fn status_lines() -> Vec<Case> {
    let plain: &[&[u8]] = &[
        b"HTTP/1.1 200\r\n\r\nx",
        b"HTTP/1.1 200 \r\nA: b\r\n\r\nx",
        b"ICY 200 OK\r\n\r\nx",
        b"<html>hi</html>\n",
        b"<html>\nhi\n\nmore",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nA: b",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        b"HTTP/1.1 304 NM\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"",
        b"\n",
        b"HTTP/1.1 200 OK\r\r\nA: b\r\n\r\n",
        b"  HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK   \r\n\r\n",
        b"HTTP/1.1 -20 OK\r\n\r\n",
        b"HTTP/1.1 600 X\r\n\r\n",
        b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1 200-OK\r\n\r\n",
        b"HTTP/1.1 20x OK\r\n\r\n",
        b"\0\0HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/0.9 200 OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 a\0b\r\n\r\n",
        b"HTTP/1.1 100 X\r\nA: b\r\n\r\nx",
        b"HTTP/1.1 101 Switching\r\n\r\nrest",
    ];
    let mut cases: Vec<Case> = plain.iter().map(|answer| case(&[], &[answer])).collect();
    for code in (100..600).step_by(37) {
        let answer = format!("HTTP/1.1 {code} X\r\nA: b\r\n\r\n");
        cases.push(case(&[], &[answer.as_bytes()]));
        cases.push(case(&["-e", &format!("HTTP/1.1 {code}")], &[answer.as_bytes()]));
    }
    for state in ["ok", "warning", "critical", "unknown"] {
        cases.extend(with(
            b"HTTP/1.1 302 F\r\nLocation: /x\r\n\r\n",
            &[&format!("-f {state}"), &format!("-f {state} -s x")],
        ));
        cases.extend(with(b"HTTP/1.1 304 F\r\nA: b\r\n\r\n", &[&format!("-f {state}")]));
    }
    cases.extend(with(
        PAGE.as_bytes(),
        &[
            "-e 200,foo",
            "-e ''",
            "-e ,",
            "-e ,x,200",
            "-e 1.1",
            "-e 20",
            "-e OK",
            "-e nope",
            "-e 200_OK",
        ],
    ));
    cases.extend(with(b"ICY 200 OK\r\nA: b\r\n\r\nx", &["-e ICY", "-e ICY -s x"]));
    cases.extend(quirk(
        "status-line-without-code",
        vec![case(&[], &[b"HTTP/1.1\r\n\r\n"]), case(&[], &[b"HTTP/1.1 \r\n\r\n"])],
    ));
    let truncated = b"HTTP/1.1 200 OK\r\nDate: Thu, 03 Nov 1994 01:56:39 GMT\r\nLast-Modified: x ";
    cases.extend(quirk("truncated-head", with(truncated, &["-M 1d"])));
    cases.extend(quirk(
        "interim-responses",
        vec![
            case(&[], &[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Bad\r\n\r\n"]),
            case(&[], &[b"HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 500 Bad\r\n\r\n"]),
        ],
    ));
    cases.extend(quirk(
        "cleaned-output",
        vec![
            case(&[], &[b"HTTP/1.1 200 a|b\x1b[3m\r\n\r\n"]),
            case(&[], &[b"HTTP/1.1 200\tOK\r\n\r\n"]),
            case(&[], &[b"HTTP/1.1 200 caf\xe9\r\n\r\n"]),
            case(&["-B"], &[b"HTTP/1.1 200 OK\r\nA: b\r\n\r\na|b\r\nc"]),
            case(&["-s", "cut through the letter a \u{fc}\u{fc}\u{fc}"], &[PAGE.as_bytes()]),
        ],
    ));
    cases.extend(quirk("final-newline", vec![case(&["-e", "x", "-B"], &[PAGE.as_bytes()])]));
    cases.extend(quirk("closed-link", vec![case(&["-L", "-e", "x"], &[PAGE.as_bytes()])]));
    cases
}

pub fn heads_and_bodies() -> Vec<Case> {
    let mut cases =
        with(b"HTTP/1.1 200 OK\nA: b\n\nbody", &["-s body", "-d A:_b", "-d b -s body -B"]);
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b\n\nB: c\r\n\r\nbody", &["-s B:_c"]));
    cases.extend(with(
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbo\0dy",
        &["-s bo_dy", "-r bo.dy", "-s bo_dy -s x"],
    ));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiextra", &["-s extra", "-B"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b", &["-d A:_b", "-s A:_b"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b\r\nB: c\r\n", &["-d B:_c", "-d 200", "-s B"]));
    cases.extend(with(
        b"HTTP/1.1 200 OK\r\nA: b\r\nB: c\r\n\r\nbody",
        &[
            "-B",
            "-B -s x -E",
            "-L -s x -H h",
            "-N",
            "-N -s body",
            "-j HEAD",
            "-d a:_b",
            "-H h -B -N",
        ],
    ));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", &["-j HEAD"]));
    cases.extend(with(b"HTTP/1.1 600 OK\r\nA: b\r\n\r\nbody", &["-B"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", &["-s hi"]));
    cases.extend(with(
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nhi",
        &["-s hi"],
    ));
    for head in
        ["A: b\r\n c", " A: b", "A b", "A:b\r\n: c", "A: b\r\n\tc\r\nD: e", "A: \r\n\r\n\r\n"]
    {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nbody");
        cases.extend(with(
            answer.as_bytes(),
            &["-s body", "-d A", "-d c", "-B -E", "-f follow -N", "-e 200 -m 1:10"],
        ));
    }
    cases.extend(with(
        b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n\r\n\n\rbody\r\n",
        &["-B", "-l -r ^body", "-s body", "-m 5:10"],
    ));
    let newlines = b"HTTP/1.1 200 OK\nA: b\n\nbody";
    cases.extend(quirk("no-body", with(newlines, &["-N -s body", "-N -B"])));
    let bare = b"HTTP/1.1 200 OK\rA: b\r\rbody";
    cases.extend(quirk("bare-carriage-returns", with(bare, &["", "-s body", "-d A"])));
    cases.extend(quirk(
        "head-without-headers",
        with(b"HTTP/1.1 200 OK\r\n\r\nfoo\r\n\r\nbody", &["-s foo", "-d foo"]),
    ));
    cases.extend(quirk(
        "incomplete-body",
        with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", &["", "-s short"]),
    ));
    cases.extend(quirk(
        "incomplete-body",
        with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n", &[""]),
    ));
    cases
}

pub fn chunks() -> Vec<Case> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunked = |body: &str| {
        let answer = format!("{head}{body}");
        with(answer.as_bytes(), &["", "-s hello", "-s hello -B -m 500"])
    };
    let mut cases = Vec::new();
    for body in [
        "5\r\nhello\r\n0\r\n\r\n",
        "5;x=y\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "5\r\nhello\r\n",
        "5\r\nhel",
        "zz\r\nhello\r\n0\r\n\r\n",
        "hello",
        "",
        "0\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\ntrailing",
        "5\r\nhello\r\n0",
        "5\r\nhello\r\n\r",
        "5\r\nhello\r\n0\r\n",
        "ffffffffff\r\nhello",
        "0005\r\nhello\r\n00\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "\r\n5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "5\r\n\nhell\r\n0\r\n\r\n",
        "A;\r\nhelloworld\r\n0;x\r\n\r\n",
        "5\r\nhello\r\n0\r\nA: b\r\nC: d\r\n\r\n",
        "5\r\nhello\r\n0\r\n\r\nHTTP/1.1 500 X\r\n\r\n",
        "5;a=\"b\r\nc\"\r\nhello\r\n0\r\n\r\n",
    ] {
        cases.extend(chunked(body));
    }
    for coding in [
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding:chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        let answer =
            format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
        cases.extend(with(answer.as_bytes(), &["-s hello_world", "-s hello"]));
    }
    cases.extend(with(format!("{head}5\r\nhello\r\n").as_bytes(), &["-N", "-N -B"]));
    // The status line counts even if the body is invalid.
    for status in [
        "HTTP/1.1 500 X",
        "HTTP/1.1 404 X",
        "HTTP/1.1 099 X",
        "HTTP/1.1 20 X",
        "HTTP/2 200",
        "ICY 200 OK",
    ] {
        let answer = format!("{status}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
        cases.extend(with(answer.as_bytes(), &["", "-e 200", "-e 500"]));
    }
    // The head is truncated. It announces a chunked body, but no chunk arrives.
    for cut in ["", "\r\n", "\r\nA: b", "\r\nA: b\r\n", "\r\n\r"] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked{cut}");
        cases.extend(with(answer.as_bytes(), &["", "-N", "-e 200"]));
    }
    cases.extend(quirk(
        "chunk-lines-with-bare-newline",
        with(format!("{head}5\nhello\n0\n\n").as_bytes(), &["", "-s hello"]),
    ));
    cases.extend(quirk(
        "blank-after-chunk-size",
        with(format!("{head}5 \r\nhello\r\n0\r\n\r\n").as_bytes(), &["-s hello"]),
    ));
    cases.extend(quirk(
        "chunk-longer-than-announced",
        with(format!("{head}5\r\nhelloXX0\r\n\r\n").as_bytes(), &[""]),
    ));
    for size in ["0x5", "+5"] {
        cases.extend(quirk(
            "chunk-size-with-prefix",
            with(format!("{head}{size}\r\nhello\r\n0\r\n\r\n").as_bytes(), &["-s hello"]),
        ));
    }
    for size in ["7fffffff", "80000000"] {
        cases.extend(quirk(
            "chunk-larger-than-memory",
            with(format!("{head}{size}\r\nhello").as_bytes(), &["-s hello", "-e 200"]),
        ));
    }
    cases.extend(quirk(
        "responses-without-body",
        with(format!("{head}5\r\nhel").as_bytes(), &["-j HEAD"]),
    ));
    for status in ["101 X", "204 X", "304 X"] {
        let answer = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
        cases.extend(quirk("responses-without-body", with(answer.as_bytes(), &[""])));
    }
    cases.extend(quirk(
        "final-newline",
        with(format!("{head}2\r\nhi\r\n0\r\n\r\n").as_bytes(), &["-e x -B"]),
    ));
    let other = |coding: &str| {
        format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    };
    for coding in [
        "Transfer-Encoding: gzip, chunked",
        "X-Transfer-Encoding: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding:\tchunked",
    ] {
        cases.extend(quirk(
            "detection-of-chunks",
            with(other(coding).as_bytes(), &["-s hello_world"]),
        ));
    }
    cases
}
