//! Starts a real sshd for one test on a free loopback port, with its own directory, keys and forced
//! command.
//!
//! sshd runs as the user who runs the tests, and the tests log in as that user. If sshd is not
//! installed, the tests fail.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, with the log"
)]
#![allow(dead_code, reason = "each test file uses only a part of this")]

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use policy::{JobId, RepairName};
use policy_file::{Backend, HostRoute, HostRoutes};
use tempfile::TempDir;
pub use testkit::free_port;
use testkit::set_mode;
use transport::{Answer, Error, Request};

/// A minimal gate as a shell script, which answers every request.
pub const GOOD_GATE: &str = r#"
set -f; set -- $SSH_ORIGINAL_COMMAND
case "$1" in
repair) printf 'SHN1 {"answer":"repair","host":"t","job":"%s","repair":"%s","state":"done",'\
'"exit":0,"signal":null,"seconds":0.1,"started":1,"output":["ok"]}\n' "$3" "$2";;
status) printf 'SHN1 {"answer":"status","host":"t","job":"%s","repair":"httpd","state":"running",'\
'"exit":null,"signal":null,"seconds":2,"started":1,"output":[]}\n' "$2";;
diagnose) printf 'SHN1 {"answer":"diagnose","host":"t","repair":"%s",'\
'"reports":[{"run":["/bin/df"],"exit":0,"output":["full"]}]}\n' "$2";;
list) printf 'SHN1 {"answer":"list","host":"t","repairs":["httpd","sshd"]}\n';;
version) printf 'SHN1 {"answer":"version","host":"t","version":"0.1.0"}\n';;
*) printf 'SHN1 {"answer":"refused","host":"t","reason":"bad-request","text":"no such words"}\n'
    exit 3;;
esac
"#;

/// Configuration of the sshd that a test starts.
pub struct Plan {
    host_keys: Vec<&'static str>,
    user_key: &'static str,
    passphrase: &'static str,
    options: String,
    config: String,
    gate: String,
    namespace: Option<String>,
    address: String,
}

impl Plan {
    pub fn new() -> Plan {
        Plan {
            host_keys: vec!["ed25519"],
            user_key: "ed25519",
            passphrase: "",
            options: "restrict".into(),
            config: String::new(),
            gate: GOOD_GATE.into(),
            namespace: None,
            address: "127.0.0.1".into(),
        }
    }

    /// Runs sshd in a network namespace, where it listens on `address`.
    pub fn inside(mut self, namespace: &str, address: &str) -> Plan {
        self.namespace = Some(namespace.into());
        self.address = address.into();
        self
    }

