//! Keeps the lab running after the demo, and prints commands that a user can try there.

use std::io::{IsTerminal, stdin};
use std::process;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use e2e::{Lab, Nagios, interrupted};

/// Returns instructions for using the lab: two shell definitions, then one command per line.
pub fn invitation(lab: &Lab, nagios: &Nagios) -> String {
    let end = if stdin().is_terminal() {
        "you press Enter".to_owned()
    } else {
        format!("you type: kill {}", process::id())
    };
    let Lab { monitor, web, place } = lab;
    let mut text = format!(
        "The lab in {} keeps running until {end}
To try by hand, type this first, as root in another terminal:

  lab={}
  repairctl() {{ runuser -u nagios -- {} --policy {} \"$@\"; }}

Then:
",
        place.path().display(),
        place.path().display(),
        monitor.repairctl.display(),
        monitor.policy.display(),
    );
    let job = monitor.records().first().map(|record| record.job.to_string());
    let (apache, sshd) = (&web.apache, &web.sshd);
    for (what, command) in [
        ("List repairs", "repairctl history".to_owned()),
        ("Show the last repair", format!("repairctl show {}", job.unwrap_or_default())),
        ("Show the current state", "repairctl status".to_owned()),
        ("Explain the decision", "repairctl explain web1 HTTP".to_owned()),
        (
            "Check the setup",
            "repairctl doctor --nagios-cfg $lab/monitor/nagios/nagios.cfg".to_owned(),
        ),
        ("Check Nagios' objects", "repairctl lint $lab/monitor/nagios/nagios.cfg".to_owned()),
        ("Write a report", "repairctl report --text".to_owned()),
        ("Pause repairs", "repairctl pause --for 10m --reason 'trying it out'".to_owned()),
        ("Resume repairs", "repairctl resume".to_owned()),
        ("Run the check", format!("{} -H 127.0.0.1 -p {}", monitor.check.display(), apache.port)),
        ("Kill Apache again", format!("pkill -KILL -u {} apache2", web.account.name)),
        ("Watch Nagios", format!("tail -f {}", nagios.log.display())),
        ("Watch sshd and the gate", format!("tail -f {}", sshd.log.display())),
    ] {
        text.push_str(&format!("\n  {:<26}{command}", format!("{what}:")));
    }
    text
}

/// Waits for SIGINT or SIGTERM or, on a terminal, for Enter.
pub fn wait_for_end() {
    let (pressed, key) = mpsc::channel();
    if stdin().is_terminal() {
        thread::spawn(move || {
            let _ = stdin().read_line(&mut String::new());
            let _ = pressed.send(());
        });
    }
    while !interrupted() && key.try_recv() != Ok(()) {
        thread::sleep(Duration::from_millis(50));
    }
}
