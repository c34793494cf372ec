//! Fixes for known error messages from programs that are often used as a `local` rung.

/// Each entry consists of a program, one of its error messages, and the fix.
const KNOWN: [(&str, &str, &str); 5] = [
    // The user that runs cf-runagent has not accepted the host's key.
    (
        "cf-runagent",
        "TRUST FAILED, server presented untrusted key",
        "check that web1.pub is a copy of the host's ppkeys/localhost.pub; then run as nagios: \
         cf-key --trust-key nagios@ADDRESS:web1.pub",
    ),
    // The host has not accepted the key of the user that runs cf-runagent. cf-serverd then closes
    // the connection without an error, and only its log contains TRUST FAILED.
    (
        "cf-runagent",
        "Connection unexpectedly closed (SSL_read)",
        "if cf-serverd on the host does not know nagios' key, run there as root: cf-key \
         --trust-key nagios@ADDRESS:nagios.pub",
    ),
    // NRPE passes on only stdout, and reports a command without output as a failure.
    (
        "check_nrpe",
        "NRPE: Unable to read output",
        "run NRPE's command on the host as NRPE's user to see its error, for example from sudo; a \
         command must print at least one line",
    ),
    (
        "check_nrpe",
        "NRPE: Command timed out",
        "the repair may still be running; increase command_timeout in nrpe.cfg on the host",
    ),
    (
        "check_nrpe",
        "Socket timeout",
        "the repair may still be running; give check_nrpe more time with -t",
    ),
];

/// Returns the fix if `line` is a known error message from a program in `argv`. Any word of `argv`
/// can be the program, because sudo or a similar wrapper may come first.
pub fn about(argv: &[String], line: &str) -> Option<&'static str> {
    let runs = |program: &str| argv.iter().any(|word| word.rsplit('/').next() == Some(program));
    KNOWN
        .iter()
        .find(|(program, message, _)| runs(program) && line.contains(message))
        .map(|(.., fix)| *fix)
}
