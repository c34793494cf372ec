//! Tests with an sshd that closes connections because it is busy. Both backends report the same
//! error, which quotes the server. Retries do not run a repair twice.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::{Plan, Sshd, by_openssh, fails, free_port, repair, soon};
use policy_file::HostRoute;
use rustix::net::sockopt::set_socket_linger;
use transport::{Error, while_turned_away};

/// Returns a route to a server that accepts each connection, sends `text` and then calls `end`.
fn greeted(
    sshd: &Sshd,
    text: &'static [u8],
    end: impl Fn(&TcpStream) + Send + 'static,
) -> HostRoute {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.write_all(text);
            end(&socket);
        }
    });
    HostRoute { port, ..sshd.route_with(&format!("[*]:* {}\n", sshd.host_key("ed25519"))) }
}

fn closes(_: &TcpStream) {}

/// Makes the kernel close the connection with a reset.
fn resets(socket: &TcpStream) {
    set_socket_linger(socket, Some(Duration::ZERO)).unwrap();
}

/// Occupies this sshd's only slot for clients that have not logged in.
fn hold_the_only_place(sshd: &Sshd) -> TcpStream {
    loop {
        let mut socket = TcpStream::connect(("127.0.0.1", sshd.port)).unwrap();
        let mut banner = [0; 4];
        if socket.read_exact(&mut banner).is_ok() && &banner == b"SSH-" {
            return socket;
        }
    }
}

fn both_backends(route: &HostRoute) -> [HostRoute; 2] {
    [route.clone(), by_openssh(route.clone())]
}

fn turned_away(route: &HostRoute) -> String {
    let error = fails(route, &repair());
    let text = error.to_string();
    assert!(matches!(error, Error::TurnedAway { .. }) && error.is_passing(), "{text}");
    assert!(error.nothing_was_run() && text.ends_with("nothing was run"), "{text}");
    assert!(!text.contains(char::is_control) && text.len() < 1000, "{text:?}");
    text
}

#[test]
fn quotes_a_busy_sshd_and_logs_in_on_a_later_try() {
    let sshd = Plan::new().config("MaxStartups 1:100:1").start();
    for route in both_backends(&sshd.route()) {
        let place = hold_the_only_place(&sshd);
        let text = turned_away(&route);
        assert!(
            text.contains("the host sent this unverified text: \"Exceeded MaxStartups\""),
            "{text}"
        );

        let (mut tries, mut place) = (0, Some(place));
        let deadline = soon();
        let answer = while_turned_away(deadline, || {
            tries += 1;
            if tries == 2 {
                drop(place.take());
            }
            transport::connect(&route, deadline)?.request(&repair(), deadline)
        });
        assert!(answer.is_ok() && tries > 1, "{tries} tries: {answer:?}");
    }
    assert_eq!(sshd.requests().len(), 2, "one for each backend");
}

#[test]
fn quotes_text_sent_instead_of_a_version() {
    let sshd = Plan::new().start();
    for route in both_backends(&greeted(&sshd, b"Not allowed at this time\r\n", closes)) {
        let text = turned_away(&route);
        assert!(
            text.contains("the host sent this unverified text: \"Not allowed at this time\""),
            "{text}"
        );
    }
}

#[test]
fn cleans_and_truncates_text_sent_instead_of_a_version() {
    let sshd = Plan::new().start();
    let hostile =
        b"\x1b[2Ja\"; run \"id\xe2\x80\xae\r\n\xff\r\n\r\n0123456789abcdef0123456789abcdef\
                    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\
                    0123456789abcdef0123456789abcdef";
    for route in both_backends(&greeted(&sshd, hostile, closes)) {
        assert_eq!(turned_away(&route).matches('"').count(), 2);
    }
}

#[test]
fn reports_a_connection_that_ends_without_a_version() {
    let sshd = Plan::new().start();
    for end in [closes, resets] {
        for route in both_backends(&greeted(&sshd, b"", end)) {
            let text = turned_away(&route);
            assert!(!text.contains("the host sent"), "{text}");
        }
    }
}

#[test]
fn treats_only_busy_hosts_and_jump_hosts_as_passing() {
    let jump_host = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().start();
    let anywhere = sshd.route_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")));
    let busy = greeted(&sshd, b"Exceeded MaxStartups\r\n", closes);
    let via = |jump_host: HostRoute| Some(Box::new(jump_host));
    for route in both_backends(&HostRoute { via: via(jump_host.route()), ..busy.clone() }) {
        assert!(turned_away(&route).contains("Exceeded MaxStartups"));
    }
    for route in both_backends(&HostRoute { via: via(busy), ..anywhere.clone() }) {
        turned_away(&route);
    }
    let stranger = HostRoute { user: "nobody-at-all".into(), ..jump_host.route() };
    let closed = HostRoute { port: free_port(), ..anywhere.clone() };
    for route in both_backends(&HostRoute { via: via(stranger), ..anywhere.clone() })
        .into_iter()
        .chain(both_backends(&HostRoute { via: via(jump_host.route()), ..closed }))
    {
        let error = fails(&route, &repair());
        assert!(!error.is_passing() && error.nothing_was_run(), "{error}");
    }
}

#[test]
fn retries_only_passing_errors_and_only_for_half_of_the_time() {
    let sshd = Plan::new().start();
    let busy = Error::TurnedAway { host: "web1".into(), detail: "busy".into() };
    let tries = |error: &Error, seconds| {
        let mut tries = 0;
        let deadline = Instant::now() + Duration::from_secs(seconds);
        let result = while_turned_away(deadline, || {
            tries += 1;
            Err::<(), _>(error.clone())
        });
        assert_eq!(result.unwrap_err(), *error);
        assert!(Instant::now() < deadline);
        tries
    };
    assert_eq!(tries(&busy, 2), 1);
    assert!(tries(&busy, 60) > 1);
    let stranger = HostRoute { user: "nobody-at-all".into(), ..sshd.route() };
    assert_eq!(tries(&fails(&stranger, &repair()), 60), 1);
}
