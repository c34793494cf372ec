//! Random values of options.

use testkit::Random;

/// A value of an option.
#[derive(Debug, Clone)]
pub struct OptionValue {
    pub text: String,
    /// Quirk to which the value belongs.
    pub quirk: Option<&'static str>,
    /// Whether both programs reject the value.
    pub is_error: bool,
}

impl OptionValue {
    pub fn valid(text: impl Into<String>) -> OptionValue {
        OptionValue { text: text.into(), quirk: None, is_error: false }
    }

    fn of_class(text: impl Into<String>, quirk: &'static str) -> OptionValue {
        OptionValue { text: text.into(), quirk: Some(quirk), is_error: true }
    }
}

/// Values of an option: those that both programs accept, those that both reject, and those of a
/// quirk.
struct Pool {
    valid: &'static [&'static str],
    invalid: &'static [&'static str],
    quirk: &'static str,
    of_quirk: &'static [&'static str],
}

impl Pool {
    fn value(&self, random: &mut Random) -> OptionValue {
        match random.below(60) {
            0 if !self.invalid.is_empty() => {
                OptionValue { is_error: true, ..OptionValue::valid(random.choose(self.invalid)) }
            }
            1 if !self.of_quirk.is_empty() => {
                OptionValue::of_class(random.choose(self.of_quirk), self.quirk)
            }
            _ => OptionValue::valid(random.choose(self.valid)),
        }
    }
}

const HOSTNAMES: Pool = Pool {
    valid: &[
        "h",
        "h.example",
        "www.example.org",
        "UPPER.example",
        "h.",
        "127.0.0.1",
        "localhost",
        "h:81",
        "h:PORT",
        ":80",
        "[::1]",
        "10.1.2.3",
        "a_b",
        "x-y.example",
        "h:65535",
        "xn--bcher-kva.example",
    ],
    invalid: &[],
    quirk: "invalid-port",
    of_quirk: &["h:abc", "h:65536", "[::1]x", "h: 80", "h:80x", "h:", "h:0"],
};
const PORTS: Pool = Pool {
    valid: &["PORT", "PORT", "PORT", " PORT", "PORT ", "0PORT"],
    invalid: &["+PORT", "abc", "-1", "80x", "8.0", "0x50"],
    quirk: "invalid-port",
    of_quirk: &["", "99999", "8 0", " ", "65536"],
};
const TIMEOUTS: Pool = Pool {
    valid: &["9", "20", "60", "0", " 12", "13 ", "0014", "", "99999"],
    invalid: &["abc", "-1", "5.5", "9x", "1e1", "0x9", "+15"],
    quirk: "timeout-state",
    of_quirk: &["9:ok", ":2", "9:", ":unknown", "9:critical"],
};
const AGES: Pool = Pool {
    valid: &["1", "60", "60s", "5m", "2h", "3d", "10d", "0", "86400", "007m"],
    invalid: &[],
    quirk: "invalid-max-age",
    of_quirk: &["x", "1.5h", "m", "1w", "-5", "", "5 m", "1D"],
};
const DAYS: Pool = Pool {
    valid: &["30", "30,14", "0", "100", "100,50", "90,80", "30,", "10,25", "59", "60", "61,60"],
    invalid: &["abc", "30d", "-5", "30,abc", "1,2,3", "30,-1", "x,5"],
    quirk: "invalid-numbers",
    of_quirk: &["-", "30,-", "--"],
};
const REDIRECTION: Pool = Pool {
    valid: &["ok", "warning", "critical", "unknown", "follow", "follow", "sticky", "stickyport"],
    invalid: &["FOLLOW", "foo", "", "Ok", "follow "],
    quirk: "added-options",
    of_quirk: &["curl"],
};
const MAX_REDIRECTS: Pool = Pool {
    valid: &["0", "1", "2", "3", "15", "", "100", " 5"],
    invalid: &["+4", "x", "-1", "2.5", "3x"],
    quirk: "invalid-numbers",
    of_quirk: &["-", "1-5", "--", "5-"],
};
const METHODS: Pool = Pool {
    valid: &["GET", "HEAD", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "get", "", "A:B", "FOO"],
    invalid: &[],
    quirk: "tunnel-credentials",
    of_quirk: &["CONNECT", "CONNECT:POST"],
};
const PATHS: [&str; 16] = [
    "/",
    "/a",
    "/a/b/",
    "x",
    "?x=y",
    "/dir/page?q=1",
    "/dir/page?q=a/b",
    "/a b",
    "/#part",
    "//x",
    "http://other/x",
    "*",
    "",
    "/%20%zz",
    "/index.php?a=b&c=d",
    "/sehr/l\u{e4}nglich",
];
const HEADERS: [&str; 17] = [
    "X-A: 1",
    "nocolon",
    "Host: z",
    "Host: y:81",
    "host: z",
    "",
    ":b",
    "A:b",
    "User-Agent: x",
    "Connection: keep-alive",
    "Cookie: a=b",
    "Authorization: Bearer x",
    "Host:",
    "Host",
    "Accept: */*",
    "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Host:x",
];
const CREDENTIALS: [&str; 9] =
    ["u:p", "user:pass", "u", ":", "", "u:p:q", "\u{fc}ser:p\u{e4}ss", "a b:c d", "u:pBYTE"];
