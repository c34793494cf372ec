//! repairs.json on disk: read if it can be trusted, and shown to the administrator who asks
//! `check`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::config::{self, RepairDefinitions};
use crate::rejection::{Rejection, RejectionReason};
use crate::{maintenance, ownership, run};

/// The repairs, if the file and every directory above it are root's alone and all of it is
/// understood.
pub(crate) fn load(path: &Path) -> Result<RepairDefinitions, Rejection> {
    let text = ownership::file(path, &[0])
        .and_then(|file| ownership::text(file, path, config::LARGEST_FILE));
    let text = text.map_err(|e| RejectionReason::Config.because(e.to_string()))?;
    config::parse(&text)
        .map_err(|e| RejectionReason::Config.because(format!("{}{e}", path.display())))
}

/// What `check` prints when the file is good: its repairs, and what will make one of them fail or
/// unsafe.
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
            let _ = write!(text, ", at most {} in {} s", budget.count, budget.window.as_secs());
        }
        let _ = writeln!(text, ", diagnose commands: {})", repair.diagnose.len());
        for program in
            std::iter::once(&repair.run).chain(&repair.diagnose).filter_map(|argv| argv.first())
        {
            let found =
                fs::canonicalize(program).map_err(|e| ownership::unusable(program.as_ref(), &e));
            if let Err(e) = found.and_then(|real| ownership::file(&real, &[0])) {
                let _ = writeln!(text, "  warning: {e}");
            }
        }
    }
    // It is what sudo runs.
    if repairs.iter().any(|(_, repair)| repair.user.is_some())
        && let Err(e) = run::gate()
            .map_err(|e| e.to_string())
            .and_then(|gate| ownership::file(gate.as_ref(), &[0]).map_err(|e| e.to_string()))
    {
        let _ = writeln!(text, "warning: {e}");
    }
    if let Err(held) = maintenance::not_held(config) {
        let _ = writeln!(text, "warning: {}", held.text);
    }
    text
}
