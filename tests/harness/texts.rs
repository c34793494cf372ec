//! Collects everything that people read in this repository: comments, program output and documents.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Literal, TokenStream, TokenTree};

/// Root directory of the repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Names of files and directories to skip: build output, old packages, fuzz inputs and licences.
const FOREIGN: [&str; 6] = ["target", ".git", "7740e3e", "corpus", "LICENSE-APACHE", "LICENSE-MIT"];

/// A comment, a string that a program prints, or a paragraph.
pub struct Text {
    /// Path of the file, relative to the root of the repository.
    pub file: PathBuf,
    /// Line number of the first line, starting at 1.
    pub line: usize,
    /// The text, line by line and without indentation.
    pub text: String,
    /// For a comment, the line after it, which the comment describes. Otherwise empty.
    pub next: String,
}

/// A file in the repository.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn all() -> Vec<Source> {
        let mut all = Vec::new();
        Source::read_below(Path::new(ROOT), &mut all);
        all.sort_by(|one, other| one.path.cmp(&other.path));
        all
    }

    fn read_below(directory: &Path, all: &mut Vec<Source>) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if FOREIGN.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                Source::read_below(&path, all);
            } else if let Ok(text) = fs::read_to_string(&path) {
                all.push(Source { path: path.strip_prefix(ROOT).unwrap().to_owned(), text });
            }
        }
    }

    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|ours| ours == extension)
    }

    /// Whether the file belongs to a program, as opposed to its tests.
    fn is_program(&self) -> bool {
        let of_programs = self.path.starts_with("handlers") || self.path.starts_with("plugins");
        let is_test = self.path.components().any(|part| part.as_os_str() == "tests");
        self.is("rs") && of_programs && !is_test && !self.path.ends_with("tests.rs")
    }

    /// Returns the markers that start a comment in this kind of file, the longest first.
    fn comment_marks(&self) -> &'static [&'static str] {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        match self.path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => &["///", "//!", "//"],
            Some("sql") => &["--"],
            Some("md" | "json" | "lock" | "txt" | "jsonl" | "svg" | "css") => &[],
            _ if self.text.starts_with("#!") || name == "Makefile" => &["#"],
            Some("toml" | "sh" | "cfg" | "spec" | "mk" | "service" | "timer" | "path" | "cf")
            | Some("conf" | "te" | "fc") => &["#"],
            _ => &[],
        }
    }

    fn text(&self, line: usize, lines: &[&str], next: &str) -> Text {
        let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
        Text { file: self.path.clone(), line: line + 1, text, next: next.trim().to_owned() }
    }
}

/// Returns the comments in all files. Adjacent lines with the same marker are one comment.
pub fn comments() -> Vec<Text> {
    let mut comments = Vec::new();
    for source in Source::all() {
        let lines: Vec<&str> = source.text.lines().collect();
        let mark = |line: &str| {
            let marks = source.comment_marks().iter();
            marks.copied().find(|mark| line.trim_start().starts_with(mark))
        };
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let length = match mark(line) {
                Some(own) => lines[at..].iter().take_while(|line| mark(line) == Some(own)).count(),
                None => 0,
            };
            let end = at + length;
            // Skip `#!/bin/sh` and lines of dashes.
            if lines[at..end].iter().any(|line| is_prose(line)) && !line.starts_with("#!") {
                let next = lines.get(end).copied().unwrap_or_default();
                comments.push(source.text(at, &lines[at..end], next));
            }
            at = end.max(at + 1);
        }
    }
    comments
}

/// Returns all string literals of at least three words in the programs, such as messages and help
/// texts.
pub fn outputs() -> Vec<Text> {
    let mut outputs = Vec::new();
    for source in Source::all().into_iter().filter(Source::is_program) {
        let mut literals = Vec::new();
        collect_literals(source.text.parse().unwrap(), &mut literals);
        for literal in literals {
            let text = literal.to_string();
            if text.split_whitespace().filter(|word| is_prose(word)).count() >= 3 {
                let lines: Vec<&str> = text.lines().collect();
                outputs.push(source.text(literal.span().start().line - 1, &lines, ""));
            }
        }
    }
    outputs
}

/// Collects the string literals, except those in doc comments and in items with `#[cfg(test)]`.
fn collect_literals(tokens: TokenStream, literals: &mut Vec<Literal>) {
    let mut is_test = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => match group.stream().to_string().as_str() {
                "cfg (test)" => is_test = true,
                _ if is_test && group.delimiter() == Delimiter::Brace => is_test = false,
                doc if doc.starts_with("doc =") => {}
                _ => collect_literals(group.stream(), literals),
            },
            TokenTree::Punct(end) if end.as_char() == ';' => is_test = false,
            TokenTree::Literal(literal) if literal.to_string().contains('"') => {
                literals.push(literal);
            }
            TokenTree::Literal(_) | TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Returns the paragraphs, list items and table rows of the documents, but no code blocks.
pub fn paragraphs() -> Vec<Text> {
    let mut paragraphs = Vec::new();
    for source in Source::all().into_iter().filter(|source| source.is("md")) {
        let lines: Vec<&str> = source.text.lines().collect();
        let begins = |line: &str| line.starts_with(['|', '#', '-', '*']);
        let is_outside = |line: &str| line.trim().is_empty() || line.starts_with("    ");
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            if is_outside(line) {
                at += 1;
                continue;
            }
            let more = lines[at + 1..].iter().take_while(|line| !is_outside(line) && !begins(line));
            let end = at + 1 + more.count();
            if is_prose(line) && !line.starts_with('#') {
                paragraphs.push(source.text(at, &lines[at..end], ""));
            }
            at = end;
        }
    }
    paragraphs
}

/// Whether a line has a word of at least two letters.
fn is_prose(line: &str) -> bool {
    line.split(|c: char| !c.is_alphabetic()).any(|word| word.len() > 1)
}
