//! The top-level keys of policy.json.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use policy::{Fleet, Policy, Quota, REFUSALS_KEPT, RepairName, respell};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::icinga2::Icinga2Api;
use super::ledger::LedgerConfig;
use super::repairs::{QuotaKeys, Repair};
use super::routes::{HostRoutes, SshKeys};
use super::span::Span;
use super::unique::Unique;

/// The content of policy.json, with every default filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The rules for each repair, and the fleet limits.
    pub policy: Policy,
    /// The store that records all repairs.
    pub ledger: LedgerConfig,
    /// Maximum age of an event. The repair of an older event requires a newer check result. The age
    /// is measured from the check that found the fault or, if that is unknown, from the call of the
    /// handler.
    pub max_event_age: Duration,
    /// How long the ledger keeps repairs and their steps; `None` means forever. This is at least 90
    /// days longer than the longest period that a limit looks back. Refusals are kept for 90 days,
    /// and can show that an incident is still going on.
    pub keep: Option<Duration>,
    /// Path of Nagios' external command file. Without it, repairs are not reported to Nagios.
    pub command_file: Option<PathBuf>,
    /// Path of Nagios' status file. Without it, acknowledgements, flapping and the share of objects
    /// in trouble are ignored.
    pub status_file: Option<PathBuf>,
    /// How to reach Icinga 2. If it is set, Icinga 2 is the engine, and neither the status file nor
    /// the command file is used.
    pub icinga2: Option<Icinga2Api>,
    /// The passive service that is set to CRITICAL when a repair is escalated.
    pub check_repairs: Option<WatchService>,
    /// Directories to search, in this order, for a verify command whose name contains no slash. The
    /// directory of this project's own programs is searched before them.
    pub plugin_path: Vec<PathBuf>,
    /// How to reach each host.
    pub routes: HostRoutes,
}

/// A passive service that notifies its contacts about escalated repairs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchService {
    /// Name of the host that the service belongs to, as encoded by [`policy::spell`].
    #[serde(deserialize_with = "name")]
    pub host: String,
    /// Description of the service, as encoded by [`policy::spell`].
    #[serde(deserialize_with = "name")]
    pub service: String,
}

fn name<'de, D: Deserializer<'de>>(json: D) -> Result<String, D::Error> {
    Ok(respell(&String::deserialize(json)?))
}

/// The name of a host, as encoded by [`policy::spell`].
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct HostName(String);

impl FromStr for HostName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<HostName, Infallible> {
        Ok(HostName(respell(text)))
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Config {
    /// Returns the directories that contain the ledger, the status file and the command file. With
    /// PostgreSQL, the directory of this server's own files replaces that of the ledger. All of
    /// them belong to the account that Nagios runs as.
    pub fn directories(&self) -> impl Iterator<Item = &Path> {
        let files = [self.status_file.as_deref(), self.command_file.as_deref()];
        let files = std::iter::once(self.ledger.local()).chain(files.into_iter().flatten());
        files.filter_map(|file| file.parent())
    }

    /// Whether the policy names a source for the current state of hosts and services.
    pub fn has_engine_state(&self) -> bool {
        self.status_file.is_some() || self.icinga2.is_some()
    }

    /// If the policy selects Icinga 2, returns the first key that names a file of Nagios.
    pub(super) fn conflicting_key(&self) -> Option<&'static str> {
        self.icinga2.as_ref()?;
        let keys = [("status_file", &self.status_file), ("command_file", &self.command_file)];
        keys.into_iter().find_map(|(name, file)| file.is_some().then_some(name))
    }

    /// Returns the path of the index of Nagios' status file. The index is next to the ledger or,
    /// with PostgreSQL, next to this server's own files.
    pub fn status_index(&self) -> PathBuf {
        self.ledger.local().with_added_extension("status")
    }

    /// Returns the directories to search, in this order, for a verify command whose name contains
    /// no slash. `ours`, the directory of this project's own programs, and its subdirectory
    /// `plugins` come first.
    pub fn plugin_places(&self, ours: Option<&Path>) -> Vec<PathBuf> {
        let ours = ours.map(|directory| [directory.to_owned(), directory.join("plugins")]);
        ours.into_iter().flatten().chain(self.plugin_path.iter().cloned()).collect()
    }

