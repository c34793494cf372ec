//! A host or service that opted in, or that calls handle_repair: does a fault of it ever lead to a
//! repair?

use std::time::Duration;

use handle_repair::cli::{Invocation, Mode};
use plugin_kit::clean;
use policy::{ObjectState, RepairName, Rules};

use super::finding::{Finding, Findings, error, warning};
use super::handler::{self, Found, Kind};
use super::policies::Policies;
use crate::configuration::{At, Command, Configuration, MainFile, Object, Value, number};

/// What is looked at, and what was found so far.
pub struct Look<'a> {
    /// Nagios' side.
    pub configuration: &'a Configuration,
    /// Our side.
    pub policies: Policies,
    /// What was found.
    pub findings: &'a mut Findings,
    /// Whether handle_repair is called for anything.
    pub used: bool,
}

/// How an object calls handle_repair.
struct Attached<'a> {
    /// The directive that names it.
    named: &'a Value,
    command: &'a Command,
    arguments: Vec<String>,
    call: Result<Invocation, String>,
}

/// An object and its names, for findings.
struct Subject<'a> {
    kind: Kind,
    object: &'a Object,
    labels: Vec<String>,
}

impl Look<'_> {
    /// Looks at one definition. Whether it opted in.
    pub fn object(
        &mut self,
        kind: Kind,
        object: &Object,
        hosts: &[String],
        service: Option<&str>,
    ) -> bool {
        let label = |host: &String| {
            service.map_or_else(|| host.clone(), |service| format!("{host}/{service}"))
        };
        let subject = Subject { kind, object, labels: hosts.iter().map(label).collect() };
        let repair = object.get("_REPAIR");
        let own = object.get("event_handler");
        if self.undefined(&subject, own) {
            return repair.is_some();
        }
        let global = match kind {
            Kind::Host => "global_host_event_handler",
            Kind::Service => "global_service_event_handler",
        };
        let own = own.and_then(|handler| self.attached(kind, handler));
        let is_own = own.is_some();
        let global =
            self.configuration.main.get(global).and_then(|handler| self.attached(kind, handler));
        match (repair, own.or(global)) {
            (None, None) => false,
            (Some(repair), None) => {
                self.not_called(&subject, repair);
                true
            }
            (repair, Some(attached)) => {
                self.used = true;
                self.called(&subject, repair, &attached, is_own)
            }
        }
    }

    fn add(&mut self, subject: &Subject<'_>, at: &At, finding: &Finding) {
        for label in &subject.labels {
            self.findings.add(at, finding.clone(), label);
        }
    }

    fn undefined(&mut self, subject: &Subject<'_>, handler: Option<&Value>) -> bool {
        let Some(handler) = handler else { return false };
        let name = handler.text.split('!').next().unwrap_or_default();
        let undefined = !self.configuration.objects.commands.contains_key(name);
        if undefined {
            let text = format!(
                "the event_handler '{name}' is no command that is defined: Nagios refuses this \
                 configuration"
            );
            let fix = "include nagios-config/commands.cfg, or correct the name";
            self.add(subject, &handler.at, &error("no-such-command", text, fix));
        }
        undefined
    }

    fn attached<'a>(&self, kind: Kind, named: &'a Value) -> Option<Attached<'a>>
    where
        Self: 'a,
    {
        let name = named.text.split('!').next()?;
        let command = self.configuration.objects.commands.get(name)?;
        let words = handler::words(&command.line);
        match handler::find(&words, &self.configuration.main)? {
            Found::Nested => None,
            Found::Called(arguments) => {
                let call = handler::call(&arguments, kind, &named.text);
                Some(Attached { named, command, arguments, call })
            }
        }
    }

    fn not_called(&mut self, subject: &Subject<'_>, repair: &Value) {
        let handler = subject.object.text("event_handler").map(str::to_owned);
        let command = handler
            .as_deref()
            .and_then(|text| self.configuration.objects.commands.get(text.split('!').next()?));
        if command.is_some_and(|command| {
            command.line.text.contains("handle_repair")
                || command.line.cut.as_ref().is_some_and(|cut| cut.contains("handle_repair"))
        }) {
            // Called from within a shell's words, which was found at the command itself.
            return;
        }
        let (word, template, right) = match subject.kind {
            Kind::Host => ("host", "repairable-host", "handle_host_repair"),
            Kind::Service => ("service", "repairable-service", "handle_repair"),
        };
        let text = match handler {
            Some(handler) => format!(
                "_REPAIR names a repair, but the event_handler '{}' is not handle_repair",
                clean(&handler)
            ),
            None => format!("_REPAIR names a repair, but the {word} has no event_handler"),
        };
        let fix =
            format!("add 'event_handler {right}', or 'use {template}' before its other templates");
        self.add(subject, &repair.at, &error("repair-without-handler", text, fix));
    }

    fn called(
        &mut self,
        subject: &Subject<'_>,
        repair: Option<&Value>,
        attached: &Attached<'_>,
        is_own: bool,
    ) -> bool {
        let line = &attached.command.line;
        let fixed = attached.call.as_ref().ok().and_then(handler::fixed_repair);
        let name = repair.map(|value| value.text.as_str()).or(fixed);
        let Some(name) = name else {
            if is_own {
                let text = "calls handle_repair and names no repair: it never does anything";
                let fix = "add a line '_REPAIR NAME' with a name of the policy, or take the \
                           event_handler away";
                self.add(subject, &subject.object.at, &warning("no-repair-named", text, fix));
            }
            return false;
        };
        if handler::cut(line, &handler::words(line)).is_none() {
            for finding in handler::passed(subject.kind, &attached.arguments, &attached.call) {
                let is_other = finding.code == handler::OTHER_KIND;
                self.add(subject, if is_other { &attached.named.at } else { &line.at }, &finding);
            }
        }
        if attached
            .call
            .as_ref()
            .is_ok_and(|call| call.event.service.is_some() != (subject.kind == Kind::Service))
        {
            // The handler of the other kind: what else it says is about that.
            return true;
        }
        if let Some(value) = subject.object.off("event_handler_enabled") {
            let text = "event_handler_enabled is 0: handle_repair is never called";
            self.add(
                subject,
                &value.at,
                &error("handler-disabled", text, "set event_handler_enabled to 1"),
            );
        }
        if let (Some(value), Some(fixed)) = (repair, fixed.filter(|fixed| *fixed != name)) {
            let text = format!("_REPAIR is not asked: the command line says --repair {fixed}");
            self.add(
                subject,
                &value.at,
                &warning(
                    "repair-ignored",
                    text,
                    "pass --repair '$_SERVICEREPAIR$' there, or remove this line",
                ),
            );
        }
        self.names(subject);
        let at = repair.map_or(&line.at, |value| &value.at).clone();
        if let Some(rules) = self.rules(subject, &at, fixed.unwrap_or(name), attached) {
            self.rules_fit(subject, &at, &rules, attached);
        }
        true
    }

    /// handle_repair refuses what could be read as something else; a `'` ends the quotes around it.
    fn names(&mut self, subject: &Subject<'_>) {
        let odd: Vec<String> = subject
            .labels
            .iter()
            .filter(|label| label.starts_with('-') || label.contains(['\'', ';']))
            .cloned()
            .collect();
        for label in odd {
            let text = r#"its name holds a ' or ;, or begins with -: the command line is cut there, or handle_repair refuses it"#;
            let fix = "give it another name (illegal_object_name_chars in nagios.cfg keeps Nagios \
                       from taking such names)";
            self.findings.add(&subject.object.at, error("unusable-name", text, fix), &label);
        }
    }

    fn rules(
        &mut self,
        subject: &Subject<'_>,
        at: &At,
        name: &str,
        attached: &Attached<'_>,
    ) -> Option<Rules> {
        let named = handler::policy(&attached.arguments, &self.configuration.main);
        let (path, config) = self.policies.get(named.as_deref())?;
        let known = name.parse::<RepairName>().ok();
        if let Some(rules) = known.as_ref().and_then(|name| config.policy.repairs.get(name)) {
            return Some(rules.clone());
        }
        let names: Vec<&str> = config.policy.repairs.keys().map(RepairName::as_str).collect();
        let text = format!("the policy {} has no repair '{}'", path.display(), name.escape_debug());
        let fix = format!("write one of its names ({}), or add it there", names.join(", "));
        self.add(subject, at, &error("unknown-repair", text, fix));
        None
    }

    fn rules_fit(
        &mut self,
        subject: &Subject<'_>,
        at: &At,
        rules: &Rules,
        attached: &Attached<'_>,
    ) {
        let configuration = self.configuration;
        let main = &configuration.main;
        let line = &attached.command.line.at;
        for (at, finding) in [
            states(subject, rules).map(|finding| (at, finding)),
            checks(subject, main),
            volatile(subject),
            attempts(subject, rules),
            settles(subject, at, rules, main),
            last_soft(subject, rules, attached).map(|finding| (line, finding)),
            in_a_row(subject, rules, attached).map(|finding| (line, finding)),
        ]
        .into_iter()
        .flatten()
        {
            self.add(subject, &at.clone(), &finding);
        }
        if attached.call.as_ref().is_ok_and(|call| call.options.mode == Mode::Foreground)
            && let Some(at) = main
                .get("event_handler_timeout")
                .map(|value| value.at.clone())
                .or_else(|| main.at())
        {
            let (limit, needs) =
                (main.number("event_handler_timeout", 30.0), longest(rules).as_secs());
            if limit < needs as f64 {
                let text = format!(
                    "event_handler_timeout is {limit} s, and with --foreground a ladder may take \
                     {needs} s: Nagios kills it half-way"
                );
                let fix = format!(
                    "remove --foreground from the command line, or set \
                     event_handler_timeout={needs}"
                );
                self.add(subject, &at, &error("timeout-shorter-than-ladder", text, fix));
            }
        }
    }
}

