//! Parses a server's requests. There are seven requests, and the gate refuses any other input
//! before it does anything else. This module does not use files, clocks or processes.

use std::{error, fmt};

/// Maximum length of a request in bytes. The longest valid request is 136 bytes long.
const LONGEST: usize = 256;

/// An identifier of `SHORTEST` to 64 characters from `[A-Za-z0-9_-]`. The first character is a
/// letter or digit. An identifier therefore has no special meaning in a shell or a path and is
/// never mistaken for an option.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identifier<const SHORTEST: usize>(String);

/// The name of a repair, which is its key in repairs.json.
pub type Name = Identifier<1>;

/// The ID of one run. A repeated request with the same ID does not run the repair again. The ID is
/// also used as a file name.
pub type Job = Identifier<8>;

impl<const SHORTEST: usize> Identifier<SHORTEST> {
    /// Returns the identifier, or `None` if `text` is not a valid one.
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

impl Job {
    /// Returns the ID of a run that no server has requested. `millis` is the current time in
    /// milliseconds since 1970, and `process` is the ID of this process.
    pub fn local(millis: u64, process: u32) -> Job {
        Identifier(format!("local-{millis}-{process}"))
    }
}

impl<const SHORTEST: usize> fmt::Display for Identifier<SHORTEST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request from a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateRequest {
    /// `repair NAME JOB`: run the repair, unless the job is already known.
    Repair(Name, Job),
    /// `diagnose NAME`: run the repair's `diagnose` commands, which change nothing.
    Diagnose(Name),
    /// `ready NAME`: report whether the repair would run now, without running it.
    Ready(Name),
    /// `usage`: report how much of its limits each repair has used.
    Usage,
    /// `status JOB`: report the state of the job.
    Status(Job),
    /// `list`: report the names of the repairs.
    List,
    /// `version`: report the version of the gate.
    Version,
}

/// Why a request could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// Message for the server that explains what is wrong with the request.
    pub text: String,
    /// The request's job ID if it is valid, so that the server can tell which request was refused.
    pub job: Option<Job>,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl error::Error for BadRequest {}

/// Parses the value of SSH_ORIGINAL_COMMAND. It is `None` if the client logged in without a
/// command.
///
/// With `command=`, sshd sets this variable to the client's command, or to the name of the
/// requested subsystem ("internal-sftp"), see sshd(8). Words are separated by single spaces. There
/// is no quoting, because no valid word needs it.
///
/// # Errors
/// Fails if the command is not exactly one of the seven requests.
pub fn parse(command: Option<&[u8]>) -> Result<GateRequest, BadRequest> {
    let Some(command) = command.filter(|command| !command.is_empty()) else {
        return bad(
            "the request is missing: with this key, a client can only send requests to the gate",
        );
    };
    if command.len() > LONGEST {
        return bad("the request is too long to be valid");
    }
    let Some(text) = std::str::from_utf8(command).ok().filter(|text| text.is_ascii()) else {
        return bad("the request must contain only ASCII characters");
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
        _ => bad("the request must be one of: repair NAME JOB, diagnose NAME, ready NAME, usage, \
                  status JOB, list, version"),
    }
}

fn bad<T>(text: &str) -> Result<T, BadRequest> {
    Err(BadRequest { text: text.to_owned(), job: None })
}

fn parse_name(word: &str) -> Result<Name, BadRequest> {
    let wrong = "invalid repair name: it must have 1 to 64 letters, digits, '_' or '-'";
    Name::new(word).map_or_else(|| bad(wrong), Ok)
}

fn parse_job(word: &str) -> Result<Job, BadRequest> {
    let wrong = "invalid job ID: it must have 8 to 64 letters, digits, '_' or '-'";
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
    fn parses_all_seven_requests() {
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
    fn refusal_of_invalid_name_has_the_job_id() {
        assert_eq!(read("repair ../x 20261123-4f3a").unwrap_err().job, Job::new("20261123-4f3a"));
        assert_eq!(read("repair httpd short").unwrap_err().job, None);
    }

    #[test]
    fn id_of_local_run_is_valid() {
        for id in [Job::local(0, 0), Job::local(u64::MAX, u32::MAX)] {
            assert_eq!(Job::new(id.as_str()), Some(id));
        }
    }

    #[test]
    fn refuses_empty_and_huge_requests() {
        assert!(parse(None).is_err());
        assert!(parse(Some(b"")).is_err());
        assert!(parse(Some(&vec![b'a'; 1 << 20])).is_err());
        assert!(parse(Some("list ".repeat(200_000).as_bytes())).is_err());
    }

    proptest! {
        #[test]
        fn accepted_bytes_equal_the_canonical_request(
            bytes in prop::collection::vec(any::<u8>(), 0..300)
        ) {
            if let Ok(request) = parse(Some(&bytes)) {
                prop_assert_eq!(written(&request).into_bytes(), bytes);
            }
        }

        #[test]
        fn refuses_request_with_inserted_characters(
            at in 0usize..27, what in "[^A-Za-z0-9_-]|  |[^ -~]{1,3}"
        ) {
            let good = "repair httpd 20261123-4f3a";
            let at = at.min(good.len());
            let bad = format!("{}{what}{}", &good[..at], &good[at..]);
            prop_assert!(read(&bad).is_err(), "{:?}", bad);
        }

        #[test]
        fn parses_every_well_formed_request(
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