    pub fn host_keys(mut self, kinds: &[&'static str]) -> Plan {
        self.host_keys = kinds.to_vec();
        self
    }

    pub fn user_key(mut self, kind: &'static str) -> Plan {
        self.user_key = kind;
        self
    }

    pub fn passphrase(mut self, passphrase: &'static str) -> Plan {
        self.passphrase = passphrase;
        self
    }

    /// Sets the options that come before `command=` in the authorized_keys line.
    pub fn options(mut self, options: &str) -> Plan {
        self.options = options.into();
        self
    }

    /// Adds lines to sshd_config.
    pub fn config(mut self, lines: &str) -> Plan {
        self.config = lines.into();
        self
    }

    /// Sets the shell script that runs as the forced command. Each request is appended to the file
    /// `requests` before the script runs.
    pub fn gate(mut self, script: &str) -> Plan {
        self.gate = script.into();
        self
    }

    pub fn start(self) -> Sshd {
        let dir = tempfile::Builder::new().prefix("transport-sshd-").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for kind in &self.host_keys {
            keygen(kind, "", &at(&format!("host_{kind}")));
        }
        keygen(self.user_key, self.passphrase, &at("user"));
        let script = format!(
            "#!/bin/sh\ncd '{0}'; echo \"$SSH_ORIGINAL_COMMAND\" >> requests\n{1}",
            dir.path().display(),
            self.gate
        );
        fs::write(at("gate"), script).unwrap();
        set_mode(at("gate"), 0o755);
        let public = fs::read_to_string(at("user.pub")).unwrap();
        // Without exec, some login shells would keep running as the parent of the gate.
        let line = format!("{},command=\"exec {}\" {public}", self.options, at("gate").display());
        fs::write(at("authorized_keys"), line).unwrap();
        if rustix::process::geteuid().is_root() {
            // sshd needs this directory for privilege separation. It may not exist if the system's
            // sshd has not been started.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        for _ in 0..5 {
            let port = free_port();
            fs::write(at("sshd_config"), self.sshd_config(dir.path(), port)).unwrap();
            if let Some(child) = self.run(dir.path(), port) {
                return Sshd { dir, port, child, host_keys: self.host_keys, address: self.address };
            }
        }
        panic!("sshd does not start: {}", fs::read_to_string(at("log")).unwrap_or_default());
    }

    fn run(&self, dir: &Path, port: u16) -> Option<Child> {
        let log = fs::File::create(dir.join("log")).unwrap();
        let sshd =
            ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let sshd = sshd.expect("these tests need OpenSSH's sshd: install openssh-server");
        let mut command = Command::new(self.namespace.as_ref().map_or(sshd, |_| "ip"));
        if let Some(namespace) = &self.namespace {
            // `ip netns exec` replaces itself with sshd, so the child's process ID is that of sshd.
            command.args(["netns", "exec", namespace, sshd]);
        }
        let mut child = command
            .args(["-D", "-e", "-f"])
            .arg(dir.join("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = SocketAddr::new(self.address.parse().unwrap(), port);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            if let Ok(mut socket) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                // Another process may have taken the port, so check for sshd's banner.
                socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut banner = [0; 4];
                if socket.read_exact(&mut banner).is_ok() && &banner == b"SSH-" {
                    return Some(child);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }

    fn sshd_config(&self, dir: &Path, port: u16) -> String {
        let dir = dir.display();
        let keys: String =
            self.host_keys.iter().map(|kind| format!("HostKey {dir}/host_{kind}\n")).collect();
        // sshd uses the first value of an option, so the test's own lines come before the defaults.
        // MaxStartups is an exception: its last value counts. With UsePAM off, sshd treats an
        // account whose password field begins with '!' as locked, so root's field must be '*'
        // instead. SHLVL is set because a bash that sshd starts would otherwise read the user's
        // .bashrc.
        format!(
            "MaxStartups 100\n{}\nListenAddress {}\nPort {port}\n{keys}PidFile none\nUsePAM no\n\
             StrictModes no\n\
             PermitRootLogin forced-commands-only\nPasswordAuthentication \
             no\nKbdInteractiveAuthentication no\n\
             AuthorizedKeysFile {dir}/authorized_keys\nLogLevel DEBUG1\nUseDNS no\n\
             SetEnv SHLVL=9\n",
            self.config, self.address
        )
    }
}

/// Generates a key pair. `kind` is a key type for ssh-keygen. If it has the suffix "-pem", the
/// private key is written in the older PEM format.
pub fn keygen(kind: &str, passphrase: &str, file: &Path) {
    let (kind, format) = kind.strip_suffix("-pem").map_or((kind, None), |kind| (kind, Some("PEM")));
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(file);
    if kind == "rsa" {
        command.args(["-b", "2048"]);
    }
    if let Some(format) = format {
        command.args(["-m", format]);
    }
    let made = command
        .stdin(Stdio::null())
        .output()
        .expect("these tests need ssh-keygen: install openssh-client");
    assert!(
        made.status.success(),
        "ssh-keygen -t {kind}: {}",
        String::from_utf8_lossy(&made.stderr)
    );
}

/// A running sshd. Dropping it stops sshd and, if the test failed, prints its log.
pub struct Sshd {
    dir: TempDir,
    pub port: u16,
    child: Child,
    host_keys: Vec<&'static str>,
    address: String,
}

impl Sshd {
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Returns this sshd's host key of the given kind, as its type and base64 text.
    pub fn host_key(&self, kind: &str) -> String {
        public_key(&self.path(&format!("host_{kind}.pub")))
    }

    /// Returns a route to this sshd, with all its host keys recorded under the name `web1`.
    pub fn route(&self) -> HostRoute {
        let lines: String = self
            .host_keys
            .iter()
            .map(|kind| format!("[web1]:{} {}\n", self.port, self.host_key(kind)))
            .collect();
        self.route_with(&lines)
    }

    /// Returns a route to this sshd and writes `known_hosts` to the file of the route.
    pub fn route_with(&self, known_hosts: &str) -> HostRoute {
        fs::write(self.path("known_hosts"), known_hosts).unwrap();
        HostRoute {
            port: self.port,
            user: me(),
            key: self.path("user"),
            known_hosts: vec![self.path("known_hosts")],
            ..HostRoutes::default().route("web1", Some(&self.address))
        }
    }

    /// Returns the requests that the forced command has received so far.
    pub fn requests(&self) -> Vec<String> {
        fs::read_to_string(self.path("requests"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Returns the process ID of the listening sshd.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until the forced command has written a whole line to the file `name`, and returns the
    /// line.
    pub fn wait_for(&self, name: &str) -> String {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            match fs::read_to_string(self.path(name)) {
                Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        panic!("the forced command did not write {name}");
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- sshd log\n{}\n--- requests\n{:?}", self.log(), self.requests());
        }
    }
}

/// Returns the key type and base64 from a public key file.
pub fn public_key(file: &Path) -> String {
    fs::read_to_string(file).unwrap().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// Returns the name of the user who runs the tests and logs in to sshd.
pub fn me() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}

pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn repair() -> Request {
    Request::Repair {
        name: "httpd".parse::<RepairName>().unwrap(),
        job: "20261123-4f3a9c2b".parse::<JobId>().unwrap(),
    }
}

/// Returns a deadline that even a slow machine meets.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Connects and sends one request, both within `limit`. Returns the result and the elapsed time.
pub fn send(
    route: &HostRoute,
    request: &Request,
    limit: Duration,
) -> (Result<Answer, Error>, Duration) {
    let begun = Instant::now();
    let deadline = begun + limit;
    let answer =
        transport::connect(route, deadline).and_then(|mut gate| gate.request(request, deadline));
    (answer, begun.elapsed())
}

/// Returns the same route, but with the backend that runs `ssh`.
pub fn by_openssh(route: HostRoute) -> HostRoute {
    HostRoute { backend: Backend::OpenSsh, ..route }
}

/// Sends a request that must fail and returns the error.
pub fn fails(route: &HostRoute, request: &Request) -> Error {
    match send(route, request, Duration::from_secs(60)).0 {
        Err(error) => error,
        Ok(answer) => panic!("accepted {answer:?}"),
    }
}
