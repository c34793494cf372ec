//! Finds the server of the database that accepts writes.
//!
//! All servers are tried at the same time. After a failover, the old primary can come back and
//! accept writes, although it lacks the newest records. The other servers then have a newer
//! timeline, which shows that the old primary must not be used.

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use policy_file::PostgresConfig;

use super::connect::{DatabaseLogin, Purpose, ServerState, local_path};
use super::session::Session;
use super::timeline::{self, Timeline};
use crate::Error;
use crate::server_fault::ServerFault;

/// How long to wait for the other servers once a server that accepts writes has answered. A server
/// that is off must not delay every repair for long.
const OTHERS_TIME: Duration = Duration::from_secs(1);

/// The answer of a server: a session and the server's state, or why the server cannot be used.
type ServerAnswer = Result<(Session, ServerState), Error>;

/// Connects to the server that accepts writes. If several servers do, uses the one with the newest
/// timeline.
///
/// # Errors
/// Returns [`Error::NoServer`] with what is wrong with each server, or [`Error::Secret`] if the
/// password or a certificate cannot be read.
pub(super) fn connect(config: &PostgresConfig, purpose: Purpose) -> Result<Session, Error> {
    let local = local_path(config);
    let remembered = timeline::remembered(&local);
    let mut answers = answers(&DatabaseLogin::new(config, purpose)?);
    let states = || answers.values().filter_map(|answer| Some(&answer.as_ref().ok()?.1));
    let timelines = states().map(|state| state.timeline.clone());
    let known: Vec<Timeline> = timelines.chain(remembered.clone()).collect();
    let is_stale =
        |state: &ServerState| known.iter().any(|newer| state.timeline.is_older_than(newer));
    let usable = states().filter(|state| state.fault.is_none() && !is_stale(state));
    let mut starts: Vec<i64> = usable.map(|state| state.started).collect();
    starts.sort_unstable();
    starts.dedup();
    let (mut found, mut others) = (None, Vec::new());
    for (n, host) in config.hosts.iter().enumerate() {
        let why = match answers.remove(&n) {
            None => ServerFault::NoAnswer(OTHERS_TIME),
            Some(Err(Error::Server { why, .. })) => why,
            Some(Err(other)) => return Err(other),
            Some(Ok((_, ServerState { fault: Some(why), .. }))) => why,
            Some(Ok((_, state))) if is_stale(&state) => ServerFault::Stale,
            Some(Ok(_)) if starts.len() > 1 => ServerFault::Rival,
            // Two hosts can be names of the same server.
            Some(Ok(_)) if found.is_some() => continue,
            Some(Ok((session, state))) => {
                found = Some((session, state.timeline));
                continue;
            }
        };
        others.push((host.to_string(), why));
    }
    if purpose == Purpose::Write {
        // A standby can show that another server has taken over, even if that server cannot be
        // reached.
        let is_newer = |timeline: &&Timeline| {
            remembered.as_ref().is_some_and(|newest| newest.is_older_than(timeline))
        };
        let newer = known.iter().filter(is_newer).max_by(|a, b| a.number.cmp(&b.number));
        let newest = found.as_ref().map(|(_, timeline)| timeline).or(newer);
        if let Some(newest) = newest.filter(|newest| remembered.as_ref() != Some(newest)) {
            timeline::remember(&local, newest)?;
        }
    }
    match found {
        Some((mut session, timeline)) => {
            (session.timeline, session.others) = (timeline, others);
            Ok(session)
        }
        None => Err(Error::NoServer { database: config.dbname.clone(), tried: others }),
    }
}

/// Connects to all servers at the same time. Returns the answers that arrived in time. The key of
/// an answer is the server's position in `hosts`.
fn answers(login: &DatabaseLogin) -> HashMap<usize, ServerAnswer> {
    let mut answers = HashMap::new();
    let (sender, received) = mpsc::channel();
    for (n, host) in login.config.hosts.iter().enumerate() {
        let (own, to, sender) = (login.clone(), host.clone(), sender.clone());
        // The thread outlives this function if its server does not answer in time.
        let connect = move || drop(sender.send((n, own.connect_to(&to))));
        if login.config.hosts.len() == 1 {
            connect();
        } else if let Err(why) = thread::Builder::new().spawn(connect) {
            answers.insert(n, Err(login.failed(host, ServerFault::NoResources(why))));
        }
    }
    drop(sender);
    let mut until: Option<Instant> = None;
    loop {
        let next = match until {
            None => received.recv().ok(),
            Some(until) => {
                received.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            }
        };
        let Some((n, answer)) = next else { return answers };
        if matches!(&answer, Ok((_, state)) if state.fault.is_none()) {
            until.get_or_insert(Instant::now() + OTHERS_TIME);
        }
        answers.insert(n, answer);
    }
}
