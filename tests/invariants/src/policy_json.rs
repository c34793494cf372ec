//! Invariants of the parser for policy.json, which defines the repairs on the Nagios server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use policy::{Act, Rules};
use policy_file::{Config, parse};
use serde_json::Value;

use crate::json::keys_are_unique;
use crate::text::is_harmless;

const TEN_YEARS: Duration = Duration::from_secs(10 * 366 * 86400);

/// Checks every policy that the parser accepts. The policy has no duplicate keys, a check verifies
/// each rung, durations are bounded, and paths do not depend on the working directory.
pub fn policy_json(bytes: &[u8]) {
    match parse(bytes, Path::new("policy.json")) {
        Ok(config) => {
            assert!(keys_are_unique(bytes), "duplicate key");
            let whole: Value = serde_json::from_slice(bytes).expect("an accepted file is JSON");
            let written = whole
                .get("repairs")
                .and_then(Value::as_object)
                .expect("an accepted file has repairs");
            assert_eq!(written.len(), config.policy.repairs.len(), "a repair is missing");
            for (name, rules) in &config.policy.repairs {
                let ladder = written
                    .get(name.as_str())
                    .and_then(|repair| repair.get("ladder"))
                    .and_then(Value::as_array);
                assert_eq!(ladder.map(Vec::len), Some(rules.ladder.len()), "a rung is missing");
                sound(rules);
            }
            let hosts = whole.get("hosts").and_then(Value::as_object);
            places(&config, hosts.into_iter().flat_map(serde_json::Map::keys).map(String::as_str));
        }
        Err(bad) => {
            let text = bad.to_string();
            assert!(text.starts_with("policy.json:") && is_harmless(&text), "{text:?}");
        }
    }
}

fn sound(rules: &Rules) {
    assert!(!rules.ladder.is_empty() && rules.soft_attempt > 0, "{rules:?}");
    assert!(
        rules.on.iter().all(|state| !state.is_good()),
        "a good state triggers a repair: {rules:?}"
    );
    let limits = &rules.limits;
    let spans = [limits.cooldown, limits.window.per, limits.relapse, limits.healthy_for];
    assert!(spans.iter().all(|span| *span <= TEN_YEARS), "{limits:?}");
    for rung in &rules.ladder {
        assert!(
            rung.timeout <= TEN_YEARS
                && rung.settle <= TEN_YEARS
                && (1..=60).contains(&rung.good_results),
            "{rung:?}"
        );
        assert!(!rung.verify.is_empty(), "a rung without a check: {rung:?}");
        let acts = match &rung.act {
            Act::Local(argv) => {
                assert!(argv.first().is_some_and(|program| program.starts_with('/')), "{rung:?}");
                argv.as_slice()
            }
            Act::Ssh { .. } => &[],
        };
        assert!(!acts.iter().chain(&rung.verify).any(|word| word.contains('\0')), "{rung:?}");
    }
}

fn places<'a>(config: &Config, hosts: impl Iterator<Item = &'a str>) {
    let files = [&config.command_file, &config.status_file].into_iter().flatten();
    let files = files.chain(&config.plugin_path).map(PathBuf::as_path);
    assert!(files.chain([config.ledger.local()]).all(Path::is_absolute), "{config:?}");
    if let Some(api) = &config.icinga2 {
        assert!(api.url.starts_with("https://") && api.password_file.is_absolute(), "{api:?}");
        assert!(api.ca.is_absolute() && config.status_file.is_none(), "{config:?}");
    }
    for host in hosts.chain(["web1"]) {
        let mut hop = Some(Box::new(config.routes.route(host, Some("192.0.2.1"))));
        let mut hops = 0;
        while let Some(route) = hop {
            let files = [Some(&route.key), route.passphrase_file.as_ref(), route.config.as_ref()];
            assert!(
                files
                    .into_iter()
                    .flatten()
                    .chain(&route.known_hosts)
                    .all(|place| place.is_absolute()),
                "{route:?}"
            );
            hops += 1;
            assert!(hops < 10, "an endless chain of jump hosts");
            hop = route.via;
        }
    }
}
