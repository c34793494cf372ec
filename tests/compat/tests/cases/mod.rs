//! The command lines and the answers they meet. A case that is meant to differ names its quirk, as in `tests/quirks.md`.

/// One command line (behind `-I 127.0.0.1 -p PORT`, unless it begins with `alone`) and the answers it meets.
pub struct Case {
    /// The words.
    pub args: Vec<String>,
    /// What each connection is answered.
    pub answers: Vec<Vec<u8>>,
    /// The name of the difference it is there to show.
    pub quirk: Option<&'static str>,
}

/// A small page.
const PAGE: &str = "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\nhi";
const LINES: &str = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nhi\nHI\na b\n\ncHi_x";

fn case(args: &[&str], answers: &[&[u8]]) -> Case {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    Case { args, answers: answers.iter().map(|answer| answer.to_vec()).collect(), quirk: None }
}

/// Words are separated by blanks; `_` stands for a blank inside one, `''` for an empty word.
fn line(words: &str) -> Vec<String> {
    words
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| if word == "''" { String::new() } else { word.replace('_', " ") })
        .collect()
}

fn with(answer: &[u8], lines: &[&str]) -> Vec<Case> {
    let one = |words: &&str| Case { args: line(words), answers: vec![answer.to_vec()], quirk: None };
    lines.iter().map(one).collect()
}

fn quirk(name: &'static str, mut cases: Vec<Case>) -> Vec<Case> {
    cases.iter_mut().for_each(|case| case.quirk = Some(name));
    cases
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for part in [
        requests(),
        status_lines(),
        heads_and_bodies(),
        chunks(),
        page_checks(),
        patterns(),
        ages(),
        redirects(),
        limits(),
        usage(),
        places(),
    ] {
        cases.extend(part);
    }
    cases
}

fn requests() -> Vec<Case> {
    let mut cases = with(
        PAGE.as_bytes(),
        &[
            "",
            "-H h.example",
            "-H h.example:PORT",
            "-H h.example:81",
            "-H h.example -u foo_bar",
            "-H [::1]",
            "-k X-A:_1 -k nocolon",
            "-H h -k Host:_z -k A:_b",
            "-H h -k Host:_z -k Host:_y",
            "-k Host:_z",
            "-H h -k host:_z",
            "-A ua",
            "-A ''",
            "-P a=b",
            "-P a=b -T t/x",
            "-P ''",
            "-P 1 -P 2",
            "-j HEAD",
            "-j PUT -P x",
            "-j POST",
            "-T x/y",
            "-a u:p",
            "-b x:y",
            "-a u:p -b x:y -k Q:_1 -H h -P z",
            "-u ''",
            "-j ''",
            "-j foo",
            "-H h -u http://other/x",
            "-H h extra -k A:_b",
            "extra words here",
            "--url=/a --url=/b",
            "-u/x -Hh",
            "-vvV",
            "--hostname=h --onred ok",
            "-n -L",
            "-H h -k User-Agent:_x",
            "-H h -k Connection:_keep-alive",
            "-H h -a ''",
            "-H UPPER.example",
        ],
    );
    cases.extend(quirk("ipv6-host-header", with(PAGE.as_bytes(), &["-H ::1", "-H [::1]:99"])));
    cases.extend(quirk("port-that-is-none", with(PAGE.as_bytes(), &["-H h:abc"])));
    cases.extend(quirk("details-below-the-result", with(PAGE.as_bytes(), &["-v", "-v -v -H h"])));
    cases
}

