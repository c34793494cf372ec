//! Tests with servers that pose as Icinga 2's API, or that send hostile answers. The tests in
//! tests/icinga2 use the real Icinga 2.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use std::{fs, thread};

use engine::{ApiError, Engine, Icinga2};
use policy::{Event, ObjectNow, ObjectState, StateType};
use policy_file::Icinga2Api;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tempfile::TempDir;

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A server with a self-signed certificate.
struct ApiServer {
    directory: TempDir,
    port: u16,
    /// The requests that the server has received.
    requests: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Starts a server that passes each connection to `answer` after it has received the request.
    fn start(answer: impl Fn(&mut Stream) + Send + 'static) -> ApiServer {
        let directory = tempfile::tempdir().unwrap();
        let config = Arc::new(tls(directory.path()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(tls, stream.unwrap());
                let mut bytes = [0; 4096];
                let mut request = String::new();
                // Every request ends with a JSON object.
                while !request.ends_with('}') {
                    let Ok(read @ 1..) = stream.read(&mut bytes) else { break };
                    request += &String::from_utf8_lossy(&bytes[..read]);
                }
                if request.is_empty() {
                    continue;
                }
                received.lock().unwrap().push(request);
                answer(&mut stream);
            }
        });
        ApiServer { directory, port, requests }
    }

    /// Returns the settings for this server, with a password.
    fn api(&self) -> Icinga2Api {
        let password_file = self.directory.path().join("password");
        fs::write(&password_file, "secret\n").unwrap();
        fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600)).unwrap();
        Icinga2Api {
            url: format!("https://localhost:{}", self.port),
            user: "selfheal".into(),
            password_file,
            ca: self.certificate(),
        }
    }

    fn certificate(&self) -> PathBuf {
        self.directory.path().join("crt")
    }
}

/// Creates a certificate for localhost, and returns the configuration of a server that uses it.
fn tls(directory: &Path) -> ServerConfig {
    let [key, certificate] = ["key", "crt"].map(|name| directory.join(name));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
    ]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]);
    openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-days", "2", "-keyout"]);
    let done = openssl.arg(&key).arg("-out").arg(&certificate).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate).unwrap()],
            PrivateKeyDer::from_pem_file(key).unwrap(),
        )
        .unwrap()
}

fn within(time: Duration) -> Instant {
    Instant::now() + time
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn sends_the_password_only_to_trusted_servers() {
    let answer = "{\"results\": [{\"permissions\": [], \"version\": \"r2\"}]}";
    let server = ApiServer::start(move |stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
        let _ = stream.write_all((head + answer).as_bytes());
    });
    let other = ApiServer::start(|_| ());
    let api = Icinga2Api { ca: other.certificate(), ..server.api() };
    let refused = Icinga2::new(&api, None).user(within(LONG)).unwrap_err();
    assert!(matches!(refused, ApiError::Untrusted { .. }), "{refused}");
    // The certificate is valid only for the name localhost.
    let url = server.api().url.replace("localhost", "127.0.0.1");
    let api = Icinga2Api { url, ..server.api() };
    let refused = Icinga2::new(&api, None).user(within(LONG)).unwrap_err();
    assert!(matches!(refused, ApiError::Untrusted { .. }), "{refused}");
    assert_eq!(server.requests.lock().unwrap().len(), 0);

    let api = server.api();
    assert_eq!(Icinga2::new(&api, None).user(within(LONG)).unwrap().version, "r2");
    let requests = server.requests.lock().unwrap();
    assert!(requests[0].contains(" Basic c2VsZmhlYWw6c2VjcmV0\r\n"), "{requests:?}");
}

#[test]
fn follows_no_redirect() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let server = ApiServer::start(move |stream| {
        let head = format!("HTTP/1.1 307 Moved\r\nLocation: https://localhost:{port}/v1\r\n");
        let _ = stream.write_all((head + "Content-Length: 0\r\n\r\n").as_bytes());
    });
    let api = server.api();
    let refused = Icinga2::new(&api, None).user(within(LONG)).unwrap_err();
    assert!(matches!(refused, ApiError::Status { status: 307, .. }), "{refused}");
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn limits_the_size_of_answers() {
    let server = ApiServer::start(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"results\": [");
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    let api = server.api();
    let refused = Icinga2::new(&api, None).user(within(LONG)).unwrap_err();
    assert!(refused.to_string().contains("longer than 16777216 bytes"), "{refused}");
}

