//! `repairctl lint` and `replay` with Icinga 2, whose objects come from the API.

use std::fs;

use e2e::{Lab, run};
use serde_json::{Value, json};

use crate::start_with;

/// Services with mistakes that Icinga 2 accepts. The names of the services are the codes of the
/// findings.
const MISTAKES: &str = "
template Service \"mistaken\" {
  import \"repairable-service\"
  host_name = \"web1\"
  check_command = \"dummy\"
  vars.repair = \"httpd\"
}
object Service \"unknown-repair\" { import \"mistaken\"; vars.repair = \"http\" }
object Service \"repair-without-handler\" { import \"mistaken\"; event_command = null }
object Service \"handler-of-other-kind\" { import \"mistaken\"
  event_command = \"handle_host_repair\" }
object Service \"handler-disabled\" { import \"mistaken\"; enable_event_handler = false }
object Service \"page-before-repair\" { import \"mistaken\"; max_check_attempts = 1 }
object Service \"trigger-earlier\" { import \"mistaken\"; max_check_attempts = 3 }
object Service \"passive-only\" { import \"mistaken\"; enable_active_checks = false }
object Service \"volatile\" { import \"mistaken\"; volatile = true }
object Host \"trigger-unreachable\" { import \"repairable-host\"; check_command = \"dummy\"
  max_check_attempts = 4; vars.repair = \"httpd\" }
";

#[test]
fn lint_and_replay_use_the_objects_of_icinga2() {
    let lab = Lab::new();
    let icinga2 = start_with(&lab, 1, MISTAKES, |policy| {
        policy["repairs"]["httpd"]["on"] = json!(["CRITICAL"]);
    });
    let done = lab.monitor.ctl(&["lint", "--json"]).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    let report: Value = serde_json::from_str(&text)
        .unwrap_or_else(|why| panic!("{why}: {text}{}", String::from_utf8_lossy(&done.stderr)));
    assert_eq!(done.status.code(), Some(1));
    assert_eq!((&report["services"], &report["hosts"]), (&json!(9), &json!(1)), "{report:#}");
    let main = fs::read_to_string(icinga2.api_user().with_file_name("icinga2.conf")).unwrap();
    let mut expected = Vec::new();
    for (index, line) in main.lines().enumerate() {
        let Some(name) = line.strip_prefix("object ").and_then(|rest| rest.split('"').nth(1))
        else {
            continue;
        };
        if MISTAKES.contains(line) {
            let kind = if line.starts_with("object Host") { "" } else { "web1/" };
            expected.push((name.to_owned(), json!([format!("{kind}{name}")]), json!(index + 1)));
        }
    }
    let findings = report["findings"].as_array().unwrap().iter();
    let mut found: Vec<_> = findings
        .map(|one| {
            let code = one["code"].as_str().unwrap().to_owned();
            (code, one["objects"].clone(), one["line"].clone())
        })
        .collect();
    found.sort_by_key(|(code, ..)| code.clone());
    expected.sort_by_key(|(code, ..)| code.clone());
    assert_eq!(found, expected, "{report:#}");

    // replay must also get the objects from the API, because the log does not contain them.
    let alert = "[1700000000] SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;3;refused\n";
    let log = lab.place.file("monitor/icinga.log", alert, 0o644, lab.monitor.nagios.ids());
    let text = run(&mut lab.monitor.ctl(&["replay", log.to_str().unwrap()]));
    assert!(text.contains("10 with a repair, according to Icinga 2's API"), "{text}");
    assert!(text.contains(" 1  assumed to heal"), "{text}");
}
