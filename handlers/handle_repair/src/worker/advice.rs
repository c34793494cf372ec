//! What to do when a program that is well known as a `local` rung says why it cannot do its work.

/// What it says, and what mends that.
const KNOWN: [(&str, &str); 2] = [
    // cf-runagent: the host's key is not among those of the user it runs as.
    (
        "TRUST FAILED, server presented untrusted key",
        "once you have compared web1.pub, the host's ppkeys/localhost.pub, as nagios: cf-key --trust-key nagios@ADDRESS:web1.pub",
    ),
    // The other way round, cf-serverd hangs up without a word; its log says TRUST FAILED.
    (
        "Connection unexpectedly closed (SSL_read)",
        "if cf-serverd does not know the key of nagios, on the host, as root: cf-key --trust-key nagios@ADDRESS:nagios.pub",
    ),
];

/// The next step, when this line of output is known.
pub fn about(line: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(said, _)| line.contains(said)).map(|(_, mend)| *mend)
}
