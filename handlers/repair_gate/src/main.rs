//! `repair_gate`: the SSH forced command on the repaired host. All of it is in the library, so that
//! tests and fuzzers reach the parts that read what strangers send.

use std::process::ExitCode;

fn main() -> ExitCode {
    repair_gate::guarded()
}
