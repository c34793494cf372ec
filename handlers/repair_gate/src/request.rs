//! The requests of a server. Everything that is not exactly one of seven is refused before anything
//! else is looked at. Knows nothing of files, clocks or processes.

use std::{error, fmt};

/// Bytes. The longest request that can be right has 136.
const LONGEST: usize = 256;

/// From `SHORTEST` to 64 characters of `[A-Za-z0-9_-]`, the first a letter or digit: nothing that a
/// shell, a path or an option parser could read as anything else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier<const SHORTEST: usize>(String);

/// The name of a repair.
pub type Name = Identifier<1>;

/// The ID of one run, which makes a second request for it harmless. It becomes a file name, and is
/// safe as one.
pub type Job = Identifier<8>;

impl<const SHORTEST: usize> Identifier<SHORTEST> {
    /// Returns the identifier, if `text` is one.
    pub fn new(text: &str) -> Option<Self> {
        let well_formed = (SHORTEST..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        well_formed.then(|| Identifier(text.to_owned()))
    }

    /// Returns the identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const SHORTEST: usize> fmt::Display for Identifier<SHORTEST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a server may request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateRequest {
    /// `repair NAME JOB`: run that repair, unless this job is known already.
    Repair(Name, Job),
    /// `diagnose NAME`: run its diagnosis, which changes nothing.
    Diagnose(Name),
    /// `ready NAME`: whether it could run now, found out without running it.
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

/// Why a request is refused; with its `job` if that is well formed, so that the server knows its
/// own refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// One sentence for a person.
    pub text: String,
    /// The job it was about, when it could be read.
    pub job: Option<Job>,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl error::Error for BadRequest {}

/// Reads the request as sshd passes it; `None` is a login without a command.
///
/// sshd(8): with `command=` the client's command, or the name of the subsystem it requested
/// ("internal-sftp"), is in SSH_ORIGINAL_COMMAND. It is split at single blanks; there is no
/// quoting, for nothing in it may need any.
///
/// # Errors
/// It is not exactly one of the seven requests.
pub fn parse(command: Option<&[u8]>) -> Result<GateRequest, BadRequest> {
    let Some(command) = command.filter(|command| !command.is_empty()) else {
        return bad("no command: this key is for the gate's seven words, not for a login");
    };
    if command.len() > LONGEST {
        return bad("the request is longer than any that can be right");
    }
    let Some(text) = std::str::from_utf8(command).ok().filter(|text| text.is_ascii()) else {
        return bad("the request is not plain ASCII");
    };
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["repair", name, job] => {
            let name = parse_name(name).map_err(|e| BadRequest { job: Job::new(job), ..e })?;
            Ok(GateRequest::Repair(name, parse_job(job)?))
        }
        ["diagnose", name] => parse_name(name).map(GateRequest::Diagnose),
        ["ready", name] => parse_name(name).map(GateRequest::Ready),
        ["status", job] => parse_job(job).map(GateRequest::Status),
        ["usage"] => Ok(GateRequest::Usage),
        ["list"] => Ok(GateRequest::List),
        ["version"] => Ok(GateRequest::Version),
        _ => bad("it must be one of: repair NAME JOB, diagnose NAME, ready NAME, usage, \
                  status JOB, list, version"),
    }
}

fn bad<T>(text: &str) -> Result<T, BadRequest> {
    Err(BadRequest { text: text.to_owned(), job: None })
}

fn parse_name(word: &str) -> Result<Name, BadRequest> {
    let wrong = "that is not the name of a repair: 1 to 64 letters, digits, '_' or '-'";
    Name::new(word).map_or_else(|| bad(wrong), Ok)
}

fn parse_job(word: &str) -> Result<Job, BadRequest> {
    let wrong = "that is not a job ID: 8 to 64 letters, digits, '_' or '-'";
    Job::new(word).map_or_else(|| bad(wrong), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<GateRequest, BadRequest> {
        parse(Some(text.as_bytes()))
    }

    #[test]
    fn understands_the_seven_requests() {
        let (name, job) = (Name::new("httpd").unwrap(), Job::new("20261123-4f3a").unwrap());
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
    fn refuses_a_bad_name_with_the_job_beside_it() {
        assert_eq!(read("repair ../x 20261123-4f3a").unwrap_err().job, Job::new("20261123-4f3a"));
        assert_eq!(read("repair httpd short").unwrap_err().job, None);
    }

    #[test]
    fn refuses_no_command_and_a_megabyte() {
        assert!(parse(None).is_err());
        assert!(parse(Some(b"")).is_err());
        assert!(parse(Some(&vec![b'a'; 1 << 20])).is_err());
        assert!(parse(Some("list ".repeat(200_000).as_bytes())).is_err());
    }

    proptest! {
        #[test]
        fn understands_exactly_the_words_of_the_request(
            bytes in prop::collection::vec(any::<u8>(), 0..300)
        ) {
            if let Ok(request) = parse(Some(&bytes)) {
                prop_assert_eq!(written(&request).into_bytes(), bytes);
            }
        }

        #[test]
        fn refuses_anything_around_or_inside_a_request(
            at in 0usize..27, what in "[^A-Za-z0-9_-]|  |[^ -~]{1,3}"
        ) {
            let good = "repair httpd 20261123-4f3a";
            let at = at.min(good.len());
            let bad = format!("{}{what}{}", &good[..at], &good[at..]);
            prop_assert!(read(&bad).is_err(), "{:?}", bad);
        }

        #[test]
        fn understands_every_well_formed_request(
            name in "[A-Za-z0-9][A-Za-z0-9_-]{0,63}", job in "[A-Za-z0-9][A-Za-z0-9_-]{7,63}"
        ) {
            let words = [("repair", format!("{name} {job}")), ("diagnose", name), ("status", job)];
            for text in words.map(|(word, rest)| format!("{word} {rest}")) {
                prop_assert_eq!(read(&text).map(|r| written(&r)), Ok(text));
            }
        }
    }

    fn written(request: &GateRequest) -> String {
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
