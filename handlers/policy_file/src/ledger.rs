//! The key `ledger`: where repairs are recorded.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// The store that records repairs and refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a process has one or two of these values")]
pub enum LedgerConfig {
    /// The path of an SQLite database, which only one Nagios server uses.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which several Nagios servers can share.
    Postgres(PostgresConfig),
}

/// How to connect to the PostgreSQL database that several Nagios servers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// The servers of the database, at least one. A client tries them in this order, and uses the
    /// first one that accepts writes.
    pub hosts: Vec<PostgresHost>,
    /// Name of the database.
    pub dbname: String,
    /// Role that this server logs in as.
    pub user: String,
    /// Path of the file with the role's password, or `None` if the role needs none, for example
    /// because PostgreSQL identifies it by the owner of the process or by a certificate.
    pub password_file: Option<PathBuf>,
    /// How to check the servers' certificates. `None` only if every host is on this machine. A
    /// server on the loopback interface then has to prove with SCRAM that it knows the password.
    /// Connections through a socket never use TLS.
    pub tls: Option<PostgresTls>,
    /// Name of the site. Servers with the same site share their limits, pauses and records.
    pub site: String,
    /// Name of this server in the records; `None` for the host name of the machine.
    pub server: Option<String>,
    /// Common prefix of the paths of this server's own files.
    local: PathBuf,
}

/// The certificates for connections to PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresTls {
    /// Path of the file with the certificates of the authorities that may sign a server's
    /// certificate, in PEM format.
    pub ca: PathBuf,
    /// Paths of this server's own certificate and of its private key, in PEM format.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// One server of a PostgreSQL database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostgresHost {
    /// A server on this machine.
    Socket {
        /// Directory that contains the server's socket.
        directory: PathBuf,
        /// Port, which is part of the socket's name.
        port: u16,
    },
    /// A server that is reached through TCP.
    Tcp {
        /// Host name or IP address. An IPv6 address has no brackets.
        name: String,
        /// Port that the server listens on.
        port: u16,
    },
}

const DEFAULT_PATH: &str = "/var/lib/nagios-selfheal/ledger/ledger.sqlite";
const DEFAULT_STATE: &str = "/var/lib/nagios-selfheal/ledger";
/// Default name of the database and of the role.
const DEFAULT_NAME: &str = "selfheal";
const DEFAULT_SITE: &str = "main";
/// The port that PostgreSQL listens on unless it is configured otherwise.
const DEFAULT_PORT: u16 = 5432;

impl Default for LedgerConfig {
    fn default() -> LedgerConfig {
        LedgerConfig::Sqlite(DEFAULT_PATH.into())
    }
}

impl LedgerConfig {
    /// Returns the common prefix of the paths of the files that belong to this server alone: the
    /// queue of calls, the locks, and the index of the status file. Each file adds its own
    /// extension. For SQLite, this is the path of the database.
    pub fn local(&self) -> &Path {
        match self {
            LedgerConfig::Sqlite(path) => path,
            LedgerConfig::Postgres(postgres) => &postgres.local,
        }
    }

    /// Returns every path under the key, so that the caller can refuse relative ones.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let postgres = match self {
            LedgerConfig::Sqlite(_) => None,
            LedgerConfig::Postgres(postgres) => Some(postgres),
        };
        let files = postgres.into_iter().flat_map(|postgres| {
            let tls = postgres.tls.iter().flat_map(|tls| {
                let client = tls.client.iter().flat_map(|(cert, key)| [cert, key]);
                std::iter::once(&tls.ca).chain(client)
            });
            postgres.password_file.iter().chain(tls)
        });
        std::iter::once(self.local()).chain(files.map(PathBuf::as_path))
    }
}

/// Describes the ledger for messages.
impl fmt::Display for LedgerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerConfig::Sqlite(path) => path.display().fmt(f),
            LedgerConfig::Postgres(postgres) => postgres.fmt(f),
        }
    }
}

/// Names the database and its servers for messages.
impl fmt::Display for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<String> = self.hosts.iter().map(PostgresHost::to_string).collect();
        write!(f, "PostgreSQL database {} at {}", self.dbname, hosts.join(", "))
    }
}

impl fmt::Display for PostgresHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PostgresHost::Socket { directory, port } => write!(f, "{}:{port}", directory.display()),
            PostgresHost::Tcp { name, port } if name.contains(':') => write!(f, "[{name}]:{port}"),
            PostgresHost::Tcp { name, port } => write!(f, "{name}:{port}"),
        }
    }
}

