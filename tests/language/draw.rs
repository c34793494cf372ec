//! Draws random comments, program texts and paragraphs from documents. People rate how easy each
//! one is to read: natural, stilted, or "had to read twice". CONTRIBUTING.md states the goal. To
//! repeat a draw, set `SELFHEAL_SEED`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a tool of the tests")]

use std::io::{self, Write};

use e2e::texts::{self, Text};
use testkit::Random;

const COMMENTS: usize = 200;
const OUTPUTS: usize = 60;
const PARAGRAPHS: usize = 40;

fn main() -> io::Result<()> {
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let mut out = io::stdout().lock();
    writeln!(out, "SELFHEAL_SEED={seed}")?;
    for (title, count, all) in [
        ("Comments", COMMENTS, texts::comments()),
        ("Texts of the programs", OUTPUTS, texts::outputs()),
        ("Paragraphs of the documents", PARAGRAPHS, texts::paragraphs()),
    ] {
        writeln!(out, "\n# {title}: {count} of {}", all.len())?;
        for (number, drawn) in (1..).zip(random.draw(count, all)) {
            let Text { file, line, text, next } = drawn;
            writeln!(out, "\n{number}. {}:{line}\n{text}", file.display())?;
            if !next.is_empty() {
                writeln!(out, "    > {next}")?;
            }
        }
    }
    Ok(())
}
