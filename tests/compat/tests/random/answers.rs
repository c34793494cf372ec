//! Random answers of a server.

use testkit::Random;

use crate::chunks::ChunkedBody;
use crate::locations;
use crate::server::Reply;

const STATUS_LINES: [&str; 22] = [
    "HTTP/1.1 200",
    "HTTP/1.1 200 ",
    "HTTP/1.0 200 OK",
    "ICY 200 OK",
    "HTTP/1.1  200 OK",
    "HTTP/1.1 099 OK",
    "HTTP/1.1 20 OK",
    "HTTP/1.1 2000 OK",
    "HTTP/1.1 200OK",
    "HTTP/1.1 abc",
    "HTTP/2 200",
    "HTTP/2 200 OK",
    "  HTTP/1.1 200 OK",
    "HTTP/1.1 200 OK   ",
    "HTTP/1.1 -20 OK",
    "HTTP/1.1 600 X",
    "HTTP/1.1 999 X",
    "HTTP/1.1 200-OK",
    "HTTP/0.9 200 OK",
    "http/1.1 200 OK",
    "<html>hi</html>",
    "HTTP/1.0 404 Not Found",
];
const REASONS: [&str; 8] =
    ["OK", "", "Not Found", "X", "Internal Server Error", "No (really)", "OK OK OK", "200"];
const HEADERS: [&str; 20] = [
    "Server: x",
    "Server: Apache/2.4.57 (Debian)",
    "X-A: b",
    "X-A: b\r\nServer: x",
    "Content-Type: text/html; charset=utf-8",
    "Content-Type: application/json",
    "ETag: \"1\"",
    "Set-Cookie: a=b; Path=/",
    "X-Empty:",
    "Connection: close",
    "Connection: keep-alive",
    "Cache-Control: no-cache",
    "Content-Encoding: gzip",
    "Keep-Alive: timeout=5, max=100",
    "Vary: Accept-Encoding",
    "WWW-Authenticate: Basic realm=\"x\"",
    "nocolon",
    "X-B:c",
    "x-c : d",
    "Transfer-Encoding: identity",
];
const BODIES: [&str; 16] = [
    "hi",
    "hello world",
    "text\n",
    "hi\nHI\na b\n\ncHi_x",
    "<html><body>hi</body></html>\n",
    "{\"status\":\"up\",\"depth\":3}",
    "a=1;b=2",
    "hello\r\nworld\r\n",
    "\n",
    "x",
    "body",
    "hi hi hi",
    "line 1\nline 2\nline 3\n",
    "5\r\nhello\r\n0\r\n\r\n",
    "HTTP/1.1 500 X\r\n\r\n",
    "\tx y\t",
];
/// "hello\n", compressed with gzip.
const GZIP: [u8; 26] = [
    0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a,
    0x36, 6, 0, 0, 0,
];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/// An answer, and the quirks to which it belongs.
#[derive(Debug, Clone, Default)]
pub struct RandomAnswer {
    pub is_chunked: bool,
    /// Whether the lines of the head end in a newline without a carriage return.
    pub has_bare_newlines: bool,
    pub reply: Reply,
    pub quirks: Vec<&'static str>,
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// An answer in parts.
#[derive(Default)]
struct Draft {
    status: String,
    headers: Vec<String>,
    body: Vec<u8>,
    quirks: Vec<&'static str>,
}

impl RandomAnswer {
    /// Returns a random answer. `dated` says whether it should contain dates.
    pub fn new(random: &mut Random, dated: bool) -> RandomAnswer {
        let mut draft = Draft::default();
        draft.status(random);
        draft.headers(random, dated);
        if draft.status.starts_with("HTTP/1.1 3") && random.one_in(2) {
            draft.location(random);
        }
        draft.body(random);
        draft.finish(random)
    }

    /// Returns a random redirect.
    pub fn redirect(random: &mut Random) -> RandomAnswer {
        let code = random.choose(&[301, 302, 302, 302, 303, 307, 308]);
        let mut draft = Draft { status: format!("HTTP/1.1 {code} Moved"), ..Draft::default() };
        draft.headers(random, false);
        draft.location(random);
        if random.one_in(3) {
            draft.body(random);
        }
        draft.finish(random)
    }
}

impl RandomAnswer {
    pub fn contains(&self, text: &str) -> bool {
        contains(&self.bytes(), text)
    }

