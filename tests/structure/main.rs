//! Tests of the workspace's structure, which use `cargo metadata` and the sources. Dependencies
//! must point in one direction, modules must not import each other in a cycle, and type names must
//! be unique.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod modules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use modules::Crate;
use serde_json::Value;

/// The crates that the programs consist of, each with the crates that it may depend on.
/// ARCHITECTURE.md shows the same graph.
const LAYERS: [(&str, &[&str]); 14] = [
    ("policy", &[]),
    ("plugin-kit", &[]),
    ("safe_file", &[]),
    ("repair_gate", &[]),
    ("policy_file", &["policy", "safe_file"]),
    ("privsep", &["plugin-kit", "safe_file"]),
    ("ledger", &["policy", "policy_file", "safe_file"]),
    ("transport", &["policy", "policy_file", "safe_file", "privsep"]),
    ("engine", &["policy", "policy_file", "plugin-kit", "safe_file", "privsep"]),
    ("check_http", &["plugin-kit", "safe_file"]),
    ("check_repairs", &["plugin-kit", "policy", "policy_file", "privsep", "ledger", "transport"]),
    (
        "handle_repair",
        &[
            "policy",
            "policy_file",
            "plugin-kit",
            "safe_file",
            "privsep",
            "ledger",
            "transport",
            "engine",
        ],
    ),
    (
        "repairctl",
        &[
            "policy",
            "policy_file",
            "plugin-kit",
            "safe_file",
            "privsep",
            "ledger",
            "transport",
            "engine",
            "handle_repair",
        ],
    ),
    (
        "docs",
        &[
            "policy",
            "ledger",
            "check_http",
            "check_repairs",
            "handle_repair",
            "repairctl",
            "repair_gate",
        ],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let done = command.current_dir(root()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// Returns the crates in `LAYERS`, each with its directory and the workspace crates that it depends
/// on.
fn crates() -> BTreeMap<String, (PathBuf, BTreeSet<String>)> {
    let metadata = metadata();
    let all = metadata["packages"].as_array().unwrap();
    let name = |package: &Value| package["name"].as_str().unwrap().to_owned();
    let names: BTreeSet<String> = all.iter().map(name).collect();
    let known = |package: &&Value| LAYERS.iter().any(|(known, _)| *known == name(package));
    let describe = |package: &Value| {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap());
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let ours = dependencies
            .filter(|dependency| dependency["kind"].is_null())
            .map(name)
            .filter(|dependency| names.contains(dependency))
            .collect();
        (name(package), (manifest.parent().unwrap().to_owned(), ours))
    };
    all.iter().filter(known).map(describe).collect()
}

#[test]
fn crates_depend_only_on_lower_layers() {
    let crates = crates();
    for (name, allowed) in LAYERS {
        let (_, dependencies) = crates.get(name).unwrap_or_else(|| panic!("no crate {name}"));
        for dependency in dependencies {
            assert!(allowed.contains(&dependency.as_str()), "{name} depends on {dependency}");
        }
    }
    // `LAYERS` must list every crate that is part of a program.
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let is_product = ["/handlers/", "/plugins/"].iter().any(|place| manifest.contains(place));
        assert!(
            !is_product || crates.contains_key(package["name"].as_str().unwrap()),
            "{manifest}"
        );
    }
}

#[test]
fn modules_have_no_import_cycles() {
    let mut cycles = Vec::new();
    for (name, (directory, _)) in crates() {
        for module in Crate::read_all(&directory.join("src")) {
            cycles.extend(module.cycles().into_iter().map(|cycle| format!("{name}: {cycle}")));
        }
    }
    assert!(cycles.is_empty(), "{}", cycles.join("\n"));
}

/// `Error` is the only name that types of several crates may share, because code always writes the
/// name of the crate before it, as for the standard library's `Error` types.
#[test]
fn type_names_are_unique() {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, (directory, _)) in crates() {
        for module in Crate::read_all(&directory.join("src")) {
            for (kind, file) in module.types() {
                let place = format!("{name}/{}", file.strip_prefix(&directory).unwrap().display());
                places.entry(kind).or_default().insert(place);
            }
        }
    }
    places.remove("Error");
    places.retain(|_, places| places.len() > 1);
    let lines: Vec<String> =
        places.iter().map(|(name, places)| format!("{name}: {places:?}")).collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

#[test]
fn source_files_have_at_most_400_lines() {
    let mut long = Vec::new();
    for (_, (directory, _)) in crates() {
        for module in Crate::read_all(&directory.join("src")) {
            long.extend(
                module
                    .files()
                    .filter(|file| std::fs::read_to_string(file).unwrap().lines().count() > 400)
                    .map(Path::to_owned),
            );
        }
    }
    assert!(long.is_empty(), "{long:?}");
}

/// Returns the concatenated Rust sources below a directory.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

#[test]
fn security_md_names_existing_tests() {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let (_, table) = text.split_once("\n## Attacks, each with its test\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let cells = rows.filter_map(|row| row.trim_end_matches(" |").rsplit_once(" | "));
    let names: Vec<&str> =
        cells.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2)).collect();
    let code: String =
        ["handlers", "plugins", "tests"].map(|place| sources(&root().join(place))).concat();
    let is_missing = |name: &&&str| !code.contains(&format!("fn {name}("));
    let missing: Vec<_> = names.iter().filter(is_missing).collect();
    assert!(names.len() > 60 && missing.is_empty(), "{missing:?}");
}
