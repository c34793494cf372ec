//! Tests that the first worker reads a large status file only once, and that later workers read
//! only the blocks of their own object.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use serde_json::json;
use tempfile::TempDir;

/// A site with a status file of 3 MB. The repair has two rungs, so a worker needs the state of its
/// object three times: for the decision and before each rung.
struct Site {
    dir: TempDir,
}

impl Site {
    fn new() -> Site {
        let site = Site { dir: tempfile::tempdir().unwrap() };
        let rung = |program: &str| json!({"local": [program], "settle": "0s"});
        let verify = format!("test -e {0} || {{ : > {0}; exit 2; }}", site.at("second").display());
        let policy = json!({
            "ledger": site.at("ledger.sqlite"),
            "status_file": site.at("status.dat"),
            "repairs": {"httpd": {
                "ladder": [rung("/bin/true"), rung("/bin/true")],
                "verify": ["/bin/sh", "-c", verify],
            }},
        });
        fs::write(site.at("policy.json"), policy.to_string()).unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut status = format!("info {{\n\tcreated={now}\n\t}}\n");
        let output = "x".repeat(500);
        for kind in ["hoststatus {\n", "servicestatus {\n\tservice_description=HTTP\n"] {
            for host in 0..3000 {
                let name = format!("\thost_name=web{host}\n");
                write!(status, "{kind}{name}\tplugin_output={output}\n\t_REPAIR=0;httpd\n\t}}\n")
                    .unwrap();
            }
        }
        fs::write(site.at("status.dat"), status).unwrap();
        site
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Calls the handler. Returns its output, and how many bytes the handler and its worker have
    /// read from the status file.
    fn call(&self, host: &str, option: &str) -> (String, u64) {
        let trace = self.at("trace");
        let output = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=read,pread64,readv,preadv", "-P"])
            .arg(self.at("status.dat"))
            .arg("-o")
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_handle_repair"))
            .args(["CRITICAL", "HARD", "4", "--service", "HTTP", "--repair", "httpd"])
            .args(["--host", host, option, "--policy"])
            .arg(self.at("policy.json"))
            .output()
            .unwrap();
        let trace = fs::read_to_string(trace).unwrap();
        let bytes = |line: &str| line.rsplit_once(" = ")?.1.parse::<u64>().ok();
        let text = String::from_utf8(output.stdout).unwrap();
        (text, trace.lines().filter_map(bytes).sum())
    }
}

#[test]
fn one_worker_reads_the_file_and_the_next_one_only_its_object() {
    let site = Site::new();
    let size = fs::metadata(site.at("status.dat")).unwrap().len();
    let (text, read) = site.call("web1", "--dry-run");
    assert!(text.starts_with("WOULD REPAIR") && read >= size, "{read} of {size}: {text}");
    assert!(!site.at("ledger.sqlite.status").exists());
    let (text, read) = site.call("web1", "--foreground");
    assert!(text.starts_with("REPAIRED"), "{text}");
    assert!((size..size + 100_000).contains(&read), "{read} of {size}");
    fs::remove_file(site.at("second")).unwrap();
    let (text, read) = site.call("web2", "--foreground");
    assert!(text.starts_with("REPAIRED") && read < 100_000, "{read} of {size}: {text}");
}

#[test]
fn repairs_nothing_with_an_outdated_file() {
    let site = Site::new();
    let path = site.at("status.dat");
    let status = fs::read_to_string(&path).unwrap();
    let (_, rest) = status.split_once("created=").unwrap();
    let (created, rest) = rest.split_once('\n').unwrap();
    let old = created.parse::<u64>().unwrap() - 601;
    fs::write(&path, format!("info {{\n\tcreated={old}\n{rest}")).unwrap();
    for option in ["--dry-run", "--foreground"] {
        let (text, _) = site.call("web1", option);
        assert!(text.contains("so it does not show the present states"), "{text}");
        assert!(text.contains("nothing was run"), "{text}");
    }
}
