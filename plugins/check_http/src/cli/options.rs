//! The options with their names, values and help.

use std::ffi::OsString;

use clap::{ArgAction, Parser};

const CONNECTION: &str = "Connection";
const REQUEST: &str = "Request";
const TLS: &str = "TLS and certificates";
const EXPECT: &str = "Expectations";
const LIMITS: &str = "Limits";
const OUTPUT: &str = "Output";

/// The options as typed on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "check_http",
    about = "Check an HTTP or HTTPS server and print its state in one line.",
    override_usage = "check_http -H NAME | -I ADDRESS [-p PORT] [-u PATH] [options]\n       \
                      check_http -H NAME | -I ADDRESS -C DAYS[,DAYS] [options]",
    after_help = EXAMPLES,
    term_width = 80,
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true
)]
// Without a group, clap does less work in every run.
#[group(skip)]
#[allow(clippy::struct_excessive_bools, reason = "each bool is a command line flag")]
pub struct Cli {
    /// Send this name in the Host header, and connect to it unless -I is given. Put an IPv6 address
    /// in brackets. A name with letters outside ASCII is sent in its xn-- form.
    #[arg(short = 'H', long, value_name = "NAME[:PORT]", help_heading = CONNECTION)]
    pub hostname: Vec<OsString>,

    /// Connect to this address or name. A value that starts with / is the path of a Unix socket.
    #[arg(short = 'I', long = "IP-address", value_name = "ADDRESS", help_heading = CONNECTION)]
    pub address: Option<OsString>,

    /// Connect to this port [default: 80, or 443 with TLS].
    #[arg(short, long, value_name = "PORT", help_heading = CONNECTION)]
    pub port: Option<OsString>,

    /// Check every address of the host name separately. Report the worst result, together with the
    /// address that it belongs to.
    #[arg(long, help_heading = CONNECTION)]
    pub all_addresses: bool,

    /// Use IPv4 only.
    #[arg(short = '4', long = "use-ipv4", help_heading = CONNECTION)]
    pub ipv4: bool,

    /// Use IPv6 only.
    #[arg(short = '6', long = "use-ipv6", help_heading = CONNECTION)]
    pub ipv6: bool,

    /// Connect from this local address.
    #[arg(long, value_name = "ADDRESS", help_heading = CONNECTION)]
    pub source_address: Option<OsString>,

    /// Send requests through this HTTP proxy: HOST:PORT or http://USER:PASSWORD@HOST:PORT. SOCKS
    /// proxies are not supported.
    #[arg(short = 'x', long, value_name = "URL", help_heading = CONNECTION)]
    pub proxy: Option<OsString>,

    /// With -x: connect to these hosts without the proxy. Each is a name or domain (*.example.org
    /// or .example.org), an address or a network (10.0.0.0/8). Both the host name and the address
    /// given with -I are compared. * means all.
    #[arg(long, value_name = "HOST,...", help_heading = CONNECTION)]
    pub noproxy: Option<OsString>,

    /// Before the request, send the PROXY line (version 1) that servers behind HAProxy expect.
    #[arg(long, help_heading = CONNECTION)]
    pub haproxy_protocol: bool,

    /// Request this path, and send it unchanged [default: /]. If -I is the address of a plain HTTP
    /// proxy, give a whole URL.
    #[arg(short, long, visible_alias = "uri", value_name = "PATH", help_heading = REQUEST)]
    pub url: Option<OsString>,

    /// Send this method unchanged [default: GET, or POST with -P]. With -S and -H, CONNECT or
    /// CONNECT:METHOD opens a tunnel through the proxy that -I and -p name.
    #[arg(short = 'j', long, value_name = "METHOD", help_heading = REQUEST)]
    pub method: Option<OsString>,

    /// Send this body, which must already be URL-encoded.
    #[arg(short = 'P', long, value_name = "TEXT", help_heading = REQUEST)]
    pub post: Vec<OsString>,

    /// Send this Content-Type with -P [default: application/x-www-form-urlencoded].
    #[arg(short = 'T', long, value_name = "TYPE", help_heading = REQUEST)]
    pub content_type: Option<OsString>,

