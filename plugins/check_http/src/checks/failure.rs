//! The verdicts where there is no page to judge. Pure.

use std::time::Duration;

use plugin_kit::{Outcome, State};

use super::response::{Times, linked, perfdata};
use crate::fault::Fault;
use crate::http::connection::exchange::Page;
use crate::http::redirect::Nowhere;
use crate::http::target::Place;
use crate::spec::Wish;

/// The verdict when no page came.
pub fn fault(wish: &Wish, place: &Place, fault: &Fault, elapsed: Duration) -> Outcome {
    let outcome = described(wish, place, fault);
    if !wish.show.always_perfdata {
        return outcome;
    }
    let times = Times { total: elapsed, ..Times::default() };
    perfdata(wish, &Page::default(), times).into_iter().take(2).fold(outcome, Outcome::perfdata)
}

fn described(wish: &Wish, place: &Place, fault: &Fault) -> Outcome {
    let critical = |line: String| Outcome::new(State::Critical, linked(wish, line));
    const NO_SOCKET: &str = "HTTP CRITICAL - Unable to open TCP socket";
    match fault {
        Fault::Timeout => {
            let seconds = wish.timeout.unwrap_or_default().as_secs();
            let state = wish.timeout_state;
            Outcome::new(
                state,
                linked(wish, format!("{state} - Socket timeout after {seconds} seconds")),
            )
        }
        Fault::Name(why) => critical((*why).into()).line(NO_SOCKET),
        Fault::Connect(why) => match place.socket_path() {
            Some(path) => critical(format!("connect to file socket {path}: {why}")),
            None => critical(format!(
                "connect to address {} and port {}: {why}",
                place.address, place.port
            )),
        }
        .line(NO_SOCKET),
        // A CRITICAL would have a healthy server repaired.
        Fault::Starved(why) => Outcome::new(
            State::Unknown,
            format!(
                "HTTP UNKNOWN - {why}: the server was not looked at; raise this plugin's limits"
            ),
        ),
        Fault::Tls(tls) => critical("CRITICAL - Cannot make SSL connection.".into()).line(&tls.why),
        Fault::Untrusted(tls) => critical(format!(
            "CRITICAL - Certificate of '{}' is not to be trusted: {}",
            place.name(),
            tls.why
        )),
        Fault::Client(what) => critical(format!("CRITICAL - {what}")),
        Fault::File(why) => {
            Outcome::new(State::Unknown, linked(wish, format!("HTTP UNKNOWN - {why}")))
        }
        Fault::NoData => critical("HTTP CRITICAL - No data received from host".into()),
        Fault::Receive(_) => critical("HTTP CRITICAL - Error on receive".into()),
        Fault::Endless(what) => critical(format!("HTTP CRITICAL - {what}")),
    }
}

/// The verdict on a redirect that leads nowhere.
pub fn nowhere(wish: &Wish, Nowhere(state, text): &Nowhere) -> Outcome {
    Outcome::new(*state, linked(wish, format!("HTTP {state} - {text}")))
}

/// The verdict when there is no end of redirects.
pub fn too_deep(wish: &Wish, place: &Place) -> Outcome {
    let line = format!(
        "HTTP WARNING - maximum redirection depth {} exceeded - {}",
        wish.max_redirects,
        place.shown()
    );
    Outcome::new(State::Warning, linked(wish, line))
}
