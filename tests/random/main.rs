//! Sends random events to the real programs and kills handlers, workers, supervisors and gates. Two
//! repairs must never run on the same host, the fleet limit must hold, and every event must be
//! recorded.
//!
//! SELFHEAL_SEED repeats the random choices of an earlier run, but not its timing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod processes;
mod site;

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::until;
use processes::{Process, Role};
use site::{HOSTS, SERVICES, Site};
use testkit::Random;

/// How much has to happen before a test ends.
struct Wanted {
    events: u32,
    repairs: usize,
    kills: u32,
}

const WANTED: Wanted = Wanted { events: 10_000, repairs: 1_000, kills: 300 };
/// Fewer events suffice for PostgreSQL, because the rules are the same and only the transactions
/// differ.
const WANTED_WITH_POSTGRES: Wanted = Wanted { events: 2_000, repairs: 200, kills: 60 };

/// Maximum number of events. The test fails if it has not reached the numbers in [`Wanted`] by
/// then.
const MOST_EVENTS: u32 = 100_000;
/// Number of queued calls at which the test stops sending events for a while. It is higher than
/// the fleet limit, so some calls are refused.
const WAITING: usize = 20;

#[derive(Default)]
struct Figures {
    events: u32,
    dispatched: Vec<String>,
    no_action: u32,
    killed: BTreeMap<&'static str, u32>,
    shifts: u32,
    /// Time and description of each kill.
    kill_log: Vec<(SystemTime, String)>,
}

impl Figures {
    fn kills(&self) -> u32 {
        self.killed.values().sum()
    }

    /// Whether there were enough events, kills and repairs. Counts the repairs only after every
    /// hundredth event, because reading the ledger is slow.
    fn are_enough(&self, wanted: &Wanted, site: &Site) -> bool {
        self.events >= wanted.events
            && self.kills() >= wanted.kills
            && self.events.is_multiple_of(100)
            && site.repairs() >= wanted.repairs
    }
}

#[test]
fn runs_one_repair_per_host_despite_kills() {
    run(&Site::new(), &WANTED);
}

#[test]
fn runs_one_repair_per_host_despite_kills_with_postgres() {
    run(&Site::with_postgres(), &WANTED_WITH_POSTGRES);
}

fn run(site: &Site, wanted: &Wanted) {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    say(&format!("seed {seed} (SELFHEAL_SEED={seed} repeats its choices)"));
    let mut figures = Figures::default();
    while !figures.are_enough(wanted, site) {
        let (repairs, kills) = (site.rungs(), figures.kills());
        assert!(figures.events < MOST_EVENTS, "{repairs} rungs, {kills} kills");
        step(site, &mut random, &mut figures);
        let faults = site.faults();
        let story = || site.story(&faults, &figures.kill_log);
        assert!(faults.is_empty(), "seed {seed}: {faults}{}", story());
    }
    settle(site);
    let (repairs, rungs) = (site.repairs(), site.rungs());
    say(&format!(
        "{} events: {} dispatched, {} without action; {} repairs ran {} rungs; {} kills while one \
         ran: {:?}; the clock was moved {} times",
        figures.events,
        figures.dispatched.len(),
        figures.no_action,
        repairs,
        rungs,
        figures.kills(),
        figures.killed,
        figures.shifts,
    ));
    judge(site, wanted, &figures, seed);
}

