//! One object: was its chance lost, and what does the decision say now?

use std::ffi::OsString;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use handle_repair::cli::{self, Invocation};
use handle_repair::status::Object;
use ledger::Ledger;
use policy::{Decision, ObjectNow, Observation, Reason, RepairName, Rules, decide};
use policy_file::Config;

use super::lost::{Facts, Left, Lost, judge};
use super::scene::Scene;

/// What is to be done with one object.
pub enum Next {
    /// The rules do not cover its state: it was never to be repaired.
    NotCovered,
    /// Its chance was not lost, or the time for another one has not come.
    Left(Left),
    /// It cannot be offered at all.
    Unfit(String),
    /// The decision says no.
    Refused(Lost, Reason, Box<Invocation>),
    /// The worker may try.
    Offer(Lost, Offer),
}

/// What the worker is started with.
pub struct Offer {
    /// The call that Nagios would make.
    pub call: Invocation,
    /// The same as words.
    pub argv: Vec<OsString>,
}

/// What is gone by.
pub struct Ground<'a> {
    /// The policy and the places it names.
    pub config: &'a Config,
    /// The policy's file.
    pub policy: &'a Path,
    /// Nagios' files.
    pub scene: &'a Scene,
}

impl Ground<'_> {
    /// Judges an object, then asks the decision with what is known now.
    pub fn judge(
        &self,
        object: &Object,
        mut ledger: Option<&mut dyn Ledger>,
        now: SystemTime,
    ) -> Result<Next, ledger::Error> {
        let rules = match self.rules(object) {
            Ok(rules) if !rules.on.contains(&object.state()) => return Ok(Next::NotCovered),
            Ok(rules) => rules,
            Err(why) => return Ok(Next::Unfit(why)),
        };
        // The identity of the offer depends on what is known; the object it is about does not.
        let event = match self.offer(object, &Lost::NeverTried) {
            Ok(offer) => offer.call.event,
            Err(why) => return Ok(Next::Unfit(why)),
        };
        let (mut repairs, mut refusal) = (Vec::new(), None);
        if let Some(ledger) = ledger.as_deref_mut() {
            repairs = ledger.repairs_since(&event, object.last_good)?;
            refusal = ledger.last_refusal(&event, object.last_good)?;
        }
        let facts = Facts {
            object,
            program: &self.scene.board.program,
            repairs: &repairs,
            refused: refusal.as_ref().map(|refusal| refusal.reason.as_str()),
            cooldown: rules.limits.cooldown,
            now,
        };
        let lost = match judge(&facts) {
            Ok(lost) => lost,
            Err(left) => return Ok(Next::Left(left)),
        };
        let offer = match self.offer(object, &lost) {
            Ok(offer) => offer,
            Err(why) => return Ok(Next::Unfit(why)),
        };
        let object =
            ObjectNow { state: None, acknowledged: object.acknowledged, flapping: object.flapping };
        let observed = Some(Observation { object, share: self.scene.board.share });
        let window = self.config.policy.fleet.started.per;
        let history = ledger::gather(ledger, &offer.call.event, window, now, observed)?;
        Ok(match decide(&offer.call.event, &self.config.policy, &history) {
            Decision::Repair(_) => Next::Offer(lost, offer),
            Decision::NoAction(why) => Next::Refused(lost, why, Box::new(offer.call)),
        })
    }

    fn rules(&self, object: &Object) -> Result<&Rules, String> {
        let name = String::from_utf8_lossy(&object.repair);
        let name: RepairName =
            name.parse().map_err(|bad: policy::BadName| format!("_REPAIR: {bad}"))?;
        self.config.policy.repairs.get(&name).ok_or_else(|| Reason::UnknownRepair(name).to_string())
    }

    /// The words with which Nagios would call, as commands.cfg of this project has them, and when
    /// it saw the fault.
    fn offer(&self, object: &Object, lost: &Lost) -> Result<Offer, String> {
        let text = |bytes| str::from_utf8(bytes).map_err(|_| "its name is not UTF-8".to_owned());
        let address = self
            .scene
            .address(&object.host)
            .ok_or("Nagios' object cache has no address of its host")?;
        let host = self
            .scene
            .board
            .host(&object.host)
            .ok_or("Nagios' status file does not show its host")?;
        let mut words = vec![
            object.state().to_string(),
            object.state_type.to_string(),
            object.attempt.to_string(),
            format!("--host={}", text(&object.host)?),
            format!("--address={address}"),
            format!("--repair={}", text(&object.repair)?),
            format!("--max-attempts={}", object.max_attempts),
            format!("--host-downtime={}", host.downtime),
            format!("--problem-id={}", lost.problem_id(object.problem_id).unwrap_or_default()),
            format!("--policy={}", self.policy.display()),
            // It may have been checked again since, and the file of then be written by now.
            format!(
                "--seen={}",
                object.last_check.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            ),
        ];
        if let Some(before) = object.result_before() {
            words.push(format!("--last-state={before}"));
        }
        if let Some(service) = object.service() {
            words.push(format!("--service={}", text(service)?));
            words.push(format!("--host-state={}", host.state));
            words.push(format!("--downtime={}", object.downtime));
        }
        let argv: Vec<OsString> = words.into_iter().map(OsString::from).collect();
        let call = cli::read(&argv).map_err(|problem| problem.to_string())?;
        Ok(Offer { call, argv })
    }
}
