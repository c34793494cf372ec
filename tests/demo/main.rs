//! `make demo`: kills Apache three times and shows live how Nagios has it healed.

use std::env;
use std::io::{IsTerminal, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use e2e::{
    Happening, Journal, Lab, Monitor, Nagios, Place, Watch, WebSide, clean_up_when_interrupted,
    within,
};

const ROUNDS: usize = 3;
/// Nagios needs three failed checks a second apart; the rest is the repair.
const PATIENCE: Duration = Duration::from_secs(20);

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
    let Lab { monitor, web, place } = &lab;
    let nagios = lab.nagios(&Watch::default());
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
    screen.say(&format!(
        "\nHealed {} of {ROUNDS}; Nagios paged somebody {pages} times.",
        healed.len()
    ));
    if keep {
        wait_for_enter(place, web, monitor, &nagios, &screen);
    }
    if failed == 0 && pages == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The times of one round, from the kill on.
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
        screen.event(PATIENCE, "given up", "it is not OK in Nagios");
    }
    screen.say("");
    done.map(|()| healed)
}

/// The words of the ledger, as a person would say them.
fn shown(news: &Happening) -> String {
    match news.what.as_str() {
        "reserved" => "decision",
        "begun" => "repair",
        "OK" => "OK in Nagios",
        other => other,
    }
    .to_owned()
}

fn wait_for_enter(
    place: &Place,
    web: &WebSide,
    monitor: &Monitor,
    nagios: &Nagios,
    screen: &Screen,
) {
    // The policy of the lab is Nagios' user's, as all of its monitor side is: root does not use it.
    let (as_nagios, policy) =
        ("runuser -u nagios --", format!("--policy {}", monitor.policy.display()));
    let fault = "CRITICAL SOFT 3 --host web1 --address 127.0.0.1 --service HTTP --repair httpd";
    let handler = format!("{as_nagios} {} {fault}", monitor.handler.display());
    let history = format!("{as_nagios} {} history {policy}", monitor.repairctl.display());
    screen.say(&format!(
        "The lab in {} keeps running until you press Enter. To try by hand, as root in another \
         terminal:

  See the check:               {} -H 127.0.0.1 -p {}
  What would happen, and why:  {handler} --dry-run --explain {policy}
  Repair now, and watch:       {handler} --foreground {policy}
  Kill Apache again:           pkill -KILL -u {} apache2
  Watch Nagios:                tail -f {}
  Watch sshd and the gate:     tail -f {}
  What was repaired:           {history}",
        place.path().display(),
        monitor.check.display(),
        web.apache.port,
        web.account.name,
        nagios.log.display(),
        web.sshd.log.display(),
    ));
    let (pressed, key) = mpsc::channel();
    thread::spawn(move || {
        let _ = stdin().read_line(&mut String::new());
        let _ = pressed.send(());
    });
    within(Duration::MAX, || key.try_recv().ok());
}

/// Where the demo is shown: colour only on a terminal.
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
            ("SOFT 3, which calls for it", (|round| round.soft_3) as fn(&Healed) -> Duration),
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
