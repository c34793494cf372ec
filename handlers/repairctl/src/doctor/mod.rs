//! `repairctl doctor`: checks everything between Nagios and the gates, as the user Nagios runs as.

pub mod args;
mod finding;
mod fix;
mod host;
mod identity;
mod parallel;
mod server;

use std::collections::BTreeSet;
use std::time::Duration;

use engine::account;
use engine::configuration::{MainFile, ObjectCache, ObjectCacheError};
use plugin_kit::{Out, Problem, ToolResult};
use policy::RepairName;
use policy_file::Config;
use privsep::Account;
use serde_json::json;

use crate::context::{Context, UnusablePolicy};
use crate::split::Split;
use crate::ui::json;
use crate::ui::tone::Tone;
use args::DoctorArgs;
use finding::{DoctorFinding, DoctorVerdict, note, ok, wrong};
use fix::{FixContext, ServerFix};
use host::Target;

/// Findings of this server (`None`), then of each host.
type Checks = Vec<(Option<String>, Vec<DoctorFinding>)>;

/// Time for all hosts together; each has a deadline of its own.
const WITHIN: Duration = Duration::from_secs(3600);

impl Split for DoctorArgs {
    type Data = Checks;

    fn account(&self, context: &Context) -> Result<Option<Account>, Problem> {
        Ok(account::to_become(self.nagios_user.as_deref(), context.nagios_cfg())?)
    }

    fn timeout(&self) -> Duration {
        WITHIN
    }

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<Checks, Problem> {
        let main = MainFile::find(self.nagios_cfg.as_deref())?;
        let account = account::find(self.nagios_user.as_deref(), main.as_ref())?;
        let config = context.config();
        let objects = main.as_ref().map(MainFile::objects);
        let known = objects.as_ref().and_then(|read| read.as_ref().ok());
        let targets =
            config.as_ref().map(|config| targets(self, config, known)).unwrap_or_default();

        let mut findings = vec![identity::check(&account)];
        findings.push(policy(&config, context));
        if let Ok(config) = &config {
            findings.extend(server::programs(config));
            findings.extend(server::keys(targets.iter().map(|target| &target.route)));
            findings.push(server::ledger(config));
            findings.extend(server::files_of_nagios(config));
        }
        findings.extend(nagios_config(
            main.as_ref(),
            objects.as_ref(),
            config.as_ref().ok().copied(),
        ));
        if let (Ok(config), false) = (&config, self.hosts.is_empty()) {
            findings.extend(unknown_hosts(self, config, known));
        }
        let mut checks = vec![(None, findings)];
        parallel::examine(&targets, self.jobs.into(), |target, findings| {
            checks.push((Some(target.route.host.clone()), findings))
        });
        Ok(checks)
    }

    fn show(
        &self,
        checks: Checks,
        context: &Context,
        out: &mut Out,
    ) -> Result<ToolResult, Problem> {
        let account = account::trusted(self.nagios_user.as_deref(), context.nagios_cfg())?;
        let config = context.config().ok();
        let context = FixContext { account: &account, policy: context.policy(), config };
        Ok(if self.json {
            print_json(&checks, &context, out)
        } else {
            print(&checks, &context, out)
        })
    }
}

fn policy(config: &Result<&Config, UnusablePolicy>, context: &Context) -> DoctorFinding {
    let path = context.policy().display();
    match config {
        Ok(config) => {
            let names: Vec<&str> = config.policy.repairs.keys().map(RepairName::as_str).collect();
            ok("policy", format!("{path}: {}", names.join(", ")))
        }
        Err(why) if matches!(context.policy().try_exists(), Ok(false)) => {
            wrong("policy", why.to_string(), ServerFix::Init)
        }
        Err(why) if context.policy().try_exists().is_err() => {
            wrong("policy", why.to_string(), ServerFix::OpenPolicyDirectory)
        }
        Err(why @ UnusablePolicy::Forbidden(_)) => {
            wrong("policy", why.to_string(), ServerFix::GivePolicyToGroup)
        }
        Err(why) => wrong("policy", why.to_string(), ServerFix::CorrectPolicy),
    }
}

fn nagios_config(
    main: Option<&MainFile>,
    objects: Option<&Result<ObjectCache, ObjectCacheError>>,
    config: Option<&Config>,
) -> Vec<DoctorFinding> {
    let Some(main) = main else {
        return vec![note(
            "nagios.cfg",
            "not found where distributions put it",
            ServerFix::NameNagiosCfg,
        )];
    };
    let mut findings = vec![server::settings(main, config)];
    match (objects, config) {
        (Some(Err(why)), _) => {
            findings.push(note("opted in", why.to_string(), ServerFix::StartNagios))
        }
        (Some(Ok(objects)), Some(config)) => findings.push(server::opted(objects, config)),
        _ => {}
    }
    findings
}

