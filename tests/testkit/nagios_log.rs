//! Generates a month of log lines like those of an ordinary Nagios. The same arguments always give
//! the same log.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use crate::Random;

/// Time of the first line, in seconds since 1970.
pub const BEGIN: u64 = 1_790_000_000;

/// The services of each host. Every fifth service has the repair `httpd`, see [`has_repair`].
pub const SERVICES: [&str; 10] =
    ["HTTP", "HTTPS", "SSH", "Disk /", "Disk /var", "Load", "Memory", "NTP", "SMTP", "Certificate"];

/// Returns the name of the host with this number. Hosts are numbered from 0.
pub fn host(number: u64) -> String {
    format!("server{number:04}")
}

/// Whether the service with this index in [`SERVICES`] has the repair `httpd`.
pub fn has_repair(service: usize) -> bool {
    service.is_multiple_of(5)
}

/// Writes about `size` bytes of log for `hosts` hosts, with at least one daily rotation.
pub fn write(to: &mut impl Write, size: u64, hosts: u64) -> io::Result<()> {
    let mut month = Month {
        to,
        hosts,
        at: BEGIN,
        written: 0,
        random: Random::new(BEGIN),
        later: BinaryHeap::new(),
    };
    // Average number of seconds between two events, chosen so that a log of this size covers a
    // month.
    let pace = (31 * 24 * 3600 * 2000 / size.max(1)).clamp(1, 600);
    let mut day = 0;
    while month.written < size {
        if month.at / 86_400 != day {
            day = month.at / 86_400;
            month.rotation()?;
        }
        month.something()?;
        month.at += month.random.below(2 * pace + 1);
        month.flush(month.at)?;
    }
    month.flush(u64::MAX)
}

/// Returns the object cache for `hosts` hosts, with the fields that a replay needs.
pub fn objects(hosts: u64) -> String {
    let mut text = String::new();
    for host in (0..hosts).map(host) {
        text += &format!("define host {{\n\thost_name\t{host}\n\t}}\n");
        for (n, name) in SERVICES.iter().enumerate() {
            let repair = if has_repair(n) { "\t_REPAIR\thttpd\n" } else { "" };
            text += &format!(
                "define service {{\n\thost_name\t{host}\n\tservice_description\t{name}\n\
                 \tmax_check_attempts\t4\n{repair}\t}}\n"
            );
        }
    }
    text
}

struct Month<'a, W> {
    to: &'a mut W,
    hosts: u64,
    at: u64,
    written: u64,
    random: Random,
    /// Lines that are still to be written, sorted by time as the log is.
    later: BinaryHeap<Reverse<(u64, u64, String)>>,
}

