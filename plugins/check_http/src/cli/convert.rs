//! What was typed becomes what is wished, or a complaint. Nothing else of the program sees typed
//! words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Instant;

use plugin_kit::{Problem, State};

use super::command_line::Typed;
use super::options::Cli;
use crate::deadline::deadline;
use crate::http::cookies::jar::Jar;
use crate::http::target::Place;
use crate::net::tls::ca_bundle;
use crate::net::tls::pem::Pem;
use crate::pattern::posix::Pattern;
use crate::spec::parse::{
    age, assertion, codes, credentials, days, http_version, inner_method, max_redirects,
    on_redirect, outer_method, pattern_state, port, proxy, range, size, source, state, text,
    versions,
};
use crate::spec::typed::{timeout, unreadable};
use crate::spec::{Family, PageWish, Request, Show, TlsWish, Wish};

const USERAGENT: &str = concat!(
    "check_http/v",
    env!("CARGO_PKG_VERSION"),
    " (nagios-selfheal ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// Checks what was typed, in a run that began at `begin`.
pub fn spec(typed: Typed, begin: Instant) -> Result<Wish, Problem> {
    let place = place(&typed)?;
    let critical = range("-c", typed.cli.critical.as_deref())?;
    let timeout = timeout(typed.cli.timeout.as_deref(), critical)?;
    let deadline = deadline(begin, timeout);
    let tls = tls(&typed.cli, deadline)?;
    let patterns = patterns(&typed)?;
    let cli = typed.cli;
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
        jar: cli.cookie_jar.as_deref().map(|file| jar(file, deadline)).transpose()?,
        warning: range("-w", cli.warning.as_deref())?,
        timeout,
        timeout_state: cli
            .timeout_result
            .as_deref()
            .map_or(Ok(State::Critical), |text| state("timeout-result", text))?,
        source: cli.source_address.as_deref().map(source).transpose()?,
        haproxy: cli.haproxy_protocol,
        proxy,
        critical,
        redirect,
        max_redirects: max_redirects(cli.max_redirs.as_deref())?,
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
            header_string: cli
                .header_string
                .map(OsString::into_vec)
                .filter(|text| !text.is_empty()),
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
                None => outer_method(method),
            }),
            useragent: cli.useragent.map_or_else(|| USERAGENT.into(), OsString::into_vec),
            headers: cli.header.into_iter().map(OsString::into_vec).collect(),
            authorization: credentials(cli.authorization, cli.authorization_file, deadline)?,
            proxy_authorization: credentials(
                cli.proxy_authorization,
                cli.proxy_authorization_file,
                deadline,
            )?
            .or(proxy_user),
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

fn place(typed: &Typed) -> Result<Place, Problem> {
    let cli = &typed.cli;
    let mut operands = cli.operands.iter();
    let address = cli.address.as_ref().or_else(|| operands.next());
    let address = address.map(|name| text("address", name)).transpose()?;
    let port = cli.port.as_deref().map(port).transpose()?;
    let files = [&cli.certificate, &cli.client_cert, &cli.private_key, &cli.ca_cert];
    let is_tls = cli.ssl.is_some() || cli.verify_cert || files.into_iter().any(Option::is_some);
    let (mut host, mut host_port) = (None, None);
    for (name, tls_behind) in cli.hostname.iter().zip(&typed.tls_after_hostname) {
        let name = text("host name", name)?;
        let split = Place::split_host(&name)
            .ok_or_else(|| Problem::Usage(format!("Invalid port number - {name}")))?;
        // A name without a port leaves that of a name before it.
        host_port = split.1.filter(|port| *port > 0).map(|port| (port, *tls_behind)).or(host_port);
        host = Some(split.0);
    }
    if host.is_none() {
        host = operands.next().map(|name| text("host name", name)).transpose()?;
    }
    let connected = host_port.filter(|(_, tls_behind)| !tls_behind).map(|(port, _)| port);
    let port = port.or(connected).unwrap_or(if is_tls { 443 } else { 80 });
    let address = match (address, &host) {
        (Some(address), _) => Place::without_brackets(&address).to_owned(),
        (None, Some(host)) => Place::without_brackets(host).to_owned(),
        (None, None) => {
            return Err(Problem::Usage("You must specify a server address or host name".into()));
        }
    };
    // With -S and -H, -j CONNECT asks a proxy for the way and the site for the page.
    let tunnel = is_tls
        && host.is_some()
        && cli.method.as_deref().is_some_and(|method| inner_method(method).is_some());
    let virtual_port = host_port.map_or(if tunnel { 443 } else { port }, |(port, _)| port);
    Ok(Place {
        tls: is_tls,
        host,
        address,
        port,
        virtual_port,
        url: cli.url.as_bytes().to_vec(),
        tunnel,
    })
}

fn tls(cli: &Cli, deadline: Option<Instant>) -> Result<TlsWish, Problem> {
    let open = |file: &OsString| {
        Pem::open(Path::new(file), deadline).map_err(|why| unreadable(&why, file))
    };
    let certificate = cli.client_cert.as_ref().map(open).transpose()?;
    let key = cli.private_key.as_ref().map(open).transpose()?;
    let authorities = match &cli.ca_cert {
        Some(file) => Some(open(file)?),
        None if cli.verify_cert => Some(ca_bundle::bundle(deadline)?),
        None => None,
    };
    if cli.client_cert.is_some() && cli.private_key.is_none() {
        return Err(Problem::Usage(
            "If you use a client certificate you must also specify a private key file".into(),
        ));
    }
    let (oldest, newest) = versions(cli.ssl.as_deref().unwrap_or_default())?;
    Ok(TlsWish {
        oldest,
        newest,
        sni: cli.sni || authorities.is_some(),
        client: certificate.zip(key),
        authorities,
    })
}

fn jar(file: &OsStr, deadline: Option<Instant>) -> Result<Jar, Problem> {
    Jar::open(Path::new(file), deadline).map_err(|why| Problem::Usage(why.to_string()))
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
    Pattern::new(text, ignore_case, linespan).map_err(|problem| {
        Problem::Usage(format!("Could Not Compile Regular Expression: {problem}"))
    })
}

/// Of repeated options the last counts, unless all were asked for.
fn last_or_all<T>(mut typed: Vec<T>, all: bool) -> Vec<T> {
    if !all {
        typed.drain(..typed.len().saturating_sub(1));
    }
    typed
}
