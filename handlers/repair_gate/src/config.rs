//! Parses repairs.json, which names the repairs of this host. The module `ownership` checks who can
//! change the file. Unknown keys and invalid values are errors, because otherwise a typo could
//! silently select a default.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{error, fmt};

use serde_json::{Map, Value};

use crate::duplicate;
use crate::durations::TimeLimit;
use crate::request::Name;

/// Maximum size of repairs.json in bytes. The whole file is read into memory.
pub(crate) const LARGEST_FILE: u64 = 256 * 1024;
/// Maximum `count` of a budget.
pub(crate) const MOST_RUNS: u64 = 1000;
const MOST_REPORTS: usize = 8;
/// Maximum length in bytes of a command that sudo runs. Together with the gate's path and `within`,
/// it must fit into 1,024 bytes, which is the limit in sudo-rs.
const LONGEST_EXACT: usize = 900;
/// Default timeout. It is longer than `systemctl restart` can take, because systemd gives a unit 90
/// s to stop and 90 s to start (DefaultTimeoutStopSec=, DefaultTimeoutStartSec=). If the repair
/// were stopped earlier, systemd could still be working on the unit.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(200);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// The repairs of this host, as defined in repairs.json.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairDefinitions {
    by_name: BTreeMap<Name, RepairDefinition>,
}

/// One repair, as defined in repairs.json.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepairDefinition {
    /// The command: an absolute path and its arguments. No shell interprets them.
    pub run: Vec<String>,
    /// The account that runs the command (`as`); `None` means the gate's own account.
    pub user: Option<String>,
    /// How long the command may run before it is stopped.
    pub timeout: Duration,
    /// Minimum time between the end of a run and the next run.
    pub cooldown: Duration,
    /// Limit on the number of runs; `None` means no limit.
    pub budget: Option<Budget>,
    /// Commands that show what is wrong and change nothing. They run under the same account as the
    /// command in `run`.
    pub diagnose: Vec<Vec<String>>,
}

/// At most `count` runs in any period of length `window`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Maximum number of runs, from 1 to 1000.
    pub count: u64,
    /// Length of the period in which the runs are counted.
    pub window: Duration,
}

/// An error in repairs.json, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadConfig {
    /// Where the error is, in the form in which it is printed after the file name. For example,
    /// `:3:14` is a line and a column, and `: repairs.httpd.timeout` is a key.
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
    /// Returns the repair with this name.
    pub fn get(&self, name: &Name) -> Option<&RepairDefinition> {
        self.by_name.get(name)
    }

    /// Iterates over all repairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &RepairDefinition)> {
        self.by_name.iter()
    }

    /// Returns the longest [`RepairDefinition::retention`] of all repairs.
    pub fn longest_retention(&self) -> Duration {
        self.by_name.values().map(RepairDefinition::retention).max().unwrap_or_default()
    }
}

impl RepairDefinition {
    /// Returns all commands with their time limits: `run` first, then the `diagnose` commands.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (&Vec<String>, TimeLimit)> {
        let diagnose = self.diagnose.iter().map(|argv| (argv, TimeLimit::DIAGNOSIS));
        std::iter::once((&self.run, TimeLimit::of_repair(self.timeout))).chain(diagnose)
    }

    /// Returns the longest time that the repair can take, including the time to stop it. A server
    /// must wait longer than this for the result.
    pub fn longest_run(&self) -> Duration {
        TimeLimit::of_repair(self.timeout).longest_run()
    }

    /// Returns how long records must be kept to enforce the cooldown and the budget.
    pub fn retention(&self) -> Duration {
        self.cooldown.max(self.budget.map_or(Duration::ZERO, |budget| budget.window))
    }
}

/// Parses the content of repairs.json.
pub fn parse(text: &str) -> Result<RepairDefinitions, BadConfig> {
    let whole: Value = serde_json::from_str(text).map_err(|e| syntax(&e))?;
    if let Some(double) = duplicate::find(text) {
        let text = format!("duplicate key \"{}\"; remove one of them", shown(&double.key));
        return Err(BadConfig { place: format!(":{}:{}", double.line, double.column), text });
    }
    let top = ConfigValue { path: String::new(), value: &whole };
    top.check_keys(&["repairs"])?;
    let repairs = top.need("repairs")?;
    let mut by_name = BTreeMap::new();
    for (name, value) in repairs.object()? {
        let key = repairs.below(name, value);
        let Some(name) = Name::new(name) else {
            return Err(key.wrong(
                "the name of a repair must have 1 to 64 letters, digits, '_' or '-', and begin \
                 with a letter or digit",
            ));
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
        count: many.ok_or_else(|| {
            count.wrong(&format!("the value must be a whole number from 1 to {MOST_RUNS}"))
        })?,
        window: duration(&key.need("window")?, 1, WEEK)?,
    })
}

