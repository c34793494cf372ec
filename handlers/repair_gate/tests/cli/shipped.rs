//! Tests the gate's files in nagios-config/ with the gate itself, sudo and CFEngine.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{GATE, GateLab, JOB, free_port, wait_until};
use serde_json::json;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nagios-config").join(name)
}

#[test]
fn shipped_repairs_and_their_sudo_rules_are_valid() {
    let lab = GateLab::new();
    lab.config_text(&fs::read_to_string(shipped("repairs.json")).unwrap());
    let check = lab.run_by_hand(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    assert_eq!(lab.request("list").json["repairs"], json!(["httpd", "httpd-policy"]));
    let sudoers = String::from_utf8(lab.run_by_hand(&["sudoers"]).stdout).unwrap();
    let expected = format!(
        "repair ALL=(root) NOPASSWD: NOSETENV: {GATE} within 200 10 /usr/bin/systemctl restart \
         httpd.service\n"
    );
    assert!(sudoers.contains(&expected), "{sudoers}");
    fs::write(lab.path("sudoers"), &sudoers).unwrap();
    lab.chmod("sudoers", 0o440);
    assert!(
        Command::new("/usr/sbin/visudo")
            .arg("-cf")
            .arg(lab.path("sudoers"))
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn cfengine_accepts_the_shipped_policy() {
    let lab = GateLab::new();
    let output = Command::new("/usr/bin/cf-promises").arg("-f").arg(policy(&lab)).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

/// Copies the CFEngine policy into the lab and returns its path. CFEngine reads def.json in the
/// same directory, and requires that other accounts cannot write to either file.
fn policy(lab: &GateLab) -> PathBuf {
    fs::copy(shipped("cfengine/web_server.cf"), lab.path("web_server.cf")).unwrap();
    lab.chmod("web_server.cf", 0o600);
    lab.path("web_server.cf")
}

/// An Apache for this test on a free port. Its processes are killed on drop.
struct LabApache<'a> {
    lab: &'a GateLab,
    port: u16,
}

impl<'a> LabApache<'a> {
    fn set_up(lab: &'a GateLab) -> LabApache<'a> {
        let port = free_port();
        let (dir, modules) = (lab.path(""), "/usr/lib/apache2/modules");
        let dir = dir.display().to_string();
        let dir = dir.trim_end_matches('/');
        let conf = format!(
            "ServerRoot {dir}\nServerName localhost\nPidFile {dir}/httpd.pid\n\
             Listen 127.0.0.1:{port}\nErrorLog {dir}/error.log\n\
             LoadModule mpm_event_module {modules}/mod_mpm_event.so\n\
             LoadModule authz_core_module {modules}/mod_authz_core.so\n\
             User www-data\nGroup www-data\nDocumentRoot {dir}\n"
        );
        fs::write(lab.path("apache.conf"), conf).unwrap();
        let start = format!("/usr/sbin/apache2 -f {dir}/apache.conf");
        let def = json!({"vars": {"web_process": start, "web_start": format!("{start} -k start")}});
        fs::write(lab.path("def.json"), def.to_string()).unwrap();
        LabApache { lab, port }
    }

    fn serves(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// Kills the whole process group, and waits until init has reaped the processes. Until then,
    /// a new Apache would conclude that the old one is still running.
    fn kill(&self) {
        let Ok(pid) = fs::read_to_string(self.lab.path("httpd.pid")) else { return };
        let _ =
            Command::new("/bin/kill").args(["-KILL", "--", &format!("-{}", pid.trim())]).output();
        wait_until("init has reaped Apache", || {
            !Path::new(&format!("/proc/{}", pid.trim())).exists()
        });
    }
}

impl Drop for LabApache<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn shipped_policy_starts_only_a_dead_apache() {
    let lab = GateLab::new();
    let apache = LabApache::set_up(&lab);
    let run = json!(["/usr/bin/cf-agent", "-KI", "-f", policy(&lab)]);
    lab.repairs(&json!({"httpd-policy": {"run": run, "as": "root", "cooldown": "0s"}}));
    for round in 0..2 {
        assert!(!apache.serves());
        let answer = lab.request(&format!("repair httpd-policy {JOB}{round}"));
        assert!(
            answer.is("done").output().contains("the server was not running and was started"),
            "{}",
            answer.json
        );
        wait_until("apache serves", || apache.serves());
        let pid = fs::read_to_string(lab.path("httpd.pid")).unwrap();
        let again = lab.request(&format!("repair httpd-policy {JOB}{round}again"));
        assert!(again.is("done").output().contains("nothing was changed"), "{}", again.json);
        assert_eq!(fs::read_to_string(lab.path("httpd.pid")).unwrap(), pid);
        apache.kill();
    }
}
