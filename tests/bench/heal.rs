//! Measures the time from killing Apache until Nagios shows OK. Alternates between handle_repair
//! and a classic shell handler, which acts on SOFT 3, runs CFEngine over ssh, and requests a forced
//! check.

use std::time::{Duration, SystemTime};

use e2e::{Account, Journal, Lab, Monitor, Place, Watch, WebSide, within};

use crate::say;

/// How many blocks of rounds each handler gets. The blocks of the two handlers alternate, so that a
/// slowdown of the machine affects both handlers.
const BLOCKS: usize = 2;

/// Measures both handlers and prints a table.
pub fn compare(rounds: usize) {
    let (mut ours, mut classic) = (Vec::new(), Vec::new());
    for _ in 0..BLOCKS {
        ours.extend(measure(rounds, false));
        classic.extend(measure(rounds, true));
    }
    say(&format!("{:<34}{:>8}{:>8}{:>8}", "seconds, Apache killed to", "min", "median", "max"));
    if ours.len() + classic.len() < 2 * BLOCKS * rounds {
        say("NOT ALL ROUNDS WERE HEALED: the numbers below include only healed rounds");
    }
    let pick =
        |all: &[Times], which: fn(&Times) -> f64| all.iter().map(which).collect::<Vec<f64>>();
    let rows = [
        ("OK in Nagios, handle_repair", pick(&ours, |times| times.ok)),
        ("OK in Nagios, shell handler", pick(&classic, |times| times.ok)),
        ("from SOFT 3 on, handle_repair", pick(&ours, |times| times.ok - times.soft_3)),
        ("from SOFT 3 on, shell handler", pick(&classic, |times| times.ok - times.soft_3)),
    ];
    let medians: Vec<f64> = rows.into_iter().map(|(name, times)| row(name, times)).collect();
    if let [our_whole, their_whole, our_part, their_part] = medians.as_slice() {
        say(&format!(
            "ratio of the medians: {:.2} whole, {:.2} from SOFT 3 on",
            our_whole / their_whole,
            our_part / their_part
        ));
    }
}

struct Times {
    soft_3: f64,
    ok: f64,
}

fn measure(rounds: usize, classic: bool) -> Vec<Times> {
    let lab = Lab::new();
    let watch = if classic {
        let more = classic_handler(&lab.place, &lab.web, &lab.monitor);
        Watch { handler: "classic", more, ..Watch::default() }
    } else {
        Watch::default()
    };
    let nagios = lab.nagios(&watch);
    let mut journal = Journal::new(&nagios.log, &lab.monitor);
    (0..rounds).filter_map(|_| one_round(&lab.web, &mut journal)).collect()
}

fn one_round(web: &WebSide, journal: &mut Journal) -> Option<Times> {
    journal.news();
    let killed = SystemTime::now();
    web.apache.kill();
    let mut times = Times { soft_3: 0.0, ok: 0.0 };
    within(Duration::from_secs(30), || {
        for news in journal.news() {
            let after = news.at.duration_since(killed).unwrap_or_default().as_secs_f64();
            match news.what.as_str() {
                "SOFT 3" => times.soft_3 = after,
                "OK" => times.ok = after,
                _ => {}
            }
        }
        (times.ok > 0.0).then_some(())
    })?;
    // This pause shifts each kill to another point in Nagios' one-second interval.
    let pause = Duration::from_millis(1500);
    let begun = SystemTime::now();
    within(pause, || (begun.elapsed().unwrap_or_default() >= pause).then_some(()));
    Some(times)
}

/// Writes the classic shell handler, which checks host keys strictly and requests a forced check
/// after the repair. Returns the Nagios command that calls it.
fn classic_handler(place: &Place, web: &WebSide, monitor: &Monitor) -> String {
    // The lab's known_hosts contains the name web1, so pass this name to ssh.
    let ssh = format!(
        "ssh -F /dev/null -n -T -i {} -o BatchMode=yes -o StrictHostKeyChecking=yes -o \
         UserKnownHostsFile={} \
         -o HostKeyAlias='[web1]:{port}' -o LogLevel=ERROR -p {port} {}@127.0.0.1 heal",
        monitor.key().display(),
        monitor.known_hosts().display(),
        web.account.name,
        port = web.sshd.port,
    );
    let script = format!(
        "#!/bin/sh\ncase \"$1;$2;$3\" in\n'CRITICAL;SOFT;3' | 'CRITICAL;HARD;'*)\n    {ssh} \
        >/dev/null 2>&1\n    now=$(date +%s)\n    \
         printf '[%s] SCHEDULE_FORCED_SVC_CHECK;web1;HTTP;%s\\n' \"$now\" \"$now\" > \
             {}\n    ;;\nesac\nexit 0\n",
        monitor.command_file.display()
    );
    let script = place.file("classic.sh", &script, 0o755, Account::nagios().ids());
    web.allow(&format!("restrict,command=\"{}\"", web.policy_run.join(" ")));
    format!(
        "define command {{\n command_name classic\n \
         command_line {} '$SERVICESTATE$' '$SERVICESTATETYPE$' '$SERVICEATTEMPT$'\n}}\n",
        script.display()
    )
}

fn row(name: &str, mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    let (Some(min), Some(median), Some(max)) =
        (times.first(), times.get(times.len() / 2), times.last())
    else {
        return f64::NAN;
    };
    say(&format!("{name:<34}{min:>8.2}{median:>8.2}{max:>8.2}"));
    *median
}
