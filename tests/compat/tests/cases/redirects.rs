//! Cases for redirects.

use super::{Case, PAGE, case, line, quirk, with};

pub fn redirects() -> Vec<Case> {
    let to = |location: &str| format!("HTTP/1.1 302 Moved\r\nLocation: {location}\r\nX: y\r\n\r\n");
    let follow = |location: &str, words: &str| {
        let first = to(location);
        Case {
            args: line(words),
            answers: vec![first.into_bytes(), PAGE.as_bytes().to_vec()],
            quirk: None,
        }
    };
    let mut cases = Vec::new();
    for how in ["follow", "sticky", "stickyport"] {
        for location in [
            "/a",
            "a",
            "http://127.0.0.1:PORT/x",
            "http://localhost:PORT/x",
            "//127.0.0.1/x",
            "",
            "  /z  ",
            "http://localhost:PORT",
            "/a/../b",
            "/",
            "http://LOCALHOST:PORT/x",
            "http://localhost.:PORT/x",
            "x?y=z",
            "/%20%zz",
            "HTTP://localhost:PORT/x",
            "/;jsessionid=1?a&b",
            "'/q'",
            "/a:b",
            "http://no-such-host.invalid/x",
            "http://localhost:1/x",
        ] {
            for before in ["", "-H localhost", "-H 127.0.0.1", "-H localhost:PORT", "-u /dir/page"]
            {
                cases.push(follow(location, &format!("{before} -f {how}")));
            }
        }
        let quirks = [
            ("fragments-are-not-sent", "/f#part"),
            ("dot-segments", "../c"),
            ("query-in-relative-redirects", "?x=y"),
            ("ipv6-in-location", "http://[::1]:PORT/"),
            ("other-schemes", "ftp://x/"),
            ("blanks-in-location", "/sp ace"),
            ("user-in-location", "http://user:pw@localhost:PORT/"),
            ("query-without-path", "http://localhost:PORT?q"),
            ("dot-segments", "./x"),
            ("other-schemes", "mailto:x@y"),
            ("other-schemes", "http:/x"),
            ("blanks-in-location", "/a\tb"),
            ("blanks-in-location", "/caf\u{e9}"),
            ("blanks-in-location", "\"/q\""),
            ("double-slash-in-location", "http://localhost:PORT//a//b"),
            ("double-slash-in-location", "//localhost:PORT/x"),
            ("location-without-host", "http://"),
            ("location-without-host", "http://:PORT/"),
            ("invalid-port", "http://localhost:PORT:1/"),
        ];
        for (name, location) in quirks {
            let before = if name == "query-in-relative-redirects" {
                "-u /dir/page?q=a/b"
            } else {
                "-H localhost"
            };
            cases.extend(quirk(name, vec![follow(location, &format!("{before} -f {how}"))]));
        }
    }
    let empty = b"HTTP/1.1 302 Moved\r\nX: y\r\nLocation: \r\n\r\n";
    cases.extend(quirk("empty-locations", with(empty, &["-f follow"])));
    cases.extend(quirk("path-without-slash", vec![follow("a", "-u x/y -f follow")]));
    cases.extend(quirk(
        "redirect-loops",
        vec![follow("http://localhost:PORT/", "alone -H localhost:9 -p PORT -f follow")],
    ));
    for (location, how) in
        [("http://under_score:PORT/x", "sticky"), ("http://localhost:/x", "stickyport")]
    {
        cases.extend(quirk("host-names-in-location", vec![follow(location, &format!("-f {how}"))]));
    }
    cases.extend(quirk(
        "stickyport-in-messages",
        vec![follow("http://localhost:1/", "-f stickyport --max-redirs 0")],
    ));
    cases.extend(quirk(
        "port-above-65535",
        vec![follow("http://127.0.0.1:99999/", "-f stickyport")],
    ));
    cases.push(follow("http://127.0.0.1:99999/", "-f follow"));
    for words in [
        "-f follow -e 302",
        "-f follow -P x=1 -H localhost",
        "-f follow -a u:p -k Q:_z -H localhost",
        "-f follow -s nope -E",
        "-f follow -N",
        "-f follow -j HEAD",
        "-f follow --max-redirs 1",
        "-f sticky --max-redirs 0",
        "-f follow --max-redirs ''",
        "-f follow -L -E -s nope",
        "-f follow -B -s nope",
        "-f follow -w 0 -c 0",
        "-f follow -m 5:10",
        "-f ok -f follow",
        "-f follow -f warning",
        "-f follow -M 1d",
        "-f follow --invert-regex -r hi",
        "-f follow -A x -k Host:_q",
        "-f follow -e 200",
    ] {
        cases.push(follow("/a", words));
    }
    for code in [300, 303, 304, 305, 307, 308, 399] {
        let first = format!("HTTP/1.1 {code} X\r\nLocation: /z\r\nX: y\r\n\r\n");
        let answers = [first.as_bytes(), PAGE.as_bytes()];
        cases.push(case(
            &["-f", "follow", "-H", "localhost", "-P", "a=b", "-k", "Q: 1", "-j", "PUT"],
            &answers,
        ));
    }
    for broken in ["5\r\nhel", "zz\r\n", "", "5\r\nhello\r\n"] {
        let first = format!(
            "HTTP/1.1 302 Moved\r\nLocation: /z\r\nTransfer-Encoding: chunked\r\n\r\n{broken}"
        );
        let answers = [first.as_bytes(), PAGE.as_bytes()];
        cases.push(case(&["-f", "follow"], &answers));
        cases.push(case(&["-f", "sticky", "-H", "localhost", "-e", "302"], &answers));
        cases.push(case(&["-f", "warning"], &answers));
    }
    // Each of these locations is relative to the current folder, so following it leads to the same
    // redirect forever.
    for location in ["a", "x?y=z", "a/b:c", "*", "-"] {
        cases.extend(with(
            to(location).as_bytes(),
            &["-f follow", "-f stickyport -H 127.0.0.1 --max-redirs 2"],
        ));
    }
    cases.extend(with(to("a").as_bytes(), &["-f sticky -u /dir/page"]));
    let cycle: Vec<Vec<u8>> =
        (0..40).map(|count| to(if count % 2 == 0 { "/a" } else { "/b" }).into_bytes()).collect();
    for words in ["-f follow", "-f sticky --max-redirs 2", "-f stickyport --max-redirs 20"] {
        cases.push(Case { args: line(words), answers: cycle.clone(), quirk: None });
    }
    cases.extend(with(
        to("/").as_bytes(),
        &["-f follow", "-f follow -H 127.0.0.1", "-f sticky -H localhost"],
    ));
    cases.extend(with(b"HTTP/1.1 302 Moved\r\nX: y\r\n\r\n", &["-f follow", "-f sticky"]));
    cases.extend(with(b"HTTP/1.1 304 NM\r\nX: y\r\n\r\n", &["-f follow"]));
    cases.push(case(
        &["-f", "follow", "-H", "localhost"],
        &[b"HTTP/1.1 302 Moved\r\nlocation:\r\n /a\r\n\r\n", PAGE.as_bytes()],
    ));
    cases.push(case(
        &["-f", "follow", "-H", "localhost"],
        &[b"HTTP/1.1 302 Moved\r\nLOCATION: /a\r\nLocation: /b\r\n\r\n", PAGE.as_bytes()],
    ));
    cases
}