/// The longest a ladder takes before its last check.
fn longest(rules: &Rules) -> Duration {
    rules.ladder.iter().map(|rung| rung.timeout + rung.settle).sum()
}

fn states(subject: &Subject<'_>, rules: &Rules) -> Option<Finding> {
    let of_kind = |state: &&ObjectState| {
        matches!(state, ObjectState::Down | ObjectState::Unreachable)
            == (subject.kind == Kind::Host)
    };
    if rules.on.iter().any(|state| of_kind(&state)) {
        return None;
    }
    let on: Vec<String> = rules.on.iter().map(ObjectState::to_string).collect();
    let (word, wanted) =
        if subject.kind == Kind::Host { ("host", "DOWN") } else { ("service", "CRITICAL") };
    Some(error(
        "trigger-unreachable",
        format!("its repair is for {} alone, which no {word} ever is", on.join(", ")),
        format!("add {wanted} to its \"on\" in the policy, or name another repair"),
    ))
}

/// Is it checked at all, and how?
fn checks<'a>(subject: &'a Subject<'_>, main: &'a MainFile) -> Option<(&'a At, Finding)> {
    let object = subject.object;
    let (active, passive) = match subject.kind {
        Kind::Host => ("execute_host_checks", "accept_passive_host_checks"),
        Kind::Service => ("execute_service_checks", "accept_passive_service_checks"),
    };
    let main_off = |name: &str| main.get(name).filter(|value| !value.is_on());
    let no_command = subject.kind == Kind::Host && object.get("check_command").is_none();
    let never = object
        .get("check_interval")
        .filter(|value| subject.kind == Kind::Service && number(&value.text) == Some(0.0));
    let inactive = object
        .off("active_checks_enabled")
        .or_else(|| main_off(active))
        .or(never)
        .map(|value| &value.at);
    let inactive = inactive.or(no_command.then_some(&object.at))?;
    if let Some(impassive) = object.off("passive_checks_enabled").or_else(|| main_off(passive)) {
        let text = "is checked neither actively nor passively: it never is in trouble";
        return Some((&impassive.at, error("trigger-unreachable", text, "switch one of them on")));
    }
    let text = if no_command {
        "has no check_command: only passive results ever make it DOWN, and no check follows a \
         repair"
    } else {
        "has passive results only: its attempts go on only when a result comes in, and a recovery \
         is not seen before that"
    };
    let fix =
        "give it an active check, or see to it that results keep coming while it is in trouble";
    Some((inactive, warning("passive-only", text, fix)))
}

