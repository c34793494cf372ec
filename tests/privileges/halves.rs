//! Attempts of Nagios' user to deceive or delay the process that stays root.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use e2e::{WebSide, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::fingerprint;
use crate::site::Site;

/// A process keeps its session keyring when it becomes another user (session-keyring(7)), so the
/// unprivileged process must join a new one.
#[test]
fn processes_of_nagios_see_no_session_key_of_root() {
    let site = Site::new();
    site.fault();
    site.change_policy(|policy| {
        policy["repairs"]["httpd"]["ladder"] =
            json!([{"local": ["/bin/cp", "/proc/keys", site.mark]}]);
    });
    let swept = thread::scope(|scope| {
        let sweep = || {
            let mut session = keyutils::Keyring::join_anonymous_session().unwrap();
            session
                .add_key::<keyutils::keytypes::user::User, _, _>("selfheal-secret", &b"root's"[..])
                .unwrap();
            assert!(
                fs::read_to_string("/proc/keys").unwrap().contains("selfheal-secret"),
                "root does not see its own key"
            );
            site.ctl(None, &["sweep"])
        };
        scope.spawn(sweep).join().unwrap()
    });
    assert_eq!(swept.code, 0, "{swept:?}");
    assert!(!fs::read_to_string(&site.mark).unwrap().contains("selfheal-secret"));
}

/// Nagios' user can suspend its own processes, including the unprivileged process that root has
/// started. The process that stays root must still end.
#[test]
fn root_process_ends_when_unprivileged_process_is_stopped() {
    let site = Site::new();
    let mut lint = Command::new(&site.ctl);
    lint.args(["--policy", site.policy.to_str().unwrap(), "lint", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    let mut lint = lint.spawn().unwrap();
    let half = until("lint as nagios", Duration::from_secs(30), || {
        crate::of_user(&site.ctl, site.nagios.uid)
    });
    let signal = |pid: u32, signal| {
        kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap()
    };
    site.nagios.does(|| signal(half, Signal::STOP));
    for _ in 0..2 {
        signal(lint.id(), Signal::INT);
        thread::sleep(Duration::from_millis(200));
    }
    until("the end of lint", Duration::from_secs(8), || lint.try_wait().unwrap().map(drop));
}

/// `trust` locks the directory of known_hosts. Any account that can open this directory can lock it
/// as well, and `trust` must then fail instead of waiting forever.
#[test]
fn trust_fails_while_nagios_holds_lock() {
    let site = Site::new();
    let web = WebSide::start(&site.place);
    site.change_policy(|policy| policy["ssh"]["port"] = json!(web.sshd.port));
    let etc = site.place.at("etc");
    let held = site.nagios.does(|| File::open(&etc).unwrap());
    held.lock().unwrap();
    let refused = site.ctl(None, &["trust", "web1", "--fingerprint", &fingerprint(&site, &web)]);
    assert!(
        refused.code == 3 && refused.err.contains("is locked by another process"),
        "{refused:?}"
    );
}

/// A host's address comes from Nagios' configuration. `trust` must fetch the key from this address,
/// but must neither record it under the address nor remove a key that is recorded there.
#[test]
fn trust_keeps_key_recorded_under_address() {
    let site = Site::new();
    let web = WebSide::start(&site.place);
    site.change_policy(|policy| policy["ssh"]["port"] = json!(web.sshd.port));
    let port = web.sshd.port;
    let other = format!(
        "[127.0.0.1]:{port} {}",
        fs::read_to_string(site.place.at("etc/id_ed25519.pub")).unwrap()
    );
    let known = site.place.file("etc/known_hosts", &other, 0o644, None);
    let trusted =
        site.ctl(None, &["trust", "web1", "--replace", "--fingerprint", &fingerprint(&site, &web)]);
    assert_eq!(trusted.code, 0, "{trusted:?}");
    let recorded = format!("[web1]:{port} {}", web.host_key("ed25519"));
    assert_eq!(fs::read_to_string(known).unwrap().trim_end(), format!("{other}{recorded}"));
}
