//! Tests that the manual page for policy.json, packaging/docs/policy.md, lists every key with the
//! default that the code uses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use policy::RungKind;
use policy_file::{Config, parse};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../packaging/docs/policy.md");

/// Returns the keys in the page's tables with their defaults as JSON, or with `None` if the page
/// describes the default in words.
fn keys() -> Vec<(String, Option<Value>)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `{"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').splitn(3, " | ").collect();
        (cells[0].trim().trim_matches('`').to_owned(), value(cells[1].trim()))
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

/// Returns the smallest policy that can contain `key`.
fn smallest_with(key: &str) -> Value {
    let mut policy = smallest();
    if key.starts_with("ledger.postgres.") {
        policy["ledger"] = json!({"postgres": {"hosts": ["/run/postgresql"]}});
    }
    policy
}

fn read(policy: &Value) -> Config {
    parse(policy.to_string().as_bytes(), Path::new("policy.json")).unwrap()
}

/// Returns the smallest valid object for a top-level key.
fn required(place: &str) -> Value {
    match place {
        "/icinga2" => json!({"url": "https://localhost:5665"}),
        "/keep" => json!({"repairs": "180d"}),
        _ => json!({}),
    }
}

/// Returns a string that contains every value of a configuration, for comparisons.
fn effect(config: &Config) -> String {
    let Config {
        policy,
        ledger,
        max_event_age,
        keep,
        command_file,
        status_file,
        icinga2,
        check_repairs,
        plugin_path,
        routes,
    } = config;
    let route = routes.route("web1", None);
    format!(
        "{policy:?} {ledger:?} {max_event_age:?} {keep:?} {command_file:?} {status_file:?} \
         {icinga2:?} {check_repairs:?} {plugin_path:?} {route:?}"
    )
}

#[test]
fn documented_defaults_match_the_code() {
    let mut compared = 0;
    for (key, default) in keys() {
        let Some(default) = default else { continue };
        let mut policy = smallest_with(&key);
        let pointer = format!("/{}", key.replace('.', "/"));
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        if policy.pointer(parent).is_none() {
            policy[parent.trim_start_matches('/')] = required(parent);
        }
        let defaults = effect(&read(&policy));
        policy.pointer_mut(parent).unwrap()[name] = default.clone();
        assert_eq!(effect(&read(&policy)), defaults, "{key}: {default} is not the default");
        compared += 1;
    }
    assert!(compared >= 22, "only {compared} defaults were compared");
}

/// Returns the known keys of an object, from the error message for an unknown key.
fn known_keys(place: &str) -> Vec<String> {
    let mut policy = smallest_with(&format!("{}.", place.trim_matches('/').replace('/', ".")));
    if policy.pointer(place).is_none() {
        policy[place.trim_start_matches('/')] = required(place);
    }
    policy.pointer_mut(place).unwrap()["no such key"] = json!(1);
    let refused = parse(policy.to_string().as_bytes(), Path::new("p")).unwrap_err().to_string();
    let (_, list) = refused.split_once("expected one of ").unwrap();
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn documents_every_key() {
    let words: BTreeSet<&str> =
        PAGE.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
    let places =
        ["", "/repairs/NAME", "/repairs/NAME/ladder/0", "/ssh", "/icinga2", "/ledger/postgres"];
    for place in places {
        for key in known_keys(place) {
            assert!(words.contains(key.as_str()), "policy.md does not mention {place}/{key}");
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
        assert!(PAGE.contains(&documented), "policy.md has no rung {documented}");
    }
}