    /// Send this header line unchanged. Repeat for more lines. 'Host: x' replaces the default Host
    /// header.
    #[arg(short = 'k', long, value_name = "LINE", help_heading = REQUEST)]
    pub header: Vec<OsString>,

    /// Send this User-Agent.
    #[arg(short = 'A', long, value_name = "TEXT", help_heading = REQUEST)]
    pub useragent: Option<OsString>,

    /// Send this user name and password with Basic authentication. If the server refuses this and
    /// demands Digest authentication, use Digest (see --auth-scheme).
    #[arg(short = 'a', long, value_name = "USER:PASSWORD", help_heading = REQUEST)]
    pub authorization: Option<OsString>,

    /// Send this user name and password to the proxy with Basic authentication.
    #[arg(short = 'b', long, value_name = "USER:PASSWORD", help_heading = REQUEST)]
    pub proxy_authorization: Option<OsString>,

    /// Like -a, but read USER:PASSWORD from the first line of this file, so that other users cannot
    /// see the password in the process list.
    #[arg(long, value_name = "FILE", help_heading = REQUEST)]
    pub authorization_file: Option<OsString>,

    /// Like -b, but read USER:PASSWORD from the first line of this file.
    #[arg(long, value_name = "FILE", help_heading = REQUEST)]
    pub proxy_authorization_file: Option<OsString>,

    /// Send the user name and the password only with this scheme, basic or digest (RFC 7616, with
    /// MD5 or SHA-256). With digest, the password itself is never sent.
    #[arg(long, value_name = "SCHEME", help_heading = REQUEST)]
    pub auth_scheme: Option<OsString>,

    /// Send the header lines in this file, for example 'Authorization: Bearer TOKEN'. They do not
    /// appear in the process list or in the output, and are not sent to other hosts. Other users
    /// must not be able to read the file.
    #[arg(long, value_name = "FILE", help_heading = REQUEST)]
    pub header_file: Option<OsString>,

    /// Accept compressed bodies (gzip, deflate) and check their decompressed content.
    #[arg(long, help_heading = REQUEST)]
    pub enable_automatic_decompression: bool,

    /// Keep cookies in this file (Netscape format), and send them again after redirects and in
    /// later runs. If FILE is '', keep cookies only during this run.
    #[arg(long, value_name = "FILE", help_heading = REQUEST)]
    pub cookie_jar: Option<OsString>,

    /// Use this HTTP version: 1.0 or 1.1 [default: 1.1 with -H, else 1.0]. HTTP/2 and HTTP/3 are
    /// not supported.
    #[arg(long, value_name = "VERSION", help_heading = REQUEST)]
    pub http_version: Option<OsString>,

    /// Stop reading after the headers. This does not change the method.
    #[arg(short = 'N', long, help_heading = REQUEST)]
    pub no_body: bool,

    /// Use TLS. To allow only one version, give VERSION (1, 1.1, 1.2 or 1.3). To allow newer
    /// versions as well, add a +. Examples: -S1.2, -S 1.2 or --ssl=1.2+.
    #[arg(short = 'S', long, value_name = "VERSION[+]", help_heading = TLS)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub ssl: Option<OsString>,

    /// Send the name in -H in the TLS handshake (SNI). Servers that host several sites need this.
    #[arg(long, help_heading = TLS)]
    pub sni: bool,

    /// Check only the certificate. Return WARNING if it expires within DAYS days, and CRITICAL if
    /// it expires within CRIT days [default: 0].
    #[arg(short = 'C', long, value_name = "DAYS[,CRIT]", help_heading = TLS)]
    pub certificate: Option<OsString>,

    /// With -C: check the response as well.
    #[arg(long, help_heading = TLS)]
    pub continue_after_certificate: bool,

    /// With -C: check all certificates in the chain, and report the one that expires first.
    #[arg(long, help_heading = TLS)]
    pub certificate_chain: bool,

    /// With -C: add the number of days until the certificate expires to the performance data.
    #[arg(long, help_heading = TLS)]
    pub certificate_perfdata: bool,

    /// Authenticate with the client certificate and chain in this file (PEM). PKCS#12 is not
    /// supported; convert it with openssl pkcs12. TLS 1.3 post-handshake authentication is not
    /// supported either, so the server must request the certificate in the first handshake.
    #[arg(short = 'J', long, value_name = "FILE", help_heading = TLS)]
    pub client_cert: Option<OsString>,