fn reports(key: &ConfigValue<'_>, exact: bool) -> Result<Vec<Vec<String>>, BadConfig> {
    let items = key.array()?;
    if items.len() > MOST_REPORTS {
        return Err(
            key.wrong(&format!("the value must be a list of at most {MOST_REPORTS} commands"))
        );
    }
    items.iter().map(|item| command(item, exact)).collect()
}

/// Parses the name of an account. Upper-case letters are not allowed, because sudoers(5) treats an
/// upper-case word as an alias and `ALL` as everyone.
fn account(key: &ConfigValue<'_>) -> Result<String, BadConfig> {
    let name = key.string()?;
    if is_account(name) {
        Ok(name.to_owned())
    } else {
        Err(key.wrong("the value must be the name of an account, such as root or www-data"))
    }
}

/// Whether sudoers(5) treats `name` as the name of one account and nothing else.
pub(crate) fn is_account(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    first
        && name.len() <= 32
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

/// Parses a command. If `exact` is set, the command goes into a sudoers file, so its arguments must
/// not contain spaces or special characters. A space could permit another command, because sudo
/// joins arguments with spaces before it compares them. The characters `*`, `?` and `[` could also
/// permit another command: the original sudo treats them as wildcards unless they are escaped, but
/// sudo-rs rejects a file with these escapes.
fn command(key: &ConfigValue<'_>, exact: bool) -> Result<Vec<String>, BadConfig> {
    let items = key.array()?;
    let mut words = Vec::with_capacity(items.len());
    for (n, item) in items.iter().enumerate() {
        let word = item.string()?;
        if word.is_empty() || word.chars().any(char::is_control) {
            return Err(item.wrong("an argument must not be empty or contain control characters"));
        }
        if n == 0 && !is_plain_path(word) {
            return Err(
                item.wrong("the program must be an absolute path without '.', '..' or '//'")
            );
        }
        if exact
            && !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:=,+@%~{}".contains(&b))
        {
            return Err(item.wrong(
                "a command with \"as\" can contain only letters, digits and _-./:=,+@%~{}, \
                 because sudo and sudo-rs must match it exactly; put the command into a script \
                 that belongs to root, and run that script instead",
            ));
        }
        words.push(word.to_owned());
    }
    let bytes: usize = words.iter().map(String::len).sum();
    if words.is_empty() || words.len() > 64 || bytes > 2048 {
        return Err(key.wrong("a command must have 1 to 64 words and at most 2048 bytes"));
    }
    if exact && bytes + words.len() > LONGEST_EXACT {
        return Err(key.wrong(&format!(
            "a command with \"as\" can have at most {LONGEST_EXACT} bytes, including spaces, \
             because of a limit in sudo-rs; put the command into a script that belongs to root, \
             and run that script instead"
        )));
    }
    Ok(words)
}

fn is_plain_path(word: &str) -> bool {
    word.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// Parses a duration, which is a number followed by s, m, h or d. It must be at least `least`
/// seconds and at most `most`.
fn duration(key: &ConfigValue<'_>, least: u64, most: Duration) -> Result<Duration, BadConfig> {
    let seconds = seconds(key.string()?).ok_or_else(|| {
        key.wrong("the value must be a duration such as \"30s\", \"10m\" or \"1h\"")
    })?;
    let most = most.as_secs();
    if (least..=most).contains(&seconds) {
        Ok(Duration::from_secs(seconds))
    } else {
        Err(key.wrong(&format!("the value must be between {least}s and {most}s")))
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
    // Accept only digits, because `parse` would also accept a leading '+'.
    let plain =
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse::<u64>().ok())??.checked_mul(unit)
}

/// A JSON value, with its path for error messages.
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
        self.value.as_object().ok_or_else(|| self.wrong("the value must be a JSON object, {...}"))
    }

    /// Checks that the value is an object and has no keys other than `known`.
    fn check_keys(&self, known: &[&str]) -> Result<(), BadConfig> {
        match self.object()?.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, value)) => Err(self
                .below(name, value)
                .wrong(&format!("unknown key; the known keys are: {}", known.join(", ")))),
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
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.wrong("the value must be a list such as [\"a\", \"b\"]"))?;
        let path = |n| format!("{}[{n}]", self.path);
        Ok((0..).zip(items).map(|(n, value)| ConfigValue { path: path(n), value }).collect())
    }

    fn string(&self) -> Result<&'a str, BadConfig> {
        self.value.as_str().ok_or_else(|| self.wrong("the value must be a string in double quotes"))
    }
}

/// Formats a key for a message: keeps at most 80 characters, and escapes control characters.
fn shown(key: &str) -> String {
    key.chars().take(80).flat_map(char::escape_debug).collect()
}

fn join(path: &str, name: &str) -> String {
    let name = shown(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
