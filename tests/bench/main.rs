//! `make bench` measures what a process costs and how long it takes until a service is healed. It
//! compares this project's programs with the originals in the same run. `make scale` measures how
//! the cost grows with the size of the site, and the cost of many simultaneous handler calls.

mod comparison;
mod cost;
mod dispatch;
mod heal;
mod parallel;
mod scale;
mod storm;

use std::env;
use std::io::{Write, stdout};
use std::path::Path;

use e2e::clean_up_when_interrupted;

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["once", argv @ ..] => {
            cost::once(&argv.iter().map(ToString::to_string).collect::<Vec<_>>())
        }
        ["scale", generator, largest] => {
            clean_up_when_interrupted();
            scale::print_table(Path::new(generator), largest.parse().expect("a scale"));
        }
        _ => {
            clean_up_when_interrupted();
            let rounds = words.first().and_then(|word| word.parse().ok());
            cost::compare(rounds.unwrap_or(300));
            dispatch::compare(rounds.unwrap_or(60));
            say("");
            heal::compare(rounds.unwrap_or(5).min(5));
        }
    }
}

fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}