    /// Read the private key of the client certificate from this file (PEM).
    #[arg(short = 'K', long, value_name = "FILE", help_heading = TLS)]
    pub private_key: Option<OsString>,

    /// Read the passphrase of the private key from the first line of this file, which other users
    /// must not be able to read. Needs check_http_openssl.
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub passphrase_file: Option<OsString>,

    /// Verify the chain and the name of the server's certificate (implies -S and --sni).
    #[arg(short = 'D', long, help_heading = TLS)]
    pub verify_cert: bool,

    /// Verify the server's certificate with the CA certificates in this file (PEM; implies -D).
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub ca_cert: Option<OsString>,

    /// With TLS: verify the name of the server's certificate, but not its chain (implies --sni).
    #[arg(long, help_heading = TLS)]
    pub verify_host: bool,

    /// Expect the server to have the public key with this hash (SHA-256 of SubjectPublicKeyInfo in
    /// Base64, as in RFC 7469). Repeat for more keys, of which one must match. Other hosts to which
    /// redirects lead can have any key (implies -S and --sni).
    #[arg(long, value_name = "HASH", help_heading = TLS)]
    pub pin_sha256: Vec<OsString>,

    /// Expect one of these strings in the status line; the status code is then ignored [default:
    /// HTTP/1.].
    #[arg(short, long, value_name = "TEXT[,TEXT]", help_heading = EXPECT)]
    pub expect: Option<OsString>,

    /// With -e and -f follow: apply -e to the response after the last redirect.
    #[arg(long, help_heading = EXPECT)]
    pub expect_after_redirects: bool,

    /// Map status codes to states, for example 401=ok,4xx=critical. The first match applies.
    #[arg(long, value_name = "CODE=STATE,...", help_heading = EXPECT)]
    pub status: Option<OsString>,

    /// Expect this string in the headers.
    #[arg(short = 'd', long, value_name = "TEXT", help_heading = EXPECT)]
    pub header_string: Option<OsString>,

    /// Expect the headers to match this regular expression, ignoring case.
    #[arg(long, value_name = "REGEX", help_heading = EXPECT)]
    pub header_regex: Option<OsString>,

    /// Expect this string in the body.
    #[arg(short, long, value_name = "TEXT", help_heading = EXPECT)]
    pub string: Vec<OsString>,

    /// Expect the body to match this POSIX extended regular expression.
    #[arg(short, long, visible_alias = "ereg", value_name = "REGEX", help_heading = EXPECT)]
    pub regex: Vec<OsString>,

    /// Like -r, but ignore case.
    #[arg(short = 'R', long, value_name = "REGEX", help_heading = EXPECT)]
    pub eregi: Vec<OsString>,

    /// Let the regular expressions after this option match across lines.
    #[arg(short, long, help_heading = EXPECT)]
    #[arg(action = ArgAction::Count, overrides_with = "linespan")]
    pub linespan: u8,

    /// Expect the regular expression not to match.
    #[arg(long, help_heading = EXPECT)]
    pub invert_regex: bool,

    /// Check every -s, -r and -R. Without this option, only the last one of each counts.
    #[arg(long, help_heading = EXPECT)]
    pub match_all: bool,

    /// Return this state if the check of a regular expression fails: critical or warning [default:
    /// critical].
    #[arg(long, value_name = "STATE", help_heading = EXPECT)]
    pub state_regex: Option<OsString>,

    /// Expect a JSON body in which this pointer exists or this comparison is true, for example
    /// '/status=="up"' or '/queue/depth<20'. Repeat this option for more checks.
    #[arg(long, value_name = "POINTER[OP VALUE]", help_heading = EXPECT)]
    pub json: Vec<OsString>,

    /// Return CRITICAL if the page was last modified longer ago than AGE (10s, 10m, 10h, 10d).
    #[arg(short = 'M', long, value_name = "AGE", help_heading = EXPECT)]
    pub max_age: Option<OsString>,

