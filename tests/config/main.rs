//! Tests that Nagios, Icinga 2, CFEngine, sudo and this project's programs accept the files in
//! nagios-config/. Also tests `make deny`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use e2e::{Account, Place, run, shipped, system_program};

/// Definitions that the shipped files need and that every site already has: a contact, a time
/// period and templates.
const SITE: &str = "
define command { \n command_name page \n command_line /bin/true \n }
define contact { \n contact_name pager \n host_notification_period \
always \n service_notification_period always \n host_notification_options \
d,r \n service_notification_options c,r \n host_notification_commands \
page \n service_notification_commands page \n }
define timeperiod { \n timeperiod_name always \n alias always \n monday 00:00-24:00 \n }
define host { \n name generic-host \n check_command selfheal_check_http \n check_period always \n notification_period \
always \n contacts pager \n register 0 \n }
define service { \n name generic-service \n check_period always \n notification_period \
always \n contacts pager \n register 0 \n }
define host { \n use generic-host \n host_name localhost \n address \
127.0.0.1 \n max_check_attempts 3 \n }
define host { \n use repairable-host,generic-host \n host_name power1 \n address \
192.0.2.2 \n max_check_attempts 3 \n _REPAIR power-cycle \n }
";

/// Settings that `repairctl lint` checks, as distributions ship them.
const MAIN: &str = "\
check_external_commands=1
command_file=/var/lib/naemon/naemon.cmd
status_file=/var/lib/naemon/status.dat
enable_event_handlers=1
retain_state_information=1
log_service_retries=1
illegal_macro_output_chars=`~$&|'\"<>
";

/// Writes a main file that reads the site's definitions and these files. Copies the files into the
/// lab, because Nagios' user may not be allowed to read the repository.
fn main_file(place: &Place, files: &[&str]) -> PathBuf {
    let directory = place.path().display().to_string();
    let site = place.file("site.cfg", SITE, 0o644, None);
    let mut main_file = format!(
        "log_file={directory}/nagios.log\nobject_cache_file={directory}/cache\n\
         state_retention_file={directory}/retention\n{MAIN}cfg_file={}\n",
        site.display()
    );
    place.directory("naemon", None);
    for name in ["commands.cfg", "templates.cfg", "services.cfg", "naemon/selfheal.cfg"] {
        let text = fs::read_to_string(shipped("nagios-config").join(name)).unwrap();
        let text = text.replace("/usr/share/nagios-selfheal/nagios-config", &directory);
        let copy = place.file(name, &text, 0o644, None);
        if files.contains(&name) {
            main_file += &format!("cfg_file={}\n", copy.display());
        }
    }
    place.file("nagios.cfg", &main_file, 0o644, None)
}

/// The object files for Nagios and those for Naemon. The tests check both with Nagios, because
/// Debian 12 has no Naemon, and Naemon reads the same syntax.
const OBJECT_FILES: [&[&str]; 2] =
    [&["commands.cfg", "templates.cfg", "services.cfg"], &["naemon/selfheal.cfg", "services.cfg"]];

#[test]
fn nagios_accepts_the_object_files() {
    for files in OBJECT_FILES {
        let place = Place::new();
        let nagios = system_program(&["nagios4", "nagios"]);
        let said = run(Command::new(nagios).arg("-v").arg(main_file(&place, files)));
        assert!(said.contains("Checked 2 services"), "{said}");
        // Nagios warns that power1 has no service. Any other warning, for example about a missing
        // contact, shows a mistake in the files.
        let warnings: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("Warning:") && !line.contains("'power1'"))
            .collect();
        assert!(warnings.is_empty() && said.contains("Total Errors:   0"), "{said}");
    }
}

#[test]
fn lint_finds_nothing_in_the_object_files_and_the_policy_for_naemon() {
    let place = Place::new();
    let main_file = main_file(&place, OBJECT_FILES[1]);
    let policy = fs::read_to_string(shipped("nagios-config/naemon/policy.json")).unwrap();
    // power1 is the host in the site's own definitions.
    let power = r#""repairs": {"power-cycle": {"ladder": [{"local": ["/bin/true"]}],
        "verify": ["check_http"]},"#;
    let policy = place.file("p.json", &policy.replace("\"repairs\": {", power), 0o644, None);
    let mut lint = Command::new(place.program("repairctl"));
    let said = run(lint.arg("--policy").arg(policy).arg("lint").arg(main_file));
    assert_eq!(said.trim_end(), "no problems found in 1 service and 1 host with a repair");
}

/// Definitions that the shipped files for Icinga 2 need and that every site already has.
const ICINGA2_SITE: &str = r#"
include <itl>
include <plugins>
const PluginDir = "/usr/lib/nagios/plugins"
template Host "generic-host" { check_command = "hostalive" }
template Service "generic-service" { max_check_attempts = 5 }
object Host NodeName {
  import "generic-host"
  import "repairable-host"
  address = "127.0.0.1"
  vars.repair = "power-cycle"
}
"#;

#[test]
fn icinga2_accepts_the_object_files() {
    let place = Place::new();
    let nagios = Account::nagios();
    let directory = place.directory("icinga2", nagios.ids());
    let mut main_file = String::new();
    for name in ["commands.conf", "templates.conf", "api-user.conf", "services.conf"] {
        let text = fs::read_to_string(shipped("nagios-config/icinga2").join(name)).unwrap();
        let copy = place.file(&format!("icinga2/{name}"), &text, 0o600, nagios.ids());
        main_file += &format!("include \"{}\"\n", copy.display());
        if name == "templates.conf" {
            main_file += ICINGA2_SITE;
        }
    }
    let main_file = place.file("icinga2/icinga2.conf", &main_file, 0o600, nagios.ids());
    let mut check = Command::new(system_program(&["icinga2"]));
    check.args(["daemon", "-C", "-DNodeName=monitor", "-c"]).arg(main_file);
    for name in ["ConfigDir", "DataDir", "LogDir", "CacheDir", "SpoolDir", "InitRunDir"] {
        check.arg(format!("-D{name}={}", directory.display()));
    }
    let said = run(&mut check);
    assert!(said.contains("Instantiated 2 Services.") && !said.contains("warning/"), "{said}");
}

/// The handler must get the same facts from both engines.
#[test]
fn icinga2_passes_the_same_options_as_nagios() {
    let read = |name: &str| fs::read_to_string(shipped("nagios-config").join(name)).unwrap();
    let (nagios, icinga2) = (read("commands.cfg"), read("icinga2/commands.conf"));
    let options = |text: &str| -> BTreeSet<String> {
        let words = text.split_whitespace().map(|word| word.trim_matches('"'));
        words.filter(|word| word.starts_with("--")).map(str::to_owned).collect()
    };
    let nagios = nagios.lines().filter(|line| line.contains(" /usr/bin/handle_repair "));
    let icinga2 = icinga2.split("\nobject ").filter(|text| text.starts_with("EventCommand "));
    let [nagios, icinga2] = [nagios.map(options).collect(), icinga2.map(options).collect()];
    assert_eq!(<Vec<BTreeSet<String>>>::len(&nagios), 2);
    assert_eq!(nagios, icinga2);
}

#[test]
fn command_lines_need_no_shell_and_have_no_semicolon() {
    let commands = fs::read_to_string(shipped("nagios-config/commands.cfg")).unwrap();
    let lines: Vec<&str> =
        commands.lines().filter(|line| line.trim_start().starts_with("command_line")).collect();
    assert_eq!(lines.len(), 5);
    for line in lines {
        // Nagios treats `;` as the start of a comment. Any of the other characters below makes it
        // run the line in /bin/sh. Quotes alone do not, but they make Mod-Gearman's worker use
        // /bin/sh.
        assert!(
            !line.contains([';', '|', '&', '<', '>', '`', '(', ')', '*', '?', '"', '~']),
            "{line}"
        );
        for word in
            line.split_whitespace().filter(|word| word.contains('$') && !word.starts_with("$ARG"))
        {
            assert!(
                word.starts_with('\'') && word.ends_with('\''),
                "{word} is not in single quotes"
            );
        }
    }
}

