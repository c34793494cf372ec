//! Two machines in separate namespaces. Both run systemd, and a network connects them.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::daemon::Daemon;
use crate::network::ip;
use crate::place::{Place, run, system_program};
use crate::wait::until;

/// A running machine. Dropping this value stops it.
#[derive(Debug)]
pub struct Machine {
    leader: u32,
    namespace: String,
    _daemon: Daemon,
}

/// Two machines, the Nagios server and web1, on a network of their own.
#[derive(Debug)]
pub struct Site {
    /// The Nagios server with the address 192.0.2.1.
    pub server: Machine,
    /// The host to be repaired, with the address 192.0.2.2.
    pub web1: Machine,
    _place: Place,
}

/// The systems and scripts from which the two machines are created.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Root directory that both machines start from; `/` is the running system. Each machine keeps
    /// its changes in a separate overlay.
    pub base: &'a Path,
    /// Directory that both machines see as /parts.
    pub parts: &'a Path,
    /// Shell script that configures the Nagios server. It runs in the machine's root before boot.
    pub server: &'a str,
    /// Shell script that configures web1. It runs in the machine's root before boot.
    pub web1: &'a str,
}

/// Start of the setup script for both machines. It creates an admin account with sudo rights and
/// selects the units to start.
const BOTH: &str = "useradd --create-home --shell /bin/bash admin
echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin
chmod 440 /etc/sudoers.d/admin
install -d -o admin -g admin -m 700 /home/admin/.ssh
printf '[Unit]\\nRequires=basic.target\\nAfter=basic.target\\nWants=systemd-user-sessions.service \
%s\\n' \"$units\" > /etc/systemd/system/lab.target
ln -sf lab.target /etc/systemd/system/default.target
";

const SERVER: &str = "units=nagios4.service
. /parts/both
install -o admin -g admin -m 600 /parts/admin_key /home/admin/.ssh/id_ed25519
echo '192.0.2.2 web1' >> /etc/hosts
# Make Nagios count in seconds instead of minutes, and check only this test's service.
sed -i -e 's/^interval_length=.*/interval_length=1/' -e \
's/^\\(check_result_reaper_frequency\\|status_update_interval\\)=.*/\\1=1/' \\
    -e '/localhost.cfg/d' /etc/nagios4/nagios.cfg
";

const WEB1: &str = "units='ssh.service apache2.service'
. /parts/both
install -o admin -g admin -m 600 /parts/admin_key.pub /home/admin/.ssh/authorized_keys
rm -f /etc/ssh/ssh_host_*
ssh-keygen -A >/dev/null
";

