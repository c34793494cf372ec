//! A random case, and the classes of `tests/quirks.md` to which it belongs.

use testkit::Random;

use crate::answers::RandomAnswer;
use crate::behaviour::Behaviour;
use crate::options::Argument;
use crate::values::{self, OptionValue};

/// Quirks in which our program reports an error in the command line, and sends nothing.
const ERRORS: [&str; 5] = [
    "one-line-errors",
    "invalid-max-age",
    "empty-host-name",
    "old-ssl-versions",
    "back-references",
];

/// A command line and the server's answers.
#[derive(Debug, Clone)]
pub struct RandomCase {
    pub arguments: Vec<Argument>,
    pub answers: Vec<RandomAnswer>,
}

/// Result of comparing the programs in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// The programs behave the same.
    Same,
    /// The difference belongs to this quirk.
    Quirk(&'static str),
    /// The difference belongs to no quirk.
    Unexpected,
}

impl RandomCase {
    pub fn new(random: &mut Random) -> RandomCase {
        let mut arguments = target(random);
        for _ in 0..random.below(6) {
            let at = random.index(arguments.len() + 1);
            arguments.insert(at, Argument::random(random));
        }
        if random.one_in(150) {
            arguments.push(Argument::without_value(random));
        }
        let mut case = RandomCase { arguments, answers: vec![] };
        while case.follows() && case.answers.len() < 5 && !random.one_in(3) {
            case.answers.push(RandomAnswer::redirect(random));
        }
        let dated = case.has("max-age");
        case.answers.push(RandomAnswer::new(random, dated));
        if random.one_in(1000) {
            let limit = Argument::with_value(random, "timeout", OptionValue::valid("1"));
            case.arguments.push(limit);
            let last = case.answers.last_mut().unwrap();
            last.reply.stalls = true;
            last.quirks.push("complete-body-on-open-connection");
        }
        case
    }

    /// Returns the words of the command line.
    pub fn words(&self) -> Vec<String> {
        self.arguments.iter().flat_map(|argument| argument.words.clone()).collect()
    }

    fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.arguments.iter().flat_map(|argument| &argument.options);
        all.map(|(name, value)| (*name, value.as_str()))
    }

    fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.options().filter(move |(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether the programs follow redirects.
    fn follows(&self) -> bool {
        self.values("onredirect").any(|how| how.starts_with(['f', 's']))
    }

    /// Returns the number of options and words that choose the address and the host name.
    fn names(&self) -> usize {
        let options = ["IP-address", "hostname"].into_iter().filter(|name| self.has(name));
        let operands = self.arguments.iter().filter(|argument| argument.is_operand);
        options.count() + operands.count()
    }

    /// Returns the number of mistakes, except for invalid patterns. A missing address or
    /// key counts too.
    fn mistakes(&self) -> usize {
        let invalid = self.arguments.iter().filter(|argument| argument.ends_run).count();
        let lacks_key = self.has("client-cert") && !self.has("private-key");
        invalid + usize::from(self.names() == 0) + usize::from(lacks_key)
    }

    /// Returns the quirks to which the case belongs.
    pub fn classes(&self) -> Vec<&'static str> {
        let mut classes: Vec<&'static str> =
            self.arguments.iter().flat_map(|argument| argument.quirks.clone()).collect();
        classes.extend(self.answers.iter().flat_map(|answer| answer.quirks.clone()));
        if self.names() > 2 {
            classes.push("stray-words");
        }
        if self.mistakes() > 1 || self.arguments.is_empty() {
            classes.push("one-line-errors");
        }
        let mut names = self.values("IP-address").chain(self.values("hostname"));
        if names.any(|name| name.starts_with('[')) {
            classes.push("ipv6-host-header");
        }
        if self.values("method").any(|method| method == "HEAD")
            && self.answers.iter().any(|answer| answer.is_chunked || answer.is_long())
        {
            classes.push("responses-without-body");
        }
        if self.has("no-body")
            && self.answers.iter().any(|answer| answer.has_bare_newlines || answer.is_long())
        {
            classes.push("no-body");
        }
        let is_secret =
            |header: &str| header.starts_with("Authorization") || header.starts_with("Cookie");
        if self.follows()
            && (self.has("authorization")
                || self.has("proxy-authorization")
                || self.values("header").any(is_secret))
            && self.answers.iter().any(|answer| answer.contains("://"))
        {
            classes.push("credentials-stay-with-their-host");
        }
        let has_port = |name: &str| name.contains(':') && !name.ends_with(":PORT");
        let mut tls = ["ssl", "certificate", "client-cert", "private-key"].into_iter();
        if self.follows()
            && (self.values("hostname").any(has_port)
                || self.values("onredirect").any(|how| how == "stickyport")
                || tls.any(|name| self.has(name))
                || self.answers.iter().any(|answer| answer.contains("https://")))
        {
            classes.push("redirect-loops");
        }
        // `localhost:1` is the only location with a port other than the server's.
        if self.values("onredirect").any(|how| how == "stickyport")
            && self.answers.iter().any(|answer| answer.contains("localhost:1/"))
        {
            classes.push("stickyport-in-messages");
        }
        let odd_path = |path: &str| !path.starts_with('/') && !path.is_empty();
        if self.follows() && self.values("url").any(odd_path) {
            classes.push("path-without-slash");
        }
        let in_query =
            |path: &str| path.split_once('?').is_some_and(|(_, query)| query.contains('/'));
        if self.follows() && self.values("url").any(in_query) {
            classes.push("query-in-relative-redirects");
        }
        for (at, argument) in self.arguments.iter().enumerate() {
            let later = self.arguments[at + 1..].iter().flat_map(|later| &later.options);
            let is_overridden = argument
                .options
                .iter()
                .any(|(name, _)| later.clone().any(|(other, _)| other == name));
            if argument.ends_run && is_overridden {
                classes.push("overridden-values");
            }
        }
        for (name, class) in [
            ("verbose", "details-below-result"),
            ("link", "closed-link"),
            ("continue-after-certificate", "certificate-state-always-counts"),
        ] {
            if self.has(name) {
                classes.push(class);
            }
        }
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// Compares the behaviour of the original and of our program.
    pub fn verdict(&self, original: &Behaviour, ours: &Behaviour) -> DifferenceKind {
        if !ours.code.is_some_and(|code| (0..4).contains(&code)) {
            return DifferenceKind::Unexpected;
        }
        if original == ours {
            return DifferenceKind::Same;
        }
        let is_error = ours.code == Some(3)
            && (ours.text.starts_with("check_http")
                || ["bad pattern", "help"].contains(&&*ours.text))
            && ours.text.lines().count() == 1
            && ours.requests.is_empty();
        let texts = [&original.text, &ours.text];
        let prints = |text: &str| texts.iter().any(|printed| printed.contains(text));
        let mut requests = original.requests.iter().chain(&ours.requests);
        let sends_address =
            requests.any(|request| request.contains("::1") || request.contains("1]"));
        // Few inputs of these classes lead to a difference. Accept a difference only if it has the
        // form that quirks.md describes, so that these classes do not hide other differences.
        let explains = |class: &&str| match *class {
            "redirect-loops" => prints("infinite loop") || prints("maximum redirection depth"),
            "truncated-head" => original.code.is_none() || prints("Document date"),
            "ipv6-host-header" => {
                prints("1]") || prints("::1") || sends_address || prints("Cannot make SSL")
            }
            "certificate-state-always-counts" => original.text == ours.text,
            class => is_error || !ERRORS.contains(&class),
        };
        if is_error && prints("bad pattern") && self.mistakes() > 0 {
            return DifferenceKind::Quirk("one-line-errors");
        }
        let by_input = self.classes().into_iter().find(explains);
        by_input
            .or(self.class_of_output(original, ours))
            .map_or(DifferenceKind::Unexpected, DifferenceKind::Quirk)
    }

    /// Returns the quirk to which a difference in the output belongs if the requests and the exit
    /// code are the same.
    fn class_of_output(&self, original: &Behaviour, ours: &Behaviour) -> Option<&'static str> {
        if (original.code, &original.requests) != (ours.code, &ours.requests) {
            return None;
        }
        let first = original.text.lines().next().unwrap_or_default();
        if self.has("show-body")
            && first.starts_with("HTTP CRITICAL - Invalid HTTP response")
            && ours.text.starts_with(first)
        {
            return Some("final-newline");
        }
        (cleaned(&original.text) == cleaned(&ours.text)).then_some("cleaned-output")
    }
}

