//! repairs.json: which names stand for which commands. Text in, checked repairs out; whose file it
//! is, is the business of `trust`. Everything that is not understood is refused, for a typing error
//! must not become a default.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::duplicate;
use crate::request::Name;

/// More than any hand writes; read whole into memory.
pub(crate) const LARGEST_FILE: u64 = 256 * 1024;
/// The largest `count` of a budget.
pub(crate) const MOST_RUNS: u64 = 1000;
const MOST_REPORTS: usize = 8;
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const WEEK: Duration = Duration::from_hours(7 * 24);

/// The repairs this host knows.
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
    /// Commands that look and change nothing; they run under the same account.
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

/// What is wrong, and where: a key path (`repairs.httpd.timeout`) or a line and column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadConfig {
    place: ErrorPosition,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ErrorPosition {
    Text { line: usize, column: usize },
    Key(String),
}

impl fmt::Display for BadConfig {
    /// To be written behind the file's name: `:3:14: text` or `: repairs.httpd.timeout: text`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            ErrorPosition::Text { line, column } => write!(f, ":{line}:{column}: {}", self.text),
            ErrorPosition::Key(path) => write!(f, ": {path}: {}", self.text),
        }
    }
}

impl RepairDefinitions {
    /// The repair of that name.
    pub fn get(&self, name: &Name) -> Option<&RepairDefinition> {
        self.by_name.get(name)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &RepairDefinition)> {
        self.by_name.iter()
    }

    /// Returns the longest [`RepairDefinition::retention`].
    pub fn longest_retention(&self) -> Duration {
        self.by_name.values().map(RepairDefinition::retention).max().unwrap_or_default()
    }
}

impl RepairDefinition {
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
        return Err(BadConfig {
            place: ErrorPosition::Text { line: double.line, column: double.column },
            text,
        });
    }
    let top = ConfigValue::top(&whole).object(&["repairs"])?;
    let repairs = top.need("repairs")?;
    let mut by_name = BTreeMap::new();
    for (name, value) in repairs.any_object()? {
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
    BadConfig { place: ErrorPosition::Text { line: e.line(), column: e.column() }, text }
}

fn repair(key: &ConfigValue<'_>) -> Result<RepairDefinition, BadConfig> {
    let fields = key.object(&["run", "as", "timeout", "cooldown", "budget", "diagnose"])?;
    let user = fields.get("as").map(|key| account(&key)).transpose()?;
    let exact = user.is_some();
    Ok(RepairDefinition {
        run: command(&fields.need("run")?, exact)?,
        timeout: fields.get("timeout").map_or(Ok(MINUTE), |key| duration(&key, 1, HOUR))?,
        cooldown: fields.get("cooldown").map_or(Ok(MINUTE), |key| duration(&key, 0, WEEK))?,
        budget: fields.get("budget").map(|key| budget(&key)).transpose()?,
        diagnose: fields.get("diagnose").map_or(Ok(Vec::new()), |key| reports(&key, exact))?,
        user,
    })
}

fn budget(key: &ConfigValue<'_>) -> Result<Budget, BadConfig> {
    let fields = key.object(&["count", "window"])?;
    let count = fields.need("count")?;
    let many = count.value.as_u64().filter(|n| (1..=MOST_RUNS).contains(n));
    Ok(Budget {
        count: many
            .ok_or_else(|| count.wrong(&format!("must be a whole number from 1 to {MOST_RUNS}")))?,
        window: duration(&fields.need("window")?, 1, WEEK)?,
    })
}

fn reports(key: &ConfigValue<'_>, exact: bool) -> Result<Vec<Vec<String>>, BadConfig> {
    let items = key.array()?;
    if items.len() > MOST_REPORTS {
        return Err(key.wrong(&format!("at most {MOST_REPORTS} commands")));
    }
    items.iter().map(|item| command(item, exact)).collect()
}

/// The name of an account. Lower case alone, for sudoers(5) reads a word of capitals as an alias,
/// and `ALL` as everyone.
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

/// An argv. With `exact` it will stand in a sudoers file, where arguments are joined by blanks
/// before they are compared: a blank inside a word, or a character that has a meaning there, could
/// let another command through.
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
            && !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:=,+@%~*?[]{}".contains(&b))
        {
            return Err(item.wrong(
                "with \"as\", sudoers must be able to say it exactly: letters, digits \
                                       and _-./:=,+@%~*?[]{} only",
            ));
        }
        words.push(word.to_owned());
    }
    if words.is_empty() || words.len() > 64 || words.iter().map(String::len).sum::<usize>() > 2048 {
        return Err(key.wrong("a command has 1 to 64 words and at most 2048 bytes"));
    }
    Ok(words)
}

fn is_plain_path(word: &str) -> bool {
    word.strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

/// A number and one of s, m, h, d, from `least` seconds to `most`.
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

/// An object whose keys are all known.
struct ConfigObject<'a> {
    path: String,
    map: &'a Map<String, Value>,
}

impl<'a> ConfigValue<'a> {
    fn top(value: &'a Value) -> ConfigValue<'a> {
        ConfigValue { path: String::new(), value }
    }

    fn below(&self, name: &str, value: &'a Value) -> ConfigValue<'a> {
        ConfigValue { path: join(&self.path, name), value }
    }

    fn wrong(&self, text: &str) -> BadConfig {
        let path = if self.path.is_empty() { "the whole file" } else { &self.path };
        BadConfig { place: ErrorPosition::Key(path.to_owned()), text: text.to_owned() }
    }

    fn any_object(&self) -> Result<&'a Map<String, Value>, BadConfig> {
        self.value.as_object().ok_or_else(|| self.wrong("must be an object, {...}"))
    }

    fn object(&self, known: &[&str]) -> Result<ConfigObject<'a>, BadConfig> {
        let map = self.any_object()?;
        match map.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, value)) => Err(self
                .below(name, value)
                .wrong(&format!("unknown key; known are {}", known.join(", ")))),
            None => Ok(ConfigObject { path: self.path.clone(), map }),
        }
    }

    fn array(&self) -> Result<Vec<ConfigValue<'a>>, BadConfig> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("must be a list, [...]"))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(n, value)| ConfigValue { path: format!("{}[{n}]", self.path), value })
            .collect())
    }

    fn string(&self) -> Result<&'a str, BadConfig> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a text, \"...\""))
    }
}

impl<'a> ConfigObject<'a> {
    fn get(&self, name: &str) -> Option<ConfigValue<'a>> {
        self.map.get(name).map(|value| ConfigValue { path: join(&self.path, name), value })
    }

    fn need(&self, name: &str) -> Result<ConfigValue<'a>, BadConfig> {
        let missing = || BadConfig {
            place: ErrorPosition::Key(join(&self.path, name)),
            text: "is missing".into(),
        };
        self.get(name).ok_or_else(missing)
    }
}

/// Keys are shown to people; a strange one must not bring control characters or a megabyte along.
fn shown(key: &str) -> String {
    key.chars().take(80).flat_map(char::escape_debug).collect()
}

fn join(path: &str, name: &str) -> String {
    let name = shown(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests;
