//! Uses strace(1) to trace which files the process that stays root opens.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::site::{DAY, FAULT, Site};

/// Returns the paths that the processes in a trace have used while they were root.
fn touched_by_root(trace: &str) -> Vec<PathBuf> {
    let (mut is_nagios, mut touched): (HashMap<&str, bool>, Vec<PathBuf>) =
        (HashMap::new(), Vec::new());
    for line in trace.lines() {
        let Some((pid, call)) = line.trim_start().split_once(' ') else { continue };
        let call = call.trim_start();
        if ["clone", "fork", "vfork", "<... clone", "<... fork", "<... vfork"]
            .iter()
            .any(|name| call.starts_with(name))
        {
            // A child inherits its parent's user. The trace can show a child's own setuid before
            // its parent's fork returns, so keep what is already known about the child.
            let inherited = is_nagios.get(pid).copied().unwrap_or_default();
            is_nagios.entry(result_of(call)).or_insert(inherited);
        } else if call.starts_with("setuid(") || call.starts_with("setresuid(") {
            if result_of(call) == "0" && !call.starts_with("setuid(0") {
                is_nagios.insert(pid, true);
            }
        } else if !is_nagios.get(pid).copied().unwrap_or_default() {
            touched.extend(path_of(call));
        }
    }
    touched
}

fn result_of(call: &str) -> &str {
    call.rsplit(" = ").next().unwrap_or_default().split(' ').next().unwrap_or_default()
}

/// Returns the path in a call like `openat(3</etc>, "x", O_RDONLY) = 4</etc/x>`.
fn path_of(call: &str) -> Option<PathBuf> {
    let name = call.split('"').nth(1)?;
    let base = call
        .split('"')
        .next()?
        .split('<')
        .nth(1)
        .and_then(|base| base.split('>').next())
        .unwrap_or("/");
    Some(Path::new(base).join(name))
}

#[test]
fn knows_which_user_made_each_call() {
    let trace = "10 openat(AT_FDCWD</root>, \"/a\", O_RDONLY) = 3</a>\n10 clone3({flags=0} => \
    {parent_tid=[0]}, 88) = 11\n\
                 11 openat(3</v>, \"b\", O_RDONLY) = 4</v/b>\n11 setuid(65534)  = 0\n11 \
                 openat(3</v>, \"c\", O_RDONLY) = 4</v/c>\n\
                 11 vfork() = 12\n12 execve(\"/d\", [\"d\"], 0x0) = 0\n";
    assert_eq!(touched_by_root(trace), ["/a", "/v/b"].map(PathBuf::from));
}

/// Runs an admin's commands, the handler and check_repairs as root. The process that stays root
/// must not use any path below a directory that Nagios' user owns.
#[test]
fn root_uses_no_path_owned_by_nagios() {
    let site = Site::new();
    site.fault();
    let handler: Vec<String> = format!("{FAULT} --foreground --policy {}", site.policy.display())
        .split(' ')
        .map(str::to_owned)
        .collect();
    let check = site.ctl.with_file_name("check_repairs");
    let calls = DAY.iter().map(|words| (site.ctl.as_path(), site.words(words)));
    let policy = vec!["--policy".to_owned(), site.policy.display().to_string()];
    let calls = calls.chain([(site.handler.as_path(), handler), (check.as_path(), policy)]);
    let mut seen = 0;
    for (program, words) in calls {
        let log = site.place.at("trace");
        let mut strace = Command::new("strace");
        strace
            .args([
                "-f",
                "-y",
                "-qq",
                "-s",
                "4096",
                "-e",
                "trace=%file,%process,setuid,setresuid",
                "-o",
            ])
            .arg(&log);
        strace.arg(program).args(&words).stdin(Stdio::null()).output().unwrap();
        let trace = fs::read_to_string(&log).unwrap();
        let touched = touched_by_root(&trace);
        assert!(
            touched.iter().any(|path| path.ends_with("policy.json"))
                || words.iter().any(|word| word == "lint"),
            "{words:?}"
        );
        let theirs = |path: &&PathBuf| {
            [&site.ledger, &site.var].iter().any(|own| path.starts_with(own) && path != own)
        };
        let wrong: Vec<_> = touched.iter().filter(theirs).collect();
        assert!(wrong.is_empty(), "{words:?}: {wrong:?}");
        seen += touched.len();
    }
    assert!(seen > 1000, "the trace shows {seen} paths");
}
