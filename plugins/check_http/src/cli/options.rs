//! The options: names, values and help texts.

use std::ffi::OsString;

use clap::{ArgAction, Parser};

const WHERE: &str = "Where to connect";
const ASK: &str = "What to ask";
const TLS: &str = "TLS and certificates";
const EXPECT: &str = "What to expect";
const LIMITS: &str = "Limits";
const OUTPUT: &str = "Output";

/// Every option, as typed.
#[derive(Debug, Parser)]
#[command(
    name = "check_http",
    about = "Checks an HTTP or HTTPS server and says in one line how it is.",
    override_usage = "check_http -H NAME | -I ADDRESS [-p PORT] [-u PATH] [options]\n       \
                      check_http -H NAME | -I ADDRESS -C DAYS[,DAYS] [options]",
    after_help = EXAMPLES,
    term_width = 80,
    disable_help_flag = true,
    disable_version_flag = true,
    args_override_self = true
)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Cli {
    /// Name of the site (its Host header), and where to connect unless -I says otherwise; an IPv6
    /// address goes in brackets.
    #[arg(short = 'H', long, value_name = "NAME[:PORT]", help_heading = WHERE)]
    pub hostname: Vec<OsString>,

    /// Address or name to connect to; a value that begins with / is a unix socket.
    #[arg(short = 'I', long = "IP-address", value_name = "ADDRESS", help_heading = WHERE)]
    pub address: Option<OsString>,

    /// Port [default: 80, with TLS 443].
    #[arg(short, long, value_name = "PORT", help_heading = WHERE)]
    pub port: Option<OsString>,

    /// Check every address of the name, each for itself: the worst result counts, and names its
    /// address.
    #[arg(long, help_heading = WHERE)]
    pub all_addresses: bool,

    /// Use IPv4 only.
    #[arg(short = '4', long = "use-ipv4", help_heading = WHERE)]
    pub ipv4: bool,

    /// Use IPv6 only.
    #[arg(short = '6', long = "use-ipv6", help_heading = WHERE)]
    pub ipv6: bool,

    /// Connect from this address.
    #[arg(long, value_name = "ADDRESS", help_heading = WHERE)]
    pub source_address: Option<OsString>,

    /// Ask through this HTTP proxy: HOST:PORT or http://USER:PASSWORD@HOST:PORT
    #[arg(short = 'x', long, value_name = "URL", help_heading = WHERE)]
    pub proxy: Option<OsString>,

    /// With -x: hosts and domains to ask without it; * is all.
    #[arg(long, value_name = "NAME,...", help_heading = WHERE)]
    pub noproxy: Option<OsString>,

    /// Begin with the PROXY line (version 1) that servers behind HAProxy expect.
    #[arg(long, help_heading = WHERE)]
    pub haproxy_protocol: bool,

    /// Path to ask for, sent as it is; a whole URL asks a plain proxy.
    #[arg(short, long, visible_alias = "uri", value_name = "PATH", help_heading = ASK)]
    #[arg(default_value = "/", hide_default_value = true)]
    pub url: OsString,

    /// Method, sent as it is [default: GET, with -P POST]. With -S and -H, CONNECT or
    /// CONNECT:METHOD goes through the proxy at -I and -p.
    #[arg(short = 'j', long, value_name = "METHOD", help_heading = ASK)]
    pub method: Option<OsString>,

    /// Body to send, URL-encoded already.
    #[arg(short = 'P', long, value_name = "TEXT", help_heading = ASK)]
    pub post: Vec<OsString>,

    /// Content-Type of the body of -P [default: application/x-www-form-urlencoded].
    #[arg(short = 'T', long, value_name = "TYPE", help_heading = ASK)]
    pub content_type: Option<OsString>,

    /// One more header line, sent as it is; repeat for more. 'Host: x' replaces ours.
    #[arg(short = 'k', long, value_name = "LINE", help_heading = ASK)]
    pub header: Vec<OsString>,

    /// User-Agent to send.
    #[arg(short = 'A', long, value_name = "TEXT", help_heading = ASK)]
    pub useragent: Option<OsString>,

    /// Name and password for Basic authentication.
    #[arg(short = 'a', long, value_name = "USER:PASSWORD", help_heading = ASK)]
    pub authorization: Option<OsString>,

    /// Name and password for a proxy's Basic authentication.
    #[arg(short = 'b', long, value_name = "USER:PASSWORD", help_heading = ASK)]
    pub proxy_authorization: Option<OsString>,

    /// As -a, read from the first line of a file: no other user sees it in a list of processes.
    #[arg(long, value_name = "FILE", help_heading = ASK)]
    pub authorization_file: Option<OsString>,

    /// As -b, read from the first line of a file.
    #[arg(long, value_name = "FILE", help_heading = ASK)]
    pub proxy_authorization_file: Option<OsString>,

    /// Take compressed bodies (gzip, deflate) and look at what is in them.
    #[arg(long, help_heading = ASK)]
    pub enable_automatic_decompression: bool,

    /// Keep cookies over redirects and runs, in this file of Netscape's form; '' keeps them for
    /// this run alone.
    #[arg(long, value_name = "FILE", help_heading = ASK)]
    pub cookie_jar: Option<OsString>,

    /// Speak this version of HTTP: 1.0 or 1.1 [default: 1.1 with -H, else 1.0].
    #[arg(long, value_name = "VERSION", help_heading = ASK)]
    pub http_version: Option<OsString>,

    /// Do not read the body: stop after the headers (the method stays).
    #[arg(short = 'N', long, help_heading = ASK)]
    pub no_body: bool,

    /// Use TLS; VERSION 1, 1.1, 1.2 or 1.3 asks for that one alone, with + also for newer ones.
    /// Attach it: -S1.2 or --ssl=1.2+.
    #[arg(short = 'S', long, value_name = "VERSION[+]", help_heading = TLS)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub ssl: Option<OsString>,

    /// Name the site of -H in the TLS handshake; servers of several sites need it.
    #[arg(long, help_heading = TLS)]
    pub sni: bool,

    /// Check the certificate alone: WARNING from this many days before its end, CRITICAL from CRIT
    /// days (default 0).
    #[arg(short = 'C', long, value_name = "DAYS[,CRIT]", help_heading = TLS)]
    pub certificate: Option<OsString>,

    /// With -C: check the page, too.
    #[arg(long, help_heading = TLS)]
    pub continue_after_certificate: bool,

    /// With -C: judge the certificate of the chain that ends first, not only the server's own.
    #[arg(long, help_heading = TLS)]
    pub certificate_chain: bool,

    /// With -C: add the days the certificate is still good for to the performance data.
    #[arg(long, help_heading = TLS)]
    pub certificate_perfdata: bool,

    /// Client certificate and its chain, PEM.
    #[arg(short = 'J', long, value_name = "FILE", help_heading = TLS)]
    pub client_cert: Option<OsString>,

    /// Key of the client certificate, PEM.
    #[arg(short = 'K', long, value_name = "FILE", help_heading = TLS)]
    pub private_key: Option<OsString>,

    /// Verify chain and name of the server's certificate (implies -S and --sni).
    #[arg(short = 'D', long, help_heading = TLS)]
    pub verify_cert: bool,

    /// Verify against the authorities of this file, PEM (implies -D).
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub ca_cert: Option<OsString>,

    /// Texts of which one must stand in the status line; then its code is not looked at [default:
    /// HTTP/1.].
    #[arg(short, long, value_name = "TEXT[,TEXT]", help_heading = EXPECT)]
    pub expect: Option<OsString>,

    /// With -e and -f follow: expect it of the answer behind the redirects.
    #[arg(long, help_heading = EXPECT)]
    pub expect_after_redirects: bool,

    /// What status codes are, the first that fits: 401=ok,4xx=critical.
    #[arg(long, value_name = "CODE=STATE,...", help_heading = EXPECT)]
    pub status: Option<OsString>,

    /// Text that must stand in the headers.
    #[arg(short = 'd', long, value_name = "TEXT", help_heading = EXPECT)]
    pub header_string: Option<OsString>,

    /// Regular expression that must match the headers, whatever the case of letters.
    #[arg(long, value_name = "REGEX", help_heading = EXPECT)]
    pub header_regex: Option<OsString>,

    /// Text that must stand in the body.
    #[arg(short, long, value_name = "TEXT", help_heading = EXPECT)]
    pub string: Vec<OsString>,

    /// POSIX extended regular expression that must match the body.
    #[arg(short, long, visible_alias = "ereg", value_name = "REGEX", help_heading = EXPECT)]
    pub regex: Vec<OsString>,

    /// The same, whatever the case of letters.
    #[arg(short = 'R', long, value_name = "REGEX", help_heading = EXPECT)]
    pub eregi: Vec<OsString>,

    /// Let the regular expressions that follow match across lines.
    #[arg(short, long, help_heading = EXPECT)]
    #[arg(action = ArgAction::Count, overrides_with = "linespan")]
    pub linespan: u8,

    /// The regular expression must not match.
    #[arg(long, help_heading = EXPECT)]
    pub invert_regex: bool,

    /// Every -s, -r and -R must hold, not only the last of each.
    #[arg(long, help_heading = EXPECT)]
    pub match_all: bool,

    /// State when a regular expression is not satisfied: critical or warning [default: critical].
    #[arg(long, value_name = "STATE", help_heading = EXPECT)]
    pub state_regex: Option<OsString>,

    /// What must hold in a body of JSON: a pointer alone, or compared: '/status=="up"',
    /// '/queue/depth<20'. Repeat for more.
    #[arg(long, value_name = "POINTER[OP VALUE]", help_heading = EXPECT)]
    pub json: Vec<OsString>,

    /// CRITICAL when the page was last modified longer ago (10s, 10m, 10h, 10d).
    #[arg(short = 'M', long, value_name = "AGE", help_heading = EXPECT)]
    pub max_age: Option<OsString>,

    /// WARNING when fewer or more bytes than this came, headers included.
    #[arg(short = 'm', long, value_name = "MIN[:MAX]", help_heading = EXPECT)]
    pub pagesize: Vec<OsString>,

    /// What a redirect (3xx) is: ok, warning, critical, unknown; or follow it: follow, sticky (keep
    /// the address), stickyport (and the port) [default: ok].
    #[arg(short = 'f', long, value_name = "HOW", help_heading = EXPECT)]
    pub onredirect: Option<OsString>,

    /// Follow this many redirects at most [default: 15].
    #[arg(long, value_name = "COUNT", help_heading = EXPECT)]
    pub max_redirs: Option<OsString>,

    /// WARNING when the whole run takes seconds outside this range.
    #[arg(short, long, value_name = "RANGE", help_heading = LIMITS)]
    pub warning: Option<OsString>,

    /// CRITICAL when the whole run takes seconds outside this range.
    #[arg(short, long, value_name = "RANGE", help_heading = LIMITS)]
    pub critical: Option<OsString>,

    /// CRITICAL when it is not done after this many seconds; 0: wait for ever [default: 10].
    #[arg(short, long, value_name = "SECONDS", help_heading = LIMITS)]
    pub timeout: Option<OsString>,

    /// State when the time is up [default: critical].
    #[arg(long, value_name = "STATE", help_heading = LIMITS)]
    pub timeout_result: Option<OsString>,

    /// Add the times of connect, TLS, request, first byte and transfer to the performance data.
    #[arg(short = 'E', long, help_heading = OUTPUT)]
    pub extended_perfdata: bool,

    /// Add the number at this place of a body of JSON to the performance data. Repeat for more.
    #[arg(long, value_name = "POINTER", help_heading = OUTPUT)]
    pub json_perfdata: Vec<OsString>,

    /// Print performance data when no page came, too.
    #[arg(long, help_heading = OUTPUT)]
    pub always_perfdata: bool,

    /// Print the body below the result.
    #[arg(short = 'B', long, help_heading = OUTPUT)]
    pub show_body: bool,

    /// Make the result an HTML link to the page.
    #[arg(short = 'L', long, help_heading = OUTPUT)]
    pub link: bool,

    /// No HTML (undoes -L).
    #[arg(short = 'n', long, overrides_with = "link", help_heading = OUTPUT)]
    pub nohtml: bool,

    /// Print the conversation below the result.
    #[arg(short, long, action = ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,

    /// Put the options of an ini file's section in front of this line [default: section check_http
    /// of monitoring-plugins.ini, in $NAGIOS_CONFIG_PATH or /etc]; @- reads standard input.
    #[arg(long, value_name = "[SECTION][@FILE]", help_heading = OUTPUT)]
    pub extra_opts: Option<OsString>,

    /// Print this help.
    #[arg(short, long, help_heading = OUTPUT)]
    pub help: bool,

    /// Print the version.
    #[arg(short = 'V', long, help_heading = OUTPUT)]
    pub version: bool,

    /// ADDRESS and NAME, if -I or -H is not given.
    #[arg(value_name = "ADDRESS [NAME]", hide = true)]
    pub operands: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  check_http -H www.example.org -w 1 -c 5
      WARNING after one second, CRITICAL after five
  check_http -H www.example.org -I 192.0.2.7 -S --sni -u /login -s 'Sign in'
      that site on one of its servers, by TLS, with this text on its page
  check_http -H www.example.org --sni -C 30,7
      WARNING 30 days, CRITICAL 7 days before the certificate ends
  check_http -H www.example.org -f follow -e ' 200 '
      expects 200 at once: with -e no redirect is followed

Exit codes: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN (also help, version and
errors in the command line). A RANGE is [@]START:END, as in 5, 1:5 or @0:1.";
