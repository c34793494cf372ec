//! check_repairs in real Nagios: the service that tells how the repairs themselves are, checked and told, and the gates.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::time::{Duration, SystemTime};

use e2e::{Monitor, Nagios, Place, Watch, WebSide, until};
use ledger::{Claim, Ledger, Outcome, Paused, SqliteLedger};
use policy::{Decision, Event, State, StateType};
use rustix::process::Signal;
use serde_json::json;

/// The shipped services, checked every second.
const SERVICES: &str = "
define service {\n use repairs-service\n host_name web1\n service_description Repairs\n check_interval 1\n retry_interval 1
 check_period always\n notification_period always\n contacts pager\n}
define service {\n host_name web1\n service_description Gate\n check_command check_repair_gate!-t 2\n check_interval 1
 retry_interval 1\n max_check_attempts 1\n check_period always\n notification_period always\n contacts pager\n}
";

/// A field of a service in Nagios' status file.
fn field(nagios: &Nagios, service: &str, name: &str) -> Option<String> {
    let status = fs::read_to_string(nagios.log.with_file_name("status.dat")).ok()?;
    let block =
        status.split("servicestatus {").skip(1).find(|block| block.contains(&format!("service_description={service}\n")))?;
    block.split_once(&format!("\n\t{name}="))?.1.lines().next().map(str::to_owned)
}

fn wait_for(nagios: &Nagios, service: &str, state: &str, output: &str) -> String {
    until(&format!("{service} {state}: {output}"), Duration::from_secs(30), || {
        let said = field(nagios, service, "plugin_output")?;
        (field(nagios, service, "current_state")? == state && said.contains(output)).then_some(said)
    })
}

#[test]
fn nagios_is_told_how_the_repairs_are_in_every_state() {
    let place = Place::new();
    let web = WebSide::start(&place);
    let monitor = Monitor::new(&place, &web);
    let mut policy = monitor.default_policy(&web);
    policy["repairs"]["httpd"]["cooldown"] = json!("10m");
    policy["check_repairs"] = json!({"host": "web1", "service": "Repairs"});
    monitor.write_policy(&policy);
    web.write_repairs(&json!({"repairs": {"httpd": {"run": ["/bin/true"], "timeout": "15s", "cooldown": "1s"}}}));
    let nagios = Nagios::start_with(&place, &monitor, &web, &Watch { more: SERVICES.to_owned(), ..Watch::default() });

    wait_for(&nagios, "Repairs", "0", "REPAIRS OK: 0 healed, 0 failed, 0 refused in 24 h");
    let perfdata = field(&nagios, "Repairs", "performance_data").unwrap();
    assert!(
        perfdata.starts_with("healed=0;;;0; failed=0;0;;0;") && perfdata.contains(" budget=0;8000;9900;0;10000"),
        "{perfdata}"
    );
    wait_for(&nagios, "Gate", "0", "REPAIRS OK: gate of web1 answers in ");
    web.sshd.signal(Signal::STOP);
    wait_for(&nagios, "Gate", "2", "REPAIRS CRITICAL: gate of web1: ");
    web.sshd.signal(Signal::CONT);
    wait_for(&nagios, "Gate", "0", "REPAIRS OK");

    // Paused, as an admin would.
    let (by, reason) = ("anna".into(), "new | switch".into());
    let pause = Paused { host: None, service: None, by, reason, since: SystemTime::now(), until: None };
    monitor.write(|ledger| ledger.pause(&pause).unwrap());
    wait_for(&nagios, "Repairs", "1", "REPAIRS WARNING: paused: everything by anna (new / switch)");
    monitor.write(|ledger| ledger.resume(None, None, SystemTime::now()).unwrap());
    wait_for(&nagios, "Repairs", "0", "REPAIRS OK");

    // A repair that does not help: the worker tells at once, the next check what is on record.
    web.apache.kill();
    until("the passive result", Duration::from_secs(40), || {
        nagios
            .log_lines()
            .iter()
            .any(|line| line.contains("SERVICE ALERT: web1;Repairs;CRITICAL;HARD;1;NOT REPAIRED"))
            .then_some(())
    });
    wait_for(&nagios, "Repairs", "1", "REPAIRS WARNING: 1 repair failed in 24 h");

    // Two more that began half an hour ago make three of one incident.
    for (n, minutes) in [(1_u32, 50), (2, 30)] {
        monitor.write(|ledger| failed(ledger, n, "HTTP", minutes));
    }
    // With a hostile name beside it.
    for (n, minutes) in [(3_u32, 50), (4, 35), (5, 20)] {
        monitor.write(|ledger| failed(ledger, n, "x|y=1;;; \u{1b}[31m\n<b>", minutes));
    }
    let healthy = json!("1h");
    policy["repairs"]["httpd"]["healthy_for"] = healthy;
    monitor.write_policy(&policy);
    let said = wait_for(&nagios, "Repairs", "2", "REPAIRS CRITICAL: breaker open for web1/HTTP and 1 more");
    assert!(!said.contains(char::is_control), "{said}");
    assert!(field(&nagios, "Repairs", "performance_data").unwrap().contains(" breakers=2;;;0; "));

    // Nothing can be repaired without a ledger.
    let aside = monitor.ledger.with_extension("aside");
    fs::rename(&monitor.ledger, &aside).unwrap();
    fs::write(&monitor.ledger, "no ledger at all").unwrap();
    wait_for(&nagios, "Repairs", "2", "REPAIRS CRITICAL: nothing is repaired: ");
    fs::rename(&aside, &monitor.ledger).unwrap();
    wait_for(&nagios, "Repairs", "2", "breaker open");
}

fn failed(ledger: &mut SqliteLedger, n: u32, service: &str, minutes: u64) {
    let job = format!("by-hand-{n:04}").parse().unwrap();
    let began = SystemTime::now() - Duration::from_secs(minutes * 60);
    let event = Event::new("web1", Some(service), State::Critical, StateType::Hard, 4);
    let minute = Duration::from_secs(60);
    let claim = Claim { job: &job, event: &event, lease: minute, fleet_window: minute };
    let granted = ledger.reserve(&claim, &|| began, &|_| Decision::Repair("httpd".parse().unwrap())).unwrap();
    assert!(granted.is_ok());
    ledger.finish(&job, began + minute, Outcome::NotHealed, "it is still there").unwrap();
}
