//! Tests that man, shells and vulnerability scanners can read the generated files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::Command as Clap;
use docs::sbom::{Known, PACKAGES, bill};
use serde_json::Value;

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|why| {
        panic!("{command:?}: {why}; packaging/prerequisites packages installs it")
    })
}

/// Renders a page for a terminal with 80 columns. Panics if man prints a warning.
fn shown(page: &Path) -> String {
    let mut man = Command::new("man");
    man.args(["--warnings", "-E", "UTF-8", "-l"])
        .arg(page)
        .env("MANWIDTH", "80")
        .env("LC_ALL", "C.UTF-8")
        .env("MAN_KEEP_FORMATTING", "");
    let done = run(&mut man);
    let complaints = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && complaints.is_empty(), "{}: {complaints}", page.display());
    let text = String::from_utf8(done.stdout).unwrap();
    let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{}: {wide:#?}", page.display());
    text
}

fn with_commands(mut program: Clap) -> Vec<Clap> {
    program.build();
    let below = |command: &Clap| command.get_subcommands().cloned().collect::<Vec<_>>();
    let commands = below(&program);
    let nested = commands.iter().flat_map(below).collect();
    [nested, commands, vec![program]].concat()
}

#[test]
fn renders_pages_that_document_every_option() {
    let place = tempfile::tempdir().unwrap();
    docs::pages::write(place.path()).unwrap();
    let mut pages = 3;
    for command in docs::programs().into_iter().flat_map(with_commands) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let text = shown(&place.path().join(format!("{name}.1")));
        let begin =
            text.split_whitespace().skip_while(|word| *word != "NAME").take(3).collect::<Vec<_>>();
        assert_eq!(begin, ["NAME", name, "-"], "{text}");
        for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
            let word = match (option.get_long(), option.get_value_names()) {
                (Some(long), _) => format!("--{long}"),
                (None, Some(names)) => names[0].to_string(),
                (None, None) => option.get_id().to_string(),
            };
            let told = text.lines().any(|line| {
                line.starts_with("       ")
                    && line.split([' ', ',', '[', ']', '<', '>', '=']).any(|one| one == word)
            });
            assert!(told, "{name}: {word} is not in its page:\n{text}");
        }
        pages += 1;
    }
    let check_http = shown(&place.path().join("selfheal_check_http.1"));
    for row in [
        "-H, --hostname                       yes           yes           yes",
        "-D, --verify-cert                    -             yes           -",
        "-U, --show-url                       -             -             yes",
        "    --uri                            -             -             yes",
        "    --pin-sha256                     -             -             -",
    ] {
        assert!(check_http.lines().any(|line| line == row), "{row}\n{check_http}");
    }
    let gate = shown(&place.path().join("repair_gate.8"));
    for line in repair_gate::HELP.lines().filter(|line| line.starts_with("  ")) {
        assert!(gate.contains(line.trim()), "{line}\n{gate}");
    }
    shown(&place.path().join("nagios-selfheal.7"));
    let policy = shown(&place.path().join("nagios-selfheal-policy.5"));
    for key in [
        "repairs.NAME.ladder",
        "repairs.NAME.cooldown [default: \"10m\"]",
        "ssh.known_hosts",
        "plugin_path",
    ] {
        assert!(
            policy.lines().any(|line| line.starts_with(&format!("       {key}"))),
            "{key}\n{policy}"
        );
    }
    assert_eq!(
        fs::read_dir(place.path()).unwrap().count(),
        pages,
        "this test has not checked every page"
    );
}

#[test]
fn writes_completions_that_shells_can_parse() {
    let place = tempfile::tempdir().unwrap();
    docs::completions::write(place.path()).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let files: Vec<_> = fs::read_dir(place.path().join(shell))
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(files.len(), docs::programs().len());
        for file in files {
            let done = run(Command::new(shell).arg("-n").arg(&file));
            assert!(
                done.status.success() && done.stderr.is_empty(),
                "{file:?}: {}",
                String::from_utf8_lossy(&done.stderr)
            );
        }
    }
    // Complete `repairctl tr` as bash does.
    let script = format!(
        ". {}; COMP_WORDS=(repairctl tr); COMP_CWORD=1; _repairctl repairctl tr repairctl; \
         echo \"${{COMPREPLY[@]}}\"",
        place.path().join("bash/repairctl").display()
    );
    assert_eq!(
        String::from_utf8(run(Command::new("bash").args(["-c", &script])).stdout).unwrap(),
        "trust\n"
    );
}

#[test]
fn lists_exactly_the_linked_crates() {
    let known = Known::read().unwrap();
    let bills: Vec<Value> =
        PACKAGES.iter().map(|(package, builds)| bill(package, builds, &known).unwrap()).collect();
    let linked = |bill: &Value| -> Vec<String> {
        let all = bill["components"].as_array().unwrap().iter();
        all.filter(|one| one["scope"] == "required")
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let [server, plugins, config, gate] = [0, 1, 2, 3].map(|at| linked(&bills[at]));
    assert!(
        ["clap", "rusqlite", "openssl-src", "libssh2-sys"]
            .iter()
            .all(|name| server.contains(&(*name).to_owned())),
        "{server:?}"
    );
    assert!(
        plugins.contains(&"rustls".to_owned()) && plugins.contains(&"openssl-src".to_owned()),
        "{plugins:?}"
    );
    assert!(config.is_empty());
    assert!(
        gate.contains(&"serde_json".to_owned()) && !gate.contains(&"clap".to_owned()),
        "{gate:?}"
    );
    for one in bills.iter().flat_map(|bill| bill["components"].as_array().unwrap()) {
        assert_eq!(one["hashes"][0]["content"].as_str().map(str::len), Some(64), "{one}");
        assert!(
            one["licenses"][0]["expression"].as_str().is_some_and(|text| !text.is_empty()),
            "{one}"
        );
    }
    // Vulnerability scanners need the versions of the C libraries as well.
    for name in ["openssl", "sqlite", "libssh2"] {
        let found = bills[0]["components"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["components"][0]["name"] == name);
        assert!(found, "{name}");
    }
}