/// Number of sites that this process has created. It makes their names unique.
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Site {
    /// Boots both machines and waits until web1 accepts logins.
    pub fn boot(place: Place, plan: &Plan<'_>) -> Site {
        let site = format!(
            "shq{}-{}",
            std::process::id() % 100_000,
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let (server, web1) = (format!("{site}s"), format!("{site}w"));
        wire(&server, &web1);
        let parts = parts_of(&place, plan.parts);
        run(Command::new(system_program(&["ssh-keygen"]))
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(parts.join("admin_key")));
        let (for_server, for_web1) = (SERVER.to_owned() + plan.server, WEB1.to_owned() + plan.web1);
        for (name, text) in [("both", BOTH), ("server", &for_server), ("web1", &for_web1)] {
            fs::write(parts.join(name), text).expect("a script of the lab");
        }
        let web1 = Machine::boot(&place, &web1, plan.base, "web1");
        let server = Machine::boot(&place, &server, plan.base, "server");
        until("sshd on web1", Duration::from_secs(30), || {
            web1.root("systemctl is-active ssh apache2").status.success().then_some(())
        });
        Site { server, web1, _place: place }
    }
}

/// Copies the directory `given` into the lab and returns the path of the copy. The lab then adds
/// its scripts to the copy.
fn parts_of(place: &Place, given: &Path) -> PathBuf {
    let parts = place.directory("parts", None);
    run(Command::new("cp").arg("-a").arg(given.join(".")).arg(&parts));
    parts
}

fn wire(server: &str, web1: &str) {
    for (name, address) in [(server, "192.0.2.1"), (web1, "192.0.2.2")] {
        ip(&format!("netns add {name}"));
        if name == web1 {
            ip(&format!("-n {server} link add wire type veth peer name wire netns {web1}"));
            ip(&format!("-n {server} addr add 192.0.2.1/24 dev wire"));
            ip(&format!("-n {web1} addr add {address}/24 dev wire"));
        }
    }
    for name in [server, web1] {
        ip(&format!("-n {name} link set wire up"));
        ip(&format!("-n {name} link set lo up"));
    }
}

impl Machine {
    /// Boots a machine that has no network and starts nothing but systemd itself. See [`Plan`] for
    /// `base` and `parts`.
    pub fn alone(place: &Place, base: &Path, parts: &Path) -> Machine {
        let name = format!(
            "shq{}-{}",
            std::process::id() % 100_000,
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        ip(&format!("netns add {name}"));
        fs::write(parts_of(place, parts).join("alone"), format!("units=\n{BOTH}"))
            .expect("a script of the lab");
        Machine::boot(place, &name, base, "alone")
    }

    fn boot(place: &Place, namespace: &str, base: &Path, prepare: &str) -> Machine {
        let directory = place.directory(namespace, None);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/boot.sh");
        let mut words =
            ["--mount", "--propagation", "private", "/bin/sh", "-e"].map(Path::new).to_vec();
        let parts = place.at("parts");
        words.extend([&script, &directory, Path::new(namespace), base, &parts, Path::new(prepare)]);
        let log = place.at(&format!("{namespace}.log"));
        let daemon = Daemon::start(&log, &system_program(&["unshare"]), &words);
        let leader = until("systemd in its machine", Duration::from_secs(60), || {
            daemon
                .descendants_named("systemd")
                .first()
                .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
        });
        let machine = Machine { leader, namespace: namespace.to_owned(), _daemon: daemon };
        until("the machine's services", Duration::from_secs(60), || {
            machine
                .root("systemctl is-active lab.target && ! test -e /run/nologin")
                .status
                .success()
                .then_some(())
        });
        machine
    }

    fn enter(&self) -> Command {
        let mut command = Command::new(system_program(&["nsenter"]));
        command.args([
            "--target",
            &self.leader.to_string(),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--cgroup",
            "--",
        ]);
        command.args([
            "/usr/bin/env",
            "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL=C.UTF-8",
        ]);
        command
    }

    /// Runs a script on the machine as root.
    pub fn root(&self, script: &str) -> Output {
        self.enter()
            .args(["/bin/sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .expect("nsenter runs")
    }

    /// Runs a script on the machine as root and returns its output. Panics if it fails.
    pub fn must(&self, script: &str) -> String {
        let done = self.root(script);
        let text = String::from_utf8_lossy(&done.stdout).into_owned()
            + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script}: {}\n{text}", done.status);
        text
    }

    /// Runs a bash script as the admin on a terminal, and answers yes to every question. Returns
    /// whether the script succeeded, and the terminal's output.
    pub fn typed(&self, script: &str) -> (bool, String) {
        let login = ["su", "--login", "admin", "--command"];
        let file = format!("/tmp/typed.{}", std::process::id());
        let mut write = self
            .enter()
            .args(["tee", &file])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("tee");
        write
            .stdin
            .take()
            .expect("a pipe")
            .write_all(format!("set -e\n{script}").as_bytes())
            .expect("the script");
        assert!(write.wait().expect("tee ends").success());
        let mut command = self.enter();
        command
            .args(login)
            .arg(format!("script --quiet --return --command 'bash {file}' /dev/null"));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("su");
        let mut keyboard = child.stdin.take().expect("a pipe");
        let mut screen = child.stdout.take().expect("a pipe");
        let (mut shown, mut answered, mut buffer) = (Vec::new(), 0, [0; 4096]);
        while let Ok(n @ 1..) = screen.read(&mut buffer) {
            shown.extend_from_slice(buffer.get(..n).unwrap_or_default());
            let questions = String::from_utf8_lossy(&shown).matches("(yes/no").count();
            // ssh discards input that arrives before ssh asks, so wait for each question.
            for _ in answered..questions {
                std::thread::sleep(Duration::from_millis(300));
                let _ = keyboard.write_all(b"yes\n");
            }
            answered = questions;
        }
        drop(keyboard);
        let done = child.wait().expect("su ends").success();
        (done, String::from_utf8_lossy(&shown).into_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new(system_program(&["ip"]))
            .args(["netns", "delete", &self.namespace])
            .output();
    }
}
