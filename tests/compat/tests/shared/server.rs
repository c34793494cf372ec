//! A server that answers over both HTTP and HTTPS on one port.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
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
                    Last-Modified: Sun, 06 Nov 1994 07:49:37 GMT\r\nContent-Length: 5\r\n\r\ntext\n";
/// First byte of a TLS handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// A server, the requests that it has received, and every file that an argument can name.
pub struct Lab {
    port: String,
    requests: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

impl Lab {
    pub fn new() -> Lab {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = ("client.crt", "client.key");
        openssl(folder.path(), &["-out", certificate, "-keyout", key]);
        std::fs::copy(folder.path().join(certificate), folder.path().join("ca.pem")).unwrap();
        std::fs::write(folder.path().join("file.ini"), "[section]\nurl=/ini\n").unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(folder.path().join(certificate)).unwrap()],
                PrivateKeyDer::from_pem_file(folder.path().join(key)).unwrap(),
            )
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (config, received) = (Arc::new(config), Arc::clone(&requests));
        std::thread::spawn(move || {
            // A program under test has only one connection at a time.
            for connection in listener.incoming() {
                received.lock().unwrap().extend(serve(connection.unwrap(), &config));
            }
        });
        Lab { port, requests, folder }
    }

    /// Runs a program with a command line in the form of `lists`. Returns how it ended, and the
    /// requests that the server received. Words that differ between runs are replaced.
    pub fn run(&self, program: &Path, line: &str) -> (Run, Vec<String>) {
        let directory = self.folder.path().to_str().unwrap();
        let words: Vec<String> = line
            .split(' ')
            .map(|word| if word == "''" { String::new() } else { word.replace('_', " ") })
            .map(|word| word.replace("PORT", &self.port).replace("DIR", directory))
            .collect();
        self.requests.lock().unwrap().clear();
        let mut run = support::run(program, &words);
        run.text = self.unnamed(&run.text);
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
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

/// Answers one request. Returns the request, or `None` if there was none.
fn serve(mut connection: TcpStream, config: &Arc<ServerConfig>) -> Option<String> {
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut first = [0];
    if connection.peek(&mut first).ok()? == 0 {
        return None;
    }
    if first == [HANDSHAKE] {
        let mut tls = ServerConnection::new(Arc::clone(config)).unwrap();
        let request = answer(&mut Stream::new(&mut tls, &mut connection));
        tls.send_close_notify();
        let _ = tls.write_tls(&mut connection);
        request
    } else {
        answer(&mut connection)
    }
}

fn answer(stream: &mut (impl Read + Write)) -> Option<String> {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && (!head.contains("Content-Length") || !body.is_empty())
        {
            break;
        }
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&piece[..count]),
        }
    }
    let _ = stream.write_all(PAGE.as_bytes());
    let _ = stream.flush();
    Some(String::from_utf8_lossy(&request).into_owned())
}
