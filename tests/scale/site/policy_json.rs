//! The policy of the site. Its repair runs a program on the server, so no host is needed.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::json;

/// Writes `policy.json`. Its limits are so high that the many repairs on record do not lead to
/// refusals. Only an open breaker refuses a repair.
pub fn write(dir: &Path) -> io::Result<()> {
    let policy = json!({
        "ledger": dir.join("ledger.sqlite"),
        "status_file": dir.join("status.dat"),
        "ssh": {"key": dir.join("id_ed25519"), "known_hosts": [dir.join("known_hosts")]},
        "fleet": {"running": 100, "started": {"count": 100_000, "per": "1h"}, "share": 100},
        "repairs": {"httpd": {
            "ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"],
            "settle": "0s", "timeout": "20s", "cooldown": "0s",
            "per_incident": 100_000, "window": {"count": 100_000, "per": "24h"},
        }},
    });
    fs::write(dir.join("policy.json"), format!("{policy:#}\n"))
}
