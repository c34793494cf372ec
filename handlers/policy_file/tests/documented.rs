//! Checks that the table of policy keys in the README has every key, with the default of the code.
//! The manual page is generated from this table.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use policy::RungKind;
use policy_file::{Config, parse};
use serde_json::{Value, json};

const README: &str = include_str!("../../../README.md");

/// Returns the keys of the table with their defaults as JSON. `None` stands for a key without a
/// comparable default.
fn table() -> Vec<(String, Option<Value>)> {
    let (_, section) = README.split_once("\n## policy.json\n").unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(3, " | ").collect();
        let keys: Vec<&str> = cells[0].split('`').skip(1).step_by(2).collect();
        let defaults: Vec<&str> = cells[1].trim().split(", ").collect();
        let together = if keys.len() == 1 { vec![cells[1].trim()] } else { defaults };
        let prefix = keys[0].rsplit_once('.').map_or("", |(prefix, _)| prefix);
        let full = keys.iter().map(|key| match key.strip_prefix('.') {
            Some(rest) => format!("{prefix}.{rest}"),
            None => (*key).to_owned(),
        });
        full.zip(together).map(|(key, default)| (key, value(default))).collect::<Vec<_>>()
    })
    .collect()
}

fn value(default: &str) -> Option<Value> {
    let text = default.strip_prefix('`')?.strip_suffix('`')?;
    Some(serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
}

fn smallest() -> Value {
    json!({"repairs": {"NAME": {"ladder": [{"ssh": "NAME"}], "verify": ["check"]}}})
}

fn read(policy: &Value) -> Config {
    parse(policy.to_string().as_bytes(), Path::new("policy.json")).unwrap()
}

/// Returns a text with every value of a configuration, for comparisons.
fn effect(config: &Config) -> String {
    let Config { policy, ledger, command_file, status_file, check_repairs, plugin_path, routes } =
        config;
    let route = routes.route("web1", None);
    format!(
        "{policy:?} {ledger:?} {command_file:?} {status_file:?} {check_repairs:?} {plugin_path:?} \
         {route:?}"
    )
}

#[test]
fn documented_defaults_match_the_code() {
    let defaults = effect(&read(&smallest()));
    let mut compared = 0;
    for (key, default) in table() {
        let Some(default) = default else { continue };
        let mut policy = smallest();
        let pointer = format!("/{}", key.replace('.', "/"));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if policy.pointer(parent).is_none() {
            policy[parent.trim_start_matches('/')] = json!({});
        }
        policy.pointer_mut(parent).unwrap()[name] = default.clone();
        assert_eq!(effect(&read(&policy)), defaults, "{key}: {default} is not the default");
        compared += 1;
    }
    assert!(compared >= 17, "only {compared} defaults were compared");
}

/// Returns the known keys of an object, from the error message for an unknown key.
fn known_keys(place: &str) -> Vec<String> {
    let mut policy = smallest();
    if place == "/ssh" {
        policy["ssh"] = json!({});
    }
    policy.pointer_mut(place).unwrap()["no such key"] = json!(1);
    let refused = parse(policy.to_string().as_bytes(), Path::new("p")).unwrap_err().to_string();
    let (_, list) = refused.split_once("expected one of ").unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn documents_every_key() {
    let (_, section) = README.split_once("\n## policy.json\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let words: BTreeSet<&str> =
        section.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    for place in ["", "/repairs/NAME", "/repairs/NAME/ladder/0", "/ssh"] {
        for key in known_keys(place) {
            assert!(words.contains(key.as_str()), "README.md does not mention {place}/{key}");
        }
    }
}

#[test]
fn reads_and_documents_every_kind_of_rung() {
    for kind in RungKind::ALL {
        let written = json!({kind.as_str(): match kind {
            RungKind::Ssh => json!("NAME"),
            RungKind::Local => json!(["/bin/true"]),
        }});
        let mut policy = smallest();
        policy["repairs"]["NAME"]["ladder"] = json!([written]);
        let rules = read(&policy).policy.repairs.into_values().next().unwrap();
        assert_eq!(rules.ladder[0].act.kind(), *kind);
        let documented = format!("`{{\"{kind}\": ");
        assert!(README.contains(&documented), "README.md has no rung {documented}");
    }
}