    /// Whether a program needs more than one read to receive the answer.
    pub fn is_long(&self) -> bool {
        self.bytes().len() > 2000
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.reply.pieces.concat()
    }
}

impl Draft {
    fn status(&mut self, random: &mut Random) {
        self.status = match random.below(400) {
            0..240 => "HTTP/1.1 200 OK".into(),
            240..300 => {
                random.choose(&[
                    "404 Not Found",
                    "500 Oops",
                    "403 Forbidden",
                    "302 Found",
                    "204 No",
                ])
            }
            .split_once(' ')
            .map(|(code, reason)| format!("HTTP/1.1 {code} {reason}"))
            .unwrap(),
            300..350 => {
                format!("HTTP/1.1 {} {}", 100 + random.below(500), random.choose(&REASONS))
            }
            350..352 => {
                self.quirks.push("cleaned-output");
                random
                    .choose(&["HTTP/1.1 200 a|b", "HTTP/1.1 200\tOK", "HTTP/1.1 404 caf\u{e9}"])
                    .into()
            }
            352..354 => {
                self.quirks.push("status-line-without-code");
                random.choose(&["HTTP/1.1", "HTTP/1.1 "]).into()
            }
            _ => random.choose(&STATUS_LINES).into(),
        };
    }

    fn headers(&mut self, random: &mut Random, dated: bool) {
        // Without headers, the original takes the first paragraph of the body for the headers.
        for _ in 0..=random.below(4) {
            self.headers.push(random.choose(&HEADERS).into());
        }
        if random.one_in(150) {
            self.headers.clear();
            self.quirks.push("head-without-headers");
        }
        if random.one_in(40) {
            let folded = random.choose(&["X-F: a\r\n b", "X-F: a\r\n\tb", " X-F: a"]);
            self.headers.push(folded.into());
        }
        if dated || random.one_in(10) {
            if !random.one_in(12) {
                let date = self.date(random);
                self.headers.push(format!("Date: {date}"));
            }
            if !random.one_in(12) {
                let date = self.date(random);
                let name = random.choose(&["Last-Modified", "Last-Modified", "last-modified"]);
                self.headers.push(format!("{name}: {date}"));
            }
            if random.one_in(60) {
                self.quirks.push("empty-dates");
                self.headers.insert(0, random.choose(&["Date:", "Last-Modified:"]).into());
            }
            if random.one_in(60) {
                let date = self.date(random);
                self.quirks.push("blank-before-colon");
                self.headers.insert(0, format!("Last-Modified : {date}"));
            }
        }
    }

    fn date(&mut self, random: &mut Random) -> String {
        let day = 1 + random.below(9);
        let name = DAYS[usize::try_from((day + 1) % 7).unwrap()];
        let (hour, minute, second) = (random.below(24), random.below(60), random.below(60));
        let time = format!("{hour:02}:{minute:02}:{second:02}");
        if random.one_in(30) {
            return random.choose(&["xx", "0", "Sun, 06 Nov 1994 08:49:37 +0100", "-1"]).into();
        }
        if !random.one_in(25) {
            return format!("{name}, {day:02} Nov 1994 {time} GMT");
        }
        self.quirks.push("date-formats");
        match random.below(5) {
            0 => format!("{name}, {day} Nov 1994 {time} GMT"),
            1 => format!("{name} Nov  {day} {time} 1994"),
            2 => format!("{name}day, {day:02}-Nov-94 {time} GMT"),
            3 => format!("{name}, {day:02} Nov 1994 {time} GMT+1"),
            _ => format!("{name}, {day:02} Nov 1994 24:{minute:02}:{second:02} GMT"),
        }
    }

    fn location(&mut self, random: &mut Random) {
        if random.one_in(20) {
            return;
        }
        let (location, quirk) = locations::location(random);
        self.quirks.extend(quirk);
        if location.trim().is_empty() {
            self.quirks.push("empty-locations");
        }
        let name = random.choose(&["Location", "Location", "location", "LOCATION"]);
        let at = random.index(self.headers.len() + 1);
        self.headers.insert(at, format!("{name}: {location}"));
    }

