//! Checks the PostgreSQL database that is the ledger of several servers.

use std::time::Duration;

use ledger::DatabaseReport;
use policy::Rounded;
use policy_file::{LedgerConfig, PostgresConfig};

use super::finding::{DoctorFinding, note, ok, wrong};
use super::fix::ServerFix;

/// Doctor adds a note if the database's clock and this server's clock differ by more than this.
/// Decisions use only the database's clock, so a difference does no harm, but it makes records hard
/// to compare with logs.
const LARGEST_SKEW: Duration = Duration::from_secs(2);

/// Checks that this server can connect and write to the database, and that the database has the
/// right schema and grants the rights that repairs need. Also checks that a failover would lose no
/// reservation, and compares the database's clock with this server's.
pub fn check(ledger: &LedgerConfig, database: &PostgresConfig) -> Vec<DoctorFinding> {
    let tested = |report| ledger::test_write(ledger).map(|()| report);
    let report = match ledger::examine(database).and_then(tested) {
        Ok(report) => report,
        Err(why) => return vec![wrong("ledger", why.to_string(), fix(&why))],
    };
    let tls = if report.is_encrypted { "with" } else { "without" };
    let DatabaseReport { server, version, .. } = &report;
    let used = format!("{ledger}, site {}", database.site);
    let used = format!("{used}; {server} runs PostgreSQL {version} {tls} TLS");
    vec![ok("ledger", used), replicas(&report), clock(report.clock_skew)]
}

fn fix(why: &ledger::Error) -> ServerFix {
    use ledger::Error::{NoServer, Secret};
    match why {
        Secret { .. } => ServerFix::OwnSecrets,
        NoServer { .. } => ServerFix::StartDatabase,
        why if why.is_about_schema() => ServerFix::PrepareDatabase,
        _ => ServerFix::CorrectLedger,
    }
}

/// Reports replicas that may lack the newest reservations. After a failover to such a replica, a
/// repair that is already reserved could be granted again.
fn replicas(report: &DatabaseReport) -> DoctorFinding {
    match (report.replicas, report.is_synchronous) {
        (0, _) => ok("replicas", "none are connected"),
        (n, true) => ok("replicas", format!("{n}, at least one of them is synchronous")),
        (n, false) => {
            let text = format!(
                "{n}, all asynchronous (synchronous_standby_names is empty): a failover could lose \
                 the last reservations"
            );
            note("replicas", text, ServerFix::SynchronizeReplicas)
        }
    }
}

fn clock(skew: Duration) -> DoctorFinding {
    match skew > LARGEST_SKEW {
        false => ok("clock", "this server's clock and the database's clock agree"),
        true => {
            let text = format!(
                "this server's clock differs from the database's clock by {}",
                Rounded(skew)
            );
            note("clock", text, ServerFix::KeepServerTime)
        }
    }
}
