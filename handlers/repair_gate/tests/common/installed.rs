//! A gate installed as packaged, behind a real sshd: account `repair`, sudoers file, restricted
//! key.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use super::{GATE, GateLab, GateResult, free_port, wait_until};

/// The sudo of a host. Both are on it as its package puts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// Debian's own.
    Original,
    /// sudo-rs of that version, which `packaging/prerequisites test` builds.
    Rs(&'static str),
}

impl Sudo {
    /// The directory to install from; empty if it is there.
    fn directory(self) -> String {
        match self {
            Sudo::Original => String::new(),
            Sudo::Rs(version) => {
                format!("{}/../sudo-rs/{version}/bin", env!("CARGO_TARGET_TMPDIR"))
            }
        }
    }
}

/// The host, its sshd and the key that opens it.
pub struct Installed {
    pub lab: GateLab,
    sshd: Child,
    port: u16,
    log: Receiver<String>,
}

/// A client that stays until it is ended, at the latest when the test is over.
pub struct Client(pub Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Installed {
    /// Starts it with these repairs; `LAB` in them stands for its directory, of which `drop` is
    /// writable by everyone.
    pub fn with(repairs: &Value) -> Installed {
        Installed::with_sudo(Sudo::Original, repairs)
    }

    /// The same, with that sudo.
    pub fn with_sudo(sudo: Sudo, repairs: &Value) -> Installed {
        let lab = GateLab::new();
        let here = lab.path("").display().to_string();
        lab.config_text(
            &json!({"repairs": repairs}).to_string().replace("LAB", here.trim_end_matches('/')),
        );
        fs::create_dir(lab.path("private")).unwrap();
        fs::create_dir(lab.path("drop")).unwrap();
        lab.chmod("drop", 0o1777);
        let log = UnixDatagram::bind(lab.path("log")).unwrap();
        lab.chmod("log", 0o666);
        for key in ["key", "host_key"] {
            let made = Command::new("/usr/bin/ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(lab.path(key))
                .status();
            assert!(made.unwrap().success());
        }
        let (sshd, port) = (0..5)
            .find_map(|_| start(&lab, sudo))
            .expect("sshd starts on a free port; its log is above");
        let host_key = fs::read_to_string(lab.path("host_key.pub")).unwrap();
        fs::write(lab.path("known_hosts"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        Installed { lab, sshd, port, log: listen(log) }
    }

    /// One of OpenSSH's clients, strict and without a person behind it.
    pub fn client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let option = |name: &str, path: &str| format!("{name}={}", self.lab.path(path).display());
        command.args([
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "LogLevel=ERROR",
        ]);
        command.args([
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            &option("UserKnownHostsFile", "known_hosts"),
        ]);
        command.args([
            "-o",
            &option("IdentityFile", "key"),
            "-o",
            &format!("Port={}", self.port),
            "-o",
            "ConnectTimeout=5",
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a client, for half a minute at most.
    pub fn run(&self, client: &mut Command) -> Output {
        testkit::output_within(client.spawn().unwrap(), Duration::from_secs(30))
    }

    /// `ssh` with options, and then the request.
    pub fn ssh(&self, options: &[&str], request: &[&str]) -> Output {
        self.run(self.client("/usr/bin/ssh").args(options).arg("repair@127.0.0.1").args(request))
    }

    pub fn request(&self, request: &str) -> GateResult {
        GateResult::of(&self.ssh(&[], &[request]))
    }

    /// A path as processes behind this sshd see it.
    pub fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.sshd.id()))
    }

    /// A command run by the account of the gate, behind this sshd.
    pub fn as_repair(&self, words: &[&str]) -> Output {
        let account = ["/usr/bin/setpriv", "--reuid=29990", "--regid=29990", "--clear-groups"];
        self.as_root(&[&account[..], words].concat())
    }

    /// A command run by root, behind this sshd.
    pub fn as_root(&self, words: &[&str]) -> Output {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["-m", "-t", &self.sshd.id().to_string(), "--"]).args(words);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The next line of the system's log that the gate wrote.
    pub fn logged(&self) -> String {
        self.log
            .recv_timeout(Duration::from_secs(5))
            .expect("a line in the system's log within five seconds")
    }

    /// The records there are.
    pub fn jobs(&self) -> Vec<String> {
        let jobs = fs::read_dir(self.inside("/var/lib/nagios-selfheal/gate/jobs"));
        jobs.map_or(Vec::new(), |jobs| {
            jobs.map(|job| job.unwrap().file_name().display().to_string()).collect()
        })
    }
}

/// Reads the system's log for as long as there is one: sudo writes there too, and would wait for a
/// reader.
fn listen(log: UnixDatagram) -> Receiver<String> {
    let (send, received) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = vec![0; 4096];
        while let Ok(n) = log.recv(&mut line) {
            let line = String::from_utf8_lossy(&line[..n]).into_owned();
            if line.contains("repair_gate[") && send.send(line).is_err() {
                break;
            }
        }
    });
    received
}

/// The line of authorized_keys, up to the key, as the program's own help gives it.
fn packaged_line() -> String {
    let help = Command::new(GATE).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let line =
        help.lines().find_map(|line| line.trim().strip_suffix(" ssh-ed25519 AAA...")).unwrap();
    assert!(line.starts_with("restrict,command="), "{line}");
    line.to_owned()
}

fn start(lab: &GateLab, sudo: Sudo) -> Option<(Child, u16)> {
    let port = free_port();
    fs::write(lab.path("sshd_config"), config(lab, port)).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/install.sh");
    let mut command = Command::new("/usr/bin/unshare");
    command
        .args(["--mount", "--propagation", "private", "/bin/sh", "-e", script])
        .arg(lab.path(""))
        .arg(GATE)
        .args([packaged_line(), sudo.directory()]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(lab.path("sshd.log")).unwrap());
    let mut sshd = command.spawn().unwrap();
    for _ in 0..1000 {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some((sshd, port));
        }
        if sshd.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = sshd.kill();
    eprintln!("{}", fs::read_to_string(lab.path("sshd.log")).unwrap_or_default());
    None
}

/// Allows all that sshd can allow: what does not work is refused by the line in authorized_keys.
fn config(lab: &GateLab, port: u16) -> String {
    format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\n\
         PasswordAuthentication no\nAuthorizedKeysFile /etc/ssh/keys/%u\nStrictModes yes\n\
         LogLevel DEBUG1\nMaxStartups 100\nAcceptEnv *\nPermitUserEnvironment yes\n\
         PermitUserRC yes\nPermitTTY yes\nPermitTunnel yes\nAllowAgentForwarding yes\n\
         AllowTcpForwarding yes\nAllowStreamLocalForwarding yes\nGatewayPorts yes\n\
         X11Forwarding yes\nSubsystem sftp internal-sftp\n",
        lab.path("host_key").display()
    )
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        if std::thread::panicking() {
            eprintln!(
                "sshd's log:\n{}",
                fs::read_to_string(self.lab.path("sshd.log")).unwrap_or_default()
            );
        }
    }
}

impl Installed {
    /// Waits until sshd's log has this part.
    pub fn wait_for_log(&self, part: &str) {
        wait_until(part, || fs::read_to_string(self.lab.path("sshd.log")).unwrap().contains(part));
    }
}
