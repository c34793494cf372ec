//! Runs Nagios as the user nagios, with one service that Nagios checks every second.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policy::{spell, unspell};
use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::Daemon;
use crate::monitor::Monitor;
use crate::place::{Place, run, shipped, system_program};
use crate::wait::until;
use crate::web::WebSide;

/// Settings for Nagios and for the service that it checks.
#[derive(Debug)]
pub struct Watch {
    /// Name of the command object that is the service's event handler.
    pub handler: &'static str,
    /// Seconds between two checks of a SOFT problem.
    pub retry_interval: u32,
    /// Seconds after which Nagios kills a handler.
    pub event_handler_timeout: u32,
    /// Whether Nagios keeps the states of objects across a restart.
    pub retain: bool,
    /// Additional lines for the host's definition.
    pub host: &'static str,
    /// Additional object definitions. To include a byte that is not UTF-8, write it as an escape,
    /// for example `\xF6`.
    pub more: String,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            handler: "handle_repair",
            retry_interval: 1,
            event_handler_timeout: 30,
            retain: false,
            host: "",
            more: String::new(),
        }
    }
}

/// A running Nagios. Dropping this value kills it.
#[derive(Debug)]
pub struct Nagios {
    /// Path of Nagios' log file.
    pub log: PathBuf,
    /// Path of the retention file, in which Nagios keeps states across a restart.
    pub retention: PathBuf,
    /// Path of Nagios' status file.
    pub status: PathBuf,
    program: PathBuf,
    config: PathBuf,
    /// Every Nagios that the test has started, the current one last. The earlier ones are kept
    /// because workers that they started can still be running.
    daemons: Mutex<Vec<Daemon>>,
}

impl Nagios {
    /// Starts Nagios with the shipped commands and templates and one repairable service, which it
    /// checks every second.
    pub fn start(place: &Place, monitor: &Monitor, web: &WebSide, watch: &Watch) -> Nagios {
        let directory = place.directory("monitor/nagios", monitor.nagios.ids());
        for part in ["monitor/rw", "monitor/nagios/results"] {
            place.directory(part, monitor.nagios.ids());
        }
        let port = web.apache.port;
        place.file("monitor/nagios/commands.cfg", &commands(monitor), 0o644, None);
        place.file("monitor/nagios/templates.cfg", &read_shipped("templates.cfg"), 0o644, None);
        let file = place.file("monitor/nagios/objects.cfg", "", 0o644, None);
        fs::write(file, unspell(&objects(port, watch))).expect("objects.cfg");
        let config = place.file(
            "monitor/nagios/nagios.cfg",
            &main_file(&directory, &monitor.command_file, watch),
            0o644,
            None,
        );
        let program = system_program(&["nagios4", "nagios"]);
        run(Command::new(&program).arg("-v").arg(&config));
        let [log, retention, status] =
            ["nagios.log", "retention.dat", "status.dat"].map(|name| directory.join(name));
        let nagios = Nagios { log, retention, status, program, config, daemons: Mutex::default() };
        nagios.run();
        nagios.wait_for_ok();
        nagios
    }

    fn run(&self) {
        let _ = fs::remove_file(&self.status);
        let daemon = Daemon::start(
            &self.log.with_file_name("nagios.out.log"),
            &self.program,
            &[&self.config],
        );
        self.daemons().push(daemon);
    }

    fn daemons(&self) -> MutexGuard<'_, Vec<Daemon>> {
        self.daemons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until Nagios reports the service as OK.
    pub fn wait_for_ok(&self) {
        until("Nagios' OK of the service", Duration::from_secs(40), || {
            (self.service("current_state")? == "0" && self.service("has_been_checked")? == "1")
                .then_some(())
        });
    }

