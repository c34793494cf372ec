//! TLS servers that run `openssl s_server`, and certificates for them.
#![allow(dead_code, reason = "no test program uses all of it")]

use std::ffi::OsStr;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use testkit::free_port;

use super::support::{self, Run};

/// A self-signed certificate and its key. Dropping this value removes their files.
pub struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    pub fn new(name: &str, days: u32) -> Certificate {
        Certificate::with(name, days, &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    pub fn with(name: &str, days: u32, key: &[&str]) -> Certificate {
        let certificate = Certificate { folder: tempfile::tempdir().unwrap() };
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-days",
                &days.to_string(),
                "-subj",
                &format!("/CN={name}"),
            ])
            .args(["-addext", &format!("subjectAltName=DNS:{name}")])
            .args(key)
            .args(["-out", &certificate.certificate(), "-keyout", &certificate.key()])
            .stderr(Stdio::null())
            .status()
            .expect("openssl must be installed");
        assert!(made.success());
        certificate
    }

    /// Creates a certificate without extensions. Up to version 3.1, OpenSSL creates an X.509
    /// version 1 certificate in this case.
    pub fn bare(name: &str) -> Certificate {
        let certificate = Certificate { folder: tempfile::tempdir().unwrap() };
        let config = certificate.file("config");
        std::fs::write(&config, "[req]\ndistinguished_name=name\n[name]\n").unwrap();
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-nodes",
                "-newkey",
                "rsa:2048",
                "-subj",
                &format!("/CN={name}"),
                "-config",
            ])
            .arg(config)
            .args(["-out", &certificate.certificate(), "-keyout", &certificate.key()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        certificate
    }

    /// Creates a certificate that `authority` signs. `subject` is a name or an address, in the form
    /// `DNS:name` or `IP:address`.
    pub fn signed(subject: &str, days: u32, authority: &Certificate) -> Certificate {
        let certificate = Certificate { folder: tempfile::tempdir().unwrap() };
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", &days.to_string(), "-subj", "/CN=leaf"])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args([
                "-addext",
                &format!("subjectAltName={subject}"),
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ])
            .args(["-CA", &authority.certificate(), "-CAkey", &authority.key()])
            .args(["-out", &certificate.certificate(), "-keyout", &certificate.key()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        certificate
    }

    /// Returns the SHA-256 hash of the public key in Base64.
    pub fn pin(&self) -> String {
        let script = "openssl x509 -in \"$1\" -noout -pubkey | openssl pkey -pubin -outform der | \
                      openssl dgst -sha256 -binary | openssl enc -base64";
        let made = Command::new("sh")
            .args(["-c", script, "sh", &self.certificate()])
            .output()
            .expect("openssl must be installed");
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    }

    /// Encrypts the key with `passphrase`. Returns the path of the encrypted key. Passes `options`
    /// to `openssl pkcs8`.
    pub fn encrypted_key(&self, passphrase: &str, options: &[&str]) -> String {
        let encrypted = self.file("encrypted.pem").display().to_string();
        let made = Command::new("openssl")
            .args(["pkcs8", "-topk8", "-in", &self.key(), "-out", &encrypted])
            .args(["-passout", &format!("pass:{passphrase}")])
            .args(options)
            .status()
            .expect("openssl must be installed");
        assert!(made.success());
        encrypted
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn certificate(&self) -> String {
        self.file("certificate.pem").display().to_string()
    }

    pub fn key(&self) -> String {
        self.file("key.pem").display().to_string()
    }
}

pub struct TlsServer {
    child: Child,
    pub port: u16,
}

impl TlsServer {
    pub fn new(certificate: &Certificate, options: &[&str]) -> TlsServer {
        // Another process may take the free port before the server binds it, so try several times.
        for _ in 0..20 {
            let port = free_port();
            let mut child = Command::new("openssl")
                .args(["s_server", "-quiet", "-www", "-accept", &port.to_string()])
                .args(["-cert", &certificate.certificate(), "-key", &certificate.key()])
                .args(options)
                .current_dir(certificate.folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("openssl must be installed");
            for _ in 0..200 {
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return TlsServer { child, port };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("no TLS server with {options:?}");
    }

    /// Starts a server that presents `other` instead of `certificate` to clients that send `name`
    /// in SNI.
    pub fn naming(certificate: &Certificate, name: &str, other: &Certificate) -> TlsServer {
        TlsServer::new(
            certificate,
            &["-servername", name, "-cert2", &other.certificate(), "-key2", &other.key()],
        )
    }

    /// Starts a server that sends exactly `answer` in response to a request for /page.
    pub fn saying(certificate: &Certificate, answer: &str) -> TlsServer {
        std::fs::write(certificate.file("page"), answer).unwrap();
        TlsServer::new(certificate, &["-HTTP"])
    }

    /// Runs `program` against this server.
    pub fn run(&self, program: impl AsRef<OsStr>, options: &[&str]) -> Run {
        let port = self.port.to_string();
        support::run(program, &[&["-I", "127.0.0.1", "-p", &port], options].concat())
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
