//! Checks every host and service that has a `_REPAIR` or calls handle_repair, to find out whether a
//! fault can lead to a repair.

use std::collections::HashMap;
use std::rc::Rc;

use engine::configuration::{Configuration, Directive, DirectiveValue, Location, ResolvedObject};
use plugin_kit::clean;
use policy::{RepairName, Rules, object_name, spell};

use super::arguments;
use super::check_http::{RefusedWord, refused};
use super::command_line::{fill, split};
use super::finding::{Findings, LintFinding, error, warning};
use super::handler::{self, HandlerCall, ObjectKind};
use super::object_rules::{self, AttachedHandler, LintedObject};
use super::policies::Policies;

/// Checks objects one after the other, and collects findings about them.
pub struct ObjectLinter<'a> {
    pub configuration: &'a Configuration,
    pub policies: Policies,
    pub findings: &'a mut Findings,
    /// Whether Nagios would call handle_repair for at least one object.
    pub used: bool,
    /// The event handlers that were parsed so far, by the kind of object and the text of
    /// `event_handler`. They are cached because most objects share a few handlers.
    handlers: HashMap<(ObjectKind, Rc<str>), Option<Rc<AttachedHandler<'a>>>>,
}

impl<'a> ObjectLinter<'a> {
    /// Creates a linter for the objects of this configuration.
    pub fn new(
        configuration: &'a Configuration,
        policies: Policies,
        findings: &'a mut Findings,
    ) -> ObjectLinter<'a> {
        ObjectLinter { configuration, policies, findings, used: false, handlers: HashMap::new() }
    }

    /// Checks one definition. Returns whether the definition names a repair.
    pub fn object(
        &mut self,
        kind: ObjectKind,
        object: &ResolvedObject,
        hosts: &[Rc<str>],
        service: Option<&str>,
    ) -> bool {
        let label = |host: &Rc<str>| object_name(host, service);
        let subject = LintedObject { kind, object, labels: hosts.iter().map(label).collect() };
        let repair = object.get(Directive::Repair);
        self.named_twice(&subject, repair.as_ref());
        self.check_words(&subject);
        let own = object.get(Directive::EventHandler);
        if self.undefined(&subject, own.as_ref()) {
            return repair.is_some();
        }
        let main = &self.configuration.main;
        let global = main.get(&format!("global_{}_event_handler", kind.word()));
        let own = own.iter().map(|named| (named, true));
        for (named, is_own) in own.chain(global.map(|named| (named, false))) {
            if let Some(attached) = self.attached(kind, named) {
                self.used = true;
                return self.called(&subject, repair.as_ref(), &attached, (named, is_own));
            }
        }
        if let Some(repair) = &repair {
            self.not_called(&subject, repair);
        }
        repair.is_some()
    }

    fn add(&mut self, subject: &LintedObject<'_>, at: &Location, finding: &LintFinding) {
        for label in &subject.labels {
            self.findings.add(at, finding.clone(), label);
        }
    }

    fn undefined(&mut self, subject: &LintedObject<'_>, handler: Option<&DirectiveValue>) -> bool {
        let Some(handler) = handler else { return false };
        let undefined = self.configuration.objects.command(&handler.text).is_none();
        if undefined {
            let name = handler.text.split('!').next().unwrap_or_default();
            let text = format!(
                "the event_handler '{name}' is not defined as a command, so Nagios refuses this \
                 configuration"
            );
            let fix = "include nagios-config/commands.cfg, or correct the command's name";
            self.add(subject, &handler.at, &error("no-such-command", text, fix));
        }
        undefined
    }

    /// Returns how an `event_handler` calls handle_repair, or `None` if it does not call it.
    fn attached(
        &mut self,
        kind: ObjectKind,
        named: &DirectiveValue,
    ) -> Option<Rc<AttachedHandler<'a>>> {
        let configuration = self.configuration;
        let handler = self.handlers.entry((kind, Rc::clone(&named.text)));
        handler.or_insert_with(|| attach(configuration, kind, &named.text).map(Rc::new)).clone()
    }

    fn not_called(&mut self, subject: &LintedObject<'_>, repair: &DirectiveValue) {
        let handler = subject.object.text(Directive::EventHandler);
        let line = handler.as_ref().and_then(|text| self.configuration.objects.command(text));
        if line.is_some_and(|line| handler::is_named(&line.text) || handler::is_cut_off(line)) {
            // The command calls handle_repair inside an argument of another program or after a `;`.
            // The check of the command itself reports this mistake, so do not report it again.
            return;
        }
        let (word, right) = (subject.kind.word(), subject.kind.command());
        let text = match handler {
            Some(handler) => format!(
                "_REPAIR names a repair, but the event_handler '{handler}' is not handle_repair",
                handler = clean(&handler)
            ),
            None => format!("_REPAIR names a repair, but the {word} has no event_handler"),
        };
        let fix = format!(
            "add 'event_handler {right}', or write 'use repairable-{word}' with the {word}'s \
             other templates after it"
        );
        self.add(subject, &repair.at, &error("repair-without-handler", text, fix));
    }

    fn called(
        &mut self,
        subject: &LintedObject<'_>,
        repair: Option<&DirectiveValue>,
        attached: &AttachedHandler<'_>,
        (named, is_own): (&DirectiveValue, bool),
    ) -> bool {
        let line = attached.line;
        let fixed = attached.call.as_ref().ok().and_then(handler::fixed_repair);
        let name = repair.map(|value| &*value.text).or(fixed);
        let Some(name) = name else {
            if is_own {
                let text = "the event_handler calls handle_repair, but the object has no _REPAIR, \
                            so nothing is ever repaired";
                let fix = "add a line '_REPAIR NAME' with the name of a repair in the policy, or \
                           remove the event_handler";
                self.add(subject, subject.object.at(), &warning("no-repair-named", text, fix));
            }
            return false;
        };
        for finding in &attached.findings {
            let is_other = finding.code == arguments::OTHER_KIND;
            self.add(subject, if is_other { &named.at } else { &line.at }, finding);
        }
        let is_service = subject.kind == ObjectKind::Service;
        if attached.call.as_ref().is_ok_and(|call| call.event.service.is_some() != is_service) {
            // This handler is for the other kind of object. Stop here, because any other findings
            // would only be consequences of this mistake.
            return true;
        }
        if let Some(value) = subject.object.off(Directive::EventHandlerEnabled) {
            let text = "event_handler_enabled is 0: handle_repair is never called";
            let fix = "set event_handler_enabled to 1";
            self.add(subject, &value.at, &error("handler-disabled", text, fix));
        }
        self.period(subject);
        if let (Some(value), Some(fixed)) = (repair, fixed.filter(|fixed| *fixed != name)) {
            let text = format!("_REPAIR has no effect: the command line contains --repair {fixed}");
            let kind = subject.kind.word().to_uppercase();
            let fix =
                format!("write --repair '$_{kind}REPAIR$' in the command line, or remove _REPAIR");
            self.add(subject, &value.at, &warning("repair-ignored", text, fix));
        }
        self.names(subject);
        let at = repair.map_or(&line.at, |value| &value.at).clone();
        if let Some(rules) = self.rules(subject, &at, fixed.unwrap_or(name), attached) {
            let main = &self.configuration.main;
            for (at, finding) in object_rules::check(subject, &at, &rules, attached, main) {
                self.add(subject, &at, &finding);
            }
        }
        true
    }

    /// Reports a word that check_http refuses. Because of such a word, every check returns UNKNOWN.
    fn check_words(&mut self, subject: &LintedObject<'_>) {
        let Configuration { objects, main, .. } = self.configuration;
        let Some(named) = subject.object.get(Directive::CheckCommand) else { return };
        let Some(line) = objects.command(&named.text) else { return };
        let given: Vec<&str> = named.text.split('!').skip(1).collect();
        let filled = spell(&fill(&line.text, |name| handler::argument(&given, name)));
        let arguments = handler::arguments_of("check_http", &split(&filled), main);
        if let Some(RefusedWord { text, fix }) = arguments.and_then(|words| refused(&words)) {
            let at = if line.text.contains("$ARG") { &named.at } else { &line.at };
            self.add(subject, at, &warning("stray-word", text, fix));
        }
    }

    /// Reports a definition with two `_REPAIR` lines. Merging configuration files can produce such
    /// a definition, and Nagios accepts it.
    fn named_twice(&mut self, subject: &LintedObject<'_>, repair: Option<&DirectiveValue>) {
        let Some((value, again)) = repair.and_then(|value| Some((value, value.again?))) else {
            return;
        };
        let text = format!(
            "duplicate _REPAIR in this definition: Nagios uses this line and ignores line {again}"
        );
        let fix = "remove the wrong line";
        self.add(subject, &value.at, &warning("repair-named-twice", text, fix));
    }

    /// Checks `event_handler_period`, a directive that Nagios 4.5 introduced.
    fn period(&mut self, subject: &LintedObject<'_>) {
        let Some(value) = subject.object.get(Directive::EventHandlerPeriod) else { return };
        if self.configuration.objects.always.contains(&value.text) {
            return;
        }
        let text = format!(
            "event_handler_period is '{period}': Nagios does not call the event handler outside \
             this period, so a fault that becomes HARD at another time is not repaired",
            period = value.text
        );
        let fix =
            "remove it, or enable repairctl-sweep.timer, which repairs such faults at any time";
        self.add(subject, &value.at, &warning("handler-period", text, fix));
    }

    /// Reports names of hosts and services that break the command line. A `'` ends the quotes
    /// around a name, and handle_repair refuses names that start with `-`.
    fn names(&mut self, subject: &LintedObject<'_>) {
        let is_odd = |label: &&String| label.starts_with('-') || label.contains(['\'', ';']);
        for label in subject.labels.iter().filter(is_odd) {
            let text = "the name contains ' or ;, or it starts with -: such a name breaks the \
                        command line, or handle_repair refuses it";
            let fix = "choose another name; to make Nagios reject such names, set \
                       illegal_object_name_chars in nagios.cfg";
            self.findings.add(subject.object.at(), error("unusable-name", text, fix), label);
        }
    }

    fn rules(
        &mut self,
        subject: &LintedObject<'_>,
        at: &Location,
        name: &str,
        attached: &AttachedHandler<'_>,
    ) -> Option<Rules> {
        let named = handler::policy(&attached.arguments, &self.configuration.main);
        let (path, config) = self.policies.get(named.as_deref())?;
        let known = name.parse::<RepairName>().ok();
        if let Some(rules) = known.as_ref().and_then(|name| config.policy.repairs.get(name)) {
            return Some(rules.clone());
        }
        let names: Vec<&str> = config.policy.repairs.keys().map(RepairName::as_str).collect();
        let text = format!(
            "the policy {path} has no repair '{name}'",
            path = path.display(),
            name = name.escape_debug()
        );
        let fix = format!(
            "use one of the repairs in the policy ({names}), or add this one",
            names = names.join(", ")
        );
        self.add(subject, at, &error("unknown-repair", text, fix));
        None
    }
}

