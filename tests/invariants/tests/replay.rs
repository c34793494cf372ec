//! Checks the invariants with the committed corpora and with thousands of mutated inputs. The
//! mutations are the same in every run. `make fuzz` searches for more inputs, guided by coverage.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should panic"
)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use invariants::TARGETS;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz");
const MUTATIONS: u32 = 20_000;
/// Time limit for the mutated inputs of one target. A slow machine tries fewer of them.
const TIME_FOR_EACH: Duration = Duration::from_millis(2500);

/// Runs an invariant with one input. On failure, prints the invariant's own panic message, followed
/// by the input in a form that can be copied into a file.
fn hold(name: &str, invariant: fn(&[u8]), bytes: &[u8]) {
    let held = catch_unwind(AssertUnwindSafe(|| invariant(bytes)));
    assert!(held.is_ok(), "{name} fails for b\"{}\"", bytes.escape_ascii());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|why| panic!("{}: {why}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let corpus: Vec<_> = files(&Path::new(FUZZ).join("corpus").join(name))
        .iter()
        .map(|file| fs::read(file).unwrap())
        .collect();
    assert!(!corpus.is_empty(), "{name} has no corpus");
    corpus
}

/// A pseudo-random generator with a fixed seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end.max(1)
    }

    fn part<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let start = self.below(bytes.len() + 1);
        &bytes[start..start + self.below((bytes.len() - start).min(40) + 1)]
    }
}

/// Byte sequences that often break parsers.
const WORDS: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n\r\n",
    b"\x1b[31m",
    "\u{202e}".as_bytes(),
    b"\xff",
    b"\"",
    b"\\u001b",
    b"{",
    b"}",
    b"[]",
    b",",
    b"-1",
    b"1e999",
    b"99999999999999999999",
    b"0",
    b"/",
    b"..",
    b"!",
    b"*",
    b"|",
    b" ",
    b"@revoked ",
    b"SHN1 ",
    b"HTTP/1.1 100 x\r\n\r\n",
    b"null",
];

fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        let end = at + dice.below((bytes.len() - at).min(12) + 1);
        let other = &corpus[dice.below(corpus.len())];
        let new: Vec<u8> = match dice.below(6) {
            0 => Vec::new(),
            1 => vec![dice.below(256) as u8],
            2 | 3 => WORDS[dice.below(WORDS.len())].to_vec(),
            4 => dice.part(other).to_vec(),
            _ => bytes[at..end].repeat(2),
        };
        let end = if dice.below(2) == 0 { at } else { end };
        bytes.splice(at..end, new);
    }
    bytes
}

#[test]
fn keeps_the_invariants_for_corpora_and_mutations() {
    for (name, invariant) in TARGETS {
        let corpus = corpus(name);
        corpus.iter().for_each(|bytes| hold(name, *invariant, bytes));
        hold(name, *invariant, b"");
        let mut dice = Dice(0x5EED);
        let start = Instant::now();
        let mut tried = 0;
        while tried < MUTATIONS && start.elapsed() < TIME_FOR_EACH {
            hold(name, *invariant, &mutated(&mut dice, &corpus));
            tried += 1;
        }
        println!(
            "{name}: {} inputs of the corpus, {tried} mutations, {:?}",
            corpus.len(),
            start.elapsed()
        );
        assert!(tried > 10, "{name}: only {tried} mutations were tried");
    }
}

#[test]
fn has_one_program_and_one_corpus_for_each_target() {
    let wanted = {
        let mut names: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.sort();
        names
    };
    let names = |directory: &str| -> Vec<String> {
        files(&Path::new(FUZZ).join(directory))
            .iter()
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("fuzz_targets"), wanted);
    assert_eq!(names("corpus"), wanted);
    let manifest = fs::read_to_string(Path::new(FUZZ).join("Cargo.toml")).unwrap();
    for name in wanted {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in the manifest");
        let program =
            fs::read_to_string(Path::new(FUZZ).join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            program.contains(&format!("invariants::{name}(")),
            "{name}.rs calls another function"
        );
    }
}
