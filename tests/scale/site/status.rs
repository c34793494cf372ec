//! The status file of the site, with the fields of Nagios 4.4 in its order
//! (`xdata/xsddefault.c`).

use std::io::{self, Write};

use testkit::Random;
use testkit::nagios_log::{SERVICES, has_repair, host};

use crate::size::{self, Size};

/// Writes `status.dat`. One service in a hundred is CRITICAL, and so is the HTTP service of the
/// busy host, of the last host and of every host with an open breaker.
pub fn write(to: &mut impl Write, size: &Size, random: &mut Random) -> io::Result<()> {
    let now = size::now() / 1000;
    write_program(to, now)?;
    for number in 0..size.hosts {
        write_host(to, &host(number), now, random)?;
    }
    for number in 0..size.hosts {
        let listed = number == 0
            || number == size.hosts - 1
            || size.broken_hosts().contains(&number)
            || size.running_hosts().contains(&number);
        for (n, name) in SERVICES.iter().enumerate() {
            let is_critical = n == 0 && listed || random.one_in(100);
            let service = Service { host: &host(number), name, repair: has_repair(n), is_critical };
            service.write(to, now, random)?;
        }
    }
    let contact = "contactstatus {\n\tcontact_name=pager\n\tmodified_attributes=0\n\t}\n\n";
    to.write_all(contact.as_bytes())?;
    to.flush()
}

fn write_program(to: &mut impl Write, now: u64) -> io::Result<()> {
    let line = "########################################\n";
    write!(to, "{line}#          NAGIOS STATUS FILE\n{line}\n")?;
    write!(
        to,
        "info {{\n\tcreated={now}\n\tversion=4.4.6\n\tlast_update_check=0\n\tupdate_available=0\n\
         \tlast_version=\n\tnew_version=\n\t}}\n\n\
         programstatus {{\n\tmodified_host_attributes=0\n\tmodified_service_attributes=0\n\
         \tnagios_pid=4242\n\tdaemon_mode=1\n\tprogram_start={start}\n\tlast_log_rotation=0\n\
         \tenable_notifications=1\n\tactive_service_checks_enabled=1\n\
         \tpassive_service_checks_enabled=1\n\tactive_host_checks_enabled=1\n\
         \tpassive_host_checks_enabled=1\n\tenable_event_handlers=1\n\tobsess_over_services=0\n\
         \tobsess_over_hosts=0\n\tcheck_service_freshness=1\n\tcheck_host_freshness=0\n\
         \tenable_flap_detection=1\n\tprocess_performance_data=0\n\tglobal_host_event_handler=\n\
         \tglobal_service_event_handler=\n\tnext_comment_id=1\n\tnext_downtime_id=1\n\
         \tnext_event_id=1\n\tnext_problem_id=1\n\tnext_notification_id=1\n\t}}\n\n",
        start = now - 86_400
    )
}

fn write_host(to: &mut impl Write, host: &str, now: u64, random: &mut Random) -> io::Result<()> {
    let (checked, changed) = (now - 2 - random.below(300), now - 90_000 - random.below(9_000_000));
    write!(
        to,
        "hoststatus {{\n\thost_name={host}\n\tmodified_attributes=0\n\tcheck_command=check_fine\n\
         \tcheck_period=always\n\tnotification_period=always\n\timportance=0\n\
         \tcheck_interval=5.000000\n\tretry_interval=1.000000\n\tevent_handler=\n\
         \thas_been_checked=1\n\tshould_be_scheduled=1\n\tcheck_execution_time=0.00{ms}\n\
         \tcheck_latency=0.000\n\tcheck_type=0\n\tcurrent_state=0\n\tlast_hard_state=0\n\
         \tlast_event_id=0\n\tcurrent_event_id=0\n\tcurrent_problem_id=0\n\tlast_problem_id=0\n\
         \tplugin_output=PING OK - Packet loss = 0%, RTA = 0.4{ms} ms\n\tlong_plugin_output=\n\
         \tperformance_data=rta=0.4{ms}0000ms;500.000000;1000.000000;0.000000 pl=0%;20;60;0\n\
         \tlast_check={checked}\n\tnext_check={next}\n\tcheck_options=0\n\tcurrent_attempt=1\n\
         \tmax_attempts=3\n\tstate_type=1\n\tlast_state_change={changed}\n\
         \tlast_hard_state_change={changed}\n\tlast_time_up={checked}\n\tlast_time_down=0\n\
         \tlast_time_unreachable=0\n\tlast_notification=0\n\tnext_notification=0\n\
         \tno_more_notifications=0\n\tcurrent_notification_number=0\n\
         \tcurrent_notification_id=0\n\tnotifications_enabled=1\n\
         \tproblem_has_been_acknowledged=0\n\tacknowledgement_type=0\n\
         \tactive_checks_enabled=1\n\tpassive_checks_enabled=1\n\tevent_handler_enabled=1\n\
         \tflap_detection_enabled=1\n\tprocess_performance_data=1\n\tobsess=1\n\
         \tlast_update={now}\n\tis_flapping=0\n\tpercent_state_change=0.00\n\
         \tscheduled_downtime_depth=0\n\t}}\n\n",
        ms = random.below(10),
        next = checked + 300,
    )
}

