//! Mistakes in the settings for Icinga 2's API. doctor must find each of them and name its fix.

use std::fs;

use e2e::Lab;
use serde_json::{Value, json};

use crate::start;

#[test]
fn doctor_finds_mistakes_in_the_settings_of_the_api() {
    let lab = Lab::new();
    let monitor = &lab.monitor;
    let watch = json!({"host": "web1", "service": "Repairs"});
    let icinga2 = start(&lab, 1, |policy| policy["check_repairs"] = watch);
    let right = fs::read_to_string(&monitor.policy).unwrap();
    let doctor = || -> Vec<Value> {
        let done = monitor.ctl(&["doctor", "--nagios-user", "nagios", "--json"]).output().unwrap();
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|why| {
            panic!("{why}: {}", String::from_utf8_lossy(&done.stderr));
        });
        answer["checks"].as_array().unwrap().clone()
    };
    let finds = |check: &str, verdict: &str, text: &str, fix: &str| {
        let found = doctor();
        let is_it = |one: &&Value| {
            let has = |key: &str, text: &str| one[key].as_str().unwrap_or_default().contains(text);
            one["check"] == check
                && one["verdict"] == verdict
                && has("text", text)
                && has("fix", fix)
        };
        assert!(found.iter().any(|one| is_it(&one)), "{check} {text}: {found:#?}");
    };
    finds("Icinga 2", "ok", "at https://localhost:", "");
    finds("permissions", "ok", "actions/process-check-result", "");
    finds("opted in", "ok", "objects of 1 host", "");

    let with = |key: &str, value: &str| {
        let mut policy: Value = serde_json::from_str(&right).unwrap();
        policy["icinga2"][key] = json!(value);
        monitor.write_policy(&policy);
    };
    let owner = monitor.nagios.ids();
    let wrong = lab.place.file("monitor/wrong", "wrong\n", 0o600, owner).display().to_string();
    with("password_file", &wrong);
    finds("Icinga 2", "wrong", "does not accept the user selfheal", "compare the ApiUser");
    let open = lab.place.file("monitor/open", "secret\n", 0o644, owner).display().to_string();
    with("password_file", &open);
    finds("Icinga 2", "wrong", "accessible to other users (mode 0644", "chmod 600");
    with("ca", "/etc/hostname");
    finds("Icinga 2", "wrong", "no certificate", "icinga2.ca");
    with("ca", &other_ca(&lab));
    finds("Icinga 2", "wrong", "cannot verify the certificate of Icinga 2's API", "NodeName");
    let url = icinga2.policy_key()["url"].as_str().unwrap().replace("localhost", "127.0.0.1");
    with("url", &url);
    finds("Icinga 2", "wrong", "cannot verify the certificate of Icinga 2's API", "NodeName");
    with("url", "https://localhost:1");
    finds("Icinga 2", "wrong", "Connection refused", "start");

    fs::write(&monitor.policy, &right).unwrap();
    let user = fs::read_to_string(icinga2.api_user()).unwrap();
    fs::write(icinga2.api_user(), user.replace("actions/add-comment", "actions/add-*")).unwrap();
    icinga2.reload();
    finds("permissions", "note", "more than it needs: actions/add-*", "api-user.conf");
    fs::write(icinga2.api_user(), user.replace("actions/add-comment", "actions/x")).unwrap();
    icinga2.reload();
    finds("permissions", "wrong", "lacks actions/add-comment", "api-user.conf");
    let filtered = "{ permission = \"objects/query/Host\", filter = {{ host.name == \"x\" }} },";
    fs::write(icinga2.api_user(), user.replace("\"objects/query/Host\",", filtered)).unwrap();
    icinga2.reload();
    finds("permissions", "note", "objects/query/Host has a filter", "api-user.conf");
    // The programs cannot see whether the host is in downtime, so nothing may be repaired.
    let done =
        monitor.call("CRITICAL HARD 1 --host web1 --service HTTP --repair httpd --foreground");
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(text.contains("does not permit objects/query/Host for web1"), "{text}");
    assert_eq!(monitor.records().len(), 0);
}

/// Creates a CA that has signed nothing, and returns its path.
fn other_ca(lab: &Lab) -> String {
    let [key, file] = ["monitor/other.key", "monitor/other.crt"].map(|name| lab.place.at(name));
    e2e::run(
        std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=Icinga CA",
                "-days",
                "2",
                "-keyout",
            ])
            .arg(&key)
            .arg("-out")
            .arg(&file),
    );
    file.display().to_string()
}