const AGENTS: [&str; 6] = ["ua", "", "Mozilla/5.0 (X11)", "a b c", "\u{fc}", "check_http/v2"];
const BODIES: [&str; 8] = ["a=b", "", "x=y&z=w", "{\"a\":1}", "a b", "line\nline", "\u{e4}", "%41"];
const TYPES: [&str; 5] = ["t/x", "application/json", "", "text/plain; charset=utf-8", "x"];
const EXPECTED: [&str; 14] = [
    "200",
    "HTTP/1.1 200",
    "HTTP/1.1",
    "HTTP/1.",
    "20",
    "OK",
    " 200 ",
    "302",
    "404,200",
    "500",
    ",",
    "",
    ",x,200",
    "nope",
];
const HEADER_TEXTS: [&str; 10] =
    ["Server: x", "Server", "server", "X-A", "text/html", "200", ": ", "nope", "", "Location"];
const BODY_TEXTS: [&str; 13] = [
    "hi",
    "hello",
    "hello world",
    "text",
    "nope",
    "",
    "body",
    "HI",
    "</html>",
    " ",
    "a b",
    "\u{e4}",
    "\"status\"",
];
/// Texts with characters that our program replaces when it prints them.
const CLEANED_TEXTS: [&str; 6] = ["\n", "hi\nHI", "xBYTE", "X-A: b\r\nServer: x", "a|b", "\u{1b}"];
const TLS_VERSIONS: Pool = Pool {
    valid: &["1.2", "1.2+", "1.1+", "1+", "2+", "3+"],
    invalid: &[],
    quirk: "exact-tls-versions",
    of_quirk: &["x", "4", "tls1.2", "+", "1.3", "1.3+", "1.4", "1.20", "1.2x", "1.2++"],
};

/// Returns a random value for the option with this long name.
pub fn value(random: &mut Random, name: &str) -> OptionValue {
    let pool = match name {
        "hostname" if random.one_in(60) => return OptionValue::of_class("", "empty-host-name"),
        "hostname" if random.one_in(40) => {
            let name = random.choose(&["::1", "[::1]:99", "2001:db8::1"]);
            return OptionValue {
                is_error: false,
                ..OptionValue::of_class(name, "ipv6-host-header")
            };
        }
        "hostname" => HOSTNAMES,
        "port" => PORTS,
        "timeout" => TIMEOUTS,
        "max-age" => AGES,
        "certificate" => DAYS,
        "onredirect" => REDIRECTION,
        "max-redirs" => MAX_REDIRECTS,
        "method" => METHODS,
        "warning" | "critical" => return threshold(random),
        "pagesize" => return page_size(random),
        "regex" | "ereg" if random.one_in(100) => {
            let value = OptionValue::of_class("(h)\\1", "back-references");
            return OptionValue { is_error: false, ..value };
        }
        "eregi" if random.one_in(60) => {
            let value = OptionValue::of_class("h\\I", "escaped-letters-ignore-case");
            return OptionValue { is_error: false, ..value };
        }
        "regex" | "ereg" | "eregi" => return OptionValue::valid(pattern(random)),
        _ => return OptionValue::valid(text(random, name)),
    };
    pool.value(random)
}

fn text(random: &mut Random, name: &str) -> String {
    let known: &[&str] = match name {
        "url" => &PATHS,
        "header" => &HEADERS,
        "authorization" | "proxy-authorization" => &CREDENTIALS,
        "useragent" => &AGENTS,
        "post" => &BODIES,
        "content-type" => &TYPES,
        "expect" => &EXPECTED,
        "string" | "header-string" if random.one_in(30) => &CLEANED_TEXTS,
        "header-string" => &HEADER_TEXTS,
        _ => &BODY_TEXTS,
    };
    if random.one_in(8) { random_text(random) } else { random.choose(known).to_owned() }
}