/// A service to write to the status file.
struct Service<'a> {
    host: &'a str,
    name: &'a str,
    repair: bool,
    is_critical: bool,
}

impl Service<'_> {
    fn write(&self, to: &mut impl Write, now: u64, random: &mut Random) -> io::Result<()> {
        let Service { host, name, repair, is_critical } = *self;
        let checked = now - 2 - random.below(300);
        let changed = if is_critical { 600 } else { 90_000 + random.below(9_000_000) };
        let since = checked - changed;
        let (state, attempt, good) = if is_critical { (2, 4, since - 60) } else { (0, 1, checked) };
        let (critical, problem) =
            if is_critical { (checked, 1 + random.below(9999)) } else { (0, 0) };
        let output = if is_critical {
            "connect to address 192.0.2.1 and port 80: Connection refused".into()
        } else {
            format!("{name} OK - 240 bytes in 0.0{} second response time", random.below(90) + 10)
        };
        write!(
            to,
            "servicestatus {{\n\thost_name={host}\n\tservice_description={name}\n\
             \tmodified_attributes=0\n\tcheck_command=check_fine!-w 0.5 -c 2 \
             --url /health?service={name}&host={host} --onredirect follow --timeout 10 \
             --header 'Accept: application/json' --expect 200,204 --regex healthy\n\tcheck_period=always\n\
             \tnotification_period=always\n\timportance=0\n\tcheck_interval=5.000000\n\
             \tretry_interval=1.000000\n\tevent_handler={handler}\n\thas_been_checked=1\n\
             \tshould_be_scheduled=1\n\tcheck_execution_time=0.0{ms}\n\tcheck_latency=0.000\n\
             \tcheck_type=0\n\tcurrent_state={state}\n\tlast_hard_state={state}\n\
             \tlast_event_id=0\n\tcurrent_event_id={problem}\n\tcurrent_problem_id={problem}\n\
             \tlast_problem_id=0\n\tcurrent_attempt={attempt}\n\tmax_attempts=4\n\
             \tstate_type=1\n\tlast_state_change={since}\n\tlast_hard_state_change={since}\n\
             \tlast_time_ok={good}\n\tlast_time_warning=0\n\tlast_time_unknown=0\n\
             \tlast_time_critical={critical}\n\tplugin_output={output}\n\
             \tlong_plugin_output=\n\tperformance_data=time=0.0{ms}000s;;;0.000000;10.000000 \
             time_connect=0.00{ms}00s;;;0.000000;10.000000 \
             time_headers=0.00{ms}00s;;;0.000000;10.000000 \
             time_firstbyte=0.0{ms}00s;;;0.000000;10.000000 \
             time_transfer=0.000{ms}0s;;;0.000000;10.000000 \
             size=240B;;;0 value={ms};900;950;0;1000\n\tlast_check={checked}\n\
             \tnext_check={next}\n\tcheck_options=0\n\tcurrent_notification_number=0\n\
             \tcurrent_notification_id=0\n\tlast_notification=0\n\tnext_notification=0\n\
             \tno_more_notifications=0\n\tnotifications_enabled=1\n\
             \tactive_checks_enabled=1\n\tpassive_checks_enabled=1\n\
             \tevent_handler_enabled=1\n\tproblem_has_been_acknowledged=0\n\
             \tacknowledgement_type=0\n\tflap_detection_enabled=1\n\
             \tprocess_performance_data=1\n\tobsess=1\n\tlast_update={now}\n\
             \tis_flapping=0\n\tpercent_state_change=0.00\n\tscheduled_downtime_depth=0\n\
             {variable}\t}}\n\n",
            handler = if repair { "handle_repair" } else { "" },
            variable = if repair { "\t_REPAIR=0;httpd\n" } else { "" },
            ms = random.below(90) + 10,
            next = checked + 300,
        )
    }
}