#[test]
fn handler_accepts_shipped_policy() {
    let place = Place::new();
    let policy = shipped("nagios-config/policy.json");
    let call = [
        "CRITICAL",
        "HARD",
        "4",
        "--host",
        "web1",
        "--service",
        "HTTP",
        "--repair",
        "httpd",
        "--dry-run",
        "--explain",
        "--policy",
    ];
    place.program("repair_worker");
    let said = run(Command::new(place.program("handle_repair")).args(call).arg(policy));
    assert!(
        said.starts_with("WOULD REPAIR web1/HTTP")
            && said.contains("'httpd-policy'")
            && said.contains("rung 2"),
        "{said}"
    );
}

#[test]
fn repairs_json_has_every_repair_in_the_policy() {
    let place = Place::new();
    let read = |name: &str| fs::read_to_string(shipped("nagios-config").join(name)).unwrap();
    let gate_file = place.file("repairs.json", &read("repairs.json"), 0o644, None);
    let gate = place.program("repair_gate");
    run(Command::new(&gate).arg("--config").arg(&gate_file).arg("check"));
    let policy: serde_json::Value = serde_json::from_str(&read("policy.json")).unwrap();
    let repairs: serde_json::Value = serde_json::from_str(&read("repairs.json")).unwrap();
    let rungs = policy["repairs"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|repair| repair["ladder"].as_array().unwrap());
    let asked: Vec<&str> = rungs.filter_map(|rung| rung["ssh"].as_str()).collect();
    assert!(!asked.is_empty());
    for name in asked {
        assert!(repairs["repairs"][name].is_object(), "the gate's file has no '{name}'");
    }
}

