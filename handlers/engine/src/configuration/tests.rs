//! Compares the objects that this reader finds with those that Nagios finds.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

/// The directives that `repairctl lint` checks, for each host and service.
type Directives = BTreeMap<String, BTreeMap<String, String>>;

const SWITCHES: [Directive; 2] = [Directive::EventHandlerEnabled, Directive::ActiveChecksEnabled];
const NUMBERS: [Directive; 4] = [
    Directive::RetryInterval,
    Directive::MaxCheckAttempts,
    Directive::IsVolatile,
    Directive::CheckInterval,
];
const TEXTS: [Directive; 3] = [Directive::EventHandler, Directive::CheckCommand, Directive::Repair];

fn all_directives(configuration: &Configuration) -> Directives {
    let objects = &configuration.objects;
    let hosts = objects.hosts.iter().map(|host| (host.name.to_string(), &host.object));
    let on_hosts = objects
        .services
        .iter()
        .flat_map(|service| service.hosts.iter().map(move |host| (host, service)));
    let services = on_hosts
        .map(|(host, service)| (format!("{host}/{}", service.description), &service.object));
    hosts.chain(services).map(|(name, object)| (name, directives(object))).collect()
}

/// Returns the directives that `repairctl lint` checks. Missing directives get their defaults,
/// because Nagios writes all defaults into its cache.
fn directives(object: &ResolvedObject) -> BTreeMap<String, String> {
    let switches =
        SWITCHES.map(|name| (name, object.get(name).is_none_or(|value| value.is_on()).to_string()));
    let defaults = [1.0, 0.0, 0.0, 5.0];
    let numbers = NUMBERS.iter().zip(defaults).map(|(name, default)| {
        (*name, object.text(*name).and_then(|text| number(&text)).unwrap_or(default).to_string())
    });
    let texts = TEXTS.map(|name| (name, object.text(name).unwrap_or_default().to_string()));
    switches
        .into_iter()
        .chain(numbers)
        .chain(texts)
        .map(|(name, value)| (format!("{name:?}"), value))
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
            .map(|(name, line)| (name.to_string(), line.text.to_string()))
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
    let heir =
        ours.objects.services.iter().find(|service| *service.description == *"heir").unwrap();
    let lines = [Directive::RetryInterval, Directive::Repair, Directive::EventHandlerEnabled]
        .map(|name| heir.object.get(name).unwrap().at.line);
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/objects.cfg"))
        .unwrap();
    let wanted = ["retry_check_interval 3", "_REPAIR x;y", "event_handler_enabled on"];
    let wanted = wanted.map(|holds| {
        u32::try_from(1 + text.lines().position(|line| line.contains(holds)).unwrap()).unwrap()
    });
    assert_eq!(lines, wanted);
    assert_eq!(heir.object.get(Directive::Repair).unwrap().cut.as_deref(), Some(";y"));
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

fn parsed(text: &str) -> Configuration {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("objects.cfg");
    fs::write(&path, text).unwrap();
    read(&path)
}

#[test]
fn keeps_each_text_once() {
    let service = |name: &str| {
        format!("define service {{\n host_name web1\n description {name}\n _REPAIR httpd\n}}\n")
    };
    let services = parsed(&[service("a"), service("b")].concat()).objects.services;
    let texts = |name| [0, 1].map(|index: usize| services[index].object.text(name).unwrap());
    for directive in [Directive::HostName, Directive::Repair] {
        let [a, b] = texts(directive);
        assert!(Rc::ptr_eq(&a, &b), "{directive:?}");
    }
    let [a, b] = texts(Directive::ServiceDescription);
    assert_eq!((&*a, &*b), ("a", "b"));
    assert!(Rc::ptr_eq(&services[0].hosts[0], &texts(Directive::HostName)[0]));
}

/// Each template uses the next one twice, so there are more paths through the templates than any
/// program can follow.
#[test]
fn resolves_each_template_once() {
    let mut text = String::from("define host {\n host_name web1\n use t0\n}\n");
    for n in 0..100 {
        let next = n + 1;
        text += &format!("define host {{\n name t{n}\n use t{next},t{next}\n register 0\n}}\n");
    }
    text += "define host {\n name t100\n _REPAIR reboot\n register 0\n}\n";
    let host = &parsed(&text).objects.hosts[0];
    assert_eq!(host.object.text(Directive::Repair).as_deref(), Some("reboot"));
}

#[test]
fn survives_a_chain_of_templates_that_is_too_deep() {
    let template =
        |n: u32| format!("define host {{\n name t{n}\n use t{}\n host_name h{n}\n}}\n", n + 1);
    let text: String = (0..50_000).map(template).collect();
    assert_eq!(parsed(&text).objects.hosts.len(), 50_000);
}

#[test]
fn reports_an_undefined_template_at_each_use() {
    let host = |n: u32| format!("define host {{\n host_name h{n}\n use a,none\n}}\n");
    let missing = parsed(&(0..3).map(host).collect::<String>()).objects.missing;
    let found: Vec<_> = missing.iter().map(|(at, name)| (at.line, name.as_str())).collect();
    let at = |line| [(line, "a"), (line, "none")];
    assert_eq!(found, [at(3), at(7), at(11)].concat());
}

proptest! {
    #[test]
    fn reads_any_file(
        words in prop::collection::vec(prop_oneof![
            Just("define host {"), Just("define service{"), Just("}"), Just("use a,b"),
            Just("name a"), Just("name b"), Just("host_name x,!y,*"), Just("hostgroup_name g"),
            Just("hostgroups +g"), Just("_REPAIR r ; c"), Just("description \\"), Just("=\u{e4}"),
            Just("# OBJECT CACHE FILE"),
        ], 0..30),
    ) {
        let read = parsed(&words.join("\n"));
        for service in &read.objects.services {
            prop_assert!(!service.hosts.is_empty());
        }
    }
}
