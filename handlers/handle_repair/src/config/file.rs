//! The shape of policy.json.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use policy::{Act, Policy, RepairName, Rules, Rung, State};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::Span;

/// The policy and the places of things.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The rules of each repair; the only key without a default.
    #[serde(rename = "repairs", deserialize_with = "repairs")]
    pub policy: Policy,
    /// Reservations and the record.
    #[serde(default = "default_ledger")]
    pub ledger: PathBuf,
    /// Nagios' external command file; without it Nagios is not told.
    #[serde(default)]
    pub command_file: Option<PathBuf>,
    /// Where a verify command without a slash is looked for, in order, after the place of our own programs.
    #[serde(default = "default_plugin_path")]
    pub plugin_path: Vec<PathBuf>,
    /// How hosts are reached.
    #[serde(default)]
    pub ssh: Ssh,
}

/// How hosts are reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ssh {
    /// The unprivileged account of the gate.
    pub user: String,
    /// sshd's port.
    pub port: u16,
    /// The private key, readable by the user Nagios runs as alone.
    pub key: PathBuf,
    /// Its passphrase, mode 0600.
    pub passphrase_file: Option<PathBuf>,
    /// The hosts' recorded keys.
    pub known_hosts: Vec<PathBuf>,
}

impl Default for Ssh {
    fn default() -> Ssh {
        Ssh {
            user: "repair".to_owned(),
            port: 22,
            key: "/etc/nagios-selfheal/id_ed25519".into(),
            passphrase_file: None,
            known_hosts: vec!["/etc/nagios-selfheal/known_hosts".into()],
        }
    }
}

fn default_ledger() -> PathBuf {
    "/var/lib/nagios-selfheal/ledger.sqlite".into()
}

fn default_plugin_path() -> Vec<PathBuf> {
    ["/usr/lib64/nagios/plugins", "/usr/lib/nagios/plugins", "/usr/lib/monitoring-plugins"].map(PathBuf::from).to_vec()
}

fn repairs<'de, D: Deserializer<'de>>(json: D) -> Result<Policy, D::Error> {
    let named: Unique<Repair> = Unique::deserialize(json)?;
    Ok(Policy { repairs: named.0.into_iter().map(|(name, repair)| (name, repair.0)).collect() })
}

/// A repair as it is written: what rungs do not say themselves is taken from here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepairKeys {
    ladder: Vec<RungKeys>,
    verify: Option<Vec<String>>,
    timeout: Option<Span>,
    settle: Option<Span>,
    on: Option<Vec<String>>,
    soft_attempt: Option<u32>,
    cooldown: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RungKeys {
    ssh: Option<String>,
    local: Option<Vec<String>>,
    verify: Option<Vec<String>>,
    timeout: Option<Span>,
    settle: Option<Span>,
}

/// How long a rung may take, connection and answer included. The gate's own default is a minute.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);
/// How long a repaired service may take to answer again.
const DEFAULT_SETTLE: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(try_from = "RepairKeys")]
struct Repair(Rules);

impl TryFrom<RepairKeys> for Repair {
    type Error = String;

    fn try_from(keys: RepairKeys) -> Result<Repair, String> {
        if keys.ladder.is_empty() {
            return Err("its ladder has no rung: nothing would ever be repaired".into());
        }
        let ladder: Result<Vec<Rung>, String> = keys
            .ladder
            .iter()
            .enumerate()
            .map(|(n, rung)| rung_of(rung, &keys).map_err(|why| format!("ladder[{n}]: {why}")))
            .collect();
        let mut rules = Rules::with_ladder(ladder?);
        if let Some(words) = keys.on {
            rules.on = words.iter().map(|word| bad_state(word)).collect::<Result<_, _>>()?;
        }
        if let Some(attempt) = keys.soft_attempt {
            rules.soft_attempt = Some(attempt).filter(|n| *n > 0).ok_or("soft_attempt is 0: attempts are counted from 1")?;
        }
        if let Some(cooldown) = keys.cooldown {
            rules.cooldown = cooldown.0;
        }
        Ok(Repair(rules))
    }
}

/// The states that can call for a repair: all but the good ones.
fn bad_state(word: &str) -> Result<State, String> {
    let state = State::of_service(word).or_else(|_| State::of_host(word));
    match state {
        Ok(state) if !state.is_good() => Ok(state),
        _ => Err(format!(
            "on: '{}' is no state to repair: one of CRITICAL, WARNING, UNKNOWN, DOWN, UNREACHABLE",
            word.escape_debug()
        )),
    }
}

fn rung_of(rung: &RungKeys, repair: &RepairKeys) -> Result<Rung, String> {
    let act = match (&rung.ssh, &rung.local) {
        (Some(name), None) => Act::Ssh(name.parse().map_err(|bad: policy::BadName| bad.to_string())?),
        (None, Some(argv)) => {
            let program = argv.first().ok_or("local names no program")?;
            if !program.starts_with('/') {
                return Err(format!("local: '{}' is no absolute path", program.escape_debug()));
            }
            Act::Local(checked_words("local", argv)?)
        }
        _ => return Err("give it either \"ssh\" or \"local\"".into()),
    };
    let verify = rung.verify.as_ref().or(repair.verify.as_ref());
    let verify =
        verify.filter(|argv| !argv.is_empty()).ok_or("it has no \"verify\": a repair that is not checked is no repair")?;
    Ok(Rung {
        act,
        verify: checked_words("verify", verify)?,
        timeout: rung.timeout.or(repair.timeout).map_or(DEFAULT_TIMEOUT, |span| span.0),
        settle: rung.settle.or(repair.settle).map_or(DEFAULT_SETTLE, |span| span.0),
    })
}

/// The words of a command: no NUL, and no place holder that nothing fills.
fn checked_words(key: &str, argv: &[String]) -> Result<Vec<String>, String> {
    for word in argv {
        if word.contains('\0') {
            return Err(format!("{key}: a word holds a NUL byte"));
        }
        for inner in word.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner) {
            let a_name = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if a_name && !["host", "address", "service"].contains(&inner) {
                return Err(format!("{key}: nothing fills {{{inner}}}: there are {{host}}, {{address}} and {{service}}"));
            }
        }
    }
    Ok(argv.to_vec())
}

/// A map of named things that refuses the same name twice: JSON parsers keep the last one silently.
struct Unique<T>(BTreeMap<RepairName, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Unique<T>, D::Error> {
        struct Names<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Names<T> {
            type Value = BTreeMap<RepairName, T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of named repairs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let name: RepairName = name.parse().map_err(A::Error::custom)?;
                    if all.contains_key(&name) {
                        return Err(A::Error::custom(format!("the repair '{name}' stands there twice")));
                    }
                    let value = map.next_value()?;
                    all.insert(name, value);
                }
                Ok(all)
            }
        }
        json.deserialize_map(Names(PhantomData)).map(Unique)
    }
}
