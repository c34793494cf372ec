//! Sends a request and reads its response, using ureq as the HTTP client.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use super::stream::ByteStream;
use super::transport::{LARGE_PIECE, PIECE, RawTransport};
use crate::fault::Fault;
use crate::http::decompression::decompress;
use crate::http::request::HttpRequest;
use crate::http::response::{BodyEnd, MAX_KEPT, Response, ResponseMeta, blank_nuls};
use crate::pattern::body_search::BodySearch;

/// Sends `request` and reads the response. `search` searches the body while it arrives.
pub fn exchange(
    stream: Box<dyn ByteStream>,
    request: HttpRequest,
    mut search: BodySearch<'_>,
) -> Result<Response, Fault> {
    let (keep_body, decompressed) = (request.keep_body, request.decompress);
    let meta = Arc::new(Mutex::new(ResponseMeta::default()));
    let transport = RawTransport::new(stream, request, Arc::clone(&meta));
    let mut response = Response::default();
    let mut at_the_start = true;
    let result = read_body(transport, |piece| {
        let mut piece = piece;
        if at_the_start && !meta.lock().unwrap_or_else(PoisonError::into_inner).chunked {
            piece = without_leading_newlines(piece);
            at_the_start = piece.is_empty();
        }
        match decompressed {
            Some(limit) => {
                response.searched =
                    Some(limit).filter(|limit| response.body.len() + piece.len() > *limit);
                keep(&mut response.body, piece, limit);
            }
            None => {
                blank_nuls(piece);
                search.feed(piece);
                if keep_body {
                    keep(&mut response.body, piece, MAX_KEPT);
                }
            }
        }
    });
    let mut meta = meta.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(fault) = meta.fault.take() {
        return Err(fault);
    }
    result.map_err(|why| Fault::Receive(why.to_string()))?;
    response.meta = std::mem::take(&mut meta);
    if let Some(limit) = decompressed {
        match decompress(&response.meta.head, &response.body, limit) {
            Ok(None) => {}
            Ok(Some(plain)) => {
                response.searched = plain.cut.then_some(limit).or(response.searched);
                response.body = plain.body;
            }
            Err(_) => response.damaged = response.meta.end == BodyEnd::Complete,
        }
        blank_nuls(&mut response.body);
        search.feed(&response.body);
    }
    response.matches = search.end();
    Ok(response)
}

/// Removes newlines from the first piece of a body. monitoring-plugins ignores blank lines before
/// the body, and a check such as `-l -r '^<'` relies on that.
fn without_leading_newlines(piece: &mut [u8]) -> &mut [u8] {
    let newlines = piece.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    piece.get_mut(newlines..).unwrap_or_default()
}

fn keep(body: &mut Vec<u8>, piece: &[u8], limit: usize) {
    let room = limit.saturating_sub(body.len());
    body.extend_from_slice(piece.get(..room).unwrap_or(piece));
}

/// Runs ureq on `transport` and passes each piece of the body to `take`.
fn read_body(transport: RawTransport, mut take: impl FnMut(&mut [u8])) -> Result<(), ureq::Error> {
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .max_idle_connections(0)
        .build();
    let connector = OpenConnector(Mutex::new(Some(transport)));
    let agent = Agent::with_parts(config, connector, NoResolver);
    // The URL is irrelevant, because the transport is already connected and sends our own request.
    let response = agent.get("http://peer/").call()?;
    let mut body = response.into_body().into_reader();
    let mut piece = vec![0; PIECE];
    loop {
        let count = body.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        take(piece.get_mut(..count).unwrap_or_default());
        if count == piece.len() {
            piece.resize(LARGE_PIECE, 0);
        }
    }
}

/// A connector that returns an already connected transport.
#[derive(Debug)]
struct OpenConnector(Mutex<Option<RawTransport>>);

impl Connector<()> for OpenConnector {
    type Out = RawTransport;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<RawTransport>, ureq::Error> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// A resolver that returns no address, because the transport is already connected.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}