    /// Kills Nagios and its worker processes, and waits until they are gone. Processes that were
    /// started by event handlers keep running.
    pub fn kill(&self) {
        self.ended_by(|running| {
            for pid in running {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
    }

    /// Sends SIGTERM to Nagios, as a service manager does, and waits until Nagios has exited.
    pub fn terminate(&self) {
        self.ended_by(|_| {
            let program =
                self.daemons().last().and_then(Daemon::program).expect("a running Nagios");
            let _ = kill_process(program, Signal::TERM);
        });
    }

    fn ended_by(&self, end: impl Fn(Vec<Pid>)) {
        let name = self.program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let running =
            || self.daemons().last().map(|daemon| daemon.processes_named(name)).unwrap_or_default();
        end(running());
        until("the end of Nagios", Duration::from_secs(20), || running().is_empty().then_some(()));
    }

    /// Starts Nagios again after it has exited.
    pub fn start_again(&self) {
        self.run();
        until("Nagios' status after its start", Duration::from_secs(20), || {
            self.service("current_state")
        });
    }

    /// Returns the lines in Nagios' log.
    pub fn log_lines(&self) -> Vec<String> {
        spelled(&self.log).lines().map(str::to_owned).collect()
    }

    /// Returns how many times Nagios has called the service's handler with this event, for example
    /// `CRITICAL;HARD;4`.
    pub fn calls(&self, event: &str) -> usize {
        let call = format!("SERVICE EVENT HANDLER: web1;HTTP;{event}");
        self.log_lines().iter().filter(|line| line.contains(&call)).count()
    }

    /// Waits until Nagios has called the service's handler with this event.
    pub fn wait_for_call(&self, event: &str) {
        until(event, Duration::from_secs(60), || (self.calls(event) > 0).then_some(()));
    }

    /// Waits for a service comment whose text starts with `start`, and returns it.
    pub fn wait_for_comment(&self, start: &str) -> String {
        until("the comment in Nagios", Duration::from_secs(60), || {
            self.comments().into_iter().find(|comment| comment.starts_with(start))
        })
    }

    /// Returns the value of one of the service's fields in the status file.
    pub fn service(&self, field: &str) -> Option<String> {
        let status = spelled(&self.status);
        let block = status.split("servicestatus {").nth(1)?;
        let start = format!("\n\t{field}=");
        block.split_once(&start)?.1.lines().next().map(str::to_owned)
    }

    /// Returns the comments on services from the status file.
    pub fn comments(&self) -> Vec<String> {
        self.comments_on("servicecomment {")
    }

    /// Returns the comments on hosts from the status file.
    pub fn host_comments(&self) -> Vec<String> {
        self.comments_on("hostcomment {")
    }

    fn comments_on(&self, block: &str) -> Vec<String> {
        let status = spelled(&self.status);
        status
            .split(block)
            .skip(1)
            .filter_map(|block| {
                let text = unspell(block.split_once("comment_data=")?.1.lines().next()?);
                Some(String::from_utf8_lossy(&text).into_owned())
            })
            .collect()
    }
}

/// Reads one of Nagios' files and escapes bytes that are not UTF-8. A missing file counts as empty.
fn spelled(file: &Path) -> String {
    spell(&fs::read(file).unwrap_or_default())
}

fn read_shipped(name: &str) -> String {
    fs::read_to_string(shipped("nagios-config").join(name)).expect("a file of nagios-config")
}

/// Returns the shipped commands, with the lab's programs and policy.
fn commands(monitor: &Monitor) -> String {
    let with_policy =
        |program: &Path| format!("{} --policy {}", program.display(), monitor.policy.display());
    let handler = with_policy(&monitor.handler);
    let watch = with_policy(&monitor.check.with_file_name("check_repairs"));
    read_shipped("commands.cfg")
        .replace("/usr/bin/handle_repair", &handler)
        .replace(
            "/usr/libexec/nagios-selfheal/plugins/check_http",
            &monitor.check.display().to_string(),
        )
        .replace("/usr/libexec/nagios-selfheal/plugins/check_repairs", &watch)
}

/// Returns the definitions of the host, its service, and a contact to notify.
fn objects(port: u16, watch: &Watch) -> String {
    let Watch { handler, retry_interval, host, more, .. } = watch;
    let pager = "contact_name pager\n host_notification_commands \
    page\n service_notification_commands page\n \
                 host_notification_period always\n service_notification_period always\n \
                 host_notification_options d,r\n service_notification_options c,r";
    let always: String =
        ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]
            .map(|day| format!("\n {day} 00:00-24:00"))
            .concat();
    let periods = "check_period always\n notification_period always\n contacts pager";
    let service = format!(
        "check_command selfheal_check_http!-p {port} -t 2\n event_handler \
        {handler}\n retry_interval {retry_interval}\n _REPAIR httpd"
    );
    [
        ("command", "command_name page\n command_line /bin/true".to_owned()),
        ("timeperiod", format!("timeperiod_name always\n alias always{always}")),
        ("contact", pager.to_owned()),
        (
            "host",
            format!(
                "host_name web1\n address 127.0.0.1\n max_check_attempts \
        3\n {periods}\n{host}"
            ),
        ),
        (
            "service",
            format!(
                "use repairable-service\n host_name web1\n service_description \
        HTTP\n {periods}\n {service}"
            ),
        ),
    ]
    .map(|(kind, body)| format!("define {kind} {{\n {body}\n}}\n"))
    .concat()
        + more
}

/// Returns the main configuration file. Intervals are in seconds, Nagios logs SOFT states and
/// handler calls, and all files are in the lab's directory.
fn main_file(directory: &Path, command_file: &Path, watch: &Watch) -> String {
    let at = |name: &str| directory.join(name).display().to_string();
    let settings = [
        ("log_file", at("nagios.log")),
        ("cfg_file", at("commands.cfg")),
        ("cfg_file", at("templates.cfg")),
        ("cfg_file", at("objects.cfg")),
        ("object_cache_file", at("objects.cache")),
        ("status_file", at("status.dat")),
        ("status_update_interval", "1".into()),
        ("nagios_user", "nagios".into()),
        ("nagios_group", "nagios".into()),
        ("check_external_commands", "1".into()),
        ("command_file", command_file.display().to_string()),
        ("query_socket", at("nagios.qh")),
        ("lock_file", at("nagios.lock")),
        ("temp_file", at("nagios.tmp")),
        ("temp_path", at("results")),
        ("check_result_path", at("results")),
        ("check_result_reaper_frequency", "1".into()),
        ("log_rotation_method", "n".into()),
        ("use_syslog", "0".into()),
        ("log_service_retries", "1".into()),
        ("log_event_handlers", "1".into()),
        ("log_external_commands", "1".into()),
        ("interval_length", "1".into()),
        ("enable_event_handlers", "1".into()),
        ("cached_host_check_horizon", "0".into()),
        ("event_handler_timeout", watch.event_handler_timeout.to_string()),
        ("retain_state_information", u8::from(watch.retain).to_string()),
        ("state_retention_file", at("retention.dat")),
        ("use_retained_scheduling_info", "0".into()),
        ("illegal_macro_output_chars", "`~$&|'\"<>".into()),
        ("enable_predictive_host_dependency_checks", "0".into()),
        ("check_for_updates", "0".into()),
    ];
    settings.map(|(name, value)| format!("{name}={value}\n")).concat()
}