    /// Chooses the body and how its end is found.
    fn body(&mut self, random: &mut Random) {
        self.body = match random.below(24) {
            0..2 => vec![],
            2 => (0..random.below(400)).map(|_| random.choose(b"abc hi\nxyz.")).collect(),
            3 if random.one_in(3) => {
                (0..random.below(300)).map(|_| u8::try_from(random.below(256)).unwrap()).collect()
            }
            4 if random.one_in(3) => GZIP.to_vec(),
            5 if random.one_in(4) => b"hello world\n".repeat(1 + random.index(9000)),
            _ => random.choose(&BODIES).into(),
        };
        let length = self.body.len();
        if self.has_no_body() && length > 2000 {
            self.quirks.push("responses-without-body");
        }
        if self.status.contains(" 1") && self.body.starts_with(b"HTTP/") {
            self.quirks.push("interim-responses");
        }
        match random.below(60) {
            0..24 => self.headers.push(format!("Content-Length: {length}")),
            24..36 => {}
            36..52 => self.chunk(random),
            52..55 if length < 500 => {
                self.headers.push(format!("Content-Length: {}", random.index(length + 1)));
            }
            55 => {
                let odd =
                    random.choose(&["Content-Length: x", "Content-Length: -1", "Content-Length:"]);
                self.headers.push(odd.into());
            }
            56 if random.one_in(2) => {
                self.quirks.push("incomplete-body");
                let missing = 1 + random.index(100);
                self.headers.push(format!("Content-Length: {}", length + missing));
            }
            _ => self.headers.push(format!("content-length:{length}")),
        }
    }

    /// Whether the status line says that there is no body.
    fn has_no_body(&self) -> bool {
        [" 1", " 204", " 304"].iter().any(|code| self.status.contains(code))
    }

    fn chunk(&mut self, random: &mut Random) {
        let ChunkedBody { coding, body, quirk } = ChunkedBody::random(random, &self.body);
        self.headers.push(coding.into());
        self.body = body;
        self.quirks.extend(quirk);
        if self.has_no_body() {
            self.quirks.push("responses-without-body");
        }
    }

    fn finish(mut self, random: &mut Random) -> RandomAnswer {
        if random.one_in(15) {
            self.headers.reverse();
        }
        for pair in self.headers.windows(2).filter(|pair| pair[1].starts_with(' ')) {
            match pair[0].to_ascii_lowercase().split_once(':') {
                Some(("location", _)) => self.quirks.push("blanks-in-location"),
                Some(("date" | "last-modified", _)) => self.quirks.push("date-formats"),
                _ => {}
            }
        }
        let lines: String = self.headers.iter().map(|header| format!("{header}\r\n")).collect();
        let mut head = format!("{}\r\n{lines}\r\n", self.status);
        let has_bare_newlines = random.one_in(15);
        if has_bare_newlines {
            head = head.replace("\r\n", "\n");
        } else if random.one_in(250) {
            self.quirks.push("bare-carriage-returns");
            head = head.replacen("\r\n", "\r", 1 + random.index(3));
        }
        // Latin-1, so that a header can contain a byte that is not valid UTF-8.
        let head: Vec<u8> = head.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect();
        let mut bytes = [head.as_slice(), &self.body].concat();
        if random.one_in(45) {
            bytes.truncate(random.index(bytes.len() + 1));
            let text = bytes.to_ascii_lowercase();
            if contains(&text, "content-length:") {
                self.quirks.push("incomplete-body");
            }
            if !["\n\r\n", "\n\n"].iter().any(|end| contains(&bytes, end)) {
                self.quirks.push("truncated-head");
            }
            if text.starts_with(b"http/1.") && text.len() < 10 {
                self.quirks.push("status-line-without-code");
            }
        }
        let mut reply = Reply { pieces: vec![bytes], stalls: false };
        if random.one_in(20) {
            // The programs count bytes after the end of the body only if these arrive together with
            // its last byte. Therefore divide only the head into pieces.
            let bytes = &mut reply.pieces[0];
            let at = random.index(head.len()).min(bytes.len());
            let is_in_port =
                contains(&bytes[at.saturating_sub(3)..bytes.len().min(at + 3)], "PORT");
            let rest = bytes.split_off(if is_in_port { 0 } else { at });
            reply.pieces.push(rest);
        }
        let is_chunked = lines.to_ascii_lowercase().contains("chunked");
        RandomAnswer { is_chunked, has_bare_newlines, reply, quirks: self.quirks }
    }
}