    /// Return WARNING if the response, including headers, is smaller than MIN or larger than MAX
    /// bytes. ~:MAX has no minimum, and @MIN:MAX returns WARNING between MIN and MAX.
    #[arg(short = 'm', long, value_name = "MIN[:MAX]", help_heading = EXPECT)]
    pub pagesize: Vec<OsString>,

    /// Treat a redirect (3xx) as ok, warning, critical or unknown, or follow it. HOW is one of
    /// these states, follow, curl (the same as follow), sticky (follow, but keep the address) or
    /// stickyport (follow, but keep the address and the port) [default: ok].
    #[arg(short = 'f', long, value_name = "HOW", help_heading = EXPECT)]
    pub onredirect: Option<OsString>,

    /// Follow at most this many redirects [default: 15].
    #[arg(long, value_name = "COUNT", help_heading = EXPECT)]
    pub max_redirs: Option<OsString>,

    /// Return WARNING if the run time in seconds is outside this range.
    #[arg(short, long, value_name = "RANGE", help_heading = LIMITS)]
    pub warning: Option<OsString>,

    /// Return CRITICAL if the run time in seconds is outside this range.
    #[arg(short, long, value_name = "RANGE", help_heading = LIMITS)]
    pub critical: Option<OsString>,

    /// Stop after this many seconds and return STATE; 0 means no limit. STATE is ok, warning,
    /// critical, unknown or an exit code [default: 10:critical].
    #[arg(short, long, value_name = "SECONDS[:STATE]", help_heading = LIMITS)]
    pub timeout: Option<OsString>,

    /// Return this state after a timeout. Takes precedence over STATE in -t.
    #[arg(long, value_name = "STATE", help_heading = LIMITS)]
    pub timeout_result: Option<OsString>,

    /// Add the connect, TLS, request, first-byte and transfer times to the performance data.
    #[arg(short = 'E', long, help_heading = OUTPUT)]
    pub extended_perfdata: bool,

    /// Add the number at this pointer in a JSON body to the performance data. Repeat this option
    /// for more numbers.
    #[arg(long, value_name = "POINTER", help_heading = OUTPUT)]
    pub json_perfdata: Vec<OsString>,

    /// Print performance data even if no response arrives.
    #[arg(long, help_heading = OUTPUT)]
    pub always_perfdata: bool,

    /// Print the body below the result.
    #[arg(short = 'B', long, help_heading = OUTPUT)]
    pub show_body: bool,

    /// If the result is OK, add the performance data in the body to the performance data, at most
    /// 100 items from the first 8 KiB. Other text in the body is ignored.
    #[arg(short = 'o', long, help_heading = OUTPUT)]
    pub output_body_as_perfdata: bool,

    /// Add the URL to the message.
    #[arg(short = 'U', long, help_heading = OUTPUT)]
    pub show_url: bool,

    /// Accept the format multi-line, which is the only supported one.
    #[arg(long, value_name = "FORMAT", help_heading = OUTPUT)]
    pub output_format: Option<OsString>,

    /// Print the result as an HTML link to the page.
    #[arg(short = 'L', long, help_heading = OUTPUT)]
    pub link: bool,

    /// Print plain text (undoes -L).
    #[arg(short = 'n', long, overrides_with = "link", help_heading = OUTPUT)]
    pub nohtml: bool,

    /// Print the request and the response below the result.
    #[arg(short, long, action = ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,

    /// Read options from a section of an ini file, and insert them before the options on the
    /// command line [default: section check_http of monitoring-plugins.ini, in $NAGIOS_CONFIG_PATH
    /// or /etc]. @- reads standard input.
    #[arg(long, value_name = "[SECTION][@FILE]", help_heading = OUTPUT)]
    pub extra_opts: Option<OsString>,

    /// Print this help.
    #[arg(short, long, help_heading = OUTPUT)]
    pub help: bool,

    /// Print the version.
    #[arg(short = 'V', long, help_heading = OUTPUT)]
    pub version: bool,

    /// Use these values for -I and -H if the options are not given.
    #[arg(value_name = "ADDRESS [NAME]", hide = true)]
    pub operands: Vec<OsString>,
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
      expect ' 200 ' in the first status line; with -e, follow no redirect

Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also for help, version and
command line errors). A RANGE is [@]START:END, for example 5, 1:5 or @0:1.";
