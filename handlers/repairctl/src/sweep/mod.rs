//! `repairctl sweep`: offers what lost its chance to be repaired to the same decision, and to the
//! same worker, once more.

mod addresses;
pub mod args;
mod lost;
mod offer;
mod pace;
mod scene;
mod told;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use plugin_kit::{Out, Problem, ToolResult};
use policy_file::Config;

use crate::context::Context;
use args::SweepArgs;
use offer::{Ground, Next};
use pace::Sweep;
use scene::Scene;
use told::{End, Fate, Row, Telling};

/// The command.
pub fn run(words: &SweepArgs, context: &Context, out: &mut Out) -> Result<ToolResult, Problem> {
    let config = context.config()?;
    let file = config.status_file.as_deref().ok_or_else(|| {
        Problem::Usage(format!(
            "a sweep reads Nagios' status file, which {} does not name: give it \"status_file\", \
                as status_file of nagios.cfg says; \
             nothing was done",
            context.policy().display()
        ))
    })?;
    let scene = Scene::read(file, words.objects.as_deref())?;
    if words.dry_run {
        return rehearse(words, context, config, &scene, out);
    }
    let mut ledger = context.ledger_to_write(config)?;
    let Some(_only) = ledger.lock_sweep().map_err(Problem::failed)? else {
        let telling = Telling::new(out, words.json, [].iter());
        return Ok(telling.end(&End::Held("another sweep is at work".into()), 0, &[]));
    };
    ctrlc::set_handler(|| pace::ENDED.store(true, Ordering::Relaxed)).map_err(|why| {
        Problem::Internal(format!("SIGTERM cannot be waited for: {why}; nothing was done"))
    })?;
    let policy = absolute(context.policy())?;
    let keys = scene.oldest_first();
    let telling = Telling::new(out, words.json, keys.iter());
    Sweep::new(config, &policy, scene, ledger, telling).run()
}

/// What would be offered; nothing is started or written.
fn rehearse(
    words: &SweepArgs,
    context: &Context,
    config: &Config,
    scene: &Scene,
    out: &mut Out,
) -> Result<ToolResult, Problem> {
    let now = SystemTime::now();
    let policy = absolute(context.policy())?;
    let mut ledger = context.ledger(config)?;
    let keys = scene.oldest_first();
    let mut telling = Telling::new(out, words.json, keys.iter());
    if let Some(why) = scene.unfit(now) {
        return Ok(telling.end(&End::Held(why), keys.len(), &[]));
    }
    let ground = Ground { config, policy: &policy, scene };
    for key in keys {
        let Some(object) = scene.board.faults.get(&key) else { continue };
        let next = ground
            .judge(object, ledger.as_mut().map(|ledger| ledger.as_mut() as _), now)
            .map_err(|why| Problem::Usage(why.to_string()))?;
        let (fate, code, text, lost) = match next {
            Next::NotCovered => continue,
            Next::Left(left) => (Fate::LeftAlone, Some(left.code()), left.to_string(), None),
            Next::Unfit(why) => (Fate::Refused, Some("unfit"), why, None),
            Next::Refused(lost, why, _) => {
                (Fate::Refused, Some(why.code().as_str()), why.to_string(), Some(lost.to_string()))
            }
            Next::Offer(lost, _) => (
                Fate::WouldOffer,
                None,
                format!("{}: {lost}", String::from_utf8_lossy(&object.repair)),
                Some(lost.to_string()),
            ),
        };
        telling.row(Row { key, fate, code, text, lost, job: None });
    }
    Ok(telling.end(&End::Done, 0, &[]))
}

/// The worker leaves the directory it is started in.
fn absolute(policy: &Path) -> Result<std::path::PathBuf, Problem> {
    std::path::absolute(policy).map_err(|why| Problem::Usage(format!("--policy: {why}")))
}
