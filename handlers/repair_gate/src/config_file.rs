//! Loads repairs.json if only root can change it, and describes it for `repair_gate check`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::config::{self, RepairDefinitions};
use crate::rejection::{Rejection, RejectionReason};
use crate::{host, maintenance, ownership, run, session, sudo};

/// The name of the gate's account, which the package and `repairctl init` create.
pub(crate) const GATE_ACCOUNT: &str = "repair";

/// Loads the repairs from repairs.json.
///
/// # Errors
/// Fails if an account other than root can change the file or a directory above it, or if the
/// content is invalid.
pub(crate) fn load(path: &Path) -> Result<RepairDefinitions, Rejection> {
    let text = ownership::open(path, &[0])
        .and_then(|file| ownership::read_text(file, path, config::LARGEST_FILE));
    let text = text.map_err(|e| RejectionReason::Config.because(e.to_string()))?;
    config::parse(&text)
        .map_err(|e| RejectionReason::Config.because(format!("{}{e}", path.display())))
}

/// Returns the output of `check` for a valid file: its repairs, and warnings about everything that
/// would make a repair fail or be unsafe.
pub(crate) fn overview(config: &Path, repairs: &RepairDefinitions) -> String {
    let mut text = String::new();
    for (name, repair) in repairs.iter() {
        let account = repair.user.as_deref().unwrap_or("the gate's account");
        let command = repair.run.join(" ");
        let _ = write!(
            text,
            "{name}: {command} (as {account}, timeout {} s, cooldown {} s",
            repair.timeout.as_secs(),
            repair.cooldown.as_secs()
        );
        if let Some(budget) = repair.budget {
            let (count, seconds) = (budget.count, budget.window.as_secs());
            let _ = write!(text, ", at most {count} runs in {seconds} s");
        }
        let _ = writeln!(text, ", diagnose commands: {})", repair.diagnose.len());
        for program in repair.commands().filter_map(|(argv, _)| argv.first()) {
            let found =
                fs::canonicalize(program).map_err(|e| ownership::unusable(program.as_ref(), &e));
            if let Err(e) = found.and_then(|real| ownership::open(&real, &[0])) {
                let _ = writeln!(text, "  warning: {e}");
            }
        }
    }
    // sudo runs the gate as another account. Warn if anyone except root can change the gate's
    // program file.
    if repairs.iter().any(|(_, repair)| repair.user.is_some())
        && let Err(e) = run::gate_path()
            .map_err(|e| e.to_string())
            .and_then(|gate| ownership::open(gate.as_ref(), &[0]).map_err(|e| e.to_string()))
    {
        let _ = writeln!(text, "warning: {e}");
    }
    for warning in around(repairs) {
        let _ = writeln!(text, "warning: {warning}");
    }
    if let Err(held) = maintenance::check(config) {
        let _ = writeln!(text, "warning: {}", held.text);
    }
    text
}

/// Returns warnings about sudo and systemd settings that make repairs fail. Returns no warnings
/// unless this process runs as root.
fn around(repairs: &RepairDefinitions) -> impl Iterator<Item = String> {
    let accounts: BTreeSet<&str> =
        repairs.iter().filter_map(|(_, repair)| repair.user.as_deref()).collect();
    let tells = host::is_root() && host::has_account(GATE_ACCOUNT);
    let options = accounts.into_iter().filter(move |_| tells);
    options
        .filter_map(|account| sudo::warning(GATE_ACCOUNT, account))
        .take(1)
        .chain(tells.then(|| session::warning(GATE_ACCOUNT)).flatten())
}
