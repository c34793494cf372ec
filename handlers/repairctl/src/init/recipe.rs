//! Simple repairs for a first setup. Each repair consists of a unit that the host restarts and a
//! check that shows whether the restart helped. All functions are pure.

use std::collections::BTreeSet;

use plugin_kit::Problem;
use policy::{BadName, RepairName};
use serde_json::{Map, Value, json};

/// Why the value of `--repair` is invalid.
#[derive(Debug, thiserror::Error)]
pub enum BadRecipe {
    #[error(transparent)]
    Name(#[from] BadName),
    /// The part after the colon is not the name of a systemd unit.
    #[error("'{unit}' is not the name of a systemd unit", unit = plugin_kit::clean(.0))]
    Unit(String),
    /// Init knows no check for the repair's name or its unit's name.
    #[error(
        "init knows no check for '{name}': give the repair one of the names {known}, as in \
         --repair httpd:{unit}, or add it to the policy by hand",
        known = known_names().join(", ")
    )]
    NoCheck {
        name: RepairName,
        /// The unit that the repair restarts.
        unit: String,
    },
    /// Two values of `--repair` have the same name.
    #[error("duplicate repair '{0}'")]
    Duplicate(RepairName),
}

impl From<BadRecipe> for Problem {
    fn from(bad: BadRecipe) -> Problem {
        Problem::Usage(format!("--repair: {bad}; nothing was done"))
    }
}

/// A repair that `--repair NAME[:UNIT]` requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Name of the repair in the policy and at the gate.
    pub name: RepairName,
    /// The systemd unit that the repair restarts, without `.service`.
    pub unit: String,
    verify: &'static [&'static str],
}

/// For each known service, the names that its repair or unit can have, and the check.
const CHECKS: [(&[&str], &[&str]); 6] = [
    (
        &["httpd", "apache", "apache2", "nginx", "lighttpd", "caddy", "haproxy"],
        &["check_http", "-H", "{address}", "-t", "10"],
    ),
    (&["sshd", "ssh"], &["check_ssh", "-t", "10", "{address}"]),
    (&["postfix", "exim4", "sendmail"], &["check_smtp", "-H", "{address}", "-t", "10"]),
    (&["mariadb", "mysql", "mysqld"], &["check_tcp", "-H", "{address}", "-p", "3306", "-t", "10"]),
    (&["postgresql"], &["check_tcp", "-H", "{address}", "-p", "5432", "-t", "10"]),
    (&["redis", "redis-server"], &["check_tcp", "-H", "{address}", "-p", "6379", "-t", "10"]),
];

fn known_names() -> Vec<&'static str> {
    CHECKS.iter().flat_map(|(names, _)| names.iter().copied()).collect()
}

impl Recipe {
    /// Parses a value such as `httpd` or `httpd:apache2`.
    pub fn read(text: &str) -> Result<Recipe, BadRecipe> {
        let (name, unit) = text.split_once(':').unwrap_or((text, text));
        let unit = unit.strip_suffix(".service").unwrap_or(unit);
        let name: RepairName = name.parse()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '@' | '_' | '.' | '-');
        let is_odd = unit.starts_with(['-', '.']) || !unit.chars().all(plain);
        if !(1..=100).contains(&unit.len()) || is_odd {
            return Err(BadRecipe::Unit(unit.to_owned()));
        }
        let known = |word: &str| CHECKS.iter().find(|(names, _)| names.contains(&word));
        let (check, unit) = (known(name.as_str()).or_else(|| known(unit)), unit.to_owned());
        match check {
            Some((_, verify)) => Ok(Recipe { name, unit, verify }),
            None => Err(BadRecipe::NoCheck { name, unit }),
        }
    }

    /// Parses all values of `--repair`. If there are none, returns the recipe for `httpd`.
    pub fn read_all(texts: &[String]) -> Result<Vec<Recipe>, BadRecipe> {
        let default = ["httpd".to_owned()];
        let texts = if texts.is_empty() { &default } else { texts };
        let recipes: Vec<Recipe> =
            texts.iter().map(|text| Recipe::read(text)).collect::<Result<_, _>>()?;
        let mut names = BTreeSet::new();
        match recipes.iter().find(|recipe| !names.insert(recipe.name.as_str())) {
            Some(twice) => Err(BadRecipe::Duplicate(twice.name.clone())),
            None => Ok(recipes),
        }
    }

    fn for_policy(&self) -> Value {
        json!({"ladder": [{"ssh": self.name.as_str()}], "verify": self.verify})
    }

    fn for_gate(&self) -> Value {
        let unit = format!("{}.service", self.unit);
        json!({
            "run": ["/usr/bin/systemctl", "restart", unit],
            "as": "root", "timeout": "200s", "cooldown": "60s",
            "budget": {"count": 5, "window": "1h"},
            "diagnose": [
                ["/usr/bin/systemctl", "status", "--no-pager", "--lines=0", unit],
                ["/usr/bin/journalctl", "--no-pager", "-u", unit, "-n", "50"],
            ],
        })
    }
}

/// Returns the recipes as members of `repairs` in policy.json.
pub fn for_policy(recipes: &[Recipe]) -> Map<String, Value> {
    recipes.iter().map(|one| (one.name.to_string(), one.for_policy())).collect()
}

/// Returns the recipes as members of `repairs` in the host's repairs.json.
pub fn for_gate(recipes: &[Recipe]) -> Map<String, Value> {
    recipes.iter().map(|one| (one.name.to_string(), one.for_gate())).collect()
}

/// Returns a complete repairs.json for a host.
pub fn repairs_json(recipes: &[Recipe]) -> String {
    format!("{:#}\n", json!({"repairs": for_gate(recipes)}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_check_by_name_or_unit_and_rejects_bad_values() {
        let httpd = Recipe::read("httpd:apache2.service").unwrap();
        assert_eq!(
            (httpd.name.as_str(), httpd.unit.as_str(), httpd.verify[0]),
            ("httpd", "apache2", "check_http")
        );
        assert_eq!(Recipe::read("web:nginx").unwrap().verify[0], "check_http");
        assert_eq!(Recipe::read("mariadb").unwrap().unit, "mariadb");
        for bad in [
            "",
            "a b",
            "httpd:",
            "httpd:a b",
            "httpd:$(id)",
            "httpd:-x",
            "httpd:../x",
            "printer",
            "httpd:a'b",
        ] {
            assert!(Recipe::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn writes_repairs_json_that_the_gate_accepts() {
        let recipes = [Recipe::read("httpd:apache2").unwrap(), Recipe::read("sshd:ssh").unwrap()];
        let text = repairs_json(&recipes);
        assert_eq!(repair_gate::config::parse(&text).unwrap().iter().count(), 2);
    }
}
