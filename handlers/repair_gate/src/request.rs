//! The words a server may say. Everything that is not exactly one of seven sentences is refused
//! before anything else is looked at. Knows nothing of files, clocks or processes.

use std::fmt;

/// The longest sentence that can be right has 136 characters.
const LONGEST: usize = 256;

/// The name of a repair: 1 to 64 characters of `[A-Za-z0-9_-]`, the first a letter or digit:
/// nothing that a shell, a path or an option parser could read as anything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

/// The identity of one repair, which makes asking for it twice harmless: 8 to 64 characters of the
/// same alphabet. It becomes a file name, and is safe as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job(String);

/// What a server may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateRequest {
    /// `repair NAME JOB`: run that repair, unless this job is known already.
    Repair(Name, Job),
    /// `diagnose NAME`: run what looks, and changes nothing.
    Diagnose(Name),
    /// `ready NAME`: whether it could run now, which is looked at and not tried.
    Ready(Name),
    /// `usage`: how much of its limits each repair has used.
    Usage,
    /// `status JOB`: what came of it.
    Status(Job),
    /// `list`: the names of the repairs.
    List,
    /// `version`: of this program.
    Version,
}

/// A request that is none; `job` when it carried a well-formed one, so that the server knows its
/// own refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// One sentence for a person.
    pub text: String,
    /// The job it was about, when it could be read.
    pub job: Option<Job>,
}

fn well_formed(text: &str, least: usize) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
        && (least..=64).contains(&text.len())
}

impl Name {
    /// The name, if `text` is one.
    pub fn new(text: &str) -> Option<Name> {
        well_formed(text, 1).then(|| Name(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Job {
    /// The job id, if `text` is one.
    pub fn new(text: &str) -> Option<Job> {
        well_formed(text, 8).then(|| Job(text.to_owned()))
    }

    /// The job id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the request as sshd hands it over; `None` is a login without a command.
///
/// sshd(8): with `command=` the client's command, or the name of the subsystem it asked for
/// ("internal-sftp"), is in SSH_ORIGINAL_COMMAND. It is split at single blanks; there is no
/// quoting, for nothing in it may need any.
pub fn parse(command: Option<&[u8]>) -> Result<GateRequest, BadRequest> {
    let refused = |text: &str, job| Err(BadRequest { text: text.to_owned(), job });
    let Some(command) = command.filter(|command| !command.is_empty()) else {
        return refused(
            "no command: this key is for the gate's seven words, not for a login",
            None,
        );
    };
    if command.len() > LONGEST {
        return refused("the request is longer than any that can be right", None);
    }
    let Some(text) = std::str::from_utf8(command).ok().filter(|text| text.is_ascii()) else {
        return refused("the request is not plain ASCII", None);
    };
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["repair", name, job] => match (Name::new(name), Job::new(job)) {
            (Some(name), Some(job)) => Ok(GateRequest::Repair(name, job)),
            (None, job) => {
                refused("that is no name of a repair: 1 to 64 letters, digits, '_' or '-'", job)
            }
            (_, None) => refused("that is no job id: 8 to 64 letters, digits, '_' or '-'", None),
        },
        ["diagnose", name] => match Name::new(name) {
            Some(name) => Ok(GateRequest::Diagnose(name)),
            None => {
                refused("that is no name of a repair: 1 to 64 letters, digits, '_' or '-'", None)
            }
        },
        ["ready", name] => match Name::new(name) {
            Some(name) => Ok(GateRequest::Ready(name)),
            None => {
                refused("that is no name of a repair: 1 to 64 letters, digits, '_' or '-'", None)
            }
        },
        ["status", job] => match Job::new(job) {
            Some(job) => Ok(GateRequest::Status(job)),
            None => refused("that is no job id: 8 to 64 letters, digits, '_' or '-'", None),
        },
        ["usage"] => Ok(GateRequest::Usage),
        ["list"] => Ok(GateRequest::List),
        ["version"] => Ok(GateRequest::Version),
        _ => refused(
            "it must be one of: repair NAME JOB, diagnose NAME, ready NAME, usage, status JOB, \
             list, version",
            None,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<GateRequest, BadRequest> {
        parse(Some(text.as_bytes()))
    }

    #[test]
    fn the_seven_sentences_are_understood() {
        let (name, job) = (Name("httpd".into()), Job("20261123-4f3a".into()));
        assert_eq!(
            read("repair httpd 20261123-4f3a"),
            Ok(GateRequest::Repair(name.clone(), job.clone()))
        );
        assert_eq!(read("diagnose httpd"), Ok(GateRequest::Diagnose(name.clone())));
        assert_eq!(read("ready httpd"), Ok(GateRequest::Ready(name)));
        assert_eq!(read("status 20261123-4f3a"), Ok(GateRequest::Status(job)));
        assert_eq!(read("usage"), Ok(GateRequest::Usage));
        assert_eq!(read("list"), Ok(GateRequest::List));
        assert_eq!(read("version"), Ok(GateRequest::Version));
    }

    #[test]
    fn a_bad_name_beside_a_good_job_is_refused_with_that_job() {
        assert_eq!(read("repair ../x 20261123-4f3a").unwrap_err().job, Job::new("20261123-4f3a"));
        assert_eq!(read("repair httpd short").unwrap_err().job, None);
    }

    #[test]
    fn no_command_and_a_megabyte_are_refused() {
        assert!(parse(None).is_err());
        assert!(parse(Some(b"")).is_err());
        assert!(parse(Some(&vec![b'a'; 1 << 20])).is_err());
        assert!(parse(Some("list ".repeat(200_000).as_bytes())).is_err());
    }

    proptest! {
        #[test]
        fn what_is_understood_is_exactly_what_was_said(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(request) = parse(Some(&bytes)) {
                prop_assert_eq!(said(&request).into_bytes(), bytes);
            }
        }

        #[test]
        fn nothing_may_stand_around_or_inside_a_sentence(
            at in 0usize..27, what in "[^A-Za-z0-9_-]|  |[^ -~]{1,3}"
        ) {
            let good = "repair httpd 20261123-4f3a";
            let at = at.min(good.len());
            let bad = format!("{}{what}{}", &good[..at], &good[at..]);
            prop_assert!(read(&bad).is_err(), "{:?}", bad);
        }

        #[test]
        fn every_well_formed_sentence_is_understood(name in "[A-Za-z0-9][A-Za-z0-9_-]{0,63}", job in "[A-Za-z0-9][A-Za-z0-9_-]{7,63}") {
            for text in [format!("repair {name} {job}"), format!("diagnose \
                {name}"), format!("status {job}")] {
                prop_assert_eq!(read(&text).map(|r| said(&r)), Ok(text));
            }
        }
    }

    fn said(request: &GateRequest) -> String {
        match request {
            GateRequest::Repair(name, job) => format!("repair {name} {job}"),
            GateRequest::Diagnose(name) => format!("diagnose {name}"),
            GateRequest::Ready(name) => format!("ready {name}"),
            GateRequest::Status(job) => format!("status {job}"),
            GateRequest::Usage => "usage".into(),
            GateRequest::List => "list".into(),
            GateRequest::Version => "version".into(),
        }
    }
}
