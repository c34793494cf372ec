//! Cases for checking a response: strings, sizes, ages, thresholds and timeouts.

use super::{Case, PAGE, quirk, with};

pub fn page_checks() -> Vec<Case> {
    let mut cases = with(
        PAGE.as_bytes(),
        &[
            "-s nope",
            "-s hi",
            "-s ''",
            "-d ''",
            "-d Server:_x",
            "-d nope",
            "-s nope -d nope -H h -u /p",
            "-H h:99 -s zz",
            "-u x:y -s zz",
            "-m 5",
            "-m 5000",
            "-m 5:10",
            "-m 1:5000",
            "-m 100:5000",
            "-m 0",
            "-m 10:20",
            "-m 0:10",
            "-m +5",
            "-m _10",
            "-m 10:20 -m 5000",
            "-m 10:5000 -m 5",
            "-m 5000 -s a -r b -d c -w 0 -c 0.0000001",
            "-E",
            "-E -t 3",
            "-f follow -d zz",
            "-B -s hi",
        ],
    );
    for length in 24..34 {
        cases.extend(with(
            PAGE.as_bytes(),
            &[&format!("-s {}", "x".repeat(length)), &format!("-d {}", "y".repeat(length))],
        ));
    }
    cases.extend(quirk(
        "invalid-page-size",
        with(
            PAGE.as_bytes(),
            &["-m :", "-m 1:", "-m :60", "-m @1:60", "-m abc", "-m -5", "-m 5:-1", "-m 10:20:30"],
        ),
    ));
    cases
}

pub fn ages() -> Vec<Case> {
    let mut cases = Vec::new();
    for modified in [
        "Sun, 06 Nov 1994 08:48:37 GMT",
        "Sun, 06 Nov 1994 07:49:37 GMT",
        "Fri, 04 Nov 1994 08:49:36 GMT",
        "Fri, 04 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:50:07 GMT",
        "Sun, 06 Nov 1994 08:50:08 GMT",
        "xx",
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: \
            {modified}\r\n\r\nx"
        );
        cases.extend(with(
            answer.as_bytes(),
            &["-M 1", "-M 1m", "-M 2h", "-M 3d", "-M 60", "-M 60s"],
        ));
    }
    cases
        .extend(with(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", &["-M 5"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", &["-M 5"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nDate: xx\r\nLast-Modified: yy\r\n\r\n", &["-M 5"]));
    let other_form = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: \
    Sun Nov  6 08:49:37 1994\r\n\r\n";
    cases.extend(quirk("date-formats", with(other_form, &["-M 60"])));
    let dated = |line: &str, words: &[&str]| {
        let answer =
            format!("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n{line}\r\n\r\nx");
        with(answer.as_bytes(), words)
    };
    let good = "Sun, 06 Nov 1994 08:49:37 GMT";
    for line in [
        "Last-Modified:",
        "last-modified: sun, 06 nov 1994 08:49:37 gmt",
        "X-Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
        "Last-Modified: Sun, 06 Nov 1994 08:49:37 +0100",
        &format!("Last-Modified: {good}\r\nLast-Modified: xx"),
        &format!("Last-Modified: xx\r\nLast-Modified: {good}"),
    ] {
        cases.extend(dated(line, &["-M 60", "-M 10d -s zz -m 1:2", "-M 1 -e 200"]));
    }
    cases.extend(quirk(
        "date-formats",
        dated("Last-Modified: Sun, 6 Nov 1994 08:49:37 GMT", &["-M 60"]),
    ));
    cases.extend(quirk(
        "date-formats",
        dated("Last-Modified: Sun, 06 Nov 1994 24:49:37 GMT", &["-M 60"]),
    ));
    cases.extend(quirk(
        "date-formats",
        dated("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT+1", &["-M 60"]),
    ));
    cases.extend(quirk("empty-dates", dated("Last-Modified:\r\nX: y", &["-M 60"])));
    cases.extend(quirk(
        "empty-dates",
        with(b"HTTP/1.1 200 OK\r\nDate:\r\nX: y\r\n\r\nx", &["-M 60"]),
    ));
    cases
        .extend(quirk("blank-before-colon", dated(&format!("Last-Modified : {good}"), &["-M 60"])));
    cases.extend(quirk(
        "invalid-max-age",
        with(PAGE.as_bytes(), &["-M x", "-M 1.5h", "-M m", "-M -5", "-M 1w", "-M 5_m", "-M ''"]),
    ));
    cases
}

pub fn limits() -> Vec<Case> {
    let mut cases = Vec::new();
    for range in
        ["0", "10", "5:", "~:0", "@0:5", "@10:20", "''", "0:0", "1e1", "10:", "0.0000001", "~:"]
    {
        cases.extend(with(PAGE.as_bytes(), &[&format!("-w {range}"), &format!("-c {range}")]));
    }
    cases.extend(with(
        PAGE.as_bytes(),
        &[
            "-c 20 -t 5",
            "-c @5:30 -t 5",
            "-c 10: -t 5",
            "-c 0.5 -t 5",
            "-t 0",
            "-wt 5 -ct 10 -to 7",
            "-w 5 -c 10 -E",
            "-t ''",
            "-t _5",
            "-t 5_",
            "-t +5",
            "-t 00005",
            "-t 99999999999",
            "-w _5",
            "-c _5_ -t 3",
            "-w 5: -c _7:8",
            "-w 5 -w 6",
            "-c 5 -c 6 -t 3",
            "-c 100 -t 0",
            "-w ~:-1",
            "-w -5:5",
            "-w .5",
            "-w 5.",
            "-w @~:5",
            "-w @5",
        ],
    ));
    cases.extend(quirk(
        "invalid-thresholds",
        with(
            PAGE.as_bytes(),
            &[
                "-w abc", "-w 500ms", "-c 1,5", "-w 0x10", "-w inf", "-w 5;", "-w 1:0", "-w nan",
                "-w 1:5:7", "-w 5:_", "-w ~", "-w -5", "-w 5,6",
            ],
        ),
    ));
    cases
}
