//! NRPE on the repaired host, and check_nrpe on the monitor.

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::{free_port, set_mode};

use crate::account::Account;
use crate::daemon::Daemon;
use crate::place::{Place, shipped, system_program};
use crate::wait::until;
use crate::web::WebSide;

/// The host's NRPE. Dropping this value stops NRPE and removes its sudo rules.
#[derive(Debug)]
pub struct Nrpe {
    port: u16,
    sudoers: Option<PathBuf>,
    _daemon: Daemon,
}

impl Nrpe {
    /// Starts NRPE as the given account, with additional lines for its configuration.
    pub fn start(place: &Place, account: &Account, lines: &str) -> Nrpe {
        let (port, directory) = (free_port(), place.directory("web/nrpe", account.ids()));
        let config = format!(
            "server_address=127.0.0.1\nserver_port={port}\nallowed_hosts=127.0.0.1\n\
             nrpe_user={0}\nnrpe_group={0}\npid_file={1}/nrpe.pid\nlog_file={1}/nrpe.log\n\
             dont_blame_nrpe=0\n{lines}",
            account.name,
            directory.display()
        );
        let config = place.file("web/nrpe.cfg", &config, 0o644, None);
        let arguments = ["-c".as_ref(), config.as_os_str(), "-f".as_ref()];
        let log = place.at("web/nrpe.out.log");
        let daemon = Daemon::start(&log, &system_program(&["nrpe"]), &arguments);
        until("NRPE listening", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Nrpe { port, sudoers: None, _daemon: daemon }
    }

    /// Starts NRPE as Debian does, as the user nagios, with the shipped commands and sudo rules
    /// that call the gate. `lines` can override the shipped settings.
    pub fn with_gate(place: &Place, web: &WebSide, lines: &str) -> Nrpe {
        let shipped_file = |name: &str| {
            let text = fs::read_to_string(shipped("nagios-config/nrpe").join(name));
            text.expect("a file of nagios-config/nrpe")
                .replace("/usr/libexec/nagios-selfheal/repair_gate", &web.gate_command())
                .replace("-u repair ", &format!("-u {} ", web.account.name))
                .replace("(repair)", &format!("({})", web.account.name))
        };
        let lines = shipped_file("nrpe-repairs.cfg") + lines;
        let mut nrpe = Nrpe::start(place, &Account::nagios(), &lines);
        // sudo ignores files with a dot in their name.
        let name = place.path().file_name().expect("a name").to_string_lossy().replace('.', "-");
        let sudoers = PathBuf::from("/etc/sudoers.d").join(name);
        fs::write(&sudoers, shipped_file("nrpe-sudoers")).expect("a file in /etc/sudoers.d");
        set_mode(&sudoers, 0o440);
        nrpe.sudoers = Some(sudoers);
        nrpe
    }

    /// Returns a rung for policy.json that calls check_nrpe with NRPE's command `repair_httpd`.
    pub fn rung(&self) -> Value {
        json!({"local": [
            system_program(&["check_nrpe"]), "-2", "-H", "{address}", "-p", self.port.to_string(),
            "-t", "30", "-c", "repair_httpd",
        ]})
    }
}

impl Drop for Nrpe {
    fn drop(&mut self) {
        if let Some(sudoers) = &self.sudoers {
            let _ = fs::remove_file(sudoers);
        }
    }
}
