//! Command lines, and what they wish.

use std::ffi::OsString;
use std::time::Instant;

use plugin_kit::State;

use super::command_line;
use crate::cli::convert;
use crate::spec::{Code, TlsVersion, Wish};

fn wish(words: &str) -> Result<Wish, String> {
    let typed = command_line::read(
        &words.split(' ').map(OsString::from).collect::<Vec<_>>(),
        Instant::now(),
    )
    .map_err(|p| p.to_string())?;
    convert::spec(typed, Instant::now()).map_err(|problem| problem.to_string())
}

fn address_and_ports(words: &str) -> (String, u16, u16) {
    let place = wish(words).unwrap().place;
    (place.address, place.port, place.virtual_port)
}

#[test]
fn ports_follow_the_order_of_the_line() {
    assert_eq!(address_and_ports("-H h"), ("h".into(), 80, 80));
    assert_eq!(address_and_ports("-H h:8080"), ("h".into(), 8080, 8080));
    assert_eq!(address_and_ports("-H h:8080 -p 90"), ("h".into(), 90, 8080));
    assert_eq!(address_and_ports("-p 90 -H h:8080"), ("h".into(), 90, 8080));
    assert_eq!(address_and_ports("-H h:8080 -S"), ("h".into(), 443, 8080));
    assert_eq!(address_and_ports("-S -H h:8443"), ("h".into(), 8443, 8443));
    assert_eq!(address_and_ports("-H [::1]:8080"), ("::1".into(), 8080, 8080));
    assert_eq!(address_and_ports("-I [::1] -H h"), ("::1".into(), 80, 80));
    assert_eq!(address_and_ports("-H h extra"), ("extra".into(), 80, 80));
    assert_eq!(address_and_ports("addr name"), ("addr".into(), 80, 80));
}

#[test]
fn what_is_wrong_is_said_in_the_originals_words() {
    for (words, complaint) in [
        ("-H h -p abc", "Invalid port number - abc"),
        ("-H h -p 99999", "Invalid port number - 99999"),
        ("-H h -t 5.5", "Timeout interval must be a positive integer - 5.5"),
        ("-H h -C abc", "Invalid certificate expiration period - abc"),
        ("-H h -C 1,2,3", "Invalid certificate expiration period - 2,3"),
        ("-H h -f foo", "Invalid onredirect option - foo"),
        ("-H h --max-redirs x", "Invalid max_redirs count - x"),
        ("-H h -J /nope", "file does not exist or is not readable - /nope"),
        ("-H h -M x", "unparsable max-age - x"),
        ("-H h -m :", "Bad format: try \"-m min:max\" - :"),
    ] {
        assert_eq!(wish(words).err().as_deref(), Some(complaint), "{words}");
    }
}

#[test]
fn tls_versions_are_exact() {
    use TlsVersion::{V1_0, V1_2, V1_3};
    for (words, expected) in [
        ("-H h -S", (None, None)),
        ("-H h -S1", (Some(V1_0), Some(V1_0))),
        ("-H h -S1.2+", (Some(V1_2), None)),
        ("-H h -S1.3", (Some(V1_3), Some(V1_3))),
    ] {
        let tls = wish(words).unwrap().tls;
        assert_eq!((tls.oldest, tls.newest), expected, "{words}");
    }
    for words in ["-H h -S1.4", "-H h -S2", "-H h -S3+", "-H h -S+", "-H h -Sx"] {
        assert!(wish(words).is_err(), "{words}");
    }
}

#[test]
fn a_critical_range_beyond_the_timeout_moves_it() {
    let seconds = |words: &str| wish(words).unwrap().timeout.map(|limit| limit.as_secs());
    assert_eq!(seconds("-H h"), Some(10));
    assert_eq!(seconds("-H h -c 20"), Some(21));
    assert_eq!(seconds("-H h -c @5:30"), Some(31));
    assert_eq!(seconds("-H h -c 10:"), Some(10));
    assert_eq!(seconds("-H h -t 0"), None);
}

#[test]
fn codes_and_states_are_read() {
    let read = wish("-H h --status 401=ok,4xx=CRITICAL,503=1 --timeout-result unknown").unwrap();
    let expected = [(401, 401, State::Ok), (400, 499, State::Critical), (503, 503, State::Warning)];
    assert_eq!(read.page.codes, expected.map(|(first, last, state)| Code { first, last, state }));
    assert_eq!(read.timeout_state, State::Unknown);
    for words in [
        "--status 4x=ok",
        "--status 99=ok",
        "--status 200",
        "--timeout-result x",
        "--state-regex ok",
        "--http-version 2",
    ] {
        assert!(wish(&format!("-H h {words}")).is_err(), "{words}");
    }
}

#[test]
fn the_last_text_counts_or_all_do() {
    assert_eq!(wish("-H h -s a -s b").unwrap().page.strings, [b"b".to_vec()]);
    let all = wish("-H h -s a -s b -r c -R d --match-all").unwrap().page;
    assert_eq!((all.strings.len(), all.patterns.len()), (2, 2));
}

#[test]
fn a_proxy_is_read_and_its_exceptions() {
    let proxy = |words: &str| wish(&format!("-H h {words}")).map(|wish| wish.proxy.unwrap());
    let read =
        proxy("-x http://u:p%40q@proxy.example:3128/ --noproxy localhost,.inside.example").unwrap();
    assert_eq!((read.address.as_str(), read.port), ("proxy.example", 3128));
    assert_eq!(read.authorization.as_deref(), Some(&b"u:p@q"[..]));
    for (name, spared) in [
        ("localhost", true),
        ("a.inside.example", true),
        ("inside.example", true),
        ("notinside.example", false),
    ] {
        assert_eq!(read.spares(name), spared, "{name}");
    }
    assert_eq!(
        proxy("-x [::1]:8080").map(|read| (read.address, read.port)),
        Ok(("::1".into(), 8080))
    );
    assert_eq!(proxy("-x proxy").map(|read| read.port), Ok(1080));
    assert!(proxy("-x proxy --noproxy *").unwrap().spares("anything"));
    for words in ["-x socks5://x:1", "-x http://x:99999", "-x http://"] {
        assert!(proxy(words).is_err(), "{words}");
    }
}

#[test]
fn credentials_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "user:secret\nrest").unwrap();
    let read = wish(&format!("-H h --authorization-file {}", file.path().display())).unwrap();
    assert_eq!(read.request.authorization.as_deref(), Some(&b"user:secret"[..]));
    assert!(wish("-H h --authorization-file /no/such/file").is_err());
}
