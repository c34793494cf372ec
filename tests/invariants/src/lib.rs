//! What holds for every input of the readers that a stranger, or a slip of the pen, can reach. Each
//! function takes any bytes and panics when its invariant does not hold.
//!
//! Called in two ways: by the fuzz targets of `tests/fuzz` for as long as one likes (`make fuzz`),
//! and by this crate's own test on the committed corpora and some mutations of them (`make test`).

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

/// A fuzz target: its name, which is that of its file and of its corpus, and its invariants.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("gate_words", gate_words),
    ("repairs_json", repairs_json),
    ("policy_json", policy_json),
    ("framed_answer", framed_answer),
    ("known_hosts", known_hosts),
    ("http_response", http_response),
];
