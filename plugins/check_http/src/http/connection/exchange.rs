//! Sends a request and reads its response.

use std::io::ErrorKind;
use std::time::Instant;

use super::reader::ResponseReader;
use super::stream::ByteStream;
use crate::fault::Fault;
use crate::http::decompression::decompress;
use crate::http::framing::{BodyEnd, Framing};
use crate::http::request::HttpRequest;
use crate::http::response::{MAX_KEPT, Response, blank_nuls, leading_newlines};
use crate::pattern::body_search::BodySearch;

/// Sends `request`, reads the response and closes the connection. `search` searches the body while
/// it arrives.
///
/// # Errors
/// Fails if the time limit is reached or if there is no response. A response that is cut off is not
/// an error.
pub fn exchange(
    mut stream: Box<dyn ByteStream>,
    request: &HttpRequest,
    search: BodySearch<'_>,
) -> Result<Response, Fault> {
    let response = send_and_receive(&mut *stream, request, search);
    stream.close();
    response
}

fn send_and_receive(
    stream: &mut dyn ByteStream,
    request: &HttpRequest,
    mut search: BodySearch<'_>,
) -> Result<Response, Fault> {
    let start = Instant::now();
    send(stream, &request.bytes)?;
    let sent = Instant::now();
    let mut reader = ResponseReader::new(stream, sent);
    reader.meta.sending = sent.saturating_duration_since(start);
    let body_start = reader.read_head()?;
    let mut response = Response::default();
    if !request.head_only {
        let mut framing = reader.meta.head.framing(&request.method);
        let mut is_start = !matches!(framing, Framing::Chunked(_));
        reader.read_body(&mut framing, body_start, |piece| {
            let mut piece = piece;
            if is_start {
                piece = without_leading_newlines(piece);
                is_start = piece.is_empty();
            }
            take(&mut response, piece, request, &mut search);
        })?;
    }
    response.meta = reader.meta;
    // Skip an empty body. Servers announce a coding even without a body, for example in a response
    // to HEAD.
    if let Some(limit) = request.decompress.filter(|_| !response.body.is_empty()) {
        decompress_body(&mut response, limit);
        search.feed(&response.body);
    }
    response.matches = search.end();
    Ok(response)
}

/// Sends the request. Ignores errors other than a timeout. A peer can respond and close the
/// connection before it has read the whole request, and its response explains more than the error.
fn send(stream: &mut dyn ByteStream, request: &[u8]) -> Result<(), Fault> {
    match stream.write_all(request).and_then(|()| stream.flush()) {
        Err(why) if why.kind() == ErrorKind::TimedOut => Err(Fault::Timeout),
        _ => Ok(()),
    }
}

/// Searches a piece of the body, and keeps it if `request` requires that. A compressed body is kept
/// but not searched, because it must be decompressed first.
fn take(
    response: &mut Response,
    piece: &mut [u8],
    request: &HttpRequest,
    search: &mut BodySearch<'_>,
) {
    match request.decompress {
        Some(limit) => {
            if response.body.len() + piece.len() > limit {
                response.searched = Some(limit);
            }
            keep(&mut response.body, piece, limit);
        }
        None => {
            blank_nuls(piece);
            search.feed(piece);
            if request.keep_body {
                keep(&mut response.body, piece, MAX_KEPT);
            }
        }
    }
}

fn decompress_body(response: &mut Response, limit: usize) {
    let codings = response.meta.head.values("Content-Encoding");
    match decompress(&codings, &response.body, limit) {
        Ok(None) => {}
        Ok(Some(plain)) => {
            response.searched = plain.cut.then_some(limit).or(response.searched);
            response.body = plain.body;
        }
        // If the body is truncated, report only the truncation, which explains the failure.
        Err(why) => {
            response.undecodable = Some(why).filter(|_| response.meta.end == BodyEnd::Complete);
        }
    }
    blank_nuls(&mut response.body);
}

/// Removes newlines from the first piece of a body. monitoring-plugins ignores blank lines before
/// the body, and a check such as `-l -r '^<'` relies on that.
fn without_leading_newlines(piece: &mut [u8]) -> &mut [u8] {
    piece.get_mut(leading_newlines(piece)..).unwrap_or_default()
}

fn keep(body: &mut Vec<u8>, piece: &[u8], limit: usize) {
    let room = limit.saturating_sub(body.len());
    body.extend_from_slice(piece.get(..room).unwrap_or(piece));
}
