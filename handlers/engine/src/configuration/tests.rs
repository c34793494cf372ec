//! Compares the objects that this reader finds with those that Nagios finds.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;

/// The directives that lint checks, for each host and service.
type Directives = BTreeMap<String, BTreeMap<String, String>>;

const SWITCHES: [&str; 2] = ["event_handler_enabled", "active_checks_enabled"];
const NUMBERS: [&str; 4] =
    ["retry_interval", "max_check_attempts", "is_volatile", "check_interval"];
const TEXTS: [&str; 3] = ["event_handler", "check_command", "_REPAIR"];

fn all_directives(configuration: &Configuration) -> Directives {
    let objects = &configuration.objects;
    let hosts = objects.hosts.iter().map(|host| (host.name.clone(), &host.object));
    let on_hosts = objects
        .services
        .iter()
        .flat_map(|service| service.hosts.iter().map(move |host| (host, service)));
    let services = on_hosts
        .map(|(host, service)| (format!("{host}/{}", service.description), &service.object));
    hosts.chain(services).map(|(name, object)| (name, directives(object))).collect()
}

/// Returns the directives that lint checks. Missing ones get their defaults, because Nagios writes
/// all defaults into its cache.
fn directives(object: &ResolvedObject) -> BTreeMap<String, String> {
    let switches =
        SWITCHES.map(|name| (name, object.get(name).is_none_or(DirectiveValue::is_on).to_string()));
    let defaults = [1.0, 0.0, 0.0, 5.0];
    let numbers = NUMBERS.iter().zip(defaults).map(|(name, default)| {
        (*name, object.text(name).and_then(number).unwrap_or(default).to_string())
    });
    let texts = TEXTS.map(|name| (name, object.text(name).unwrap_or_default().to_owned()));
    switches
        .into_iter()
        .chain(numbers)
        .chain(texts)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[test]
fn expands_objects_as_nagios_does() {
    let directory = tempfile::tempdir().unwrap();
    // Nagios drops root privileges, so its user must be able to write into this directory.
    fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::create_dir_all(place("conf.d/below")).unwrap();
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects.cfg"),
        place("conf.d/below/objects.cfg"),
    )
    .unwrap();
    let latin1 =
        b"define service {\n use first\n host_name h1\n service_description Gr\xf6\xdfe\xa0\n}\n";
    fs::write(place("conf.d/latin1.cfg"), latin1).unwrap();
    fs::write(place("conf.d/ignored.txt"), "define nonsense").unwrap();
    let main =
        "cfg_dir=conf.d\nlog_file=log\nobject_cache_file=cache\nprecached_object_file=precached\n";
    fs::write(place("nagios.cfg"), main).unwrap();
    let done = Command::new("/usr/sbin/nagios4")
        .arg("-vp")
        .arg(place("nagios.cfg"))
        .output()
        .expect("nagios4-core");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));

    let (ours, theirs) = (read(&place("nagios.cfg")), read(&place("precached")));
    assert!(ours.unreadable.is_empty() && ours.objects.missing.is_empty());
    let lines = |configuration: &Configuration| -> Vec<(String, String)> {
        configuration
            .objects
            .commands
            .iter()
            .map(|(name, line)| (name.clone(), line.text.clone()))
            .collect()
    };
    assert_eq!(lines(&ours), lines(&theirs));
    assert_eq!(all_directives(&ours).len(), 3 + 17);
    assert!(all_directives(&ours).contains_key(r"h1/Gr\xF6\xDFe\xA0"));
    assert_eq!(all_directives(&ours), all_directives(&theirs));
}

#[test]
fn records_the_line_of_each_value() {
    let ours = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects.cfg"));
    let heir = ours.objects.services.iter().find(|service| service.description == "heir").unwrap();
    let lines = ["retry_interval", "_REPAIR", "event_handler_enabled"]
        .map(|name| heir.object.get(name).unwrap().at.line);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects.cfg"))
        .unwrap();
    let wanted = ["retry_check_interval 3", "_REPAIR x;y", "event_handler_enabled on"];
    let wanted = wanted.map(|holds| {
        u32::try_from(1 + text.lines().position(|line| line.contains(holds)).unwrap()).unwrap()
    });
    assert_eq!(lines, wanted);
    assert_eq!(heir.object.get("_REPAIR").unwrap().cut.as_deref(), Some(";y"));
}

#[test]
fn ends_at_cycles_of_directories_and_templates() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::create_dir(place("conf.d")).unwrap();
    std::os::unix::fs::symlink(place("conf.d"), place("conf.d/again")).unwrap();
    fs::write(
        place("conf.d/a.cfg"),
        "define host {\n name a\n use b\n register 0\n}\n\
         define host {\n name b\n use a\n host_name h\n}\n",
    )
    .unwrap();
    fs::write(place("nagios.cfg"), "cfg_dir=conf.d\ncfg_dir=conf.d\n").unwrap();
    assert_eq!(read(&place("nagios.cfg")).objects.hosts.len(), 1);
}
