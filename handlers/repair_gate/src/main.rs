//! `repair_gate`, the SSH forced command on the repaired host. All code is in the library, so that
//! tests and fuzzers can call the parsers for untrusted input.

use std::process::ExitCode;

fn main() -> ExitCode {
    repair_gate::guarded()
}