/// Reports hosts of the command line that neither Nagios nor the policy knows.
fn unknown_hosts(
    args: &DoctorArgs,
    config: &Config,
    objects: Option<&ObjectCache>,
) -> Vec<DoctorFinding> {
    let Some(objects) = objects else { return Vec::new() };
    let known = |host: &&String| {
        objects.address(host).is_some() || config.routes.hosts().any(|name| name == *host)
    };
    let unknown = args.hosts.iter().filter(|host| !known(host));
    unknown
        .map(|host| {
            note(
                "host",
                format!("neither Nagios nor the policy knows a host '{host}'"),
                ServerFix::CorrectHost,
            )
        })
        .collect()
}

/// Returns the hosts to check: those of the command line; or all that opted in, that a ladder
/// names, or that the policy has, except for hosts that are only jump hosts.
fn targets(args: &DoctorArgs, config: &Config, objects: Option<&ObjectCache>) -> Vec<Target> {
    let none = ObjectCache::default();
    let objects = objects.unwrap_or(&none);
    let elsewhere = |rules: &policy::Rules| -> Vec<String> {
        let at = |rung: &policy::Rung| rung.act.at_gate()?.1.map(str::to_owned);
        rules.ladder.iter().filter_map(at).collect()
    };
    let mut hosts: BTreeSet<String> = args.hosts.iter().cloned().collect();
    if hosts.is_empty() {
        hosts.extend(objects.opted().keys().cloned());
        hosts.extend(config.policy.repairs.values().flat_map(elsewhere));
        let all: Vec<&str> = config.routes.hosts().collect();
        let bastions: BTreeSet<String> =
            all.iter().filter_map(|host| Some(config.routes.route(host, None).via?.host)).collect();
        hosts.extend(all.into_iter().filter(|host| !bastions.contains(*host)).map(str::to_owned));
    }
    hosts.iter().map(|host| target(host, config, objects)).collect()
}

fn target(host: &str, config: &Config, objects: &ObjectCache) -> Target {
    let route = config.routes.route(host, objects.address(host));
    let opted = objects.opted().get(host);
    let wants = |name: &RepairName| {
        opted.is_none_or(|repairs| repairs.iter().any(|repair| repair == name.as_str()))
    };
    let mut needs = BTreeSet::new();
    let mut named = opted.is_some();
    for (name, rules) in &config.policy.repairs {
        for rung in &rules.ladder {
            match rung.act.at_gate() {
                Some((repair, Some(at))) if at == host => {
                    named = true;
                    needs.insert(repair.clone());
                }
                Some((repair, None)) if wants(name) => drop(needs.insert(repair.clone())),
                Some(_) | None => {}
            }
        }
    }
    Target { route, needs: needs.into_iter().collect(), any: !named }
}

fn count(checks: &Checks, verdict: DoctorVerdict) -> usize {
    checks
        .iter()
        .flat_map(|(_, findings)| findings)
        .filter(|finding| finding.verdict == verdict)
        .count()
}

fn print_json(checks: &Checks, context: &FixContext<'_>, out: &mut Out) -> ToolResult {
    let (wrong, notes) = (count(checks, DoctorVerdict::Wrong), count(checks, DoctorVerdict::Note));
    let all = checks.iter().flat_map(|(host, findings)| {
        findings.iter().map(|finding| finding.json(host.as_deref(), context))
    });
    let json = json!({"wrong": wrong, "notes": notes, "checks": all.collect::<Vec<_>>()});
    out.line(json::text(format_args!("{json:#}")));
    if wrong == 0 { ToolResult::Fine } else { ToolResult::Wrong }
}

fn print(checks: &Checks, context: &FixContext<'_>, out: &mut Out) -> ToolResult {
    for (host, findings) in checks {
        out.line(host.as_deref().map_or_else(|| "this server".into(), finding::one_line));
        for finding in findings {
            finding.lines(host.as_deref(), context, out).iter().for_each(|line| out.line(line));
        }
    }
    let (wrong, notes) = (count(checks, DoctorVerdict::Wrong), count(checks, DoctorVerdict::Note));
    let (hosts, checked) = (
        checks.len().saturating_sub(1),
        checks.iter().map(|(_, findings)| findings.len()).sum::<usize>(),
    );
    let all = format!("{checked} checks, {hosts} {}", if hosts == 1 { "host" } else { "hosts" });
    let (text, tone) = match (wrong, notes) {
        (0, 0) => (format!("{all}: all is well"), Tone::Good),
        (0, notes) => (format!("{all}: repairs work; {notes} worth a look"), Tone::Uneasy),
        (wrong, _) => (format!("{all}: {wrong} wrong"), Tone::Bad),
    };
    out.line(tone.paint(&text, out));
    if wrong == 0 { ToolResult::Fine } else { ToolResult::Wrong }
}
