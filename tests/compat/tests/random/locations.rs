//! Random values of the Location header.

use testkit::Random;

/// Locations that both programs treat in the same way.
const PLAIN: [&str; 23] = [
    "/a",
    "a",
    "/b/c?d=e",
    "http://127.0.0.1:PORT/x",
    "http://localhost:PORT/x",
    "//127.0.0.1/x",
    "",
    "  /z  ",
    "http://localhost:PORT",
    "/",
    "http://LOCALHOST:PORT/x",
    "http://localhost.:PORT/x",
    "x?y=z",
    "/%20%zz",
    "/;jsessionid=1?a&b",
    "'/q'",
    "/a:b",
    "http://no-such-host.invalid/x",
    "http://localhost:1/x",
    "https://127.0.0.1:PORT/tls",
    "https://localhost:PORT/",
    "/dir/page",
    "http://127.0.0.1:PORT/",
];
/// Locations that belong to a quirk.
const QUIRKS: [(&str, &str); 35] = [
    ("fragments-are-not-sent", "/f#part"),
    ("fragments-are-not-sent", "http://localhost:PORT/#"),
    ("dot-segments", "../c"),
    ("dot-segments", "./x"),
    ("dot-segments", ".."),
    ("dot-segments", "x/../y"),
    ("query-in-relative-redirects", "?x=y"),
    ("ipv6-in-location", "http://[::1]:PORT/"),
    ("other-schemes", "ftp://x/"),
    ("other-schemes", "mailto:x@y"),
    ("other-schemes", "http:/x"),
    ("other-schemes", "HTTPS://localhost:PORT/x"),
    ("other-schemes", "HTTP://localhost:PORT/x"),
    ("other-schemes", "x:y"),
    ("blanks-in-location", "/sp ace"),
    ("blanks-in-location", "/a\tb"),
    ("blanks-in-location", "/caf\u{e9}"),
    ("blanks-in-location", "\"/q\""),
    ("blanks-in-location", "/a<b>"),
    ("blanks-in-location", "/{id}"),
    ("blanks-in-location", "/a^b"),
    ("blanks-in-location", "/a|b"),
    ("user-in-location", "http://user:pw@localhost:PORT/"),
    ("user-in-location", "http://user@localhost:PORT/x"),
    ("query-without-path", "http://localhost:PORT?q"),
    ("double-slash-in-location", "http://localhost:PORT//a//b"),
    ("double-slash-in-location", "//localhost:PORT/x"),
    ("location-without-host", "http://"),
    ("location-without-host", "http://:PORT/"),
    ("invalid-port", "http://localhost:PORT:1/"),
    ("invalid-port", "http://localhost:x/"),
    ("host-names-in-location", "http://under_score:PORT/x"),
    ("host-names-in-location", "http://localhost:/x"),
    ("port-above-65535", "http://127.0.0.1:99999/"),
    ("internationalized-names", "http://b\u{fc}cher.invalid/"),
];

/// Returns a location and the quirk to which it belongs.
pub fn location(random: &mut Random) -> (&'static str, Option<&'static str>) {
    if random.one_in(12) {
        let (quirk, location) = random.choose(&QUIRKS);
        (location, Some(quirk))
    } else {
        (random.choose(&PLAIN), None)
    }
}