#[test]
fn visudo_accepts_sudo_rules_for_nrpe() {
    let rules = shipped("nagios-config/nrpe/nrpe-sudoers");
    run(Command::new(system_program(&["visudo"])).arg("-c").arg("-f").arg(rules));
}

#[test]
fn cfengine_accepts_its_policies() {
    for name in ["web_server.cf", "serverd.cf", "runagent.cf"] {
        let policy = shipped("nagios-config/cfengine").join(name).canonicalize().unwrap();
        let said = run(Command::new(system_program(&["cf-promises"])).arg("-f").arg(policy));
        assert_eq!(said, "", "{name}");
    }
}

/// Runs `make deny` with a fake `cargo`, which cannot fetch the advisory database, as if there were
/// no network. The fake `cargo` also reports an advisory.
fn deny_offline(place: &Place) -> (bool, String) {
    let cargo = place.file(
        "cargo",
        "#!/bin/sh\ncase \"$*\" in *'fetch db' | *advisories) exit 1 ;; esac\n",
        0o755,
        None,
    );
    let mut make = Command::new("make");
    make.arg("-C").arg(shipped("")).arg("deny").arg(format!("CARGO={}", cargo.display()));
    let done = make.env("CARGO_HOME", place.path()).output().unwrap();
    (done.status.success(), String::from_utf8_lossy(&done.stdout).into_owned())
}

#[test]
fn make_deny_reports_a_missing_database() {
    let (passed, said) = deny_offline(&Place::new());
    assert!(passed && said.contains("advisories were NOT checked"), "{said}");
}

#[test]
fn make_deny_fails_on_advisory_in_cached_database() {
    let place = Place::new();
    fs::create_dir_all(place.path().join("advisory-dbs/advisory-db-1/.git")).unwrap();
    let (passed, said) = deny_offline(&place);
    assert!(!passed && !said.contains("NOT checked"), "{said}");
}
