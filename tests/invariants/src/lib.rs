//! Invariants of the parsers that read untrusted or hand-written input. Each function takes
//! arbitrary bytes and panics if an invariant does not hold.
//!
//! `make fuzz` calls these functions through the fuzz targets in `tests/fuzz`. `make test` calls
//! them with the committed corpora and some mutations of those inputs.

mod framed_answer;
mod gate_words;
mod http_response;
mod json;
mod known_hosts;
mod policy_json;
mod repairs_json;
mod text;

pub use framed_answer::framed_answer;
pub use gate_words::gate_words;
pub use http_response::http_response;
pub use known_hosts::known_hosts;
pub use policy_json::policy_json;
pub use repairs_json::repairs_json;

/// A fuzz target: its name and the function that checks its invariants. The program in
/// `fuzz_targets` and the directory in `corpus` have the same name.
pub type Target = (&'static str, fn(&[u8]));

/// All fuzz targets.
pub const TARGETS: &[Target] = &[
    ("gate_words", gate_words),
    ("repairs_json", repairs_json),
    ("policy_json", policy_json),
    ("framed_answer", framed_answer),
    ("known_hosts", known_hosts),
    ("http_response", http_response),
];