impl PostgresHost {
    /// Whether the connection stays on this machine, so that nobody else can read it.
    pub fn is_local(&self) -> bool {
        matches!(self, PostgresHost::Socket { .. }) || self.loopback().is_some()
    }

    /// Returns the loopback address of the server, or `None` if the server is reached through a
    /// socket or is on another machine. `localhost` always means 127.0.0.1 and never ::1.
    /// Otherwise, if PostgreSQL listens only on 127.0.0.1, any local account could listen on ::1,
    /// accept our connection and relay it.
    pub fn loopback(&self) -> Option<IpAddr> {
        match self {
            PostgresHost::Socket { .. } => None,
            PostgresHost::Tcp { name, .. } if name == "localhost" => {
                Some(Ipv4Addr::LOCALHOST.into())
            }
            PostgresHost::Tcp { name, .. } => name.parse().ok().filter(IpAddr::is_loopback),
        }
    }
}

impl FromStr for PostgresHost {
    type Err = String;

    fn from_str(text: &str) -> Result<PostgresHost, String> {
        let (name, port) = split_port(text).ok_or_else(|| {
            let text = text.escape_debug();
            format!(
                "'{text}' is not a host; write a name or address, such as \"db1\", \"db1:5433\" \
                 or \"[2001:db8::1]:5433\", or the directory of a socket, such as \
                 \"/run/postgresql\""
            )
        })?;
        Ok(match name.starts_with('/') {
            true => PostgresHost::Socket { directory: name.into(), port },
            false => PostgresHost::Tcp { name: name.to_owned(), port },
        })
    }
}

/// Splits an entry of `hosts` into the host's name or the directory of its socket, and the port.
fn split_port(text: &str) -> Option<(&str, u16)> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, DEFAULT_PORT));
    }
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            address.parse::<Ipv6Addr>().ok()?;
            (address, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => {
            let (name, port) = text.rsplit_once(':').map_or((text, None), |(a, b)| (a, Some(b)));
            let is_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            let is_path = name.starts_with('/') && !name.contains(char::is_control);
            if !is_path && (name.is_empty() || !name.chars().all(is_host)) {
                return None;
            }
            (name, port)
        }
    };
    let port = port.map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?;
    (port > 0).then_some((name, port))
}

