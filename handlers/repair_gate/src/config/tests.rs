use super::*;
use proptest::prelude::*;

const GOOD: &str = r#"{"repairs": {"httpd": {
    "run": ["/usr/bin/systemctl", "restart", "httpd"], "as": "root", "timeout": "90s",
    "cooldown": "2m", "budget": {"count": 5, "window": "1h"},
    "diagnose": [["/usr/bin/journalctl", "-u", "httpd"]]}}}"#;

fn complaint(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

fn one(fields: &str) -> String {
    format!(r#"{{"repairs": {{"x": {{"run": ["/bin/true"]{fields}}}}}}}"#)
}

#[test]
fn parses_complete_file() {
    let repairs = parse(GOOD).unwrap();
    let httpd = repairs.get(&Name::new("httpd").unwrap()).unwrap();
    assert_eq!(httpd.run, ["/usr/bin/systemctl", "restart", "httpd"]);
    assert_eq!((httpd.user.as_deref(), httpd.timeout.as_secs()), (Some("root"), 90));
    assert_eq!(httpd.cooldown, 2 * MINUTE);
    assert_eq!(httpd.budget, Some(Budget { count: 5, window: HOUR }));
    assert_eq!(httpd.diagnose, [["/usr/bin/journalctl", "-u", "httpd"]]);
    assert_eq!(repairs.longest_retention(), HOUR);
}

#[test]
fn default_timeout_exceeds_systemds_timeouts() {
    let repairs = parse(&one("")).unwrap();
    let x = repairs.get(&Name::new("x").unwrap()).unwrap();
    assert!(x.timeout > Duration::from_secs(90 + 90), "systemd may still be working on the unit");
    assert_eq!((x.cooldown, x.budget, x.user.as_deref()), (MINUTE, None, None));
    assert!(x.diagnose.is_empty());
}

#[test]
fn syntax_error_has_line_and_column() {
    assert!(
        complaint("{\n\"repairs\": }").starts_with(":2:12: expected value"),
        "{}",
        complaint("{\n\"repairs\": }")
    );
    assert!(complaint("").starts_with(":1:0: "));
    assert!(complaint(&format!("{GOOD} x")).contains("trailing characters"));
    assert!(complaint(&"[".repeat(100_000)).contains("recursion limit"));
    assert!(
        complaint("{\"repairs\": {},\n \"repairs\": {}}")
            .starts_with(":2:2: duplicate key \"repairs\"")
    );
}

#[test]
fn semantic_error_names_the_key() {
    for (text, expected) in [
        ("[]", "the whole file: the value must be a JSON object"),
        ("{}", "repairs: is missing"),
        (r#"{"repairs": {}, "repair": {}}"#, "repair: unknown key"),
        (r#"{"repairs": {"-x": {}}}"#, "repairs.-x: the name of a repair must have"),
        (r#"{"repairs": {"a b": {}}}"#, "repairs.a b: the name of a repair must have"),
        (r#"{"repairs": {"x": {}}}"#, "repairs.x.run: is missing"),
        (r#"{"repairs": {"x": {"run": "/bin/true"}}}"#, "repairs.x.run: the value must be a list"),
        (r#"{"repairs": {"x": {"run": []}}}"#, "repairs.x.run: a command must have"),
        (
            r#"{"repairs": {"x": {"run": ["true"]}}}"#,
            "repairs.x.run[0]: the program must be an absolute path",
        ),
        (r#"{"repairs": {"x": {"run": ["/usr/../tmp/x"]}}}"#, "repairs.x.run[0]: the program"),
        (r#"{"repairs": {"x": {"run": ["/"]}}}"#, "repairs.x.run[0]: the program"),
        (
            r#"{"repairs": {"x": {"run": ["/bin/true", 1]}}}"#,
            "repairs.x.run[1]: the value must be a string",
        ),
        (
            r#"{"repairs": {"x": {"run": ["/bin/true", "a\u0000b"]}}}"#,
            "repairs.x.run[1]: an argument must not",
        ),
        (
            r#"{"repairs": {"x": {"run": ["/bin/true", ""]}}}"#,
            "repairs.x.run[1]: an argument must not",
        ),
        (&one(r#", "argv": []"#), "repairs.x.argv: unknown key; the known keys are: run, as"),
        (&one(r#", "timeout": 60"#), "repairs.x.timeout: the value must be a string"),
        (&one(r#", "timeout": "60""#), "repairs.x.timeout: the value must be a duration"),
        (&one(r#", "timeout": "0s""#), "repairs.x.timeout: the value must be between"),
        (&one(r#", "timeout": "2h""#), "repairs.x.timeout: the value must be between"),
        (&one(r#", "cooldown": "+5s""#), "repairs.x.cooldown: the value must be a duration"),
        (&one(r#", "cooldown": "-5s""#), "repairs.x.cooldown: the value must be a duration"),
        (
            &one(r#", "cooldown": "99999999999999999999d""#),
            "repairs.x.cooldown: the value must be a duration",
        ),
        (&one(r#", "cooldown": "5 s""#), "repairs.x.cooldown: the value must be a duration"),
        (&one(r#", "cooldown": "é""#), "repairs.x.cooldown: the value must be a duration"),
        (&one(r#", "budget": 5"#), "repairs.x.budget: the value must be a JSON object"),
        (&one(r#", "budget": {"count": 5}"#), "repairs.x.budget.window: is missing"),
        (
            &one(r#", "budget": {"count": 0, "window": "1h"}"#),
            "repairs.x.budget.count: the value must be a whole number",
        ),
        (
            &one(r#", "budget": {"count": 1.5, "window": "1h"}"#),
            "repairs.x.budget.count: the value must be a whole number",
        ),
        (&one(r#", "as": "ALL""#), "repairs.x.as: the value must be the name of an account"),
        (&one(r#", "as": "root, bin""#), "repairs.x.as: the value must be the name"),
        (&one(r##", "as": "#0""##), "repairs.x.as: the value must be the name"),
        (&one(r#", "diagnose": ["/bin/true"]"#), "repairs.x.diagnose[0]: the value must be a list"),
        (&one(r#", "diagnose": [["ps"]]"#), "repairs.x.diagnose[0][0]: the program"),
        (
            r#"{"repairs": {"x": {"run": ["/bin/echo", "a b"], "as": "root"}}}"#,
            "repairs.x.run[1]: a command with \"as\"",
        ),
        (
            r#"{"repairs": {"x": {"run": ["/bin/echo", "a\\b"], "as": "root"}}}"#,
            "repairs.x.run[1]: a command with \"as\"",
        ),
        (
            r#"{"repairs": {"x": {"run": ["/bin/echo"], "as": "root",
                "diagnose": [["/bin/ls", "x[1]"]]}}}"#,
            "repairs.x.diagnose[0][1]: a command with \"as\" can contain only letters, digits",
        ),
        (
            &format!(
                r#"{{"repairs": {{"x": {{"run": ["/{}"], "as": "root"}}}}}}"#,
                "y".repeat(899)
            ),
            "repairs.x.run: a command with \"as\" can have at most 900 bytes",
        ),
    ] {
        assert!(
            complaint(text).starts_with(&format!(": {expected}")),
            "{text}: {}",
            complaint(text)
        );
    }
}

#[test]
fn shortens_and_escapes_keys_in_messages() {
    let complaint = complaint(&format!("{{\"\\u001b[31m{}\": 1}}", "k".repeat(10_000)));
    assert!(complaint.len() < 200 && !complaint.contains(char::is_control), "{complaint}");
}

proptest! {
    #[test]
    fn never_panics_on_random_text(
        text in any::<String>(), bytes in prop::collection::vec(any::<u8>(), 0..400)
    ) {
        let _ = parse(&text);
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn damaged_file_is_refused_or_contains_only_safe_commands(
        at in 0usize..GOOD.len(), with in "[\\[\\]{}\",:a-z0-9\\\\/. \n]{0,3}"
    ) {
        let text = format!("{}{with}{}", &GOOD[..at], &GOOD[at + 1..]);
        if let Ok(repairs) = parse(&text) {
            for (_, repair) in repairs.iter() {
                prop_assert!(repair.run[0].starts_with('/') && !repair.run[0].contains(".."));
                prop_assert!((1..=3600).contains(&repair.timeout.as_secs()));
                prop_assert!(repair.diagnose.iter().all(|argv| argv[0].starts_with('/')));
            }
        }
    }

    #[test]
    fn never_panics_on_random_values_in_valid_json(
        name in "[a-z -]{0,3}", run in prop::collection::vec("[/a-z.\u{0}-\u{20}]{0,5}", 0..3),
        timeout in "[0-9]{0,20}[smhdx]?"
    ) {
        let repair = serde_json::json!({"run": run, "timeout": timeout});
        let text = serde_json::json!({"repairs": {name: repair}}).to_string();
        if let Ok(repairs) = parse(&text) {
            prop_assert!(repairs.iter().all(|(_, repair)| is_plain_path(&repair.run[0])));
        }
    }
}
