//! Connects to a target through a TCP or Unix socket, a proxy tunnel and TLS.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use crate::checks::perfdata::PhaseTimes;
use crate::deadline::Deadline;
use crate::fault::Fault;
use crate::http::connection::stream::ByteStream;
use crate::http::idn;
use crate::http::redirect::OnRedirect;
use crate::http::request::RequestRoute;
use crate::http::target::HttpTarget;
use crate::net::socket::Socket;
use crate::net::tls::{Handshake, pin};
use crate::net::{resolve, tunnel};
use crate::spec::CheckSpec;
use crate::spec::proxy::Proxy;
use crate::text;

/// Parameters that all parts of a check share.
#[derive(Clone, Copy)]
pub struct CheckContext<'a> {
    /// What to check.
    pub spec: &'a CheckSpec,
    /// Time limit for the whole run.
    pub deadline: &'a Deadline,
    /// Handshake function of the TLS library in use.
    pub handshake: Handshake,
    /// A host name and the only address to use for it (--all-addresses).
    pub pinned: Option<(&'a str, IpAddr)>,
}

/// An open connection to a target, ready for a request.
pub(super) struct OpenConnection {
    pub(super) stream: Box<dyn ByteStream>,
    /// Certificate chain in DER, which starts with the peer's own certificate. Empty without TLS.
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) times: PhaseTimes,
    /// Negotiated TLS version and cipher, or `None` without TLS.
    pub(super) agreed: Option<String>,
}

impl<'a> CheckContext<'a> {
    /// Opens a connection to `target`, including the tunnel and TLS if the target needs them.
    pub(super) fn connect(&self, target: &HttpTarget) -> Result<OpenConnection, Fault> {
        let spec = self.spec;
        let start = self.deadline.elapsed();
        let mut socket = self.socket(target)?;
        let connected = self.deadline.elapsed();
        let mut times =
            PhaseTimes { connect: connected.saturating_sub(start), ..PhaseTimes::default() };
        if spec.haproxy {
            socket
                .write_all(socket.proxy_line().as_bytes())
                .map_err(|why| Fault::Connect(text::io_error(&why)))?;
        }
        if self.route(target) == RequestRoute::Tunnel {
            tunnel::open(&mut socket, &spec.request, target)?;
        }
        if !target.tls {
            let stream = Box::new(socket);
            return Ok(OpenConnection { stream, chain: Vec::new(), times, agreed: None });
        }
        // The name is empty if -H has only a port.
        let named = spec.tls.sni && target.host.as_ref().is_some_and(|host| !host.is_empty());
        let name = if named { target.name() } else { &target.address };
        let name = HttpTarget::split_zone(HttpTarget::without_brackets(name)).0;
        let name = idn::sendable(name);
        let name = Some(&*name).filter(|_| named || spec.tls.verifies_name());
        let tls = (self.handshake)(socket, &spec.tls, name)
            .map_err(|fault| if spec.tls.sni { fault } else { fault.suggest_sni() })?;
        if self.is_origin(target) {
            pin::check(&spec.tls.pins, &tls.chain)?;
        }
        times.tls = Some(self.deadline.elapsed().saturating_sub(connected));
        let agreed = Some(tls.agreed);
        Ok(OpenConnection { stream: tls.stream, chain: tls.chain, times, agreed })
    }

    /// Whether `target` is the server that the user named, and not another one to which a redirect
    /// led.
    pub(super) fn is_origin(&self, target: &HttpTarget) -> bool {
        let spec = self.spec;
        let sticky = matches!(spec.redirect, OnRedirect::Sticky | OnRedirect::StickyPort);
        // A proxy connects to the name and ignores the address. With a proxy, the same address
        // therefore does not mean the same server.
        let connects_to_address = self.route(target) == RequestRoute::Direct;
        idn::is_same_host(target.name(), spec.target.name())
            || (sticky && connects_to_address && target.address == spec.target.address)
    }

    fn socket(&self, target: &HttpTarget) -> Result<Socket, Fault> {
        if let Some(path) = target.socket_path() {
            return Socket::connect_path(path, self.deadline);
        }
        let (name, port) = self.peer(target);
        let addresses = match self.pinned {
            Some((pinned, address)) if pinned.eq_ignore_ascii_case(name) => {
                vec![SocketAddr::new(address, port)]
            }
            _ => resolve::addresses(&idn::sendable(name), port, self.spec.family, self.deadline)?,
        };
        let socket = Socket::connect_any(&addresses, self.spec.source, self.deadline);
        socket.map_err(|fault| match (fault, self.proxy(target)) {
            (Fault::Connect(why), Some(_)) => {
                Fault::Connect(format!("{why} (at the proxy {name}:{port})"))
            }
            (fault, _) => fault,
        })
    }

    /// Returns the route that a request to `target` takes.
    pub(super) fn route(&self, target: &HttpTarget) -> RequestRoute {
        match self.proxy(target) {
            Some(_) if target.tls => RequestRoute::Tunnel,
            Some(_) => RequestRoute::Proxy,
            None if target.tunnel => RequestRoute::Tunnel,
            None => RequestRoute::Direct,
        }
    }

    /// Returns the name and port to connect to for `target`. If a proxy is used, these are the
    /// proxy's.
    pub(super) fn peer<'t>(&self, target: &'t HttpTarget) -> (&'t str, u16)
    where
        'a: 't,
    {
        self.proxy(target)
            .map_or((&target.address, target.port), |proxy| (&proxy.address, proxy.port))
    }

    /// Returns the proxy for `target`, if requests to it use one.
    fn proxy(&self, target: &HttpTarget) -> Option<&'a Proxy> {
        let proxy = self.spec.proxy.as_ref();
        proxy.filter(|proxy| {
            let name = idn::sendable(target.name());
            !target.tunnel && !proxy.bypasses(&[&name, &target.address])
        })
    }
}