/// Replaces the characters that our program cleans. Our program decodes bytes that are not valid
/// UTF-8 as Latin-1, and the test decodes them as U+FFFD, so runs of such characters, control
/// characters and blanks are replaced with one blank.
fn cleaned(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '|' => out.push('/'),
            '!'..='~' => out.push(c),
            _ if out.ends_with(' ') => {}
            _ => out.push(' '),
        }
    }
    out.trim_end().to_owned()
}

/// Returns the arguments that choose the server.
fn target(random: &mut Random) -> Vec<Argument> {
    let mut option =
        |name, value: &str| Argument::with_value(random, name, OptionValue::valid(value));
    let address = option("IP-address", "127.0.0.1");
    let port = option("port", "PORT");
    let name = option("hostname", "localhost");
    let with_port = option("hostname", "127.0.0.1:PORT");
    let operand = Argument::operand;
    match random.below(80) {
        0..40 => vec![address, port],
        40..60 => {
            let host = values::value(random, "hostname");
            vec![address, port, Argument::with_value(random, "hostname", host)]
        }
        60..64 => vec![name, port],
        64..66 => vec![with_port],
        66..68 => vec![port, with_port],
        68..70 => vec![operand("localhost"), port],
        70..72 => vec![port, operand("127.0.0.1"), operand("h.example")],
        72 => vec![name, operand("127.0.0.1"), port],
        73 => vec![
            Argument::with_value(random, "IP-address", OptionValue::valid("[127.0.0.1]")),
            port,
        ],
        74 => vec![Argument::with_value(random, "hostname", OptionValue::valid("h:PORT")), address],
        75 => {
            let closed = random.choose(&["1", "9", "0", "65535"]);
            vec![address, Argument::with_value(random, "port", OptionValue::valid(closed))]
        }
        76 => {
            let odd = random.choose(&["/no/such/socket", "no-such-host.invalid", "::1", "", "x y"]);
            vec![Argument::with_value(random, "IP-address", OptionValue::valid(odd)), port]
        }
        77 => {
            let odd = random.choose(&["no-such-host.invalid", "h", "127.1", "localhost:9"]);
            vec![Argument::with_value(random, "hostname", OptionValue::valid(odd)), port]
        }
        78 if random.one_in(3) => vec![port],
        _ => vec![address],
    }
}
