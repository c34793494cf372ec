//! Tests that convert command lines to check specs.

use std::ffi::OsString;
use std::time::Instant;

use plugin_kit::State;

use super::options::OPTIONS;
use super::syntax::shown;
use super::{argv, command_line, convert};
use crate::net::tls::TlsVersion;
use crate::spec::{CheckSpec, StatusRule};

fn spec(words: &str) -> Result<CheckSpec, String> {
    let argv: Vec<OsString> = words.split(' ').map(OsString::from).collect();
    let options = command_line::parse(&argv, Instant::now()).map_err(|why| why.to_string())?;
    convert::spec(options, Instant::now()).map_err(|why| why.to_string())
}

fn address_and_ports(words: &str) -> (String, u16, u16) {
    let target = spec(words).unwrap().target;
    (target.address, target.port, target.virtual_port)
}

#[test]
fn derives_ports_from_the_order_of_options() {
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
fn reports_errors_like_monitoring_plugins() {
    for (words, complaint) in [
        ("-H ", "-H is empty (an unset macro?)"),
        ("-H h -p abc", "Invalid port number - abc"),
        ("-H h -p 99999", "Invalid port number - 99999"),
        (
            "-H h -x socks5://u:secret@x:1",
            "Invalid proxy, write it as [http://][user:password@]host[:port]; SOCKS and HTTPS \
             proxies are not supported",
        ),
        ("-H h -t 5.5", "Timeout interval must be a positive integer - 5.5"),
        ("-H h -C abc", "Invalid certificate expiration period - abc"),
        ("-H h -C 1,2,3", "Invalid certificate expiration period - 2,3"),
        ("-H h -f foo", "Invalid onredirect option - foo"),
        ("-H h --max-redirs x", "Invalid max_redirs count - x"),
        ("-H h -J /nope", "file does not exist or is not readable - /nope"),
        ("-H h -M x", "unparsable max-age - x"),
        ("-H h -m :", "Bad format: try \"-m min:max\" - :"),
    ] {
        assert_eq!(spec(words).err().as_deref(), Some(complaint), "{words}");
    }
}

#[test]
fn limits_tls_to_the_given_version() {
    use TlsVersion::{V1_0, V1_2, V1_3};
    for (words, expected) in [
        ("-H h -S", (None, None)),
        ("-H h -S2+", (None, None)),
        ("-H h -S3+", (None, None)),
        ("-H h -S 1.2", (Some(V1_2), Some(V1_2))),
        ("-H h -S1", (Some(V1_0), Some(V1_0))),
        ("-H h -S1.2+", (Some(V1_2), None)),
        ("-H h -S1.3", (Some(V1_3), Some(V1_3))),
    ] {
        let tls = spec(words).unwrap().tls;
        assert_eq!((tls.oldest, tls.newest), expected, "{words}");
    }
    for words in ["-H h -S1.4", "-H h -S2", "-H h -S3", "-H h -S+", "-H h -Sx"] {
        assert!(spec(words).is_err(), "{words}");
    }
}

#[test]
fn extends_timeout_to_critical_range() {
    let seconds = |words: &str| spec(words).unwrap().timeout.map(|limit| limit.as_secs());
    assert_eq!(seconds("-H h -t :unknown"), Some(10));
    assert_eq!(seconds("-H h -t 5:1 -c 20"), Some(21));
    assert_eq!(seconds("-H h"), Some(10));
    assert_eq!(seconds("-H h -c 20"), Some(21));
    assert_eq!(seconds("-H h -c @5:30"), Some(31));
    assert_eq!(seconds("-H h -c 10:"), Some(10));
    assert_eq!(seconds("-H h -t 0"), None);
}

#[test]
fn parses_status_codes_and_states() {
    let read = spec("-H h --status 401=ok,4xx=CRITICAL,503=1 --timeout-result unknown").unwrap();
    let expected = [(401, 401, State::Ok), (400, 499, State::Critical), (503, 503, State::Warning)];
    assert_eq!(
        read.response.status_rules,
        expected.map(|(first, last, state)| StatusRule { first, last, state })
    );
    assert_eq!(read.timeout_state, State::Unknown);
    for words in [
        "--status 4x=ok",
        "--status 99=ok",
        "--status 657xx=ok",
        "--status 200",
        "--timeout-result x",
        "-t 5:x",
        "-t x:ok",
        "--output-format mp-test-json",
        "--state-regex ok",
        "--http-version 2",
    ] {
        assert!(spec(&format!("-H h {words}")).is_err(), "{words}");
    }
}

#[test]
fn match_all_keeps_every_string_and_pattern() {
    assert_eq!(spec("-H h -s a -s b").unwrap().response.strings, [b"b".to_vec()]);
    let all = spec("-H h -s a -s b -r c -R d --match-all").unwrap().response;
    assert_eq!((all.strings.len(), all.patterns.len()), (2, 2));
}

#[test]
fn parses_proxy_and_noproxy() {
    let proxy = |words: &str| spec(&format!("-H h {words}")).map(|spec| spec.proxy.unwrap());
    let read =
        proxy("-x http://u:p%40q@proxy.example:3128/ --noproxy localhost,.inside.example").unwrap();
    assert_eq!((read.address.as_str(), read.port), ("proxy.example", 3128));
    assert_eq!(read.authorization.as_deref(), Some(&b"u:p@q"[..]));
    for (name, bypasses) in [
        ("localhost", true),
        ("a.inside.example", true),
        ("inside.example", true),
        ("notinside.example", false),
    ] {
        assert_eq!(read.bypasses(&[name]), bypasses, "{name}");
    }
    assert_eq!(
        proxy("-x [::1]:8080").map(|read| (read.address, read.port)),
        Ok(("::1".into(), 8080))
    );
    assert_eq!(proxy("-x proxy").map(|read| read.port), Ok(1080));
    assert!(proxy("-x proxy --noproxy *").unwrap().bypasses(&["anything"]));
    for words in ["-x socks5://x:1", "-x http://x:99999", "-x http://"] {
        assert!(proxy(words).is_err(), "{words}");
    }
}

#[test]
fn reads_credentials_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "user:secret\nrest").unwrap();
    let read = spec(&format!("-H h --authorization-file {}", file.path().display())).unwrap();
    assert_eq!(read.request.authorization.as_deref(), Some(&b"user:secret"[..]));
    assert!(spec("-H h --authorization-file /no/such/file").is_err());
}

