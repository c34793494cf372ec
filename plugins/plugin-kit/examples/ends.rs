//! Exits in the way named by the first argument. The tests of `guard` run this program.

use plugin_kit::{Outcome, Problem, State, guard};

fn main() -> std::process::ExitCode {
    guard("ends", |argv| match argv.first().and_then(|word| word.to_str()) {
        Some("ok") => Ok(Outcome::new(State::Ok, "fine")),
        Some("critical") => Ok(Outcome::new(State::Critical, "x".repeat(1 << 20))),
        Some("help") => Err(Problem::HelpRequested("a|b\nc".into())),
        Some("usage") => Err(Problem::Usage("bad | option\nhere".into())),
        Some("panic") => panic!("as | asked\n"),
        other => Err(Problem::Internal(format!("the first argument is invalid: {other:?}"))),
    })
}
