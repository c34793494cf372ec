//! What was typed becomes what is wished, or a complaint. Nothing else of the program sees typed words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use plugin_kit::{Problem, State};

use super::values::{
    age, assertion, codes, credentials, days, http_version, inner_method, integer, on_redirect, pattern_state, port, proxy,
    range, size, source, state, text, timeout, usage, versions,
};
use super::{Family, PageWish, Request, Show, TlsWish, Wish};
use crate::authorities;
use crate::cli::{Cli, Typed};
use crate::cookie::Jar;
use crate::place::Place;
use crate::posix::Pattern;

const USERAGENT: &str = concat!("check_http/v", env!("CARGO_PKG_VERSION"), " (nagios-selfheal ", env!("CARGO_PKG_VERSION"), ")");

impl Wish {
    /// Checks what was typed.
    pub fn new(typed: Typed) -> Result<Wish, Problem> {
        let place = place(&typed)?;
        let tls = tls(&typed.cli)?;
        let patterns = patterns(&typed)?;
        let cli = typed.cli;
        let critical = range("-c", cli.critical.as_deref())?;
        let proxy = cli.proxy.as_deref().map(|url| proxy(url, cli.noproxy.as_deref())).transpose()?;
        let proxy_user = proxy.as_ref().and_then(|proxy| proxy.authorization.clone());
        let redirect = on_redirect(cli.onredirect.as_deref())?;
        Ok(Wish {
            family: match (cli.ipv4, cli.ipv6) {
                (false, false) => None,
                _ if typed.ipv6_last => Some(Family::V6),
                _ => Some(Family::V4),
            },
            certificate: cli.certificate.as_deref().map(days).transpose()?,
            certificate_chain: cli.certificate_chain,
            continue_after_certificate: cli.continue_after_certificate,
            certificate_perfdata: cli.certificate_perfdata,
            all_addresses: cli.all_addresses,
            jar: cli.cookie_jar.as_deref().map(jar).transpose()?,
            warning: range("-w", cli.warning.as_deref())?,
            timeout: timeout(cli.timeout.as_deref(), critical)?,
            timeout_state: cli.timeout_result.as_deref().map_or(Ok(State::Critical), |text| state("timeout-result", text))?,
            source: cli.source_address.as_deref().map(source).transpose()?,
            haproxy: cli.haproxy_protocol,
            proxy,
            critical,
            redirect,
            max_redirects: match cli.max_redirs.as_deref() {
                None => 15,
                Some(text) => {
                    integer(text).ok_or_else(|| usage("Invalid max_redirs count", text))?.try_into().unwrap_or(u32::MAX)
                }
            },
            show: Show {
                extended: cli.extended_perfdata,
                body: cli.show_body,
                link: cli.link,
                verbose: cli.verbose > 0,
                always_perfdata: cli.always_perfdata,
            },
            page: PageWish {
                expect: cli.expect.map(OsString::into_vec),
                expect_after_redirects: cli.expect_after_redirects,
                codes: cli.status.as_deref().map(codes).transpose()?.unwrap_or_default(),
                header_string: cli.header_string.map(OsString::into_vec).filter(|text| !text.is_empty()),
                header_pattern: cli.header_regex.as_deref().map(header_pattern).transpose()?,
                strings: last_or_all(cli.string, cli.match_all)
                    .into_iter()
                    .map(OsString::into_vec)
                    .filter(|text| !text.is_empty())
                    .collect(),
                patterns,
                json: cli.json.iter().map(|text| assertion(text)).collect::<Result<_, _>>()?,
                json_perfdata: cli
                    .json_perfdata
                    .iter()
                    .map(|pointer| text("json-perfdata", pointer))
                    .collect::<Result<_, _>>()?,
                pattern_state: pattern_state(cli.state_regex.as_deref())?,
                invert_pattern: cli.invert_regex,
                max_age: cli.max_age.as_deref().map(age).transpose()?,
                size: size(&cli.pagesize)?,
            },
            request: Request {
                method: cli.method.map(|method| match inner_method(&method).filter(|_| place.tunnel) {
                    Some(inner) => inner.to_vec(),
                    None => method.into_vec(),
                }),
                useragent: cli.useragent.map_or_else(|| USERAGENT.into(), OsString::into_vec),
                headers: cli.header.into_iter().map(OsString::into_vec).collect(),
                authorization: credentials(cli.authorization, cli.authorization_file)?,
                proxy_authorization: credentials(cli.proxy_authorization, cli.proxy_authorization_file)?.or(proxy_user),
                post: cli.post.into_iter().next().map(OsString::into_vec),
                content_type: cli.content_type.map(OsString::into_vec),
                no_body: cli.no_body,
                compressed: cli.enable_automatic_decompression,
                version: cli.http_version.as_deref().map(http_version).transpose()?,
            },
            place,
            tls,
        })
    }
}

