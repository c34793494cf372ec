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
    let mut findings = vec![ok("ledger", used), replicas(&report), commits(database, &report)];
    findings.extend(report.unreached.iter().map(|why| {
        let text = format!("{why}; nothing shows whether it accepts writes");
        note("servers", text, ServerFix::StartDatabase)
    }));
    findings.push(clock(report.clock_skew));
    findings
}

fn fix(why: &ledger::Error) -> ServerFix {
    use ledger::Error::{NoServer, NoStandby, Secret, TwoPrimaries};
    match why {
        Secret { .. } => ServerFix::OwnSecrets,
        NoServer { .. } => ServerFix::StartDatabase,
        TwoPrimaries { .. } => ServerFix::StopOldPrimary,
        NoStandby { .. } => ServerFix::StartStandby,
        why if why.is_about_schema() => ServerFix::PrepareDatabase,
        _ => ServerFix::CorrectLedger,
    }
}

/// Reports replicas that may lack the newest reservations. After a failover to such a replica, a
/// repair that is already reserved could be granted again.
fn replicas(report: &DatabaseReport) -> DoctorFinding {
    match (report.replicas, report.is_synchronous) {
        (0, false) => ok("replicas", "none are connected"),
        (0, true) => {
            let text = "none are connected, but synchronous_standby_names requires one: PostgreSQL \
                        confirms no reservation, so nothing is repaired";
            wrong("replicas", text, ServerFix::StartStandby)
        }
        (n, true) => {
            let text = format!("{n}; a commit waits for those in synchronous_standby_names");
            ok("replicas", text)
        }
        (n, false) => {
            let text = format!(
                "{n}, all asynchronous (synchronous_standby_names is empty): a failover could lose \
                 the last reservations"
            );
            note("replicas", text, ServerFix::SynchronizeReplicas)
        }
    }
}

/// Reports that the server would confirm a commit too early. The programs replace the setting for
/// their own commits, but a proxy or a change of the role's settings could undo the replacement.
fn commits(database: &PostgresConfig, report: &DatabaseReport) -> DoctorFinding {
    match report.synchronous_commit.as_str() {
        setting @ ("on" | "remote_apply") => {
            ok("commits", format!("synchronous_commit is {setting}"))
        }
        setting => {
            let text = format!(
                "synchronous_commit is {setting} for the role {}; the programs set it to on, but \
                 all other commits can be lost in a crash or a failover",
                database.user
            );
            note("commits", text, ServerFix::CommitSynchronously)
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
