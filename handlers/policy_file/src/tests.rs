use super::*;
use policy::{Act, ObjectState};
use proptest::prelude::*;
use std::time::Duration;

fn read_text(text: &str) -> Result<Config, String> {
    parse(text.as_bytes(), Path::new("policy.json")).map_err(|bad| bad.to_string())
}

#[test]
fn fills_in_defaults_of_a_minimal_policy() {
    let config =
        read_text(r#"{"repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["check_http", "-H", "{address}"]}}}"#)
            .unwrap();
    let rules = config.policy.repairs.values().next().unwrap();
    assert_eq!(
        (rules.on.as_slice(), rules.soft_attempt, rules.in_a_row),
        (&[ObjectState::Critical, ObjectState::Down][..], 3, 1)
    );
    assert_eq!(
        (rules.limits.cooldown, rules.ladder[0].timeout),
        (Duration::from_secs(600), Duration::from_secs(240))
    );
    let way = config.routes.route("web1", None);
    assert_eq!(rules.ladder[0].verify, ["check_http", "-H", "{address}"]);
    assert_eq!((way.user.as_str(), way.port, config.command_file), ("repair", 22, None));
}

#[test]
fn rungs_inherit_keys_from_their_repair() {
    let config = read_text(
        r#"{"repairs": {"x": {"verify": ["/a"], "timeout": "10s", "cooldown": "1h", "on": ["WARNING"], "soft_attempt": 1, "in_a_row": 2,
            "ladder": [{"ssh": "soft"}, {"local": ["/usr/bin/ipmitool", "-H", "{host}"], "timeout": "5m", "verify": ["/b"]}]}}}"#,
    )
    .unwrap();
    let rules = config.policy.repairs.values().next().unwrap();
    assert_eq!(rules.ladder[0].timeout, Duration::from_secs(10));
    assert_eq!(
        (rules.ladder[1].timeout, rules.ladder[1].verify.as_slice()),
        (Duration::from_secs(300), &["/b".to_owned()][..])
    );
    assert!(matches!(&rules.ladder[1].act, Act::Local(argv) if argv.len() == 3));
    assert_eq!(
        (rules.on.as_slice(), rules.soft_attempt, rules.limits.cooldown.as_secs()),
        (&[ObjectState::Warning][..], 1, 3600)
    );
    assert_eq!(rules.in_a_row, 2);
}

#[test]
fn reads_every_limit() {
    let config = read_text(
        r#"{"fleet": {"running": 2, "started": {"count": 7, "per": "2h"}, "share": 10},
            "check_repairs": {"host": "mon", "service": "Repairs"}, "status_file": "/s",
            "repairs": {"x": {"verify": ["/a"], "good_results": 3, "per_incident": 1, "window": {"count": 2, "per": "7d"},
            "relapse": "5m", "breaker": 2, "healthy_for": "2h",
            "ladder": [{"ssh": "power-cycle", "at": "hypervisor1"}, {"ssh": "a", "good_results": 1}]}}}"#,
    )
    .unwrap();
    let rules = config.policy.repairs.values().next().unwrap();
    assert_eq!(
        (rules.limits.per_incident, rules.limits.breaker, rules.limits.window.count),
        (1, 2, 2)
    );
    assert_eq!((rules.limits.relapse.as_secs(), rules.limits.healthy_for.as_secs()), (300, 7200));
    assert!(matches!(&rules.ladder[0].act, Act::Ssh { at: Some(at), .. } if at == "hypervisor1"));
    assert_eq!((rules.ladder[0].good_results, rules.ladder[1].good_results), (3, 1));
    assert_eq!(
        (config.policy.fleet.running, config.policy.fleet.started.count, config.policy.fleet.share),
        (2, 7, 10)
    );
    assert_eq!(config.check_repairs.unwrap().service, "Repairs");
}

