//! A gate that is installed the way its package installs it, with the account `repair`, a sudoers
//! file and a restricted key, behind a real sshd.

use std::fs::{self, File};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

use super::{GATE, GateLab, GateResult, free_port, wait_until};

/// The implementation of sudo on a test host. It is installed the way its package installs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// The original sudo, from Debian.
    Original,
    /// sudo-rs. Holds the version, which `packaging/prerequisites test` builds.
    Rs(&'static str),
}

impl Sudo {
    /// Returns the directory from which to install sudo, or an empty string if sudo is already
    /// installed.
    fn directory(self) -> String {
        match self {
            Sudo::Original => String::new(),
            Sudo::Rs(version) => {
                format!("{}/../sudo-rs/{version}/bin", env!("CARGO_TARGET_TMPDIR"))
            }
        }
    }
}

/// A host with the installed gate, its sshd and the client's key.
pub struct Installed {
    pub lab: GateLab,
    sshd: Child,
    port: u16,
    log: Receiver<String>,
}

/// A client process that is killed on drop.
pub struct Client(pub Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Installed {
    /// Installs the gate with these repairs. In their text, `LAB` stands for the lab directory.
    /// Everyone can write to its subdirectory `drop`.
    pub fn with(repairs: &Value) -> Installed {
        Installed::with_sudo(Sudo::Original, repairs)
    }

    /// Installs the gate like [`Installed::with`], with the given implementation of sudo.
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

    /// Returns a command that runs an OpenSSH client in batch mode, with strict host key checking.
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

    /// Runs a client for at most 30 seconds.
    pub fn run(&self, client: &mut Command) -> Output {
        testkit::output_within(client.spawn().unwrap(), Duration::from_secs(30))
    }

    /// Runs `ssh` with these options and this request.
    pub fn ssh(&self, options: &[&str], request: &[&str]) -> Output {
        self.run(self.client("/usr/bin/ssh").args(options).arg("repair@127.0.0.1").args(request))
    }

    pub fn request(&self, request: &str) -> GateResult {
        GateResult::of(&self.ssh(&[], &[request]))
    }

    /// Converts a path inside this sshd's mount namespace to the path by which the test can reach
    /// it.
    pub fn inside(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.sshd.id()))
    }

    /// Runs a command as the gate's account, in the mount namespace of this sshd.
    pub fn as_repair(&self, words: &[&str]) -> Output {
        let account = ["/usr/bin/setpriv", "--reuid=29990", "--regid=29990", "--clear-groups"];
        self.as_root(&[&account[..], words].concat())
    }

    /// Runs a command as root, in the mount namespace of this sshd.
    pub fn as_root(&self, words: &[&str]) -> Output {
        let mut command = Command::new("/usr/bin/nsenter");
        command.args(["-m", "-t", &self.sshd.id().to_string(), "--"]).args(words);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Returns the next line that the gate logged to syslog.
    pub fn logged(&self) -> String {
        self.log.recv_timeout(Duration::from_secs(5)).expect("a line in syslog within five seconds")
    }

    /// Returns the names of all entries in the records directory.
    pub fn jobs(&self) -> Vec<String> {
        let jobs = fs::read_dir(self.inside("/var/lib/nagios-selfheal/gate/jobs"));
        jobs.map_or(Vec::new(), |jobs| {
            jobs.map(|job| job.unwrap().file_name().display().to_string()).collect()
        })
    }
}

/// Reads syslog until the socket is closed, and returns the gate's lines. sudo logs to the same
/// socket and would block without a reader.
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

/// Returns the authorized_keys line given in the program's help, without the key.
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

/// Returns an sshd_config that allows everything, so that only the line in authorized_keys can
/// refuse a feature.
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
    /// Waits until sshd's log contains `part`.
    pub fn wait_for_log(&self, part: &str) {
        wait_until(part, || fs::read_to_string(self.lab.path("sshd.log")).unwrap().contains(part));
    }
}