#[test]
fn gives_up_at_the_deadline() {
    let server = ApiServer::start(|stream| {
        while stream.write_all(b"HTTP/1.1 200 OK\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
            let _ = stream.flush();
        }
    });
    let api = server.api();
    let begun = Instant::now();
    let late = Icinga2::new(&api, None).user(within(Duration::from_millis(500))).unwrap_err();
    assert!(matches!(late, ApiError::Unreachable { .. }), "{late}");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
}

#[test]
fn cleans_texts_of_errors() {
    let server = ApiServer::start(|stream| {
        let text = format!("{{\"status\": \"\\u001b[31m\\n{}\"}}", "x".repeat(9000));
        let head = format!("HTTP/1.1 503 Busy\r\nContent-Length: {}\r\n\r\n", text.len());
        let _ = stream.write_all((head + &text).as_bytes());
    });
    let api = server.api();
    let refused = Icinga2::new(&api, None).user(within(LONG)).unwrap_err().to_string();
    assert!(refused.contains("answers 503 to /v1") && refused.len() < 400, "{refused}");
    assert!(!refused.contains(char::is_control), "{refused:?}");
}

/// Returns what the engine observes if the API reports this state for web1/HTTP. The time of the
/// last check is long ago, as if the clock of the node that ran it were behind.
fn observed(state: u8, joins: &'static str) -> Result<ObjectNow, String> {
    let server = ApiServer::start(move |stream| {
        let row = format!(
            "{{\"attrs\": {{\"name\": \"HTTP\", \"host_name\": \"web1\", \"state\": {state}, \
             \"last_reachable\": false, \"state_type\": 1, \"check_attempt\": 1, \
             \"max_check_attempts\": 4, \"last_check\": 100, \"next_check\": 200, \
             \"last_state_change\": 100, \"last_hard_state_change\": 100, \"last_state_ok\": 50, \
             \"acknowledgement\": 0, \"flapping\": false, \"downtime_depth\": 0, \
             \"enable_event_handler\": true, \"vars\": null}}, \"joins\": {joins}}}"
        );
        let body = format!("{{\"results\": [{row}]}}");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = stream.write_all((head + &body).as_bytes());
    });
    let api = server.api();
    let event = Event::new("web1", Some("HTTP"), ObjectState::Critical, StateType::Hard, 1);
    let seen = Icinga2::new(&api, None).look_again(&event, SystemTime::now(), within(LONG));
    seen.map(Option::unwrap).map_err(|why| why.to_string())
}

const HOST: &str = r#"{"host": {"name": "web1", "state": 0, "last_reachable": true,
    "downtime_depth": 1}}"#;

#[test]
fn sees_recoveries_even_if_the_clock_of_the_checking_node_is_behind() {
    assert_eq!(observed(0, HOST).unwrap().state, Some(ObjectState::Ok));
    let broken = observed(2, HOST).unwrap();
    assert_eq!((broken.state, broken.host_downtime, broken.unreachable), (None, true, true));
}

#[test]
fn refuses_services_whose_host_is_hidden() {
    for joins in ["{}", "{\"host\": null}"] {
        let refused = observed(2, joins).unwrap_err();
        assert!(refused.contains("does not permit objects/query/Host for web1"), "{refused}");
    }
}

/// On a large site, the custom variables of all hosts can exceed the maximum size of an answer. The
/// engine must therefore not request them for objects that have not opted in.
#[test]
fn requests_custom_variables_only_of_objects_that_opted_in() {
    let server = ApiServer::start(|stream| {
        let body = "{\"results\": []}";
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ";
        let _ = stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes());
    });
    let api = server.api();
    Icinga2::new(&api, None).objects(within(LONG)).unwrap();
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 3, "{requests:?}");
    for request in requests.iter() {
        assert!(!request.contains("\"vars\"") || request.contains(".vars.repair"), "{request}");
    }
}
