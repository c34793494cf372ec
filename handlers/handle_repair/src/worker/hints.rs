//! Fixes for known error messages from programs that are often used as a `local` rung.

/// A known error message of a program, and how to fix the error.
pub struct KnownError {
    program: &'static str,
    message: &'static str,
    /// What an admin can do about the error.
    pub fix: &'static str,
    /// Whether the error means that the answer was lost, so that the repair may have run or may
    /// still be running.
    pub is_answer_lost: bool,
}

const fn known(program: &'static str, message: &'static str, fix: &'static str) -> KnownError {
    KnownError { program, message, fix, is_answer_lost: false }
}

/// Describes an error that check_nrpe reports after it has sent the query.
const fn lost(message: &'static str, fix: &'static str) -> KnownError {
    KnownError { program: "check_nrpe", message, fix, is_answer_lost: true }
}

const KNOWN: [KnownError; 6] = [
    // The user that runs cf-runagent has not accepted the host's key.
    known(
        "cf-runagent",
        "TRUST FAILED, server presented untrusted key",
        "check that web1.pub is a copy of the host's ppkeys/localhost.pub; then run as nagios: \
         cf-key --trust-key nagios@ADDRESS:web1.pub",
    ),
    // The host has not accepted the key of the user that runs cf-runagent. cf-serverd closes the
    // connection without an error in this case, and logs TRUST FAILED on the host.
    known(
        "cf-runagent",
        "Connection unexpectedly closed (SSL_read)",
        "if cf-serverd on the host does not know nagios' key, run there as root: cf-key \
         --trust-key nagios@ADDRESS:nagios.pub",
    ),
    // NRPE passes on only stdout, and reports a command without output as a failure.
    known(
        "check_nrpe",
        "NRPE: Unable to read output",
        "run the command from nrpe.cfg on the host as NRPE's user, to see which error it prints on \
         stderr, for example one from sudo; a command must print at least one line",
    ),
    lost(
        "NRPE: Command timed out",
        "the repair may still be running; increase command_timeout in nrpe.cfg on the host",
    ),
    lost("Socket timeout", "the repair may still be running; give check_nrpe more time with -t"),
    // NRPE was stopped, or has closed the connection for another reason.
    lost("Receive header underflow", "the repair may still be running; see NRPE's log on the host"),
];

/// Returns what is known about `line` if it is an error message from a program in `argv`.
pub fn about(argv: &[String], line: &str) -> Option<&'static KnownError> {
    KNOWN.iter().find(|error| runs(argv, error.program) && line.contains(error.message))
}

/// Returns how to stop check_nrpe in `argv` from sending a query twice. If the connection closes
/// without an answer, check_nrpe sends the query again as a version 2 packet, even with the option
/// -3. With -2, it sends the query only once (measured with check_nrpe 4.1.0).
pub fn about_resending(argv: &[String]) -> Option<&'static str> {
    let once = |word: &String| word == "-2" || word == "--v2-packets-only";
    (runs(argv, "check_nrpe") && !argv.iter().any(once))
        .then_some("add -2 to the arguments of check_nrpe, which otherwise sends a query twice")
}

/// Whether `argv` runs `program`. Any word can be the program, because sudo or a similar wrapper
/// may come first.
fn runs(argv: &[String], program: &str) -> bool {
    argv.iter().any(|word| word.rsplit('/').next() == Some(program))
}
