//! The options with their names, values and help.

use std::ffi::OsString;

use clap::Arg;

use super::syntax::{OptionHelp, OptionSyntax, option, options};

/// Returns the clap command, which prints the help. The manual page and the shell completions are
/// also generated from it. The command line is not parsed with clap, because this would take a
/// large part of the run time.
pub fn command() -> clap::Command {
    clap::Command::new("check_http")
        .about("Check an HTTP or HTTPS server and print its state in one line.")
        .override_usage(
            "check_http -H NAME | -I ADDRESS [-p PORT] [-u PATH] [options]\n       \
             check_http -H NAME | -I ADDRESS -C DAYS[,DAYS] [options]",
        )
        .after_help(EXAMPLES)
        .term_width(80)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args(OPTIONS.iter().map(|option| option.arg(described(option.long))))
        .arg(
            Arg::new("operands")
                .help("Use these values for -I and -H if the options are not given")
                .value_name("ADDRESS [NAME]")
                .num_args(0..)
                .hide(true),
        )
}

options! {
    ["Connection"]

    /// Send this name in the Host header, and connect to it unless -I is given. Put an IPv6 address
    /// in brackets. A name with letters outside ASCII is sent in its xn-- form.
    hostname: Vec<OsString> = "hostname".short('H').value("NAME[:PORT]");

    /// Connect to this address or name. A value that starts with / is the path of a Unix socket.
    address: Option<OsString> = "IP-address".short('I').value("ADDRESS");

    /// Connect to this port [default: 80, or 443 with TLS].
    port: Option<OsString> = "port".short('p').value("PORT");

    /// Check every address of the host name separately. Report the worst result, together with the
    /// address that it belongs to.
    all_addresses: bool = "all-addresses";

    /// Use IPv4 only.
    ipv4: bool = "use-ipv4".short('4');

    /// Use IPv6 only.
    ipv6: bool = "use-ipv6".short('6');

    /// Connect from this local address.
    source_address: Option<OsString> = "source-address".value("ADDRESS");

    /// Send requests through this HTTP proxy: HOST:PORT or http://USER:PASSWORD@HOST:PORT. SOCKS
    /// proxies are not supported.
    proxy: Option<OsString> = "proxy".short('x').value("URL");

    /// With -x: connect to these hosts without the proxy. Each is a name or domain (*.example.org
    /// or .example.org), an address or a network (10.0.0.0/8). A host matches by its name or by the
    /// address given with -I. * matches all hosts.
    noproxy: Option<OsString> = "noproxy".value("HOST,...");

    /// Before the request, send the PROXY line (version 1) that servers behind HAProxy expect.
    haproxy_protocol: bool = "haproxy-protocol";

    ["Request"]

    /// Request this path, and send it unchanged [default: /]. If -I is the address of a plain HTTP
    /// proxy, give a whole URL.
    url: Option<OsString> = "url".short('u').alias("uri").value("PATH");

    /// Send this method unchanged [default: GET, or POST with -P]. With -S and -H, CONNECT or
    /// CONNECT:METHOD opens a tunnel through the proxy that -I and -p name.
    method: Option<OsString> = "method".short('j').value("METHOD");

    /// Send this body, which must already be URL-encoded.
    post: Vec<OsString> = "post".short('P').value("TEXT");

    /// Send this Content-Type with -P [default: application/x-www-form-urlencoded].
    content_type: Option<OsString> = "content-type".short('T').value("TYPE");

    /// Send this header line unchanged. Repeat for more lines. 'Host: x' replaces the default Host
    /// header.
    header: Vec<OsString> = "header".short('k').value("LINE");

    /// Send this User-Agent.
    useragent: Option<OsString> = "useragent".short('A').value("TEXT");

    /// Send this user name and password with Basic authentication. If the server refuses this and
    /// demands Digest authentication, use Digest (see --auth-scheme).
    authorization: Option<OsString> = "authorization".short('a').value("USER:PASSWORD");

    /// Send this user name and password to the proxy with Basic authentication.
    proxy_authorization: Option<OsString> = "proxy-authorization".short('b').value("USER:PASSWORD");

    /// Like -a, but read USER:PASSWORD from the first line of this file, so that other users cannot
    /// see the password in the process list.
    authorization_file: Option<OsString> = "authorization-file".value("FILE");

    /// Like -b, but read USER:PASSWORD from the first line of this file.
    proxy_authorization_file: Option<OsString> = "proxy-authorization-file".value("FILE");

    /// Send the user name and the password only with this scheme, basic or digest (RFC 7616, with
    /// MD5 or SHA-256). With digest, the password itself is never sent.
    auth_scheme: Option<OsString> = "auth-scheme".value("SCHEME");

    /// Send the header lines in this file, for example 'Authorization: Bearer TOKEN'. They do not
    /// appear in the process list or in the output, and are not sent to other hosts. Other users
    /// must not be able to read the file.
    header_file: Option<OsString> = "header-file".value("FILE");

    /// Accept compressed bodies (gzip, deflate) and check their decompressed content.
    enable_automatic_decompression: bool = "enable-automatic-decompression";

    /// Keep cookies in this file (Netscape format), and send them again after redirects and in
    /// later runs. If FILE is '', keep cookies only during this run.
    cookie_jar: Option<OsString> = "cookie-jar".value("FILE");

    /// Use this HTTP version: 1.0 or 1.1 [default: 1.1 with -H, else 1.0]. HTTP/2 and HTTP/3 are
    /// not supported.
    http_version: Option<OsString> = "http-version".value("VERSION");

    /// Stop reading after the headers. This does not change the method.
    no_body: bool = "no-body".short('N');

    ["TLS and certificates"]

    /// Use TLS. To allow only one version, give VERSION (1, 1.1, 1.2 or 1.3). To allow newer
    /// versions as well, add a +. Examples: -S1.2, -S 1.2 or --ssl=1.2+.
    ssl: Option<OsString> = "ssl".short('S').optional_value("VERSION[+]");

    /// Send the name in -H in the TLS handshake (SNI). Servers that host several sites need this.
    sni: bool = "sni";

    /// Check only the certificate. Return WARNING if it expires within DAYS days, and CRITICAL if
    /// it expires within CRIT days [default: 0].
    certificate: Option<OsString> = "certificate".short('C').value("DAYS[,CRIT]");

    /// With -C: check the response as well.
    continue_after_certificate: bool = "continue-after-certificate";

    /// With -C: check all certificates in the chain, and report the one that expires first.
    certificate_chain: bool = "certificate-chain";

    /// With -C: add the number of days until the certificate expires to the performance data.
    certificate_perfdata: bool = "certificate-perfdata";

    /// Authenticate with the client certificate and chain in this file (PEM). PKCS#12 is not
    /// supported; convert it with openssl pkcs12. TLS 1.3 post-handshake authentication is not
    /// supported either, so the server must request the certificate in the first handshake.
    client_cert: Option<OsString> = "client-cert".short('J').value("FILE");

    /// Read the private key of the client certificate from this file (PEM).
    private_key: Option<OsString> = "private-key".short('K').value("FILE");

    /// Read the passphrase of the private key from the first line of this file, which other users
    /// must not be able to read. Needs check_http_openssl.
    passphrase_file: Option<OsString> = "passphrase-file".value("FILE");

    /// Verify the chain and the name of the server's certificate (implies -S and --sni).
    verify_cert: bool = "verify-cert".short('D');

    /// Verify the server's certificate with the CA certificates in this file (PEM; implies -D).
    ca_cert: Option<OsString> = "ca-cert".value("FILE");

    /// With TLS: verify the name of the server's certificate, but not its chain (implies --sni).
    verify_host: bool = "verify-host";

    /// Expect the server to have the public key with this hash (SHA-256 of SubjectPublicKeyInfo in
    /// Base64, as in RFC 7469). Repeat for more keys, of which one must match. Other hosts to which
    /// redirects lead can have any key (implies -S and --sni).
    pin_sha256: Vec<OsString> = "pin-sha256".value("HASH");

    ["Expectations"]

    /// Expect one of these strings in the status line; the status code is then ignored [default:
    /// HTTP/1.].
    expect: Option<OsString> = "expect".short('e').value("TEXT[,TEXT]");

    /// With -e and -f follow: apply -e to the response after the last redirect.
    expect_after_redirects: bool = "expect-after-redirects";

    /// Map status codes to states, for example 401=ok,4xx=critical. The first match applies.
    status: Option<OsString> = "status".value("CODE=STATE,...");

    /// Expect this string in the headers.
    header_string: Option<OsString> = "header-string".short('d').value("TEXT");

    /// Expect the headers to match this regular expression, ignoring case.
    header_regex: Option<OsString> = "header-regex".value("REGEX");

    /// Expect this string in the body.
    string: Vec<OsString> = "string".short('s').value("TEXT");

    /// Expect the body to match this POSIX extended regular expression.
    regex: Vec<OsString> = "regex".short('r').alias("ereg").value("REGEX");

    /// Like -r, but ignore case.
    eregi: Vec<OsString> = "eregi".short('R').value("REGEX");

    /// Let the regular expressions after this option match across lines.
    linespan: u8 = "linespan".short('l');

    /// Expect the regular expression not to match.
    invert_regex: bool = "invert-regex";

    /// Check every -s, -r and -R. Without this option, only the last -s and the last -r or -R
    /// count.
    match_all: bool = "match-all";

    /// Return this state if the body does not match a regular expression (with --invert-regex: if
    /// it matches): critical or warning [default: critical].
    state_regex: Option<OsString> = "state-regex".value("STATE");

    /// Expect a JSON body in which this pointer exists or this comparison is true, for example
    /// '/status=="up"' or '/queue/depth<20'. Repeat this option for more checks.
    json: Vec<OsString> = "json".value("POINTER[OP VALUE]");

    /// Return CRITICAL if the page was last modified longer ago than AGE (10s, 10m, 10h, 10d).
    max_age: Option<OsString> = "max-age".short('M').value("AGE");

    /// Return WARNING if the response, including headers, is smaller than MIN or larger than MAX
    /// bytes. ~:MAX has no minimum, and @MIN:MAX returns WARNING between MIN and MAX.
    pagesize: Vec<OsString> = "pagesize".short('m').value("MIN[:MAX]");

    /// Treat a redirect (3xx) as ok, warning, critical or unknown, or follow it. HOW is one of
    /// these states, follow, curl (the same as follow), sticky (follow, but keep the address) or
    /// stickyport (follow, but keep the address and the port) [default: ok].
    onredirect: Option<OsString> = "onredirect".short('f').value("HOW");

    /// Follow at most this many redirects [default: 15].
    max_redirs: Option<OsString> = "max-redirs".value("COUNT");

    ["Limits"]

    /// Return WARNING if the run time in seconds is outside this range.
    warning: Option<OsString> = "warning".short('w').value("RANGE");

    /// Return CRITICAL if the run time in seconds is outside this range.
    critical: Option<OsString> = "critical".short('c').value("RANGE");

    /// Stop after this many seconds and return STATE; 0 means no limit. STATE is ok, warning,
    /// critical, unknown or an exit code [default: 10:critical].
    timeout: Option<OsString> = "timeout".short('t').value("SECONDS[:STATE]");

    /// Return this state after a timeout, even if -t contains another STATE.
    timeout_result: Option<OsString> = "timeout-result".value("STATE");

    ["Output"]

    /// Add the connect, TLS, request, first-byte and transfer times to the performance data.
    extended_perfdata: bool = "extended-perfdata".short('E');

    /// Add the number at this pointer in a JSON body to the performance data. Repeat this option
    /// for more numbers.
    json_perfdata: Vec<OsString> = "json-perfdata".value("POINTER");

    /// Print performance data even if no response arrives.
    always_perfdata: bool = "always-perfdata";

    /// Print the body below the result.
    show_body: bool = "show-body".short('B');

    /// If the result is OK, also print the performance data in the body: at most 100 items from the
    /// first 8 KiB. Other text in the body is ignored.
    output_body_as_perfdata: bool = "output-body-as-perfdata".short('o');

    /// Add the URL to the message.
    show_url: bool = "show-url".short('U');

    /// Print the result in this format. Only multi-line is supported, which is also the default.
    output_format: Option<OsString> = "output-format".value("FORMAT");

    /// Print the result as an HTML link to the page.
    link: bool = "link".short('L');

    /// Print plain text (undoes -L).
    nohtml: bool = "nohtml".short('n');

    /// Print the request and the response below the result.
    verbose: u8 = "verbose".short('v');

    /// Read options from a section of an ini file, and insert them before the options on the
    /// command line [default: section check_http of monitoring-plugins.ini, in $NAGIOS_CONFIG_PATH
    /// or /etc]. @- reads standard input.
    extra_opts: Option<OsString> = "extra-opts".value("[SECTION][@FILE]");

    /// Print this help.
    help: bool = "help".short('h');

    /// Print the version.
    version: bool = "version".short('V');
}

const EXAMPLES: &str = "\
Examples:
  check_http -H www.example.org -w 1 -c 5
      WARNING after one second, CRITICAL after five
  check_http -H www.example.org -I 192.0.2.7 -S --sni -u /login -s 'Sign in'
      request /login from the server 192.0.2.7 over TLS, and expect 'Sign in'
  check_http -H www.example.org --sni -C 30,7
      WARNING 30 days and CRITICAL 7 days before the certificate expires
  check_http -H www.example.org -f follow -e ' 200 '
      expect ' 200 ' in the first status line (-e disables -f follow)

Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also for help, version and
command line errors). A RANGE is [@]START:END, for example 5, 1:5 or @0:1.";
