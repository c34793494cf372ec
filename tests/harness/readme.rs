//! The commands in README.md's quick start.

use std::fs;
use std::time::Duration;

use crate::machine::Site;
use crate::place::shipped;
use crate::wait::until;

/// Returns the command blocks in README.md's section "Ten minutes", in order.
pub fn quick_start() -> Vec<String> {
    let readme = fs::read_to_string(shipped("README.md")).expect("README.md");
    let section = readme.split("\n## Ten minutes\n").nth(1);
    let section = section.expect("README has a section 'Ten minutes'");
    let section = section.split("\n## ").next().unwrap_or_default();
    let (mut blocks, mut block) = (Vec::new(), String::new());
    for line in section.lines().chain(["the end"]) {
        match line.strip_prefix("    ") {
            Some(command) => block.push_str(&format!("{command}\n")),
            None if line.is_empty() || block.is_empty() => {}
            None => blocks.push(std::mem::take(&mut block)),
        }
    }
    assert!(blocks.len() >= 5, "{blocks:?}");
    blocks
}

impl Site {
    /// Runs the commands in README.md, and returns the terminal's output.
    pub fn follow_readme(&self) -> String {
        let mut screen = String::new();
        for block in quick_start() {
            let (done, shown) = self.server.typed(&block);
            // In this lab, Nagios' intervals are seconds instead of minutes, so a repair can
            // restart Apache while systemctl is still waiting for Apache to stop.
            let healed_meanwhile = shown.contains("Job for apache2.service canceled.");
            assert!(done || healed_meanwhile, "README.md's\n{block}\nfailed:\n{screen}{shown}");
            screen.push_str(&shown);
        }
        screen
    }

    /// Waits until Apache runs again, after the last block in README.md has stopped it. Then waits
    /// until Nagios shows OK and the comment about the repair.
    pub fn wait_until_nagios_has_healed_apache(&self) {
        until("Apache healed", Duration::from_secs(60), || {
            self.web1.root("systemctl is-active apache2").status.success().then_some(())
        });
        until("OK in Nagios, and its comment", Duration::from_secs(30), || {
            let log = self.server.must("cat /var/log/nagios4/nagios.log");
            let told = |part: &str| log.contains(part);
            (told("SERVICE ALERT: web1;HTTP;OK")
                && told("nagios-selfheal;REPAIRED web1/HTTP with httpd"))
            .then_some(())
        });
    }
}