/// Parses the command of an event handler. Returns `None` if it does not call handle_repair.
fn attach<'a>(
    configuration: &'a Configuration,
    kind: ObjectKind,
    event_handler: &str,
) -> Option<AttachedHandler<'a>> {
    let line = configuration.objects.command(event_handler)?;
    let words = split(&line.text);
    let HandlerCall::Direct(arguments) = handler::find(&words, &configuration.main)? else {
        return None;
    };
    let call = handler::call(&arguments, kind, event_handler);
    let broken = handler::cut(line, &words).or_else(|| handler::text_for_macros(&words));
    let findings = match broken {
        None => arguments::check(kind, &arguments, &call),
        Some(_) => Vec::new(),
    };
    Some(AttachedHandler { line, arguments, call, findings })
}

#[cfg(test)]
mod tests {
    use engine::configuration;
    use privsep::Role;

    use super::*;
    use crate::context::Context;

    #[test]
    fn parses_the_handler_of_many_services_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("objects.cfg");
        let mut text =
            "define command {\n command_name fix\n command_line handle_repair\n}\n".to_owned();
        for n in 0..100 {
            text += &format!(
                "define service {{\n host_name web{n}\n description HTTP\n event_handler fix\n\
                 _REPAIR httpd\n}}\n"
            );
        }
        std::fs::write(&path, text).unwrap();
        let (configuration, mut findings) = (configuration::read(&path), Findings::default());
        let context = Context::new("/nonexistent".into(), None, Role::Started);
        let policies = Policies::new(&context);
        let mut linter = ObjectLinter::new(&configuration, policies, &mut findings);
        for service in &configuration.objects.services {
            let kind = ObjectKind::Service;
            assert!(linter.object(kind, &service.object, &service.hosts, Some("HTTP")));
        }
        assert_eq!((configuration.objects.services.len(), linter.handlers.len()), (100, 1));
    }
}