fn place(typed: &Typed) -> Result<Place, Problem> {
    let cli = &typed.cli;
    let mut operands = cli.operands.iter();
    let address = cli.address.as_ref().or_else(|| operands.next());
    let host = cli.hostname.as_ref().or_else(|| operands.next());
    let host = host.map(|name| text("host name", name)).transpose()?;
    let address = address.map(|name| text("address", name)).transpose()?;
    let port = cli.port.as_deref().map(port).transpose()?;
    let files = [&cli.certificate, &cli.client_cert, &cli.private_key, &cli.ca_cert];
    let is_tls = cli.ssl.is_some() || cli.verify_cert || files.into_iter().any(Option::is_some);
    let (host, host_port) = match host {
        Some(name) if cli.hostname.is_some() => {
            let (name, port) = Place::split_host(&name).ok_or_else(|| Problem::Usage(format!("Invalid port number - {name}")))?;
            (Some(name), port)
        }
        other => (other, None),
    };
    let port = port.or(host_port.filter(|_| !typed.tls_after_hostname)).unwrap_or(if is_tls { 443 } else { 80 });
    let address = match (address, &host) {
        (Some(address), _) => Place::without_brackets(&address).to_owned(),
        (None, Some(host)) => Place::without_brackets(host).to_owned(),
        (None, None) => return Err(Problem::Usage("You must specify a server address or host name".into())),
    };
    // With -S and -H, -j CONNECT asks a proxy for the way and the site for the page.
    let tunnel = is_tls && host.is_some() && cli.method.as_deref().is_some_and(|method| inner_method(method).is_some());
    let virtual_port = host_port.unwrap_or(if tunnel { 443 } else { port });
    Ok(Place { tls: is_tls, host, address, port, virtual_port, url: cli.url.as_bytes().to_vec(), tunnel })
}

fn tls(cli: &Cli) -> Result<TlsWish, Problem> {
    for file in [&cli.client_cert, &cli.private_key, &cli.ca_cert].into_iter().flatten() {
        std::fs::File::open(file).map_err(|_| usage("file does not exist or is not readable", file))?;
    }
    if cli.client_cert.is_some() && cli.private_key.is_none() {
        return Err(Problem::Usage("If you use a client certificate you must also specify a private key file".into()));
    }
    let (oldest, newest) = versions(cli.ssl.as_deref().unwrap_or_default())?;
    let authorities = match &cli.ca_cert {
        Some(file) => Some(PathBuf::from(file)),
        None if cli.verify_cert => {
            let none = "No certificates of authorities are installed: name their file with --ca-cert";
            Some(authorities::bundle().ok_or_else(|| Problem::Usage(none.into()))?)
        }
        None => None,
    };
    let client = cli.client_cert.clone().zip(cli.private_key.clone());
    Ok(TlsWish { oldest, newest, sni: cli.sni || authorities.is_some(), client, authorities })
}

fn jar(file: &OsStr) -> Result<Jar, Problem> {
    Jar::open(Path::new(file)).map_err(|why| Problem::Usage(why.to_string()))
}

fn patterns(typed: &Typed) -> Result<Vec<Pattern>, Problem> {
    let mut patterns = Vec::new();
    for typed in &typed.patterns {
        patterns.push(compiled(typed.text.as_bytes(), typed.ignore_case, typed.linespan)?);
    }
    // Like the original: an empty one, as the last, is none at all.
    if typed.patterns.last().is_some_and(|typed| typed.text.is_empty()) {
        patterns.clear();
    }
    Ok(last_or_all(patterns, typed.cli.match_all))
}

fn header_pattern(text: &OsStr) -> Result<Pattern, Problem> {
    compiled(text.as_bytes(), true, false)
}

fn compiled(text: &[u8], ignore_case: bool, linespan: bool) -> Result<Pattern, Problem> {
    Pattern::new(text, ignore_case, linespan)
        .map_err(|problem| Problem::Usage(format!("Could Not Compile Regular Expression: {problem}")))
}

/// Of repeated options the last counts, unless all were asked for.
fn last_or_all<T>(mut typed: Vec<T>, all: bool) -> Vec<T> {
    if !all {
        typed.drain(..typed.len().saturating_sub(1));
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::super::{Code, TlsVersion};
    use super::*;
    use crate::cli;

    fn wish(words: &str) -> Result<Wish, String> {
        let typed = cli::read(&words.split(' ').map(OsString::from).collect::<Vec<_>>()).map_err(|p| p.to_string())?;
        Wish::new(typed).map_err(|problem| problem.to_string())
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
        for words in
            ["--status 4x=ok", "--status 99=ok", "--status 200", "--timeout-result x", "--state-regex ok", "--http-version 2"]
        {
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
        let read = proxy("-x http://u:p%40q@proxy.example:3128/ --noproxy localhost,.inside.example").unwrap();
        assert_eq!((read.address.as_str(), read.port), ("proxy.example", 3128));
        assert_eq!(read.authorization.as_deref(), Some(&b"u:p@q"[..]));
        for (name, spared) in
            [("localhost", true), ("a.inside.example", true), ("inside.example", true), ("notinside.example", false)]
        {
            assert_eq!(read.spares(name), spared, "{name}");
        }
        assert_eq!(proxy("-x [::1]:8080").map(|read| (read.address, read.port)), Ok(("::1".into(), 8080)));
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
}