impl<'de> Deserialize<'de> for PostgresHost {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<PostgresHost, D::Error> {
        String::deserialize(json)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for LedgerConfig {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<LedgerConfig, D::Error> {
        struct PathOrServer;
        impl<'de> Visitor<'de> for PathOrServer {
            type Value = LedgerConfig;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or {\"postgres\": {...}}")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<LedgerConfig, E> {
                Ok(LedgerConfig::Sqlite(path.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LedgerConfig, A::Error> {
                #[derive(Deserialize)]
                #[serde(deny_unknown_fields)]
                struct ServerKey {
                    postgres: PostgresConfig,
                }
                let key = ServerKey::deserialize(MapAccessDeserializer::new(map))?;
                Ok(LedgerConfig::Postgres(key.postgres))
            }
        }
        json.deserialize_any(PathOrServer)
    }
}

/// The keys of `ledger.postgres` as they stand in policy.json, without defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostgresKeys {
    hosts: Vec<PostgresHost>,
    dbname: Option<String>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    site: Option<String>,
    server: Option<String>,
    state: Option<PathBuf>,
}

impl<'de> Deserialize<'de> for PostgresConfig {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<PostgresConfig, D::Error> {
        PostgresKeys::deserialize(json)?.checked().map_err(D::Error::custom)
    }
}

impl PostgresKeys {
    fn checked(self) -> Result<PostgresConfig, String> {
        if self.hosts.is_empty() {
            return Err("hosts is empty; add at least one host".into());
        }
        let remote = self.hosts.iter().find(|host| !host.is_local());
        let client = match (self.cert, self.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err("cert and key belong together; give both or neither".into()),
        };
        let loopback = self.hosts.iter().find(|host| host.loopback().is_some());
        let tls = match (self.ca, client, remote) {
            (Some(ca), client, _) => Some(PostgresTls { ca, client }),
            (None, Some(_), _) => return Err("cert and key need \"ca\"".into()),
            (None, None, Some(remote)) => {
                return Err(format!(
                    "\"ca\" is missing, and {remote} is not on this machine; give the file with \
                     the certificate that signed the server's certificate"
                ));
            }
            (None, None, None) => None,
        };
        if let (Some(host), None, None) = (loopback, &tls, &self.password_file) {
            return Err(format!(
                "{host} needs \"password_file\" or \"ca\", because another program could listen \
                 there while PostgreSQL is down; or give the directory of the server's socket, \
                 such as \"/run/postgresql\""
            ));
        }
        Ok(PostgresConfig {
            hosts: self.hosts,
            dbname: named("dbname", self.dbname.as_deref().unwrap_or(DEFAULT_NAME))?,
            user: named("user", self.user.as_deref().unwrap_or(DEFAULT_NAME))?,
            password_file: self.password_file,
            tls,
            site: named("site", self.site.as_deref().unwrap_or(DEFAULT_SITE))?,
            server: self.server.map(|name| named("server", &name)).transpose()?,
            local: self.state.unwrap_or_else(|| DEFAULT_STATE.into()).join("ledger"),
        })
    }
}

/// Checks a name under `ledger.postgres` in the policy.
fn named(key: &str, name: &str) -> Result<String, String> {
    // PostgreSQL truncates longer names, and the result could be the name of another database or
    // role.
    match (1..=63).contains(&name.len()) && !name.contains(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(format!("{key} is empty, longer than 63 bytes, or has control characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LedgerConfig, String> {
        serde_json::from_str(text).map_err(|why| why.to_string())
    }

    fn read_postgres(text: &str) -> PostgresConfig {
        match read(&format!(r#"{{"postgres": {text}}}"#)).unwrap() {
            LedgerConfig::Postgres(postgres) => postgres,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fills_in_defaults_of_a_local_database() {
        let config = read_postgres(r#"{"hosts": ["/run/postgresql"]}"#);
        assert_eq!(
            (config.dbname.as_str(), config.user.as_str(), config.site.as_str()),
            ("selfheal", "selfheal", "main")
        );
        assert_eq!((&config.password_file, &config.tls), (&None, &None));
        let ledger = LedgerConfig::Postgres(config);
        assert_eq!(ledger.local(), Path::new("/var/lib/nagios-selfheal/ledger/ledger"));
        assert_eq!(ledger.to_string(), "PostgreSQL database selfheal at /run/postgresql:5432");
    }

    #[test]
    fn reads_hosts_with_and_without_ports() {
        for (text, name, port) in [
            ("db1", "db1", 5432),
            ("db2.example.org:5433", "db2.example.org", 5433),
            ("192.0.2.1:1", "192.0.2.1", 1),
            ("2001:db8::1", "2001:db8::1", 5432),
            ("[2001:db8::1]", "2001:db8::1", 5432),
            ("[2001:db8::1]:5433", "2001:db8::1", 5433),
        ] {
            let host = PostgresHost::Tcp { name: name.into(), port };
            assert_eq!(text.parse(), Ok(host.clone()), "{text}");
            assert_eq!(host.to_string().parse(), Ok(host));
        }
        let socket = PostgresHost::Socket { directory: "/run/pg".into(), port: 5433 };
        assert_eq!("/run/pg:5433".parse(), Ok(socket));
        for text in ["", ":5432", "db1:", "db1:0", "db1:70000", "db 1", "db1:a", "[db1]", "[::1]5"]
        {
            assert!(text.parse::<PostgresHost>().is_err(), "{text}");
        }
    }

    #[test]
    fn requires_proof_from_server_on_loopback_interface() {
        for host in ["localhost", "127.0.0.2:5433", "::1"] {
            let refused = read(&format!(r#"{{"postgres": {{"hosts": ["{host}"]}}}}"#));
            assert!(refused.unwrap_err().contains("\"password_file\" or \"ca\""));
        }
        let host: PostgresHost = "localhost:5433".parse().unwrap();
        assert_eq!(host.loopback(), Some("127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn requires_tls_for_hosts_on_other_machines() {
        for (hosts, is_local) in [
            (r#"["/run/postgresql", "localhost", "127.0.0.2:5433", "::1"]"#, true),
            (r#"["/run/postgresql", "db1"]"#, false),
            (r#"["localhost.example.org"]"#, false),
            (r#"["2001:db8::1"]"#, false),
        ] {
            let with_password = format!(r#"{{"hosts": {hosts}, "password_file": "/p"}}"#);
            let result = read(&format!(r#"{{"postgres": {with_password}}}"#));
            assert_eq!(result.is_ok(), is_local, "{result:?}");
            let with_ca = format!(r#"{{"hosts": {hosts}, "ca": "/ca.pem"}}"#);
            assert_eq!(read_postgres(&with_ca).tls.unwrap().ca, Path::new("/ca.pem"));
        }
    }
}