/// Splits a command line at spaces and normalises it. `''` stands for an empty word.
fn parsed(words: &str) -> Result<String, String> {
    let argv: Vec<OsString> = words.split(' ').map(|word| word.replace("''", "").into()).collect();
    let known: Vec<_> = OPTIONS.iter().collect();
    argv::parse(&argv, &known).map(|parsed| shown(&parsed)).map_err(|why| why.to_string())
}

#[test]
fn accepts_stray_words_of_existing_configurations() {
    for (words, expected) in [
        ("-S 1.2", "--ssl=1.2 --"),
        ("-S 1.2+ -H h", "--ssl=1.2+ --hostname=h --"),
        ("--ssl 2+", "--ssl=2+ --"),
        ("-S true", "--ssl --"),
        ("-N true -E yes -l on -B 1", "--no-body --extended-perfdata --linespan --show-body --"),
        ("--continue-after-certificate 1 -H h", "--continue-after-certificate --hostname=h --"),
        ("--continue-after-certificate false -C 30", "--certificate=30 --"),
        ("--continue-after-certificate no -N true", "--no-body --"),
        ("-I 1.2.3.4 -H h ''", "--IP-address=1.2.3.4 --hostname=h --"),
        ("-I 1.2.3.4 -H h '' -t 5", "--IP-address=1.2.3.4 --hostname=h --timeout=5 --"),
        ("-I 1.2.3.4 '' -p 80", "--IP-address=1.2.3.4 --port=80 --"),
        ("'' -I 1.2.3.4 -N '' name.example", "--IP-address=1.2.3.4 --no-body -- name.example"),
        ("-H h '' ''", "--hostname=h --"),
        ("-H h name.example", "--hostname=h -- name.example"),
        ("-H h ::1", "--hostname=h -- ::1"),
        ("-H h [::1]", "--hostname=h -- [::1]"),
        ("-H h /run/socket", "--hostname=h -- /run/socket"),
        ("-e 200 web1", "--expect=200 -- web1"),
        ("10.0.0.1 web1", "-- 10.0.0.1 web1"),
        ("-N -- true", "--no-body -- true"),
        ("-V any words 1 2 3", "--version -- any words 1 2 3"),
    ] {
        assert_eq!(parsed(words).as_deref(), Ok(expected), "{words}");
    }
}

#[test]
fn rejects_stray_words_that_are_probably_mistakes() {
    for (words, rest) in [
        ("-H h -C 30 14", " '14': did you mean -C 30,14?"),
        ("-I ::1 -H h -C 30 14", " '14': did you mean -C 30,14?"),
        ("-H h -w 5 10", " '10': did you mean -w 5:10?"),
        ("-H h -c 10 5", " '5': did you mean -c 5:10?"),
        ("-H h -e 200 OK", " 'OK': did you mean -e '200 OK'?"),
        ("-H h -e 404 Not Found", " 'Not': did you mean -e '404 Not Found'?"),
        ("-H h -s Sign 2", " '2': did you mean -s 'Sign 2'?"),
        ("-H h 10.0.0", " '10.0.0'; see --help"),
        ("-H h -N x", " 'x'; see --help"),
        ("-H h '' -N", " ''; see --help"),
        ("-H h -a user: 1", " after -a: quote a value that contains blanks"),
        ("-I ::1 -H h extra", " 'extra'; see --help"),
        ("-S 1.4", " '1.4'; see --help"),
        ("a.example b.example c.example", " 'c.example'; see --help"),
        ("-H h localhost:80", " 'localhost:80'; see --help"),
    ] {
        let expected = format!("unexpected word{rest}");
        assert_eq!(parsed(words).err().as_deref(), Some(&*expected), "{words}");
    }
}

#[test]
fn timeout_option_sets_the_state() {
    for (words, state) in [
        ("-t 5", State::Critical),
        ("-t 5:", State::Critical),
        ("-t 5:ok", State::Ok),
        ("-t :1", State::Warning),
        ("-t 5:ok --timeout-result unknown", State::Unknown),
    ] {
        assert_eq!(spec(&format!("-H h {words}")).unwrap().timeout_state, state, "{words}");
    }
}

#[test]
fn parses_page_sizes_and_ranges_of_them() {
    for (typed, expected) in [
        ("5000", Some((5000, 0, false))),
        ("1:99999", Some((1, 99999, false))),
        ("10:0", Some((10, 0, false))),
        ("10:", Some((10, 0, false))),
        (":20", Some((0, 20, false))),
        ("~:20", Some((0, 20, false))),
        ("@10:20", Some((10, 20, true))),
        ("@20", Some((0, 20, true))),
        ("@10:", Some((10, u64::MAX, true))),
        (":", None),
        ("-5", None),
        ("1:2:3", None),
        ("@", None),
    ] {
        let size = spec(&format!("-H h -m {typed}")).ok().map(|spec| spec.response.size);
        let size = size.map(|size| (size.min, size.max, size.alert_inside));
        assert_eq!(size, expected, "{typed}");
    }
}
