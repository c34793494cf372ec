//! The web server side: an Apache that CFEngine starts, and the gate behind a real sshd.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process};
use serde_json::{Value, json};
use testkit::{free_port, set_mode};

use crate::account::Account;
use crate::cfengine::Work;
use crate::daemon::Daemon;
use crate::place::{Place, run, shipped, system_program};
use crate::wait::until;

/// A host to be repaired.
#[derive(Debug)]
pub struct WebSide {
    directory: PathBuf,
    /// The gate's unprivileged account. In the lab it also runs Apache.
    pub account: Account,
    /// The web server that the tests break.
    pub apache: Apache,
    /// The SSH server that runs the gate.
    pub sshd: Sshd,
    /// Path of the gate's repairs.json.
    pub repairs: PathBuf,
    gate: PathBuf,
    /// The command that the lab's repair runs: cf-agent with the shipped policy.
    pub policy_run: Vec<String>,
}

impl WebSide {
    /// Configures the host and starts sshd and Apache.
    pub fn start(place: &Place) -> WebSide {
        WebSide::listening_on("127.0.0.1", place)
    }

    /// Configures the host and starts sshd and Apache, which listen on `address`. With 0.0.0.0,
    /// they listen on all addresses.
    pub fn listening_on(address: &str, place: &Place) -> WebSide {
        let account = Account::repair();
        let directory = place.directory("web", None);
        place.directory("web/gate", account.ids());
        let apache = Apache::new(place, &account, address);
        let policy_run = cf_agent(place, &apache, &account);
        for (file, kind) in
            [("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa"), ("key", "ed25519")]
        {
            new_key(&directory.join(file), kind);
        }
        let gate = place.program("repair_gate");
        let sshd = Sshd::start(place, &account, address);
        let mut web = WebSide {
            repairs: directory.join("repairs.json"),
            directory,
            account,
            apache,
            sshd,
            gate,
            policy_run,
        };
        web.write_repairs(&web.default_repairs());
        web.allow(&web.restrict_line());
        web.apache.start(&web.account, &web.policy_run);
        web
    }

    /// Returns the path of the private key that the gate accepts.
    pub fn key(&self) -> PathBuf {
        self.directory.join("key")
    }

