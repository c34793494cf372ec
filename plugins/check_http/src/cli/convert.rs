//! Converts the options to a [`CheckSpec`], or reports the first invalid value.

use std::ffi::{OsStr, OsString};
use std::mem;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Instant;

use plugin_kit::{Problem, State};

use super::command_line::ParsedOptions;
use super::options::Cli;
use crate::deadline;
use crate::http::cookies::jar::CookieJar;
use crate::http::redirect::OnRedirect;
use crate::http::request::RequestSpec;
use crate::http::target::HttpTarget;
use crate::net::resolve::Family;
use crate::net::tls::TlsSpec;
use crate::net::tls::ca_bundle::{self, CaBundleError};
use crate::net::tls::pem::PemFile;
use crate::pattern::posix::Pattern;
use crate::spec::proxy::Proxy;
use crate::spec::{CertificateSpec, CheckSpec, OutputSpec, ResponseSpec, parse, secrets};

const USERAGENT: &str = concat!(
    "check_http/v",
    env!("CARGO_PKG_VERSION"),
    " (nagios-selfheal ",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// Converts the options. `run_start` is when the program started.
pub fn spec(options: ParsedOptions, run_start: Instant) -> Result<CheckSpec, Problem> {
    let target = target(&options)?;
    let critical = given(&options.cli.critical, |text| parse::range("-c", text))?;
    let (timeout, on_timeout) = parse::timeout(options.cli.timeout.as_deref(), critical)?;
    let deadline = deadline::end_of(run_start, timeout);
    let tls = tls(&options.cli, deadline)?;
    let patterns = patterns(&options)?;
    let family = family(&options);
    let mut cli = options.cli;
    let proxy = given(&cli.proxy, |url| parse::proxy(url, cli.noproxy.as_deref()))?;
    Ok(CheckSpec {
        family,
        redirect: given(&cli.onredirect, parse::on_redirect)?
            .unwrap_or(OnRedirect::State(State::Ok)),
        certificate: certificate(&cli)?,
        cookie_jar: given(&cli.cookie_jar, |file| cookie_jar(file, deadline))?,
        warning: given(&cli.warning, |text| parse::range("-w", text))?,
        critical,
        timeout,
        timeout_state: given(&cli.timeout_result, |text| parse::state("timeout-result", text))?
            .or(on_timeout)
            .unwrap_or(State::Critical),
        source: given(&cli.source_address, parse::source)?,
        haproxy: cli.haproxy_protocol,
        all_addresses: cli.all_addresses,
        max_redirects: given(&cli.max_redirs, parse::max_redirects)?.unwrap_or(15),
        output: output(&cli)?,
        response: response(&mut cli, patterns)?,
        request: request(&mut cli, target.tunnel, proxy.as_ref(), deadline)?,
        proxy,
        target,
        tls,
    })
}

/// Parses the value of an option if the option is given.
fn given<T>(
    value: &Option<OsString>,
    parse: impl FnOnce(&OsStr) -> Result<T, Problem>,
) -> Result<Option<T>, Problem> {
    value.as_deref().map(parse).transpose()
}

/// Takes the value of an option and returns it as bytes.
fn bytes(value: &mut Option<OsString>) -> Option<Vec<u8>> {
    value.take().map(OsString::into_vec)
}

fn family(options: &ParsedOptions) -> Option<Family> {
    match (options.cli.ipv4, options.cli.ipv6) {
        (false, false) => None,
        _ if options.ipv6_last => Some(Family::V6),
        _ => Some(Family::V4),
    }
}

fn certificate(cli: &Cli) -> Result<Option<CertificateSpec>, Problem> {
    let days = given(&cli.certificate, parse::days)?;
    Ok(days.map(|days| CertificateSpec {
        days,
        whole_chain: cli.certificate_chain,
        then_response: cli.continue_after_certificate,
        perfdata: cli.certificate_perfdata,
    }))
}

fn output(cli: &Cli) -> Result<OutputSpec, Problem> {
    if let Some(format) = cli.output_format.as_ref().filter(|format| *format != "multi-line") {
        return Err(parse::usage("Invalid output-format, only multi-line is supported", format));
    }
    Ok(OutputSpec {
        extended: cli.extended_perfdata,
        body: cli.show_body,
        body_perfdata: cli.output_body_as_perfdata,
        url: cli.show_url,
        link: cli.link,
        verbose: cli.verbose > 0,
        always_perfdata: cli.always_perfdata,
    })
}

fn response(cli: &mut Cli, patterns: Vec<Pattern>) -> Result<ResponseSpec, Problem> {
    let json_pointer = |pointer: &OsString| parse::text("json-perfdata", pointer);
    let strings = last_or_all(mem::take(&mut cli.string), cli.match_all);
    Ok(ResponseSpec {
        expect: bytes(&mut cli.expect),
        expect_after_redirects: cli.expect_after_redirects,
        status_rules: given(&cli.status, parse::status_rules)?.unwrap_or_default(),
        header_string: bytes(&mut cli.header_string).filter(|text| !text.is_empty()),
        header_pattern: given(&cli.header_regex, |text| pattern(text, true, false))?,
        strings: strings
            .into_iter()
            .map(OsString::into_vec)
            .filter(|text| !text.is_empty())
            .collect(),
        patterns,
        json: cli.json.iter().map(|text| parse::assertion(text)).collect::<Result<_, _>>()?,
        json_perfdata: cli.json_perfdata.iter().map(json_pointer).collect::<Result<_, _>>()?,
        pattern_state: given(&cli.state_regex, parse::pattern_state)?.unwrap_or(State::Critical),
        invert_pattern: cli.invert_regex,
        max_age: given(&cli.max_age, parse::age)?,
        size: parse::size(&cli.pagesize)?,
    })
}

fn request(
    cli: &mut Cli,
    tunnel: bool,
    proxy: Option<&Proxy>,
    deadline: Option<Instant>,
) -> Result<RequestSpec, Problem> {
    let method =
        cli.method.take().map(|method| match parse::inner_method(&method).filter(|_| tunnel) {
            Some(inner) => inner.to_vec(),
            None => parse::outer_method(&method),
        });
    let user = (cli.authorization.take(), cli.authorization_file.take());
    let secret_headers =
        given(&cli.header_file, |file| secrets::header_lines(file, deadline))?.unwrap_or_default();
    let proxy_user = (cli.proxy_authorization.take(), cli.proxy_authorization_file.take());
    Ok(RequestSpec {
        method,
        useragent: bytes(&mut cli.useragent).unwrap_or_else(|| USERAGENT.into()),
        headers: mem::take(&mut cli.header).into_iter().map(OsString::into_vec).collect(),
        secret_headers,
        auth_scheme: given(&cli.auth_scheme, parse::auth_scheme)?.unwrap_or_default(),
        authorization: secrets::credentials(user.0, user.1, deadline)?,
        proxy_authorization: secrets::credentials(proxy_user.0, proxy_user.1, deadline)?
            .or_else(|| proxy?.authorization.clone()),
        post: mem::take(&mut cli.post).into_iter().next().map(OsString::into_vec),
        content_type: bytes(&mut cli.content_type),
        no_body: cli.no_body,
        compressed: cli.enable_automatic_decompression,
        version: given(&cli.http_version, parse::http_version)?,
    })
}

fn target(options: &ParsedOptions) -> Result<HttpTarget, Problem> {
    let cli = &options.cli;
    let mut operands = options.operands.iter();
    let address = cli.address.as_ref().or_else(|| operands.next());
    let address = address.map(|name| parse::text("address", name)).transpose()?;
    let port = given(&cli.port, parse::port)?;
    let files = [&cli.certificate, &cli.client_cert, &cli.private_key, &cli.ca_cert];
    let is_tls = cli.ssl.is_some()
        || cli.verify_cert
        || !cli.pin_sha256.is_empty()
        || files.into_iter().any(Option::is_some);
    let HostOption { name: mut host, port: host_port, tls_after_port } = last_host(options)?;
    if host.is_none() {
        host = operands.next().map(|name| parse::text("host name", name)).transpose()?;
    }
    let connected = host_port.filter(|_| !tls_after_port);
    let port = port.or(connected).unwrap_or(if is_tls { 443 } else { 80 });
    let Some(address) = address.as_ref().or(host.as_ref()) else {
        return Err(Problem::Usage("You must specify a server address or host name".into()));
    };
    let address = HttpTarget::without_brackets(address).to_owned();
    for name in host.iter().chain([&address]).filter(|name| !name.starts_with('/')) {
        parse::host_name(name)?;
    }
    // If -S and -H are given, -j CONNECT requests a tunnel from a proxy.
    let tunnel = is_tls
        && host.is_some()
        && cli.method.as_deref().is_some_and(|method| parse::inner_method(method).is_some());
    let virtual_port = host_port.unwrap_or(if tunnel { 443 } else { port });
    Ok(HttpTarget {
        tls: is_tls,
        host,
        address,
        port,
        virtual_port,
        url: cli.url.as_ref().map_or(b"/".to_vec(), |url| url.as_bytes().to_vec()),
        tunnel,
    })
}

/// The combined values of all -H options.
#[derive(Default)]
struct HostOption {
    /// Name given with the last -H.
    name: Option<String>,
    /// Port given with the last -H that has one.
    port: Option<u16>,
    /// Whether an option that implies TLS comes after the -H that has this port.
    tls_after_port: bool,
}

fn last_host(options: &ParsedOptions) -> Result<HostOption, Problem> {
    let mut host = HostOption::default();
    for (name, tls_after) in options.cli.hostname.iter().zip(&options.tls_after_hostname) {
        let name = parse::text("host name", name)?;
        let (name, port) = HttpTarget::split_host(&name)
            .ok_or_else(|| Problem::Usage(format!("Invalid port number - {name}")))?;
        host.name = Some(name);
        if port.is_some_and(|port| port > 0) {
            (host.port, host.tls_after_port) = (port, *tls_after);
        }
    }
    if options.cli.hostname.last().is_some_and(|name| name.is_empty()) {
        return Err(Problem::Usage("-H is empty (an unset macro?)".into()));
    }
    Ok(host)
}

fn tls(cli: &Cli, deadline: Option<Instant>) -> Result<TlsSpec, Problem> {
    let open = |file: &OsStr| {
        PemFile::open(Path::new(file), deadline).map_err(|why| parse::unusable(file, &why))
    };
    let certificate = given(&cli.client_cert, open)?;
    let key = given(&cli.private_key, open)?;
    let ca_bundle = match given(&cli.ca_cert, open)? {
        None if cli.verify_cert => Some(ca_bundle::open(deadline).map_err(|why| match why {
            CaBundleError::Unusable(file, why) => parse::unusable(&file, &why),
            CaBundleError::Missing => Problem::Usage(why.to_string()),
        })?),
        named => named,
    };
    if cli.client_cert.is_some() && cli.private_key.is_none() {
        return Err(Problem::Usage(
            "If you use a client certificate you must also specify a private key file".into(),
        ));
    }
    let (oldest, newest) = parse::versions(cli.ssl.as_deref().unwrap_or_default())?;
    Ok(TlsSpec {
        oldest,
        newest,
        sni: cli.sni || cli.verify_host || ca_bundle.is_some() || !cli.pin_sha256.is_empty(),
        client: certificate.zip(key),
        passphrase: given(&cli.passphrase_file, |file| {
            let input = secrets::open(file, deadline)?;
            Ok(PemFile::new(Path::new(file), input))
        })?,
        ca_bundle,
        verify_host: cli.verify_host,
        pins: cli.pin_sha256.iter().map(|pin| parse::pin(pin)).collect::<Result<_, _>>()?,
    })
}

fn cookie_jar(file: &OsStr, deadline: Option<Instant>) -> Result<CookieJar, Problem> {
    CookieJar::open(Path::new(file), deadline).map_err(|why| Problem::Usage(why.to_string()))
}

fn patterns(options: &ParsedOptions) -> Result<Vec<Pattern>, Problem> {
    let mut patterns = Vec::new();
    for option in &options.patterns {
        patterns.push(pattern(&option.text, option.ignore_case, option.linespan)?);
    }
    // Like monitoring-plugins, ignore all patterns if the last one is empty.
    if options.patterns.last().is_some_and(|option| option.text.is_empty()) {
        patterns.clear();
    }
    Ok(last_or_all(patterns, options.cli.match_all))
}

fn pattern(text: &OsStr, ignore_case: bool, linespan: bool) -> Result<Pattern, Problem> {
    Pattern::new(text.as_bytes(), ignore_case, linespan)
        .map_err(|why| Problem::Usage(format!("Could Not Compile Regular Expression: {why}")))
}

/// Returns the values of a repeated option: all of them with --match-all, otherwise only the last.
fn last_or_all<T>(mut values: Vec<T>, all: bool) -> Vec<T> {
    if !all {
        values.drain(..values.len().saturating_sub(1));
    }
    values
}