fn volatile<'a>(subject: &'a Subject<'_>) -> Option<(&'a At, Finding)> {
    let value = subject.object.get("is_volatile").filter(|value| value.is_on())?;
    let text = "is volatile: every check of it in HARD calls again and pages again, while a repair \
                only helps once";
    Some((&value.at, warning("volatile", text, "set is_volatile to 0, or take _REPAIR away")))
}

/// HARD at once: the page and the repair start at the same moment, and the result before was a good
/// one.
fn attempts<'a>(subject: &'a Subject<'_>, rules: &Rules) -> Option<(&'a At, Finding)> {
    let value = subject
        .object
        .get("max_check_attempts")
        .filter(|value| number(&value.text) == Some(1.0))?;
    let fix = "set max_check_attempts to 4: three failures, a repair, and one more check";
    let finding = match rules.in_a_row {
        0 | 1 => {
            let text = "max_check_attempts is 1: people are paged at the very moment at which the \
                        repair begins";
            warning("page-before-repair", text, fix)
        }
        wanted => {
            let text = format!(
                "max_check_attempts is 1, and the policy wants {wanted} results in a row: Nagios \
                 never calls for the second"
            );
            error("trigger-unreachable", text, fix)
        }
    };
    Some((&value.at, finding))
}

fn settles<'a>(
    subject: &'a Subject<'_>,
    at: &'a At,
    rules: &Rules,
    main: &MainFile,
) -> Option<(&'a At, Finding)> {
    let value = subject.object.get("retry_interval");
    let units = value.and_then(|value| number(&value.text)).unwrap_or(1.0);
    let retry = units * main.number("interval_length", 60.0);
    let settle =
        rules.ladder.iter().map(|rung| rung.settle).max().unwrap_or_default().as_secs_f64();
    (retry < settle).then(|| {
        let text = format!(
            "is checked again after {retry} s, while what was repaired may take {settle} s to come \
             up: Nagios counts that as \
             another failure, and pages"
        );
        (
            value.map_or(at, |value| &value.at),
            warning(
                "retry-shorter-than-settle",
                text,
                "make retry_interval longer than the \
                                                        repair's settle time",
            ),
        )
    })
}

