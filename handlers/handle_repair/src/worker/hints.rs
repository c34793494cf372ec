//! What to do when a program that is well known as a `local` rung reports why it cannot do its
//! work.

/// A program, what it prints, and what fixes that.
const KNOWN: [(&str, &str, &str); 2] = [
    // The host's key is not among those of the user it runs as.
    (
        "cf-runagent",
        "TRUST FAILED, server presented untrusted key",
        "once you have compared web1.pub, the host's ppkeys/localhost.pub, as nagios: cf-key \
         --trust-key nagios@ADDRESS:web1.pub",
    ),
    // The other way round, cf-serverd hangs up without a word; its log says TRUST FAILED.
    (
        "cf-runagent",
        "Connection unexpectedly closed (SSL_read)",
        "if cf-serverd does not know the key of nagios, on the host, as root: cf-key --trust-key \
         nagios@ADDRESS:nagios.pub",
    ),
];

/// The next step, when this line is known of a program in `argv`, which may be run by sudo or the
/// like.
pub fn about(argv: &[String], line: &str) -> Option<&'static str> {
    let runs = |program: &str| argv.iter().any(|word| word.rsplit('/').next() == Some(program));
    KNOWN
        .iter()
        .find(|(program, said, _)| runs(program) && line.contains(said))
        .map(|(.., fix)| *fix)
}
