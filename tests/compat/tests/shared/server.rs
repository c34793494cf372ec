//! A server that answers over both HTTP and HTTPS on one port.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use tempfile::TempDir;

use crate::support::{self, Run};

const PAGE: &str = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    Last-Modified: Sun, 06 Nov 1994 07:49:37 GMT\r\n\
                    Content-Length: 5\r\n\r\ntext\n";
/// First byte of a TLS handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;
/// Files that arguments can name, beside those with certificates and keys.
const FILES: [(&str, &str); 2] = [
    ("file.ini", "[section]\nurl=/ini\n[empty]\n[two]\nstring=text\n"),
    ("headers", "X-Token: secret\n"),
];

/// What the server sends on one connection.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The pieces of the answer. The server pauses between two pieces.
    pub pieces: Vec<Vec<u8>>,
    /// Whether the server keeps the connection open after the last piece.
    pub stalls: bool,
}

/// The replies to the next requests, and the requests that have arrived.
#[derive(Default)]
struct Dialogue {
    replies: Vec<Reply>,
    requests: Vec<String>,
}

impl Dialogue {
    /// Records a request and returns the reply. After all replies, returns the last one again.
    fn next(&mut self, request: String) -> Reply {
        let reply = self.replies.get(self.requests.len()).or(self.replies.last());
        self.requests.push(request);
        reply.cloned().unwrap_or_default()
    }
}

/// A server, the requests that it has received, and every file that an argument can name.
pub struct Lab {
    port: String,
    dialogue: Arc<Mutex<Dialogue>>,
    folder: TempDir,
}

impl Lab {
    /// Starts a server that always answers with the same page.
    pub fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = ("client.crt", "client.key");
        openssl(folder.path(), &["-out", certificate, "-keyout", key]);
        std::fs::copy(folder.path().join(certificate), folder.path().join("ca.pem")).unwrap();
        for (name, text) in FILES {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(folder.path().join(certificate)).unwrap()],
                PrivateKeyDer::from_pem_file(folder.path().join(key)).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let page = Reply { pieces: vec![PAGE.into()], stalls: false };
        let dialogue = Dialogue { replies: vec![page], requests: vec![] };
        let dialogue = Arc::new(Mutex::new(dialogue));
        let (config, shared) = (Arc::new(config), Arc::clone(&dialogue));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (config, dialogue) = (Arc::clone(&config), Arc::clone(&shared));
                std::thread::spawn(move || serve(connection.unwrap(), &config, &dialogue));
            }
        });
        Lab { port, dialogue, folder }
    }

    /// Runs a program with a command line in the form of `lists`. Returns how it ended, and the
    /// requests that the server received. Words that differ between runs are replaced.
    pub fn run(&self, program: &Path, line: &str) -> (Run, Vec<String>) {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| if word == "''" { String::new() } else { word.replace('_', " ") })
            .collect();
        self.run_words(program, &words)
    }

    /// Lets the server answer the first request with the first of `replies`, and so on. `PORT`
    /// stands for the server's port.
    pub fn script(&self, replies: &[Reply]) {
        let with_port = |piece: &Vec<u8>| {
            let text: String = piece.iter().copied().map(char::from).collect();
            text.replace("PORT", &self.port).chars().map(|c| c as u8).collect()
        };
        let replies = replies
            .iter()
            .map(|reply| Reply {
                pieces: reply.pieces.iter().map(with_port).collect(),
                stalls: reply.stalls,
            })
            .collect();
        self.dialogue.lock().unwrap().replies = replies;
    }

    /// Runs a program like [`Lab::run`], with the words of a command line. `BYTE` stands for a byte
    /// that is not valid UTF-8.
    pub fn run_words(&self, program: &Path, words: &[String]) -> (Run, Vec<String>) {
        let directory = self.folder.path().to_str().unwrap();
        let words: Vec<OsString> = words
            .iter()
            .map(|word| word.replace("PORT", &self.port).replace("DIR", directory))
            .map(|word| {
                let parts: Vec<_> = word.split("BYTE").map(str::as_bytes).collect();
                OsString::from_vec(parts.join(&0xe9))
            })
            .collect();
        self.dialogue.lock().unwrap().requests.clear();
        let mut run = support::run(program, &words);
        run.text = self.unnamed(&run.text);
        let requests = std::mem::take(&mut self.dialogue.lock().unwrap().requests);
        (run, requests.iter().map(|request| self.unnamed(request)).collect())
    }

    fn unnamed(&self, text: &str) -> String {
        let ours = format!("v{0} (nagios-selfheal {0})", env!("CARGO_PKG_VERSION"));
        let text = text.replace(&self.port, "PORT").replace(&ours, "VERSION");
        text.replace("v2.3.3 (monitoring-plugins 2.3.3)", "VERSION")
    }
}

fn openssl(folder: &Path, files: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "60", "-subj", "/CN=localhost"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
        .args(files)
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .expect("openssl must be installed");
    assert!(made.success());
}

/// Answers one request.
fn serve(mut connection: TcpStream, config: &Arc<ServerConfig>, dialogue: &Mutex<Dialogue>) {
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    connection.set_nodelay(true).unwrap();
    let mut first = [0];
    if connection.peek(&mut first).unwrap_or(0) == 0 {
        return;
    }
    if first == [HANDSHAKE] {
        let mut tls = ServerConnection::new(Arc::clone(config)).unwrap();
        answer(&mut Stream::new(&mut tls, &mut connection), dialogue);
        tls.send_close_notify();
        let _ = tls.write_tls(&mut connection);
    } else {
        answer(&mut connection, dialogue);
    }
    // Read the remaining input. Otherwise closing the connection would reset it, and the client
    // could lose the answer.
    let _ = connection.shutdown(Shutdown::Write);
    let _ = connection.set_read_timeout(Some(Duration::from_millis(200)));
    let _ = connection.read_to_end(&mut Vec::new());
}

fn answer(stream: &mut (impl Read + Write), dialogue: &Mutex<Dialogue>) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_complete(&String::from_utf8_lossy(&request)) {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    let reply = dialogue.lock().unwrap().next(String::from_utf8_lossy(&request).into_owned());
    for (at, piece) in reply.pieces.iter().enumerate() {
        if at > 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = stream.write_all(piece).and_then(|()| stream.flush());
    }
    if reply.stalls {
        let _ = stream.read(&mut piece);
    }
}

/// Whether a request has arrived with its whole body.
fn is_complete(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.split("\r\nContent-Length: ").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
