//! A real sshd for one test: own directory, own keys, a free port of loopback, one forced command.
//! A missing sshd is a failed test. It runs as the user who runs the tests, and that user logs in.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, with the log"
)]
#![allow(dead_code, reason = "each file of tests uses a part of this")]

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

/// A well-behaved gate, as small as it can be. It notes every call in the file `requests`.
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

/// What the sshd of a test is to be like.
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

    /// Runs in this network namespace, at this address.
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

    /// Options of the authorized_keys line, before `command=`.
    pub fn options(mut self, options: &str) -> Plan {
        self.options = options.into();
        self
    }

    /// Further lines of sshd_config.
    pub fn config(mut self, lines: &str) -> Plan {
        self.config = lines.into();
        self
    }

    /// The body of the forced command, for sh.
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
        // Not every login shell replaces itself with its last command.
        let line = format!("{},command=\"exec {}\" {public}", self.options, at("gate").display());
        fs::write(at("authorized_keys"), line).unwrap();
        if rustix::process::geteuid().is_root() {
            // sshd's privilege separation insists on it, and a machine without a running sshd has
            // none.
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
            // ip becomes sshd, so the process is the same.
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
                // Only a banner is sshd: the port may be somebody else's.
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
        // The first value of an option counts, so a test's own lines come first; but of MaxStartups
        // it is the last. Password root is
        // '*', not '!', which sshd takes for locked without PAM. SHLVL keeps bash from reading the
        // user's .bashrc, as it does below sshd.
        format!(
            "MaxStartups 100\n{}\nListenAddress {}\nPort {port}\n{keys}PidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin forced-commands-only\nPasswordAuthentication \
             no\nKbdInteractiveAuthentication no\n\
             AuthorizedKeysFile {dir}/authorized_keys\nLogLevel DEBUG1\nUseDNS no\nSetEnv SHLVL=9\n",
            self.config, self.address
        )
    }
}

/// Makes a key pair; "rsa", "ecdsa", "ed25519", or "rsa-pem" for the format of old.
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

/// A running sshd; stopped when dropped, and its log printed when the test failed.
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

    /// Type and base64 of one of its host keys.
    pub fn host_key(&self, kind: &str) -> String {
        public_key(&self.path(&format!("host_{kind}.pub")))
    }

    /// A route to it, with all its host keys recorded under the name `web1`.
    pub fn route(&self) -> HostRoute {
        let lines: String = self
            .host_keys
            .iter()
            .map(|kind| format!("[web1]:{} {}\n", self.port, self.host_key(kind)))
            .collect();
        self.route_with(&lines)
    }

    /// A route to it, with these lines recorded.
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

    /// The forced command's calls so far.
    pub fn requests(&self) -> Vec<String> {
        fs::read_to_string(self.path("requests"))
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// The sshd that listens.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Waits until the forced command has written this file, and returns its content.
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

/// Type and base64 of a public key file.
pub fn public_key(file: &Path) -> String {
    fs::read_to_string(file).unwrap().split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// The user who runs the tests, who is also the one who logs in.
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

/// A deadline for what should simply work, on a slow machine too.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Connects and sends one request, both within `limit`, and returns how long that took.
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

/// The same route by the `ssh` program.
pub fn by_openssh(route: HostRoute) -> HostRoute {
    HostRoute { backend: Backend::OpenSsh, ..route }
}

/// The error of a conversation that must fail.
pub fn fails(route: &HostRoute, request: &Request) -> Error {
    match send(route, request, Duration::from_secs(60)).0 {
        Err(error) => error,
        Ok(answer) => panic!("believed {answer:?}"),
    }
}
