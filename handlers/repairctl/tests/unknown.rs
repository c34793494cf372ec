//! Tests commands that get names of objects that Nagios does not know, and commands that have
//! nothing to print.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Policy, ledger and Nagios files, owned by the user who runs the test.
struct Site {
    dir: TempDir,
}

/// Exit code, standard output and standard error.
type Ended = (i32, String, String);

impl Site {
    /// Creates a site whose status file contains the host web1 and two services on it.
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(site.at("ledger")).unwrap();
        let cfg = format!("object_cache_file={}\n", site.at("objects.cache").display());
        fs::write(site.at("nagios.cfg"), cfg).unwrap();
        site.policy(json!({"status_file": site.at("status.dat")}));
        site.write_status();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn policy(&self, more: Value) {
        let mut policy = json!({"ledger": self.at("ledger/ledger.sqlite"), "repairs":
            {"httpd": {"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"]}}});
        policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fs::write(self.at("policy.json"), policy.to_string()).unwrap();
    }

    fn write_status(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut status = format!("info {{\n\tcreated={now}\n\t}}\n");
        status.push_str("hoststatus {\n\thost_name=web1\n\t}\n");
        for name in ["HTTP", "SSH"] {
            status.push_str(&format!(
                "servicestatus {{\n\thost_name=web1\n\tservice_description={name}\n\t}}\n"
            ));
        }
        fs::write(self.at("status.dat"), status).unwrap();
    }

    fn write_objects(&self) {
        let mut objects = "define host {\n\thost_name\tweb1\n\t}\n".to_owned();
        for name in ["HTTP", "SSH"] {
            objects.push_str(&format!(
                "define service {{\n\thost_name\tweb1\n\tservice_description\t{name}\n\t}}\n"
            ));
        }
        fs::write(self.at("objects.cache"), objects).unwrap();
    }

    fn ctl(&self, words: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        let done =
            command.arg("--policy").arg(self.at("policy.json")).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
    }

    fn pause(&self, object: &[&str]) -> Ended {
        let cfg = self.at("nagios.cfg");
        let options = ["--reason", "x", "--nagios-cfg", cfg.to_str().unwrap()];
        self.ctl(&[&["pause"], object, &options].concat())
    }

    fn is_paused(&self) -> bool {
        let (_, out, _) = self.ctl(&["status", "--json"]);
        serde_json::from_str::<Value>(&out).unwrap()["paused"] == true
    }
}

#[test]
fn pause_rejects_names_that_nagios_does_not_know() {
    let site = Site::new();
    let refused = |source: &str| {
        for (object, wanted) in [
            (&["web9"][..], "Nagios does not know host web9"),
            (&["web9", "HTTP"], "Nagios does not know host web9"),
            (&["web1", "HTTTP"], "Nagios does not know web1/HTTTP; services of web1: HTTP, SSH"),
        ] {
            let (code, out, err) = site.pause(object);
            let said = err.contains(wanted) && err.contains("; nothing was paused");
            assert!(code == 3 && out.is_empty() && said, "{source} {object:?}: {code} {out} {err}");
        }
        assert!(!site.is_paused(), "{source}");
        for object in [&["web1"][..], &["web1", "SSH"]] {
            let (code, _, err) = site.pause(object);
            assert_eq!((code, err.as_str()), (0, ""), "{source} {object:?}");
            assert_eq!(site.ctl(&[&["resume"], object].concat()).0, 0);
        }
    };
    refused("the status file");
    // If the status file is unreadable, repairctl uses the object cache.
    site.write_objects();
    fs::write(site.at("status.dat"), "").unwrap();
    refused("the object cache, because the status file is empty");
    site.policy(json!({}));
    refused("the objects");
    // Without either file, repairctl cannot check names, so it accepts any name.
    fs::remove_file(site.at("objects.cache")).unwrap();
    assert_eq!(site.pause(&["web9"]).0, 0);
    site.policy(json!({"status_file": site.at("status.dat")}));
    let (code, _, err) = site.pause(&["web8"]);
    assert!(code == 1 && err.contains("could not check whether Nagios knows web8"), "{err}");
}

#[test]
fn explain_lists_the_services_of_the_host() {
    let site = Site::new();
    let (code, out, err) = site.ctl(&["explain", "web1", "HTTTP"]);
    assert!(code == 3 && out.is_empty(), "{code} {out} {err}");
    assert!(err.contains("Nagios does not know web1/HTTTP; services of web1: HTTP, SSH"), "{err}");
    let (code, _, err) = site.ctl(&["explain", "web9", "HTTP"]);
    assert!(code == 3 && err.contains("Nagios does not know host web9"), "{code} {err}");
}

/// Standard output contains only the data with its heading. The explanation goes to standard error.
#[test]
fn history_explains_an_empty_result() {
    let site = Site::new();
    for (words, heading, nothing) in [
        (&["history"][..], "BEGAN\tOBJECT\tREPAIR\t", "No matching repair is on record."),
        (&["history", "--refused"], "WHEN\tOBJECT\tEVENT\t", "No matching refusal is on record"),
    ] {
        let (code, out, err) = site.ctl(words);
        assert_eq!((code, out.lines().count()), (0, 1), "{out}");
        assert!(out.starts_with(heading) && err.contains(nothing), "{out} {err}");
        let (code, out, err) = site.ctl(&[words, &["--json"]].concat());
        serde_json::from_str::<Value>(&out).unwrap();
        assert!(code == 0 && err.contains(nothing), "{out} {err}");
    }
    let (_, out, _) = site.ctl(&["status"]);
    assert!(out.starts_with("WHAT\tSTATE\n"), "{out}");
}

/// Without repairs or hosts nothing can be repaired, even if everything else is in order.
#[test]
fn doctor_reports_a_site_without_repairs_or_hosts() {
    let site = Site::new();
    let cfg = site.at("nagios.cfg");
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let options = ["--nagios-cfg", cfg.to_str().unwrap(), "--nagios-user", user.trim()];
    let doctor = || site.ctl(&[&["doctor"], &options[..]].concat());
    site.write_objects();
    let (code, out, _) = doctor();
    assert!(code == 1 && !out.contains("repairs work") && !out.contains("all is well"), "{out}");
    assert!(out.contains("WRONG hosts "), "{out}");
    site.policy(json!({"repairs": {}}));
    let (code, out, _) = doctor();
    assert!(code == 1 && out.contains("contains no repair, so nothing is ever repaired"), "{out}");
    let ctl = env!("CARGO_BIN_EXE_repairctl");
    let (policy, cfg) = (site.at("policy.json"), cfg.display());
    let next = format!(
        "as root: {ctl} --policy {} init --repair httpd --nagios-cfg {cfg}\n",
        policy.display()
    );
    assert!(out.contains(&next), "{out}");
}
