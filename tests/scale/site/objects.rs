//! The object configuration of the site, and the object cache that Nagios generates from it.

use std::io::{self, Write};
use std::path::Path;

use testkit::nagios_log::{SERVICES, has_repair, host};

use crate::size::Size;

/// Returns the content of `nagios.cfg`.
pub fn main_file(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "cfg_file={dir}/objects.cfg\nobject_cache_file={dir}/objects.cache\n\
         status_file={dir}/status.dat\nlog_file={dir}/nagios.log\nenable_event_handlers=1\n\
         event_handler_timeout=30\nuse_large_installation_tweaks=1\n\
         illegal_macro_output_chars=`~$&|'\"<>\nretain_state_information=1\n\
         state_retention_file={dir}/retention.dat\n"
    )
}

/// The commands, templates, contact and time period that all objects share.
const SHARED: &str = r#"define timeperiod {
    timeperiod_name  always
    alias            always
    sunday           00:00-24:00
    monday           00:00-24:00
    tuesday          00:00-24:00
    wednesday        00:00-24:00
    thursday         00:00-24:00
    friday           00:00-24:00
    saturday         00:00-24:00
}
define contact {
    contact_name                   pager
    host_notification_period       always
    service_notification_period    always
    host_notification_options      d,r
    service_notification_options   c,r
    host_notification_commands     check_fine
    service_notification_commands  check_fine
}
define command {
    command_name  check_fine
    command_line  /bin/true
}
define command {
    command_name  handle_repair
    command_line  /usr/libexec/nagios-selfheal/handle_repair '$SERVICESTATE$' '$SERVICESTATETYPE$' '$SERVICEATTEMPT$' --host '$HOSTNAME$' --address '$HOSTADDRESS$' --service '$SERVICEDESC$' --max-attempts '$MAXSERVICEATTEMPTS$' --host-state '$HOSTSTATE$' --last-state '$LASTSERVICESTATE$' --downtime '$SERVICEDOWNTIME$' --host-downtime '$HOSTDOWNTIME$' --problem-id '$SERVICEPROBLEMID$' --seen '$LASTSERVICECHECK$' --repair '$_SERVICEREPAIR$'
}
define host {
    name                 generic-host
    register             0
    check_command        check_fine
    check_period         always
    notification_period  always
    contacts             pager
    max_check_attempts   3
    check_interval       5
    retry_interval       1
}
define service {
    name                 generic-service
    register             0
    check_command        check_fine
    check_period         always
    notification_period  always
    contacts             pager
    max_check_attempts   4
    check_interval       5
    retry_interval       1
}
define service {
    name                   repaired-service
    use                    generic-service
    register               0
    event_handler          handle_repair
    event_handler_enabled  1
    _REPAIR                httpd
}
"#;

/// Writes `objects.cfg` as an admin would, with templates and one definition for each object.
pub fn write_config(to: &mut impl Write, size: &Size) -> io::Result<()> {
    to.write_all(SHARED.as_bytes())?;
    for number in 0..size.hosts {
        let (host, address) = (host(number), address(number));
        write!(
            to,
            "define host {{\n    use        generic-host\n    host_name  {host}\n    address    \
             {address}\n}}\n"
        )?;
        for (n, name) in SERVICES.iter().enumerate() {
            let template = if has_repair(n) { "repaired-service" } else { "generic-service" };
            write!(
                to,
                "define service {{\n    use                  {template}\n    \
                 host_name            {host}\n    service_description  {name}\n}}\n"
            )?;
        }
    }
    to.flush()
}

/// The fields that Nagios 4.4 writes into the object cache for every host.
const HOST_FIELDS: &str = "\tcheck_period\talways\n\tcheck_command\tcheck_fine
\tcontacts\tpager\n\tnotification_period\talways\n\tinitial_state\to
\timportance\t0\n\tcheck_interval\t5.000000\n\tretry_interval\t1.000000
\tmax_check_attempts\t3\n\tactive_checks_enabled\t1\n\tpassive_checks_enabled\t1
\tobsess\t1\n\tevent_handler_enabled\t1\n\tlow_flap_threshold\t0.000000
\thigh_flap_threshold\t0.000000\n\tflap_detection_enabled\t1\n\tflap_detection_options\ta
\tfreshness_threshold\t0\n\tcheck_freshness\t0\n\tnotification_options\tr,d,u
\tnotifications_enabled\t1\n\tnotification_interval\t0.000000
\tfirst_notification_delay\t0.000000\n\tstalking_options\tn
\tprocess_perf_data\t1\n\tretain_status_information\t1\n\tretain_nonstatus_information\t1
\t}\n\n";

/// The fields that Nagios 4.4 writes for every service, before the custom variables.
const SERVICE_FIELDS: &str = "\tcheck_period\talways\n\tcheck_command\tcheck_fine
\tcontacts\tpager\n\tnotification_period\talways\n\tinitial_state\to
\timportance\t0\n\tcheck_interval\t5.000000\n\tretry_interval\t1.000000
\tmax_check_attempts\t4\n\tis_volatile\t0\n\tparallelize_check\t1
\tactive_checks_enabled\t1\n\tpassive_checks_enabled\t1\n\tobsess\t1
\tevent_handler_enabled\t1\n\tlow_flap_threshold\t0.000000
\thigh_flap_threshold\t0.000000\n\tflap_detection_enabled\t1\n\tflap_detection_options\ta
\tfreshness_threshold\t0\n\tcheck_freshness\t0\n\tnotification_options\tr,w,u,c
\tnotifications_enabled\t1\n\tnotification_interval\t0.000000
\tfirst_notification_delay\t0.000000\n\tstalking_options\tn
\tprocess_perf_data\t1\n\tretain_status_information\t1\n\tretain_nonstatus_information\t1\n";

/// Writes `objects.cache`. Like Nagios, writes all hosts before the services and resolves the
/// templates.
pub fn write_cache(to: &mut impl Write, size: &Size) -> io::Result<()> {
    let line = "########################################\n";
    write!(to, "{line}#       NAGIOS OBJECT CACHE FILE\n{line}\n")?;
    for shared in SHARED.split_inclusive("}\n").filter(|block| !block.contains("register ")) {
        writeln!(to, "{}", cached(shared))?;
    }
    for number in 0..size.hosts {
        let (host, address) = (host(number), address(number));
        write!(
            to,
            "define host {{\n\thost_name\t{host}\n\talias\t{host}\n\taddress\t{address}\n\
             {HOST_FIELDS}"
        )?;
    }
    for host in (0..size.hosts).map(host) {
        for (n, name) in SERVICES.iter().enumerate() {
            let (handler, repair) = match has_repair(n) {
                true => ("\tevent_handler\thandle_repair\n", "\t_REPAIR\thttpd\n"),
                false => ("", ""),
            };
            write!(
                to,
                "define service {{\n\thost_name\t{host}\n\tservice_description\t{name}\n{handler}\
                 {SERVICE_FIELDS}{repair}\t}}\n\n"
            )?;
        }
    }
    to.flush()
}

/// Converts a configuration block to the format of the object cache, which uses tabs.
fn cached(block: &str) -> String {
    let lines = block.lines().map(|line| match line.trim().split_once(' ') {
        Some((name, value)) if line.starts_with(' ') => format!("\t{name}\t{}\n", value.trim()),
        _ if line == "}" => "\t}\n".into(),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// Returns the address of a host. It is a loopback address, so that a program that connects to it
/// gets an immediate answer.
fn address(number: u64) -> String {
    let number = number + 1;
    format!("127.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)
}
