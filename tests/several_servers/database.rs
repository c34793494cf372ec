//! A database server in a network namespace, which other namespaces reach with TLS.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{Monitor, NetworkNode, Place};
use serde_json::{Value, json};
use testkit::Postgres;

/// Name of the database and of the role that the servers use.
pub const DATABASE: &str = "selfheal";

/// Starts a database server whose certificate is valid for these addresses. Returns it, and the
/// path of the CA's certificate.
pub fn start_database(
    place: &Place,
    node: &NetworkNode,
    addresses: &[&str],
) -> (Postgres, PathBuf) {
    let server = node.does(|| Postgres::start_with(&["listen_addresses=*"]));
    server.create_database(DATABASE);
    server.sql(DATABASE, &format!("CREATE ROLE {DATABASE} LOGIN"));
    let names: Vec<String> = addresses.iter().map(|address| format!("IP:{address}")).collect();
    let ca = fs::read_to_string(server.use_tls(&names.join(","))).unwrap();
    server.allow(&format!("hostssl {DATABASE} {DATABASE} 192.0.2.0/24 trust"));
    (server, place.file("ca.pem", &ca, 0o644, None))
}

/// Returns the key `ledger` of a server's policy.
pub fn ledger_key(monitor: &Monitor, servers: &[(&NetworkNode, &Postgres)], ca: &Path) -> Value {
    let address =
        |(node, server): &(&NetworkNode, &Postgres)| format!("{}:{}", node.address, server.port);
    let hosts: Vec<String> = servers.iter().map(address).collect();
    let state = monitor.ledger.parent().unwrap();
    let name = state.file_name().unwrap().to_str();
    json!({"postgres": {"hosts": hosts, "ca": ca, "state": state, "server": name}})
}
