//! Runs random command lines with our check_http and with monitoring-plugins' check_http 2.3.3 (the
//! original), and sends both the same random answers. If the programs behave differently, the
//! command line or an answer must belong to a class that `tests/quirks.md` describes.
//!
//! `SELFHEAL_SEED=n` repeats the run with that seed, and `SELFHEAL_RUNS=n` sets the number of
//! command lines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

mod answers;
#[path = "../shared/behaviour.rs"]
mod behaviour;
mod chunks;
mod classes;
mod locations;
mod options;
#[path = "../shared/server.rs"]
mod server;
#[path = "../../../../plugins/check_http/tests/support/mod.rs"]
mod support;
mod values;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use behaviour::Behaviour;
use classes::{DifferenceKind, RandomCase};
use compat::{ORIGINAL, ours};
use server::{Lab, Reply};
use testkit::Random;

const QUIRKS: &str = include_str!("../../../quirks.md");
/// Number of command lines to test. `SELFHEAL_RUNS` overrides it.
const RUNS: u64 = 1000;
/// Number of unexpected differences after which the test stops.
const ENOUGH: usize = 40;

/// Returns the behaviour of the original and of our program.
fn behaviours(lab: &Lab, case: &RandomCase, ours: &Path) -> [Behaviour; 2] {
    let replies: Vec<Reply> = case.answers.iter().map(|answer| answer.reply.clone()).collect();
    [Path::new(ORIGINAL), ours].map(|program| {
        lab.script(&replies);
        let (run, requests) = lab.run_words(program, &case.words());
        Behaviour::new(&run, &requests)
    })
}

/// Compares the programs in a case. If they differ, runs the case a second time, because a busy
/// machine can also cause a difference.
fn verdict(lab: &Lab, case: &RandomCase, ours: &Path) -> (DifferenceKind, [Behaviour; 2]) {
    let mut behaviours = behaviours(lab, case, ours);
    if behaviours[0] != behaviours[1] {
        behaviours = self::behaviours(lab, case, ours);
    }
    (case.verdict(&behaviours[0], &behaviours[1]), behaviours)
}

/// Removes as many arguments and answers as possible, as long as the programs still differ.
fn smallest(lab: &Lab, mut case: RandomCase, ours: &Path) -> RandomCase {
    let is_unexpected =
        |case: &RandomCase| matches!(verdict(lab, case, ours).0, DifferenceKind::Unexpected);
    let mut at = 0;
    while at < case.arguments.len() {
        let mut shorter = case.clone();
        shorter.arguments.remove(at);
        if is_unexpected(&shorter) {
            case = shorter;
        } else {
            at += 1;
        }
    }
    while case.answers.len() > 1 {
        let mut shorter = case.clone();
        shorter.answers.pop();
        if !is_unexpected(&shorter) {
            break;
        }
        case = shorter;
    }
    case
}

fn description(lab: &Lab, case: &RandomCase, ours: &Path) -> String {
    let (_, [original, ours]) = verdict(lab, case, ours);
    let mut text = format!("{:?}\n", case.words());
    for answer in &case.answers {
        for piece in &answer.reply.pieces {
            let start = &piece[..piece.len().min(600)];
            writeln!(text, "  answer   \"{}\"", start.escape_ascii()).unwrap();
        }
    }
    format!("{text}  original {original:?}\n  ours     {ours:?}\n  classes  {:?}", case.classes())
}

/// How often a class of input occurred, and how often the programs then differed.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    inputs: u64,
    differences: u64,
}

#[test]
fn random_command_lines_behave_like_monitoring_plugins() {
    assert!(
        Path::new(ORIGINAL).is_file(),
        "{ORIGINAL} is missing: install monitoring-plugins-basic"
    );
    let runs = std::env::var("SELFHEAL_RUNS").ok().and_then(|runs| runs.parse().ok());
    let (ours, seed, runs) = (ours(), Random::seed(), runs.unwrap_or(RUNS));
    let next = AtomicU64::new(0);
    let red = Mutex::new(Vec::new());
    let shares: Mutex<BTreeMap<&str, Share>> = Mutex::new(BTreeMap::new());
    // Use more threads than there are processors, because a case spends some of its time waiting.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lab = Lab::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs || red.lock().unwrap().len() >= ENOUGH {
                        return;
                    }
                    let case = RandomCase::new(&mut Random::new(seed.wrapping_add(number << 32)));
                    let (verdict, _) = verdict(&lab, &case, &ours);
                    for class in case.classes() {
                        shares.lock().unwrap().entry(class).or_default().inputs += 1;
                    }
                    match verdict {
                        DifferenceKind::Same => {}
                        DifferenceKind::Quirk(name) => {
                            shares.lock().unwrap().entry(name).or_default().differences += 1;
                        }
                        DifferenceKind::Unexpected => {
                            let case = smallest(&lab, case, &ours);
                            red.lock().unwrap().push(description(&lab, &case, &ours));
                        }
                    }
                }
            });
        }
    });
    let (red, shares) = (red.into_inner().unwrap(), shares.into_inner().unwrap());
    let mut table = format!("seed {seed} (SELFHEAL_SEED={seed} repeats it), {runs} runs\n");
    writeln!(table, "{:<36}{:>8}{:>13}{:>9}", "quirk", "inputs", "differences", "share").unwrap();
    for (name, share) in &shares {
        let percent = share.differences as f64 * 100.0 / runs as f64;
        writeln!(table, "{name:<36}{:>8}{:>13}{percent:>7.2} %", share.inputs, share.differences)
            .unwrap();
    }
    println!("{table}");
    assert!(red.is_empty(), "{table}{} differ:\n{}", red.len(), red.join("\n"));
    for (name, share) in &shares {
        let section = QUIRKS
            .split("\n### ")
            .find(|section| section.strip_prefix(name).is_some_and(|rest| rest.starts_with('\n')));
        let section = section.unwrap_or_else(|| panic!("{name} is not in quirks.md"));
        // In a short run, the number of differences can exceed the limit by chance.
        let is_rare = runs < 10_000 || share.differences * 100 <= runs;
        assert!(
            is_rare || section.contains("of random command lines"),
            "{table}{name} exceeds 1 %, and quirks.md does not say why"
        );
    }
}