    /// Returns the host's public key of this type, without the comment.
    pub fn host_key(&self, kind: &str) -> String {
        let line = fs::read_to_string(self.directory.join(format!("host_{kind}.pub")))
            .expect("a public key");
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Returns the gate's command line with the lab's paths.
    pub fn gate_command(&self) -> String {
        format!(
            "{} --config {} --state {}",
            self.gate.display(),
            self.repairs.display(),
            self.directory.join("gate").display()
        )
    }

    /// Returns the options that the package uses in authorized_keys, with the lab's paths.
    pub fn restrict_line(&self) -> String {
        format!("restrict,command=\"{}\"", self.gate_command())
    }

    /// Writes an authorized_keys file with the monitor's key and these options.
    pub fn allow(&self, options: &str) {
        let key = fs::read_to_string(self.directory.join("key.pub")).expect("a public key");
        let file = self.directory.join("authorized_keys");
        fs::write(&file, format!("{options} {key}")).expect("authorized_keys");
        set_mode(&file, 0o644);
    }

    /// Replaces repairs.json with a file that root owns.
    pub fn write_repairs(&self, repairs: &Value) {
        fs::write(&self.repairs, format!("{repairs:#}\n")).expect("repairs.json");
        set_mode(&self.repairs, 0o644);
    }

    /// Returns a repairs.json with the lab's repair, which runs the shipped CFEngine policy.
    pub fn default_repairs(&self) -> Value {
        json!({"repairs": {"httpd": {"run": self.policy_run, "timeout": "15s", "cooldown": "1s"}}})
    }

    /// Returns the gate's record files, one for each requested job.
    pub fn jobs(&self) -> Vec<PathBuf> {
        gate_records(&self.directory.join("gate"))
    }
}

/// Returns the record files in a gate's state directory. The gate creates a record in `jobs` and
/// later moves it to a subdirectory with the name of its repair.
pub fn gate_records(state: &Path) -> Vec<PathBuf> {
    let list = |dir: &Path| {
        fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let entries: Vec<PathBuf> = list(&state.join("jobs"));
    let filed: Vec<PathBuf> =
        entries.iter().filter(|path| path.is_dir()).flat_map(|dir| list(dir)).collect();
    entries
        .into_iter()
        .chain(filed)
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect()
}

/// Returns the command that the lab's repair runs: cf-agent with the shipped policy and the paths
/// of the lab's Apache.
fn cf_agent(place: &Place, apache: &Apache, account: &Account) -> Vec<String> {
    let work = Work::new(place, "web/cfengine", account);
    let policy = fs::read_to_string(shipped("nagios-config/cfengine/web_server.cf"))
        .expect("the shipped CFEngine policy");
    let policy = work.input(place, "web_server.cf", &policy);
    let (program, config) = (system_program(&["apache2"]), apache.config.display());
    let vars = json!({"vars": {
        "web_process": format!("{} -f {config}( |$)", program.display()),
        "web_start": format!("{} -f {config} -k start", program.display()),
    }});
    work.input(place, "def.json", &vars.to_string());
    let arguments = ["-KI".to_owned(), "-f".to_owned(), policy.display().to_string()];
    work.words("cf-agent").into_iter().chain(arguments).collect()
}

/// Creates a key pair without a passphrase.
pub fn new_key(path: &Path, kind: &str) {
    run(Command::new(system_program(&["ssh-keygen"]))
        .args(["-q", "-N", "", "-C", "lab", "-t", kind, "-f"])
        .arg(path));
}

/// The lab's sshd, which can be stopped and started again.
#[derive(Debug)]
pub struct Sshd {
    /// Port of sshd on loopback.
    pub port: u16,
    /// Log file of sshd.
    pub log: PathBuf,
    config: PathBuf,
    daemon: Option<Daemon>,
}

impl Sshd {
    fn start(place: &Place, account: &Account, address: &str) -> Sshd {
        // sshd(8) requires this empty directory. Normally the package's service creates it.
        fs::create_dir_all("/run/sshd").expect("/run/sshd");
        let port = free_port();
        let at = |name: &str| place.at("web").join(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress {address}\nHostKey {}\nHostKey {}\nPidFile \
            none\nAuthorizedKeysFile {}\n\
             AllowUsers {}\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication \
             no\nPermitRootLogin no\n\
             MaxStartups 200\nLogLevel VERBOSE\n",
            at("host_ed25519"),
            at("host_ecdsa"),
            at("authorized_keys"),
            account.name,
        );
        let config = place.file("web/sshd_config", &config, 0o644, None);
        let mut sshd = Sshd { port, log: place.at("web/sshd.log"), config, daemon: None };
        sshd.begin();
        sshd
    }

    /// Starts sshd and waits until it is listening. Can be called again after [`Sshd::stop`].
    pub fn begin(&mut self) {
        let arguments = ["-D".as_ref(), "-e".as_ref(), "-f".as_ref(), self.config.as_os_str()];
        self.daemon = Some(Daemon::start(&self.log, &system_program(&["sshd"]), &arguments));
        until("sshd listening", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Stops sshd and all its sessions.
    pub fn stop(&mut self) {
        self.daemon = None;
    }

    /// Sends a signal to the listening daemon. After SIGSTOP, clients can connect but get no
    /// answer.
    pub fn signal(&self, signal: Signal) {
        kill_process(
            self.daemon.as_ref().and_then(Daemon::program).expect("a running sshd"),
            signal,
        )
        .expect("a signal to sshd");
    }

    /// Kills all sessions, but not the listening daemon.
    pub fn kill_sessions(&self) {
        for pid in self.daemon.iter().flat_map(|daemon| daemon.descendants_named("sshd")) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The lab's Apache. It runs as the gate's account on an unprivileged port.
#[derive(Debug)]
pub struct Apache {
    /// Port of Apache on loopback.
    pub port: u16,
    /// Path of Apache's configuration file.
    pub config: PathBuf,
    pid_file: PathBuf,
    log: PathBuf,
    first: Option<Daemon>,
}

impl Apache {
    fn new(place: &Place, account: &Account, address: &str) -> Apache {
        let directory = place.directory("web/apache", account.ids());
        place.file("web/apache/index.html", "<h1>It works!</h1>\n", 0o644, None);
        let port = free_port();
        let at = |name: &str| directory.join(name).display().to_string();
        let modules = ["mpm_event", "authz_core", "dir"]
            .map(|name| {
                format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n")
            })
            .concat();
        let config = format!(
            "ServerRoot {0}\nServerName localhost\nListen {address}:{port}\nDefaultRuntimeDir \
            {0}\nPidFile {1}\nErrorLog {2}\n\
             DocumentRoot {0}\nDirectoryIndex index.html\nMutex file:{0} default\n{modules}",
            directory.display(),
            at("httpd.pid"),
            at("error.log"),
        );
        let config = place.file("web/apache/httpd.conf", &config, 0o644, None);
        Apache {
            port,
            config,
            pid_file: directory.join("httpd.pid"),
            log: directory.join("start.log"),
            first: None,
        }
    }

    /// Runs `starter` as the given account and waits until Apache is listening.
    fn start(&mut self, account: &Account, starter: &[String]) {
        let setpriv = system_program(&["setpriv"]);
        let ids = [format!("--reuid={}", account.uid), format!("--regid={}", account.gid)];
        let words: Vec<String> = ids
            .into_iter()
            .chain(["--clear-groups".to_owned()])
            .chain(starter.iter().cloned())
            .collect();
        self.first = Some(Daemon::start(&self.log, &setpriv, &words));
        until("Apache listening", Duration::from_secs(10), || self.is_listening().then_some(()));
    }

    /// Whether Apache accepts connections.
    pub fn is_listening(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Simulates a crash: kills Apache and its children, and waits until they are gone.
    pub fn kill(&self) {
        let leader = self.leader().expect("a running Apache");
        self.signal(Signal::KILL);
        until("Apache gone", Duration::from_secs(5), || {
            test_kill_process(leader).is_err().then_some(())
        });
    }

    /// Sends a signal to all Apache processes.
    pub fn signal(&self, signal: Signal) {
        let leader = self.leader().expect("a running Apache");
        kill_process_group(leader, signal).expect("a signal to Apache");
    }

    fn leader(&self) -> Option<Pid> {
        Pid::from_raw(fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()?)
    }
}

/// Returns two gate repairs for an Apache that can hang. The first one reloads Apache, and the
/// second one kills it with SIGKILL and starts it again.
pub fn reload_and_restart(place: &Place, web: &WebSide) -> Value {
    let apache = system_program(&["apache2"]).display().to_string();
    let config = web.apache.config.display().to_string();
    let script =
        format!("pkill -KILL -f {config}\nsleep 0.2\nexec {apache} -f {config} -k start\n");
    let script = place.file("web/restart.sh", &script, 0o755, None);
    json!({"repairs": {
        "reload": {"run": [apache, "-f", config, "-k", "graceful"], "timeout": "5s", "cooldown": "0s",
            "diagnose": [["/usr/bin/grep", "ErrorLog", web.apache.config.with_file_name("kept.conf")]]},
        "restart": {"run": ["/bin/sh", script], "timeout": "10s", "cooldown": "0s"},
    }})
}
