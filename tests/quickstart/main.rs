//! "Ten minutes": README's own commands, typed on two clean machines, end with an Apache that Nagios has healed; and each
//! wrong turn on the way is named by `repairctl doctor`, with its mending.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what is wrong by panicking")]

mod machine;
mod turns;

use std::fs;
use std::time::Duration;

use e2e::{shipped, until};
use machine::Site;

/// The blocks of commands of README's quick start, in their order.
fn blocks() -> Vec<String> {
    let readme = fs::read_to_string(shipped("README.md")).unwrap();
    let section = readme.split("\n### Ten minutes\n").nth(1).expect("README has a section 'Ten minutes'");
    let section = section.split("\n### ").next().unwrap();
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        match line.strip_prefix("    ") {
            Some(command) => blocks.last_mut().unwrap().push_str(&format!("{command}\n")),
            None if line.is_empty() => {}
            None => blocks.push(String::new()),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Does just what README says.
fn follow_readme(site: &Site) -> String {
    let mut screen = String::new();
    for block in blocks() {
        let (done, shown) = site.server.typed(&block);
        // A minute of Nagios is a second here: it may have Apache restarted while systemctl still waits for its end.
        let healed_meanwhile = shown.contains("Job for apache2.service canceled.");
        assert!(done || healed_meanwhile, "README's\n{block}\nended badly:\n{screen}{shown}");
        screen.push_str(&shown);
    }
    screen
}

#[test]
fn what_readme_says_ends_with_a_healed_apache() {
    assert!(blocks().len() >= 5, "{:?}", blocks());
    let site = Site::boot();
    let screen = follow_readme(&site);
    // It was told before it was done, and nothing was trusted unseen.
    assert!(screen.contains("Do this on web1?") && screen.contains("Is it the same?"), "{screen}");
    assert!(screen.contains(": all is well"), "{screen}");
    assert!(screen.contains("WOULD REPAIR web1/HTTP"), "{screen}");
    // The last block stopped Apache; nobody but Nagios is there to start it.
    until("Apache healed", Duration::from_secs(60), || {
        site.web1.root("systemctl is-active apache2").status.success().then_some(())
    });
    until("OK in Nagios, and its comment", Duration::from_secs(30), || {
        let log = site.server.must("cat /var/log/nagios4/nagios.log");
        let told = |part: &str| log.contains(part);
        (told("SERVICE ALERT: web1;HTTP;OK") && told("nagios-selfheal;REPAIRED web1/HTTP with httpd")).then_some(())
    });
    // Once more: everything is kept.
    let (done, shown) = site.server.typed(&blocks()[0]);
    assert!(done && shown.contains("kept  /etc/nagios-selfheal/policy.json") && !shown.contains("made "), "{shown}");
    assert!(site.web1.must("cat ~repair/.ssh/authorized_keys").lines().count() == 1);
}
