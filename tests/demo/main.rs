//! `make demo` kills Apache three times, and shows live how Nagios repairs it. With `--keep`, the
//! lab keeps running for experiments.

mod keep;

use std::env;
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use e2e::{Happening, Journal, Lab, Watch, WebSide, clean_up_when_interrupted, within};
use serde_json::json;

const ROUNDS: usize = 3;
/// Time limit for one round. Nagios needs three failed checks, one second apart. The rest of the
/// limit is for the repair, which can be slow on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let keep = env::args().any(|word| word == "--keep");
    clean_up_when_interrupted();
    let screen = Screen { colour: stdout().is_terminal() && env::var_os("NO_COLOR").is_none() };
    screen.say(
        "Starting the lab on loopback: Apache, sshd with repair_gate, CFEngine; Nagios as \
                the user nagios ...",
    );
    let begun = Instant::now();
    let lab = Lab::new();
    let Lab { monitor, web, .. } = &lab;
    lab.policy(|policy| {
        policy["status_file"] = json!(lab.place.at("monitor/nagios/status.dat"));
        // The lab's only service will be in trouble, so the limit `share` must allow 100 %.
        policy["fleet"] = json!({"share": 100, "started": {"count": 10_000, "per": "1h"}});
    });
    let nagios = lab.nagios(&Watch { retain: true, ..Watch::default() });
    screen.say(&format!(
        "Ready after {:.1} s: Apache on port {}, sshd on port {}.\n",
        begun.elapsed().as_secs_f64(),
        web.apache.port,
        web.sshd.port
    ));

    let mut journal = Journal::new(&nagios.log, monitor);
    let healed: Vec<Option<Healed>> =
        (1..=ROUNDS).map(|round| kill_and_watch(round, web, &mut journal, &screen)).collect();
    let failed = healed.iter().filter(|round| round.is_none()).count();
    let healed: Vec<Healed> = healed.into_iter().flatten().collect();
    screen.table(&healed);
    let pages =
        nagios.log_lines().iter().filter(|line| line.contains("SERVICE NOTIFICATION")).count();
    screen
        .say(&format!("\nHealed {} of {ROUNDS}. Notifications by Nagios: {pages}.", healed.len()));
    if keep {
        screen.say(&keep::invitation(&lab, &nagios));
        keep::wait_for_end();
    }
    if failed == 0 && pages == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How long one round took from the kill to each of its stages.
struct Healed {
    soft_3: Duration,
    verified: Duration,
    ok: Duration,
    recorded: bool,
}

fn kill_and_watch(
    round: usize,
    web: &WebSide,
    journal: &mut Journal,
    screen: &Screen,
) -> Option<Healed> {
    screen.say(&format!("Round {round} of {ROUNDS}"));
    journal.news();
    let killed = SystemTime::now();
    web.apache.kill();
    screen.event(Duration::ZERO, "killed", "Apache and all its children, by SIGKILL");
    let mut healed = Healed {
        soft_3: Duration::ZERO,
        verified: Duration::ZERO,
        ok: Duration::ZERO,
        recorded: false,
    };
    let done = within(PATIENCE, || {
        for news in journal.news() {
            let after = news.at.duration_since(killed).unwrap_or_default();
            screen.event(after, &shown(&news), &news.text);
            match news.what.as_str() {
                "SOFT 3" => healed.soft_3 = after,
                "verified" => healed.verified = after,
                "OK" => healed.ok = after,
                "healed" => healed.recorded = true,
                _ => {}
            }
        }
        (!healed.ok.is_zero() && healed.recorded).then_some(())
    });
    if done.is_none() {
        screen.event(PATIENCE, "given up", "Nagios does not show OK");
    }
    screen.say("");
    done.map(|()| healed)
}

/// Returns the label that the demo prints for a journal entry.
fn shown(news: &Happening) -> String {
    match news.what.as_str() {
        "reserved" => "decision",
        "begun" => "repair",
        "OK" => "OK in Nagios",
        other => other,
    }
    .to_owned()
}

/// Standard output, which is coloured only on a terminal.
struct Screen {
    colour: bool,
}

impl Screen {
    fn say(&self, line: &str) {
        let _ = writeln!(stdout(), "{line}");
    }

    fn event(&self, after: Duration, what: &str, text: &str) {
        let text: String = text.chars().take(110).collect();
        let padded = format!("{what:<12}");
        let shown =
            if self.colour { format!("\x1b[{}m{padded}\x1b[0m", colour(what)) } else { padded };
        self.say(&format!("{:8.2} s  {shown}  {text}", after.as_secs_f64()));
    }

    fn table(&self, healed: &[Healed]) {
        self.say(&format!(
            "{:<28}{:>8}{:>8}{:>8}",
            "seconds from the kill to", "min", "median", "max"
        ));
        for (name, time) in [
            ("SOFT 3, start of the repair", (|round| round.soft_3) as fn(&Healed) -> Duration),
            ("healed and verified", |round| round.verified),
            ("OK in Nagios", |round| round.ok),
        ] {
            let mut times: Vec<f64> =
                healed.iter().map(|round| time(round).as_secs_f64()).collect();
            times.sort_by(f64::total_cmp);
            let (Some(min), Some(median), Some(max)) =
                (times.first(), times.get(times.len() / 2), times.last())
            else {
                return;
            };
            self.say(&format!("{name:<28}{min:>8.2}{median:>8.2}{max:>8.2}"));
        }
    }
}

fn colour(what: &str) -> u8 {
    match what {
        "killed" | "given up" | "not-healed" | "could-not-run" | "unknown" | "failed" => 31,
        "OK in Nagios" | "healed" | "verified" => 32,
        soft if soft.starts_with("SOFT") || soft.starts_with("HARD") => 33,
        _ => 36,
    }
}
