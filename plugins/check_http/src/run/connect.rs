//! The way to a place: connect, ask a proxy for a tunnel, shake hands.

use std::io::Write;
use std::net::SocketAddr;

use super::check::Looker;
use crate::checks::response::Times;
use crate::fault::Fault;
use crate::http::request::Reader;
use crate::http::target::Place;
use crate::net::resolve;
use crate::net::socket::{Socket, Stream};
use crate::net::tunnel;
use crate::spec::{Proxy, Wish};
use crate::text;

/// An open connection.
pub(super) struct Opened {
    pub(super) stream: Box<dyn Stream>,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) times: Times,
}

impl Looker<'_> {
    /// Opens the connection that `place` is asked over.
    pub(super) fn open(&mut self, place: &Place) -> Result<Opened, Fault> {
        let start = self.clock.elapsed();
        let mut socket = match place.socket_path() {
            Some(path) => Socket::to_path(path, self.clock)?,
            None => {
                let (name, port) = target(self.wish, place);
                let addresses = match &self.pinned {
                    Some((pinned, address)) if pinned.eq_ignore_ascii_case(name) => {
                        vec![SocketAddr::new(*address, port)]
                    }
                    _ => resolve::addresses(name, port, self.wish.family, self.clock)?,
                };
                Socket::to_any(&addresses, self.wish.source, self.clock).map_err(|fault| match (
                    fault,
                    proxy(self.wish, place),
                ) {
                    (Fault::Connect(why), Some(_)) => {
                        Fault::Connect(format!("{why} (at the proxy {name}:{port})"))
                    }
                    (fault, _) => fault,
                })?
            }
        };
        let connected = self.clock.elapsed();
        let mut times = Times { connect: connected.saturating_sub(start), ..Times::default() };
        if self.wish.haproxy {
            socket
                .write_all(socket.haproxy_line().as_bytes())
                .map_err(|why| Fault::Connect(text::plain(&why)))?;
        }
        if self.reader(place) == Reader::SiteBehindTunnel {
            tunnel::open(&mut socket, &self.wish.request, place)?;
        }
        if !place.tls {
            return Ok(Opened { stream: Box::new(socket), chain: Vec::new(), times });
        }
        let name = Some(Place::without_brackets(place.name()))
            .filter(|_| self.wish.tls.sni && place.host.is_some());
        let name =
            name.or(Some(place.address.as_str()).filter(|_| self.wish.tls.authorities.is_some()));
        let secured = (self.handshake)(socket, &self.wish.tls, name)?;
        times.tls = Some(self.clock.elapsed().saturating_sub(connected));
        self.tell(|| format!("TLS: {}", secured.agreed));
        Ok(Opened { stream: secured.stream, chain: secured.chain, times })
    }

    /// Who reads a request for `place` first.
    pub(super) fn reader(&self, place: &Place) -> Reader {
        match proxy(self.wish, place) {
            Some(_) if place.tls => Reader::SiteBehindTunnel,
            Some(_) => Reader::Proxy,
            None if place.tunnel => Reader::SiteBehindTunnel,
            None => Reader::Site,
        }
    }
}

/// The proxy on the way to a place.
fn proxy<'w>(wish: &'w Wish, place: &Place) -> Option<&'w Proxy> {
    wish.proxy.as_ref().filter(|proxy| !place.tunnel && !proxy.spares(place.name()))
}

/// Name and port of who is connected to on the way to a place.
pub(super) fn target<'w>(wish: &'w Wish, place: &'w Place) -> (&'w str, u16) {
    proxy(wish, place).map_or((&place.address, place.port), |proxy| (&proxy.address, proxy.port))
}
