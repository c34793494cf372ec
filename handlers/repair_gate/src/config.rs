//! repairs.json: the named commands of this host. Text in, checked repairs out; `ownership` checks
//! whose file it is. Everything that is not understood is refused, for a typing error must not
//! become a default.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{error, fmt};

use serde_json::{Map, Value};

use crate::duplicate;
use crate::durations::TimeLimit;
use crate::request::Name;

/// Bytes, more than anyone writes by hand; read whole into memory.
pub(crate) const LARGEST_FILE: u64 = 256 * 1024;
/// The largest `count` of a budget.
pub(crate) const MOST_RUNS: u64 = 1000;
const MOST_REPORTS: usize = 8;
/// Bytes of a command that sudo runs: with the gate's path and `within` it must fit the 1,024 that
/// sudo-rs reads of one.
const LONGEST_EXACT: usize = 900;
/// The time that `systemctl restart` may take: systemd gives a unit 90 s to stop and as much to
/// start (DefaultTimeoutStopSec=, DefaultTimeoutStartSec=). A repair that is stopped earlier leaves
/// systemd at work on the unit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(200);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// The repairs of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairDefinitions {
    by_name: BTreeMap<Name, RepairDefinition>,
}

/// One named repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairDefinition {
    /// The command: an absolute path and its arguments, given to the kernel as they are.
    pub run: Vec<String>,
    /// The account it runs under (`as`); without one, the gate's own.
    pub user: Option<String>,
    /// Time after which it is stopped.
    pub timeout: Duration,
    /// Time that must pass after it ended before it runs again.
    pub cooldown: Duration,
    /// How often it runs at most; `None` if that has no limit.
    pub budget: Option<Budget>,
    /// Commands that change nothing and show what is wrong; they run under the same account.
    pub diagnose: Vec<Vec<String>>,
}

/// At most `count` runs in any `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Runs.
    pub count: u64,
    /// Time in which the runs are counted.
    pub window: Duration,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadConfig {
    /// To be written behind the file's name: `:3:14`, or `: repairs.httpd.timeout`.
    place: String,
    text: String,
}

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

impl error::Error for BadConfig {}

impl RepairDefinitions {
    /// Returns the repair of that name.
    pub fn get(&self, name: &Name) -> Option<&RepairDefinition> {
        self.by_name.get(name)
    }

    /// Iterates over all repairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &RepairDefinition)> {
        self.by_name.iter()
    }

    /// Returns the longest [`RepairDefinition::retention`].
    pub fn longest_retention(&self) -> Duration {
        self.by_name.values().map(RepairDefinition::retention).max().unwrap_or_default()
    }
}

impl RepairDefinition {
    /// Returns its commands, each with its time limit: the repair, then the diagnosis.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (&Vec<String>, TimeLimit)> {
        let diagnose = self.diagnose.iter().map(|argv| (argv, TimeLimit::DIAGNOSIS));
        std::iter::once((&self.run, TimeLimit::of_repair(self.timeout))).chain(diagnose)
    }

    /// Returns the time after which it has certainly been stopped. A server that waits longer is
    /// told how it ended.
    pub fn longest_run(&self) -> Duration {
        TimeLimit::of_repair(self.timeout).longest_run()
    }

    /// Returns the time for which records must be kept so that neither cooldown nor budget forgets
    /// a run.
    pub fn retention(&self) -> Duration {
        self.cooldown.max(self.budget.map_or(Duration::ZERO, |budget| budget.window))
    }
}

/// Reads the text of repairs.json.
pub fn parse(text: &str) -> Result<RepairDefinitions, BadConfig> {
    let whole: Value = serde_json::from_str(text).map_err(|e| syntax(&e))?;
    if let Some(double) = duplicate::find(text) {
        let text = format!("the key \"{}\" is here for the second time", shown(&double.key));
        return Err(BadConfig { place: format!(":{}:{}", double.line, double.column), text });
    }
    let top = ConfigValue { path: String::new(), value: &whole };
    top.check_keys(&["repairs"])?;
    let repairs = top.need("repairs")?;
    let mut by_name = BTreeMap::new();
    for (name, value) in repairs.object()? {
        let key = repairs.below(name, value);
        let Some(name) = Name::new(name) else {
            return Err(
                key.wrong("a name is 1 to 64 letters, digits, '_' or '-', a letter or digit first")
            );
        };
        by_name.insert(name, repair(&key)?);
    }
    Ok(RepairDefinitions { by_name })
}

fn syntax(e: &serde_json::Error) -> BadConfig {
    let whole = e.to_string();
    let text = whole.split(" at line ").next().unwrap_or_default().to_owned();
    BadConfig { place: format!(":{}:{}", e.line(), e.column()), text }
}

fn repair(key: &ConfigValue<'_>) -> Result<RepairDefinition, BadConfig> {
    key.check_keys(&["run", "as", "timeout", "cooldown", "budget", "diagnose"])?;
    let user = key.get("as").map(|key| account(&key)).transpose()?;
    let exact = user.is_some();
    Ok(RepairDefinition {
        run: command(&key.need("run")?, exact)?,
        timeout: key.get("timeout").map_or(Ok(DEFAULT_TIMEOUT), |key| duration(&key, 1, HOUR))?,
        cooldown: key.get("cooldown").map_or(Ok(MINUTE), |key| duration(&key, 0, WEEK))?,
        budget: key.get("budget").map(|key| budget(&key)).transpose()?,
        diagnose: key.get("diagnose").map_or(Ok(Vec::new()), |key| reports(&key, exact))?,
        user,
    })
}