/// Without `--max-attempts` the last SOFT before HARD is not known, where SOFT never gets as far as
/// the policy waits.
fn last_soft(subject: &Subject<'_>, rules: &Rules, attached: &Attached<'_>) -> Option<Finding> {
    attached.call.as_ref().ok().filter(|call| call.event.max_attempts.is_none())?;
    let max = number(subject.object.text("max_check_attempts")?)?;
    (max > 1.0 && max <= f64::from(rules.soft_attempt)).then(|| {
        let name =
            if subject.kind == Kind::Host { "MAXHOSTATTEMPTS" } else { "MAXSERVICEATTEMPTS" };
        warning(
            "max-attempts-not-passed",
            format!(
                "${name}$ is not passed, and SOFT {} never comes: it repairs only when HARD, with \
                 the page",
                rules.soft_attempt
            ),
            format!("add --max-attempts '${name}$' to the command line"),
        )
    })
}

/// Two results in a row are only known when the one before is passed.
fn in_a_row(subject: &Subject<'_>, rules: &Rules, attached: &Attached<'_>) -> Option<Finding> {
    let call = attached.call.as_ref().ok()?;
    (rules.in_a_row > 1 && call.event.last_state.is_none()).then(|| {
        let name = if subject.kind == Kind::Host { "LASTHOSTSTATE" } else { "LASTSERVICESTATE" };
        error(
            "last-state-not-passed",
            format!(
                "${name}$ is not passed, and the policy wants {} results in a row: it never \
                     repairs",
                rules.in_a_row
            ),
            format!("add --last-state '${name}$' to the command line"),
        )
    })
}