fn status_lines() -> Vec<Case> {
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
        cases.extend(with(b"HTTP/1.1 302 F\r\nLocation: /x\r\n\r\n", &[&format!("-f {state}"), &format!("-f {state} -s x")]));
        cases.extend(with(b"HTTP/1.1 304 F\r\nA: b\r\n\r\n", &[&format!("-f {state}")]));
    }
    cases.extend(with(
        PAGE.as_bytes(),
        &["-e 200,foo", "-e ''", "-e ,", "-e ,x,200", "-e 1.1", "-e 20", "-e OK", "-e nope", "-e 200_OK"],
    ));
    cases.extend(with(b"ICY 200 OK\r\nA: b\r\n\r\nx", &["-e ICY", "-e ICY -s x"]));
    cases.extend(quirk("status-line-without-code", vec![case(&[], &[b"HTTP/1.1\r\n\r\n"]), case(&[], &[b"HTTP/1.1 \r\n\r\n"])]));
    cases.extend(quirk("interim-answers", vec![case(&[], &[b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Bad\r\n\r\n"])]));
    cases.extend(quirk(
        "cleaned-text",
        vec![
            case(&[], &[b"HTTP/1.1 200 a|b\x1b[3m\r\n\r\n"]),
            case(&[], &[b"HTTP/1.1 200\tOK\r\n\r\n"]),
            case(&[], &[b"HTTP/1.1 200 caf\xe9\r\n\r\n"]),
            case(&["-B"], &[b"HTTP/1.1 200 OK\r\nA: b\r\n\r\na|b\r\nc"]),
        ],
    ));
    cases.extend(quirk("last-line-ends", vec![case(&["-e", "x", "-B"], &[PAGE.as_bytes()])]));
    cases.extend(quirk("link-is-closed", vec![case(&["-L", "-e", "x"], &[PAGE.as_bytes()])]));
    cases
}

fn heads_and_bodies() -> Vec<Case> {
    let mut cases = with(b"HTTP/1.1 200 OK\nA: b\n\nbody", &["-s body", "-d A:_b", "-d b -s body -B"]);
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b\n\nB: c\r\n\r\nbody", &["-s B:_c"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbo\0dy", &["-s bo_dy", "-r bo.dy", "-s bo_dy -s x"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiextra", &["-s extra", "-B"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b", &["-d A:_b", "-s A:_b"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nA: b\r\nB: c\r\n", &["-d B:_c", "-d 200", "-s B"]));
    cases.extend(with(
        b"HTTP/1.1 200 OK\r\nA: b\r\nB: c\r\n\r\nbody",
        &["-B", "-B -s x -E", "-L -s x -H h", "-N", "-N -s body", "-j HEAD", "-d a:_b", "-H h -B -N"],
    ));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n", &["-j HEAD"]));
    cases.extend(with(b"HTTP/1.1 600 OK\r\nA: b\r\n\r\nbody", &["-B"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nhi", &["-s hi"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nhi", &["-s hi"]));
    cases.extend(quirk("head-without-headers", with(b"HTTP/1.1 200 OK\r\n\r\nfoo\r\n\r\nbody", &["-s foo", "-d foo"])));
    cases.extend(quirk("incomplete-body", with(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", &["", "-s short"])));
    cases
}

fn chunks() -> Vec<Case> {
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
        "5\r\nhello\r\n0\r\n",
        "ffffffffff\r\nhello",
        "0005\r\nhello\r\n00\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    ] {
        cases.extend(chunked(body));
    }
    for coding in [
        "transfer-encoding: CHUNKED",
        "Transfer-Encoding:chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
        cases.extend(with(answer.as_bytes(), &["-s hello_world", "-s hello"]));
    }
    cases.extend(with(format!("{head}5\r\nhello\r\n").as_bytes(), &["-N", "-N -B"]));
    cases.extend(quirk("chunks-by-newline", with(format!("{head}5\nhello\n0\n\n").as_bytes(), &["", "-s hello"])));
    cases.extend(quirk("chunk-size-and-blank", with(format!("{head}5 \r\nhello\r\n0\r\n\r\n").as_bytes(), &["-s hello"])));
    cases.extend(quirk("chunk-longer-than-said", with(format!("{head}5\r\nhelloXX0\r\n\r\n").as_bytes(), &[""])));
    let other = |coding: &str| format!("HTTP/1.1 200 OK\r\n{coding}\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    for coding in ["Transfer-Encoding: gzip, chunked", "X-Transfer-Encoding: chunked", "Transfer-Encoding:\r\n chunked"] {
        cases.extend(quirk("what-is-chunked", with(other(coding).as_bytes(), &["-s hello_world"])));
    }
    cases
}

fn page_checks() -> Vec<Case> {
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
        cases.extend(with(PAGE.as_bytes(), &[&format!("-s {}", "x".repeat(length)), &format!("-d {}", "y".repeat(length))]));
    }
    cases.extend(quirk("page-size-typos", with(PAGE.as_bytes(), &["-m :", "-m 1:", "-m :60", "-m abc"])));
    cases
}

fn patterns() -> Vec<Case> {
    let mut cases = Vec::new();
    for pattern in [
        "hi",
        "h.",
        "^hi$",
        "^h",
        "i$",
        "[[:alpha:]]+",
        "H",
        "zz",
        "a|h",
        "(h)(i)",
        "h{1}i",
        "hii?",
        "\\bhi\\b",
        "\\<hi",
        "hi\\>",
        "\\w+",
        "\\W",
        "()",
        "''",
        "h*",
        "\\.",
        ")",
        "a{,3}",
        "x**",
        "^*",
        "a\\|h",
        "[]h]",
        "[^h]",
        "[a-h]i",
        "$",
        "^",
        "h$",
        "\\`hi",
        "hi\\'",
        "hi\\B",
        "+",
        "a||b",
        "(|h)",
        "h{0}",
        ".{2}",
        ".{3}",
        "\\(h\\)",
        "[h",
        "[[:foo:]]",
        "a{2,1}",
        "{",
        "a{",
        "\\",
        "a\\{",
        "[z-a]",
        "(",
        "(a",
        "a)",
        "[a",
        "[[.h.]]i",
        "[[=h=]]i",
        "[\\h]",
        "h+?",
        "h??",
        "h{2}{3}",
        "^^hi",
        "hi$$",
        "(^h)i",
        "h(i$)",
        "|",
        "a|",
        "(a|)",
        "[^\\n]",
        "\\n",
        "\\d",
        "h{1",
        "h{1,",
        "h{,}",
        "h{x",
        "{1}",
        "(*h)",
        "(+)",
        "|*",
        "^+h",
        "^?h",
        "^{2}h",
        "a{1}{",
        "[a-",
        "[a-]",
        "[--z]",
        "[a-c-e]",
        "[]",
        "[^]",
        "[[:alpha:]-z]",
        "[[:upper:]]",
        "[^[:space:]]+$",
        "\\s",
        "\\S\\s\\S",
    ] {
        for answer in [PAGE, LINES] {
            cases.extend(with(
                answer.as_bytes(),
                &[
                    &format!("-r {pattern}"),
                    &format!("-R {pattern}"),
                    &format!("-l -r {pattern}"),
                    &format!("--invert-regex -r {pattern}"),
                ],
            ));
        }
    }
    cases.extend(with(
        LINES.as_bytes(),
        &["-R X -r hI", "-r hI -R X", "-r h.h -l -r i.H", "-r i.H -l", "--regex hi --ereg HI --eregi zz", "-l -R i.a"],
    ));
    cases.extend(quirk("back-references", with(PAGE.as_bytes(), &["-r (h)\\1"])));
    cases.extend(quirk("escaped-letter-without-case", with(PAGE.as_bytes(), &["-R h\\i"])));
    cases
}

fn ages() -> Vec<Case> {
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
        let answer = format!("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: {modified}\r\n\r\nx");
        cases.extend(with(answer.as_bytes(), &["-M 1", "-M 1m", "-M 2h", "-M 3d", "-M 60", "-M 60s"]));
    }
    cases.extend(with(b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", &["-M 5"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n", &["-M 5"]));
    cases.extend(with(b"HTTP/1.1 200 OK\r\nDate: xx\r\nLast-Modified: yy\r\n\r\n", &["-M 5"]));
    let other_form = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: Sun Nov  6 08:49:37 1994\r\n\r\n";
    cases.extend(quirk("all-forms-of-dates", with(other_form, &["-M 60"])));
    cases.extend(quirk("max-age-typos", with(PAGE.as_bytes(), &["-M x", "-M 1.5h", "-M m"])));
    cases
}

fn redirects() -> Vec<Case> {
    let to = |location: &str| format!("HTTP/1.1 302 Moved\r\nLocation: {location}\r\nX: y\r\n\r\n");
    let follow = |location: &str, words: &str| {
        let first = to(location);
        Case { args: line(words), answers: vec![first.into_bytes(), PAGE.as_bytes().to_vec()], quirk: None }
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
        ] {
            for before in ["", "-H localhost", "-H 127.0.0.1", "-H localhost:PORT", "-u /dir/page"] {
                cases.push(follow(location, &format!("{before} -f {how}")));
            }
        }
        let quirks = [
            ("fragments-stay-here", "/f#part"),
            ("dot-segments", "../c"),
            ("relative-to-a-query", "?x=y"),
            ("ipv6-in-a-location", "http://[::1]:PORT/"),
            ("other-schemes", "ftp://x/"),
            ("blanks-in-a-location", "/sp ace"),
            ("users-in-a-location", "http://user:pw@localhost:PORT/"),
            ("query-without-path", "http://localhost:PORT?q"),
        ];
        for (name, location) in quirks {
            let before = if name == "relative-to-a-query" { "-u /dir/page?q=a/b" } else { "-H localhost" };
            cases.extend(quirk(name, vec![follow(location, &format!("{before} -f {how}"))]));
        }
    }
    cases.extend(quirk("port-above-65535", vec![follow("http://127.0.0.1:99999/", "-f stickyport")]));
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
    ] {
        cases.push(follow("/a", words));
    }
    let circle: Vec<Vec<u8>> = (0..40).map(|count| to(if count % 2 == 0 { "/a" } else { "/b" }).into_bytes()).collect();
    for words in ["-f follow", "-f sticky --max-redirs 2", "-f stickyport --max-redirs 20"] {
        cases.push(Case { args: line(words), answers: circle.clone(), quirk: None });
    }
    cases.extend(with(to("/").as_bytes(), &["-f follow", "-f follow -H 127.0.0.1", "-f sticky -H localhost"]));
    cases.extend(with(b"HTTP/1.1 302 Moved\r\nX: y\r\n\r\n", &["-f follow", "-f sticky"]));
    cases.extend(with(b"HTTP/1.1 304 NM\r\nX: y\r\n\r\n", &["-f follow"]));
    cases.push(case(&["-f", "follow", "-H", "localhost"], &[b"HTTP/1.1 302 Moved\r\nlocation:\r\n /a\r\n\r\n", PAGE.as_bytes()]));
    cases.push(case(
        &["-f", "follow", "-H", "localhost"],
        &[b"HTTP/1.1 302 Moved\r\nLOCATION: /a\r\nLocation: /b\r\n\r\n", PAGE.as_bytes()],
    ));
    cases
}

fn limits() -> Vec<Case> {
    let mut cases = Vec::new();
    for range in ["0", "10", "5:", "~:0", "@0:5", "@10:20", "''", "0:0", "1e1", "10:", "0.0000001", "~:"] {
        cases.extend(with(PAGE.as_bytes(), &[&format!("-w {range}"), &format!("-c {range}")]));
    }
    cases.extend(with(
        PAGE.as_bytes(),
        &["-c 20 -t 5", "-c @5:30 -t 5", "-c 10: -t 5", "-c 0.5 -t 5", "-t 0", "-wt 5 -ct 10 -to 7", "-w 5 -c 10 -E"],
    ));
    cases.extend(quirk(
        "threshold-typos",
        with(PAGE.as_bytes(), &["-w abc", "-w 500ms", "-c 1,5", "-w 0x10", "-w inf", "-w 5;", "-w 1:0", "-w nan"]),
    ));
    cases
}

fn usage() -> Vec<Case> {
    let mut cases = with(
        PAGE.as_bytes(),
        &[
            "-p abc",
            "-p -1",
            "-t 5.5",
            "-t -1",
            "-C abc",
            "-C 30d",
            "-C -5",
            "-C 30,abc",
            "-C 1,2,3",
            "-f FOLLOW",
            "-f foo",
            "--max-redirs x",
            "--max-redirs -1",
            "-J /nope",
            "-K /nope",
            "--zz",
            "-Z",
            "--s x",
            "--no",
            "--sni=1",
            "-J /etc/passwd",
            "-H",
            "--hostname",
            "-s",
            "-m",
            "alone",
            "-h",
            "--help",
            "-V",
            "--version",
        ],
    );
    cases.extend(quirk(
        "port-that-is-none",
        with(PAGE.as_bytes(), &["-p ''", "alone -I 127.0.0.1 -p 99999", "alone -I 127.0.0.1 -p 8_0"]),
    ));
    cases.extend(quirk(
        "complaints-name-their-program",
        with(PAGE.as_bytes(), &["--extra-opts=@/no/such/file", "--extra-opts=x"]),
    ));
    cases.extend(quirk("tls-versions-are-exact", with(PAGE.as_bytes(), &["-S5", "--ssl=x"])));
    cases.extend(quirk("old-ssl-is-unknown", with(PAGE.as_bytes(), &["-S2 -t 1", "-S3 -t 1"])));
    cases
}

fn places() -> Vec<Case> {
    with(
        PAGE.as_bytes(),
        &[
            "alone -I localhost -p 9",
            "alone -H localhost -p 9 -v",
            "alone -H localhost:9",
            "alone localhost -p 9",
            "alone -I 127.0.0.1 -p 0",
            "alone -I /no/such/socket",
            "alone -H no-such-host.invalid",
            "alone -4 -I ::1 -p 9",
            "alone -6 -I 127.0.0.1 -p 9",
            "alone -I [127.0.0.1] -p PORT",
            "alone -H localhost -p PORT",
            "alone -H localhost:PORT",
            "alone localhost -p PORT",
            "alone -4 -H localhost -p PORT",
            "alone -6 -4 -I 127.0.0.1 -p PORT",
            "alone -H ''",
            "alone -I ''",
            "alone -H localhost -C 30 -p 9",
            "alone -H localhost:9 -S -p 9",
        ],
    )
}