fn budget(key: &ConfigValue<'_>) -> Result<Budget, BadConfig> {
    key.check_keys(&["count", "window"])?;
    let count = key.need("count")?;
    let many = count.value.as_u64().filter(|n| (1..=MOST_RUNS).contains(n));
    Ok(Budget {
        count: many
            .ok_or_else(|| count.wrong(&format!("must be a whole number from 1 to {MOST_RUNS}")))?,
        window: duration(&key.need("window")?, 1, WEEK)?,
    })
}

fn reports(key: &ConfigValue<'_>, exact: bool) -> Result<Vec<Vec<String>>, BadConfig> {
    let items = key.array()?;
    if items.len() > MOST_REPORTS {
        return Err(key.wrong(&format!("at most {MOST_REPORTS} commands")));
    }
    items.iter().map(|item| command(item, exact)).collect()
}

/// Reads the name of an account. Lower case alone, for sudoers(5) reads a word of capitals as an
/// alias, and `ALL` as everyone.
fn account(key: &ConfigValue<'_>) -> Result<String, BadConfig> {
    let name = key.string()?;
    if is_account(name) {
        Ok(name.to_owned())
    } else {
        Err(key.wrong("must be the name of an account, such as root or www-data"))
    }
}

/// Whether sudoers(5) would read `name` as the name of one account and as nothing else.
pub(crate) fn is_account(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    first
        && name.len() <= 32
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Reads an argv. With `exact` it goes into a sudoers file, where arguments are joined by blanks
/// before they are compared: a blank inside a word, or a character that has a meaning there, could
/// let another command through. The original sudo reads `*`, `?` and `[` as wildcards unless they
/// are escaped, and sudo-rs refuses a file with these escapes; no form means the same to both.
fn command(key: &ConfigValue<'_>, exact: bool) -> Result<Vec<String>, BadConfig> {
    let items = key.array()?;
    let mut words = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        let word = item.string()?;
        if word.is_empty() || word.chars().any(char::is_control) {
            return Err(item.wrong("a word must not be empty or hold control characters"));
        }
        if n == 0 && !is_plain_path(word) {
            return Err(
                item.wrong("a program is named by its absolute path, without '.', '..' and '//'")
            );
        }
        if exact
            && !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:=,+@%~{}".contains(&b))
        {
            return Err(item.wrong(
                "with \"as\", sudo and sudo-rs must be able to say it exactly: letters, digits and \
                 _-./:=,+@%~{} only; put the rest into a script of root's, and name that",
            ));
        }
        words.push(word.to_owned());
    }
    let bytes: usize = words.iter().map(String::len).sum();
    if words.is_empty() || words.len() > 64 || bytes > 2048 {
        return Err(key.wrong("a command has 1 to 64 words and at most 2048 bytes"));
    }
    if exact && bytes + words.len() > LONGEST_EXACT {
        return Err(key.wrong(&format!(
            "with \"as\", a command and its blanks have at most {LONGEST_EXACT} bytes, because \
             sudo-rs reads no more; put it into a script of root's, and name that"
        )));
    }
    Ok(words)
}

fn is_plain_path(word: &str) -> bool {
    word.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// Reads a number and one of s, m, h, d, from `least` seconds to `most`.
fn duration(key: &ConfigValue<'_>, least: u64, most: Duration) -> Result<Duration, BadConfig> {
    let seconds = seconds(key.string()?)
        .ok_or_else(|| key.wrong("must be a duration such as \"30s\", \"10m\" or \"1h\""))?;
    let most = most.as_secs();
    if (least..=most).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(key.wrong(&format!("must be between {least}s and {most}s")))
    }
}

fn seconds(text: &str) -> Option<u64> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    // parse() alone would take a sign.
    let plain =
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse::<u64>().ok())??.checked_mul(unit)
}

/// A value and the path that leads to it.
struct ConfigValue<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> ConfigValue<'a> {
    fn below(&self, name: &str, value: &'a Value) -> ConfigValue<'a> {
        ConfigValue { path: join(&self.path, name), value }
    }

    fn wrong(&self, text: &str) -> BadConfig {
        let path = if self.path.is_empty() { "the whole file" } else { &self.path };
        BadConfig { place: format!(": {path}"), text: text.to_owned() }
    }

    fn object(&self) -> Result<&'a Map<String, Value>, BadConfig> {
        self.value.as_object().ok_or_else(|| self.wrong("must be an object, {...}"))
    }

    /// Checks that it is an object in which every key is one of `known`.
    fn check_keys(&self, known: &[&str]) -> Result<(), BadConfig> {
        match self.object()?.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, value)) => Err(self
                .below(name, value)
                .wrong(&format!("unknown key; known are {}", known.join(", ")))),
            None => Ok(()),
        }
    }

    fn get(&self, name: &str) -> Option<ConfigValue<'a>> {
        self.value.get(name).map(|value| self.below(name, value))
    }

    fn need(&self, name: &str) -> Result<ConfigValue<'a>, BadConfig> {
        self.get(name).ok_or_else(|| self.below(name, self.value).wrong("is missing"))
    }

    fn array(&self) -> Result<Vec<ConfigValue<'a>>, BadConfig> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("must be a list, [...]"))?;
        let path = |n| format!("{}[{n}]", self.path);
        Ok((0..).zip(items).map(|(n, value)| ConfigValue { path: path(n), value }).collect())
    }

    fn string(&self) -> Result<&'a str, BadConfig> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a text, \"...\""))
    }
}

/// Returns a key for a message, without control characters and cut to 80 characters.
fn shown(key: &str) -> String {
    key.chars().take(80).flat_map(char::escape_debug).collect()
}

fn join(path: &str, name: &str) -> String {
    let name = shown(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