/// Returns random printable characters.
fn random_text(random: &mut Random) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\
          0123456789 .,:;-_/\\'\"!?$%&()[]{}=+*#~@<>";
    (0..random.below(45)).map(|_| char::from(random.choose(LETTERS))).collect()
}

/// Returns a TLS version for -S.
pub fn tls_version(random: &mut Random) -> OptionValue {
    match random.below(40) {
        0 => OptionValue::of_class(random.choose(&["2", "3"]), "old-ssl-versions"),
        1 => {
            let old = random.choose(&["1", "1.0", "1.1"]);
            OptionValue { is_error: false, ..OptionValue::of_class(old, "readable-tls-errors") }
        }
        _ => TLS_VERSIONS.value(random),
    }
}

/// Returns a threshold. No end is near the duration of a run, so that the result is certain.
fn threshold(random: &mut Random) -> OptionValue {
    const INVALID: [&str; 16] = [
        "abc", "500ms", "1,5", "0x10", "inf", "5;", "1:0", "nan", "1:5:7", "~", "-5", "5,6",
        "1:-1", "5:x", "@", "30s",
    ];
    if random.one_in(50) {
        return OptionValue::of_class(random.choose(&INVALID), "invalid-thresholds");
    }
    let inside = random.choose(&["", "", "", "@"]);
    let start = random.choose(&["", "", "", "0:", "~:", "-5:", "0.0:", "1e-7:", "5:", ".5:"]);
    let end = random.choose(&["30", "60.5", "1e2", "+45", "100", "007", "30."]);
    let text = match random.below(20) {
        0 => random.choose(&["", "0", "0:0", "~:0", "0.0000001", "10:", "@0:30"]).to_owned(),
        1 if random.one_in(5) => {
            let value = OptionValue::of_class(format!(" @{start}{end}"), "invalid-thresholds");
            return OptionValue { is_error: false, ..value };
        }
        1 => format!(" {}{end}", start.trim_start_matches('~')),
        2 => format!("{inside}{start}{end} "),
        _ => format!("{inside}{start}{end}"),
    };
    OptionValue::valid(text)
}

fn page_size(random: &mut Random) -> OptionValue {
    const QUIRKS: [&str; 10] =
        [":", "1:", ":60", "@1:60", "abc", "-5", "5:-1", "10:20:30", "", "5x"];
    if random.one_in(50) {
        let text = random.choose(&QUIRKS);
        return OptionValue { is_error: false, ..OptionValue::of_class(text, "invalid-page-size") };
    }
    let number = |random: &mut Random| {
        let size = random.choose(&[1, 10, 100, 200, 500, 1000, 100_000]);
        (size + random.below(size)).to_string()
    };
    let (min, max) = (number(random), number(random));
    OptionValue::valid(match random.below(12) {
        0 => format!("+{min}"),
        1 => format!(" {min}"),
        2..6 => format!("{min}:{max}"),
        6 => "0".into(),
        7 => format!("0:{max}"),
        _ => min,
    })
}

/// Returns a POSIX extended regular expression. Some are invalid.
fn pattern(random: &mut Random) -> String {
    const ATOMS: [&str; 38] = [
        "h",
        "i",
        "hi",
        "H",
        "l+",
        "o",
        "e",
        ".",
        "[a-h]",
        "[^h]",
        "[[:alpha:]]",
        "x",
        " ",
        "a",
        "(h|i)",
        "()",
        "^",
        "$",
        "\\.",
        "\\b",
        "\\<",
        "\\>",
        "\\w",
        "\\W",
        "|",
        "[[:digit:]]+",
        "hello",
        "[]x]",
        "(a|b|)",
        "\\s",
        "\\B",
        "\\`",
        "\\'",
        "-",
        "[0-_]",
        "text",
        "\n",
        "(ab|hi)",
    ];
    const ODD: [&str; 11] =
        ["(", ")", "{", "[", "\\", "[h-", "[z-a]", "\u{e4}", "[h-\\]", "+", "*"];
    const COUNTS: [&str; 8] = ["*", "+", "?", "{2}", "{0,1}", "{1,}", "{,2}", "{3,1}"];
    let mut pattern = String::new();
    for _ in 0..=random.below(5) {
        let is_odd = random.one_in(40);
        pattern.push_str(random.choose(if is_odd { &ODD[..] } else { &ATOMS[..] }));
        if random.one_in(5) {
            pattern.push_str(random.choose(&COUNTS));
        }
    }
    if random.one_in(12) { String::new() } else { pattern }
}