    /// Returns every path in the policy, so that the caller can refuse relative ones.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let files = [self.command_file.as_ref(), self.status_file.as_ref()];
        let files = files.into_iter().flatten().chain(&self.plugin_path).map(PathBuf::as_path);
        self.ledger
            .paths()
            .chain(files)
            .chain(self.routes.paths())
            .chain(self.icinga2.iter().flat_map(Icinga2Api::paths))
    }
}

/// The keys of policy.json as they stand in the file, without defaults.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with the keys of a policy")]
struct Keys {
    repairs: Unique<RepairName, Repair>,
    #[serde(default, deserialize_with = "fleet")]
    fleet: Fleet,
    ledger: Option<LedgerConfig>,
    max_event_age: Option<Span>,
    #[serde(default, deserialize_with = "keep")]
    keep: Option<Duration>,
    command_file: Option<PathBuf>,
    status_file: Option<PathBuf>,
    icinga2: Option<Icinga2Api>,
    check_repairs: Option<WatchService>,
    plugin_path: Option<Vec<PathBuf>>,
    #[serde(default)]
    ssh: SshKeys,
    #[serde(default)]
    hosts: Unique<HostName, SshKeys>,
}

/// Default for `max_event_age`. It is long enough for a check, its event and the wait when many
/// handlers are called at once. An older event requires a newer check result, because the fault may
/// be over.
const DEFAULT_EVENT_AGE: Duration = Duration::from_secs(600);
const DEFAULT_PLUGIN_PATH: [&str; 4] = [
    "/usr/libexec/nagios-selfheal/plugins",
    "/usr/lib64/nagios/plugins",
    "/usr/lib/nagios/plugins",
    "/usr/lib/monitoring-plugins",
];

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Config, D::Error> {
        let keys = Keys::deserialize(json)?;
        let hosts = keys.hosts.0.into_iter().map(|(host, keys)| (host.0, keys)).collect();
        let repairs = keys.repairs.0.into_iter().map(|(name, repair)| (name, repair.0)).collect();
        let policy = Policy { repairs, fleet: keys.fleet };
        Ok(Config {
            keep: keys.keep.map(|keep| keep.max(longest_limit(&policy) + REFUSALS_KEPT)),
            policy,
            ledger: keys.ledger.unwrap_or_default(),
            max_event_age: keys.max_event_age.map_or(DEFAULT_EVENT_AGE, |span| span.0),
            command_file: keys.command_file,
            status_file: keys.status_file,
            icinga2: keys.icinga2,
            check_repairs: keys.check_repairs,
            plugin_path: keys
                .plugin_path
                .unwrap_or_else(|| DEFAULT_PLUGIN_PATH.map(PathBuf::from).to_vec()),
            routes: HostRoutes::new(keys.ssh, hosts),
        })
    }
}

/// The shortest time for which a policy may let the ledger keep repairs. `repairctl report`
/// compares two months, and an incident can go on for as long as refusals are kept, which is 90
/// days.
const SHORTEST_KEPT: Duration = Duration::from_secs(180 * 24 * 3600);

fn keep<'de, D: Deserializer<'de>>(json: D) -> Result<Option<Duration>, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct KeepKeys {
        repairs: Span,
    }
    let KeepKeys { repairs: Span(repairs) } = KeepKeys::deserialize(json)?;
    if repairs < SHORTEST_KEPT {
        return Err(D::Error::custom("repairs must be kept for at least \"180d\""));
    }
    Ok(Some(repairs))
}

/// Returns the longest time after which a repair still counts towards a limit.
fn longest_limit(policy: &Policy) -> Duration {
    let of_object = policy.repairs.values().map(|rules| {
        let limits = rules.limits;
        limits.cooldown.max(limits.window.per).max(limits.healthy_for).max(limits.relapse)
    });
    of_object.fold(policy.fleet.started.per, Duration::max)
}

fn fleet<'de, D: Deserializer<'de>>(json: D) -> Result<Fleet, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct FleetKeys {
        running: Option<u32>,
        started: Option<QuotaKeys>,
        share: Option<u32>,
    }
    let keys = FleetKeys::deserialize(json)?;
    let safe = Fleet::default();
    if keys.share.is_some_and(|share| share > 100) {
        return Err(D::Error::custom("share is a percentage and must be at most 100"));
    }
    Ok(Fleet {
        running: keys.running.unwrap_or(safe.running),
        started: keys.started.map_or(safe.started, Quota::from),
        share: keys.share.unwrap_or(safe.share),
    })
}