#[test]
fn names_the_position_of_each_error() {
    let repair = |keys: &str| {
        format!(
            "{{\"repairs\": {{\"httpd\": {{\"ladder\": [{{\"ssh\": \"httpd\"}}], \"verify\": \
                [\"/v\"]{keys}}}}}}}"
        )
    };
    let postgres =
        |keys: &str| format!("{{\"repairs\": {{}}, \"ledger\":\n{{\"postgres\": {keys}}}}}");
    for (text, wanted) in [
        ("".into(), "policy.json:1:0: EOF"),
        ("{\n \"repairs\": {},\n}".into(), "policy.json:3:1: "),
        ("{\"repairs\": {}\n \"ledger\": \"/l\"}".into(), "policy.json:2:2: expected `,` or `}`"),
        (
            "{\"repairs\": {}, \"fleet\": {\"running\": 1 \"share\": 2}}".into(),
            ": fleet: expected `,` or `}`",
        ),
        ("{}".into(), "missing field `repairs`"),
        (
            "null".into(),
            "policy.json:1:4: invalid type: null, expected an object with the keys of a policy",
        ),
        ("[]".into(), "policy.json:1:"),
        (
            "{\"repairs\": {}, \"ledger\": \"ledger.sqlite\"}".into(),
            "'ledger.sqlite' is not an absolute path",
        ),
        (
            "{\"repairs\": {}, \"hosts\": {\"a\": {\"key\": \"k\"}}}".into(),
            "'k' is not an absolute path",
        ),
        ("{\"repairs\": {}} x".into(), "trailing characters"),
        ("{\"repairs\": {}, \"repair\": 1}".into(), "unknown field `repair`"),
        ("{\"repairs\": {}, \"ledger\": 1}".into(), "ledger: invalid type"),
        (postgres(r#"{"hosts": []}"#), "policy.json:2:27: ledger.postgres: hosts is empty"),
        (postgres(r#"{"hosts": ["::1", "a b"]}"#), "ledger.postgres.hosts[1]: 'a b' is not a host"),
        (postgres(r#"{"hosts": ["db1"]}"#), "ledger.postgres: \"ca\" is missing, and db1:5432"),
        (
            postgres(r#"{"hosts": ["::1"], "ca": "/c", "key": "/k"}"#),
            "cert and key belong together",
        ),
        (postgres(r#"{"hosts": ["::1"], "cert": "/c", "key": "/k"}"#), "cert and key need"),
        (postgres(r#"{"hosts": ["::1"], "host": 1}"#), "ledger.postgres.host: unknown field"),
        (postgres(r#"{"hosts": ["/run"], "site": ""}"#), "ledger.postgres: site is empty"),
        (postgres(r#"{"hosts": ["/run"], "state": "s"}"#), "'s/ledger' is not an absolute path"),
        (postgres(r#"{"hosts": ["::1"], "password_file": "p"}"#), "'p' is not an absolute path"),
        (
            postgres(r#"{"hosts": ["/run"]}, "sqlite": "/l""#),
            "policy.json:2:42: ledger.sqlite: unknown field",
        ),
        ("{\"repairs\": {}, \"ssh\": {\"port\": 70000}}".into(), "ssh.port: "),
        ("{\"repairs\": {\"a b\": {}}}".into(), "'a b' is not a repair name"),
        ("{\"repairs\": {\"x\": {\"ladder\": []}}}".into(), "repairs.x: the ladder is empty"),
        (
            "{\"repairs\": {\"x\": {\"ladder\": [{\"ssh\": \"a\"}]}}}".into(),
            "ladder[0]: \"verify\" is missing",
        ),
        (
            "{\"repairs\": {\"x\": {\"ladder\": [{}], \"verify\": [\"/v\"]}}}".into(),
            "either \"ssh\" or \"local\"",
        ),
        (
            "{\"repairs\": {\"x\": {\"ladder\": [{\"local\": [\"sh\"]}], \"verify\": [\"/v\"]}}}"
                .into(),
            "'sh' is not an absolute path",
        ),
        (
            repair(", \"cooldown\": \"10 minutes\""),
            "repairs.httpd.cooldown: '10 minutes' is not a duration",
        ),
        (repair(", \"cooldown\": 600"), "repairs.httpd.cooldown: invalid type: integer"),
        (repair(", \"cooldwn\": \"10m\""), "unknown field `cooldwn`"),
        (repair(", \"on\": [\"OK\"]"), "'OK' is not a fault state"),
        (repair(", \"soft_attempt\": 0"), "soft_attempt is 0"),
        (repair(", \"in_a_row\": 0"), "in_a_row must be 1 or 2"),
        (repair(", \"in_a_row\": 3"), "Nagios passes only the previous result"),
        (repair(", \"window\": {\"count\": 1}"), "repairs.httpd.window: missing field `per`"),
        (repair(", \"good_results\": 0"), "good_results must be between"),
        (
            "{\"repairs\": {}, \"fleet\": {\"runing\": 1}}".into(),
            "fleet.runing: unknown field `runing`",
        ),
        ("{\"repairs\": {}, \"fleet\": {\"share\": 101}}".into(), "share is a percentage"),
        (
            r#"{"repairs": {}, "icinga2": {"url": "http://m"}}"#.into(),
            "policy.json:1:46: icinga2.url: 'http://m' is not the address",
        ),
        (r#"{"repairs": {}, "icinga2": {}}"#.into(), "icinga2: missing field `url`"),
        (
            r#"{"repairs": {}, "icinga2": {"url": "https://m", "ca": "ca.crt"}}"#.into(),
            "'ca.crt' is not an absolute path",
        ),
        (
            r#"{"repairs": {}, "icinga2": {"url": "https://m"}, "command_file": "/c"}"#.into(),
            "policy.json: icinga2: the policy also has \"command_file\"",
        ),
        (
            "{\"repairs\": {}, \"hosts\": {\"a\": {\"transport\": \"telnet\"}}}".into(),
            "hosts.a.transport: unknown variant",
        ),
        (
            repair("}, \"httpd\": {\"ladder\": [{\"ssh\": \"b\"}], \"verify\": [\"/v\"]"),
            "duplicate key 'httpd'",
        ),
        (
            "{\"repairs\": {}, \"hosts\": {\"a\": {\"port\": 22}, \"a\": {}}}".into(),
            "hosts: duplicate key 'a'",
        ),
        ("{\"repairs\": {}, \"k\\u001b[31m\": 1}".into(), "unknown field `k\\u{1b}[31m`"),
        ("{\"repairs\": {}, \"ledger\": \"a\\nb\"}".into(), "'a\\nb' is not an absolute path"),
        (repair("").replace("/v", "{adress}"), "unknown placeholder {adress}"),
    ] {
        let refusal = read_text(&text).expect_err(&text);
        assert!(
            refusal.contains(wanted) && refusal.starts_with("policy.json:"),
            "{text}\n{refusal}"
        );
        assert!(!refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn keeps_braces_that_are_not_placeholders() {
    assert!(read_text(r#"{"repairs": {"x": {"ladder": [{"ssh": "a"}], "verify": ["/v", "-r", "a{2,3}{}", "{"]}}}"#).is_ok());
}

#[test]
fn refuses_missing_and_world_writable_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.json");
    assert!(matches!(read(&path), Err(BadPolicy::Unreadable { .. })));
    std::fs::write(&path, r#"{"repairs": {}}"#).unwrap();
    assert!(read(&path).is_ok());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(matches!(read(&path), Err(BadPolicy::WritableByAll(_))));
}

proptest! {
    #[test]
    fn reads_or_refuses_any_text(text in "[\\[\\]{}\":,a-z0-9 \\n]{0,200}") {
        let _ = read_text(&text);
    }
}

#[test]
fn keeps_repairs_longer_than_any_limit() {
    let keep = |text: &str| read_text(text).map(|config| config.keep.map(|keep| keep.as_secs()));
    let day = 24 * 3600;
    assert_eq!(keep(r#"{"repairs": {}}"#), Ok(None));
    assert_eq!(keep(r#"{"repairs": {}, "keep": {"repairs": "730d"}}"#), Ok(Some(730 * day)));
    let long = r#"{"keep": {"repairs": "180d"},
        "fleet": {"started": {"count": 9, "per": "200d"}}, "repairs": {}}"#;
    assert_eq!(keep(long), Ok(Some(290 * day)));
    let short = keep("{\n\"repairs\": {}, \"keep\": {\"repairs\": \"179d\"}}").unwrap_err();
    assert!(short.starts_with("policy.json:2:") && short.contains("keep: "), "{short}");
    assert!(short.contains("at least \"180d\""), "{short}");
}

#[test]
fn normalizes_the_spelling_of_names() {
    let config = read_text(
        r#"{"repairs": {"x": {"ladder": [{"ssh": "x", "at": "w\\xe42"}], "verify": ["/a", "\\x41"]}},
            "hosts": {"w\\xe41": {"user": "fix", "via": "gr\\xfcn"}},
            "check_repairs": {"host": "w\\xE4", "service": "\\xC3\\xB6"}}"#,
    )
    .unwrap();
    let route = config.routes.route(r"w\xE41", None);
    assert_eq!(route.user, "fix");
    assert_eq!(route.via.unwrap().host, r"gr\xFCn");
    let watch = config.check_repairs.unwrap();
    assert_eq!((watch.host.as_str(), watch.service.as_str()), (r"w\xE4", "ö"));
    let rules = config.policy.repairs.values().next().unwrap();
    assert_eq!(rules.ladder[0].act.at_gate().unwrap().1, Some(r"w\xE42"));
    // The words of a command are not names of hosts or services, so escapes in them are not
    // normalized.
    assert_eq!(rules.ladder[0].verify[1], r"\x41");
    let twice = read_text(r#"{"repairs": {}, "hosts": {"w\\xe41": {}, "w\\xE41": {}}}"#);
    assert!(twice.as_ref().is_err_and(|why| why.contains(r"duplicate key 'w\xE41'")), "{twice:?}");
}