/// Sends an event and sometimes kills a process or moves the clock.
fn step(site: &Site, random: &mut Random, figures: &mut Figures) {
    figures.events += 1;
    let host = random.choose(&HOSTS);
    if random.one_in(2) {
        site.break_host(host);
    }
    let words = event(random, host, figures.events);
    // A rung is running if there is a supervisor or a timer. Do not look at the job's locks,
    // because testing a lock briefly takes it.
    let processes = site.processes();
    let is_running = processes.iter().any(|one| matches!(one.role, Role::Supervisor | Role::Timer));
    if is_running && random.one_in(60) {
        if site.kill_handler(&words, random.below(3_000)) {
            *figures.killed.entry("handler").or_default() += 1;
        }
    } else {
        match site.call(&words) {
            Some(job) => figures.dispatched.push(job),
            None => figures.no_action += 1,
        }
    }
    // A host whose gate was killed stays locked until the rung's deadline. Let most repairs finish,
    // so that not all hosts are locked.
    let is_spared = usize::try_from(figures.kills()).unwrap() > site.rungs() / 3;
    if is_running && !is_spared && random.one_in(4) {
        kill_one(processes, random, figures);
    }
    if figures.events.is_multiple_of(100) {
        site.move_clock(Duration::from_secs(random.below(90)));
        figures.shifts += 1;
    }
    until("room in the queue", Duration::from_secs(120), || {
        // Stop waiting if no process is left. A call whose worker was killed stays queued until the
        // next event.
        (site.waiting() < WAITING || site.processes().is_empty()).then_some(())
    });
}

fn event(random: &mut Random, host: &str, number: u32) -> String {
    let change = random.choose(&[
        "CRITICAL HARD 4",
        "CRITICAL SOFT 3",
        "CRITICAL HARD 4",
        "CRITICAL SOFT 1",
        "WARNING HARD 4",
        "OK HARD 1",
    ]);
    // Nagios repeats calls, so several calls can have the same problem ID.
    let problem = number - u32::try_from(random.below(3)).unwrap().min(number);
    let service = random.choose(&SERVICES);
    let repair = if host.starts_with("web") { "remote" } else { "here" };
    format!(
        "{change} --host {host} --address 127.0.0.1 --service {service} --repair {repair} \
         --max-attempts 4 --host-state UP --problem-id {problem}"
    )
}

/// Kills one of the processes that take part in a running repair.
fn kill_one(mut found: Vec<Process>, random: &mut Random, figures: &mut Figures) {
    use Role::{Gate, Supervisor, Timer, Worker};
    let often = [Worker, Supervisor];
    let role = if random.one_in(5) { random.choose(&[Gate, Timer]) } else { random.choose(&often) };
    found.retain(|process| process.role == role);
    if found.is_empty() {
        return;
    }
    let index = usize::try_from(random.below(u64::try_from(found.len()).unwrap())).unwrap();
    let process = found.swap_remove(index);
    if process.kill() {
        *figures.killed.entry(role.name()).or_default() += 1;
        figures.kill_log.push((SystemTime::now(), process.to_string()));
    }
}

/// Waits until all processes have exited, and calls the handler until all open records are closed.
fn settle(site: &Site) {
    until("the end of all workers", Duration::from_secs(300), || {
        site.processes().is_empty().then_some(())
    });
    until("the end of every repair", Duration::from_secs(300), || {
        for host in HOSTS {
            let repair = if host.starts_with("web") { "remote" } else { "here" };
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
            site.call(&format!(
                "CRITICAL HARD 4 --host {host} --address 127.0.0.1 --service last --repair \
                 {repair} --problem-id {}",
                now.as_micros()
            ));
        }
        thread::sleep(Duration::from_secs(2));
        (site.running().is_empty() && site.processes().is_empty()).then_some(())
    });
}

fn judge(site: &Site, wanted: &Wanted, figures: &Figures, seed: u64) {
    assert_eq!(site.faults(), "", "seed {seed}");
    let on_record = site.jobs_on_record();
    let lost: Vec<&String> =
        figures.dispatched.iter().filter(|job| !on_record.contains(*job)).collect();
    assert!(lost.is_empty(), "seed {seed}: neither repaired nor refused: {lost:?}");
    assert!(figures.events >= wanted.events && figures.kills() >= wanted.kills);
    for role in Role::ALL.iter().map(|role| role.name()).chain(["handler"]) {
        assert!(figures.killed.contains_key(role), "seed {seed}: no {role} was killed");
    }
}

/// Prints a line with figures, which are worth reading even if the test passes. Writes to standard
/// output directly, because the test harness hides what `println!` prints in a test that passes.
fn say(text: &str) {
    let _ = writeln!(stdout(), "random events: {text}");
}