impl<W: Write> Month<'_, W> {
    fn line(&mut self, after: u64, text: &str) -> io::Result<()> {
        let line = format!("[{}] {text}\n", self.at + after);
        self.written += line.len() as u64;
        self.later.push(Reverse((self.at + after, self.written, line)));
        Ok(())
    }

    fn flush(&mut self, until: u64) -> io::Result<()> {
        while let Some(Reverse((_, _, line))) = self.later.peek().filter(|next| next.0.0 < until) {
            self.to.write_all(line.as_bytes())?;
            self.later.pop();
        }
        Ok(())
    }

    fn rotation(&mut self) -> io::Result<()> {
        self.line(0, "LOG ROTATION: DAILY")?;
        self.line(0, "LOG VERSION: 2.0")?;
        for host in (0..self.hosts).map(host) {
            self.line(
                0,
                &format!(
                    "CURRENT HOST STATE: {host};UP;HARD;1;PING OK - Packet \
                                   loss = 0%, RTA = 0.41 ms"
                ),
            )?;
            for name in SERVICES {
                self.line(
                    0,
                    &format!(
                        "CURRENT SERVICE STATE: \
                                       {host};{name};OK;HARD;1;{name} OK - as it should \
                                       be, 0.012 second response time"
                    ),
                )?;
            }
        }
        Ok(())
    }

    fn something(&mut self) -> io::Result<()> {
        let host = host(self.random.below(self.hosts));
        let name = self.random.choose(&SERVICES);
        match self.random.below(100) {
            0..30 => self.blip(&host, name),
            30..45 => self.fault(&host, name),
            45..48 => self.host_down(&host),
            48..50 => self.downtime(&host, name),
            _ => self.passive(&host),
        }
    }

    /// Writes a single failed check, followed by a recovery.
    fn blip(&mut self, host: &str, name: &str) -> io::Result<()> {
        self.line(
            0,
            &format!(
                "SERVICE ALERT: {host};{name};CRITICAL;SOFT;1;CRITICAL - Socket \
                               timeout after 10 seconds"
            ),
        )?;
        self.line(
            0,
            &format!("SERVICE EVENT HANDLER: {host};{name};CRITICAL;SOFT;1;handle_repair"),
        )?;
        self.line(
            60,
            &format!("SERVICE ALERT: {host};{name};OK;SOFT;2;OK - 0.010 second response time"),
        )?;
        self.line(60, &format!("SERVICE EVENT HANDLER: {host};{name};OK;SOFT;2;handle_repair"))
    }

    /// Writes a fault that lasts more than an hour, with three notifications to each of three
    /// people.
    fn fault(&mut self, host: &str, name: &str) -> io::Result<()> {
        let output = "connect to address 192.0.2.1 and port 80: Connection refused";
        for (attempt, kind) in [(1, "SOFT"), (2, "SOFT"), (3, "SOFT"), (4, "HARD")] {
            let after = 60 * (attempt - 1);
            self.line(
                after,
                &format!("SERVICE ALERT: {host};{name};CRITICAL;{kind};{attempt};{output}"),
            )?;
            self.line(
                after,
                &format!(
                    "SERVICE EVENT HANDLER: {host};{name};CRITICAL;{kind};{attempt};handle_repair"
                ),
            )?;
        }
        for after in [180, 1980, 3780] {
            for who in ["ann", "bob", "cleo"] {
                self.line(
                    after,
                    &format!(
                        "SERVICE NOTIFICATION: \
                              {who};{host};{name};CRITICAL;notify-service-by-email;{output}"
                    ),
                )?;
            }
        }
        self.line(
            4000,
            &format!("SERVICE ALERT: {host};{name};OK;HARD;4;OK - 0.010 second response time"),
        )?;
        self.line(
            4000,
            &format!("SERVICE NOTIFICATION: ann;{host};{name};OK;notify-service-by-email;OK"),
        )
    }

    fn host_down(&mut self, host: &str) -> io::Result<()> {
        for attempt in 1..3 {
            self.line(
                attempt,
                &format!(
                    "HOST ALERT: {host};DOWN;SOFT;{attempt};PING CRITICAL - Packet loss = 100%"
                ),
            )?;
        }
        self.line(
            3,
            &format!("HOST ALERT: {host};DOWN;HARD;3;PING CRITICAL - Packet loss = 100%"),
        )?;
        for name in SERVICES {
            self.line(
                4,
                &format!(
                    "SERVICE ALERT: {host};{name};CRITICAL;HARD;1;CRITICAL - No route to host"
                ),
            )?;
        }
        self.line(
            300,
            &format!("HOST ALERT: {host};UP;HARD;1;PING OK - Packet loss = 0%, RTA = 0.40 ms"),
        )?;
        for name in SERVICES {
            self.line(310, &format!("SERVICE ALERT: {host};{name};OK;HARD;1;OK"))?;
        }
        Ok(())
    }

    fn downtime(&mut self, host: &str, name: &str) -> io::Result<()> {
        self.line(
            0,
            &format!(
                "SERVICE DOWNTIME ALERT: {host};{name};STARTED; Service has entered a period \
                      of scheduled downtime"
            ),
        )?;
        self.line(
            600,
            &format!(
                "SERVICE DOWNTIME ALERT: {host};{name};STOPPED; Service has exited from a \
                      period of scheduled downtime"
            ),
        )
    }

    /// Writes passive results for all services of a host.
    fn passive(&mut self, host: &str) -> io::Result<()> {
        for name in SERVICES {
            let value = self.random.below(1000);
            self.line(
                0,
                &format!(
                    "EXTERNAL COMMAND: \
                                   PROCESS_SERVICE_CHECK_RESULT;{host};{name};0;{name} OK - value \
                                   {value} | value={value};900;950"
                ),
            )?;
            self.line(
                0,
                &format!("PASSIVE SERVICE CHECK: {host};{name};0;{name} OK - value {value}"),
            )?;
        }
        Ok(())
    }
}
