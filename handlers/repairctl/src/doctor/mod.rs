//! `repairctl doctor`: checks the whole chain from Nagios to the gates, as the user Nagios runs as.

mod advice;
mod api;
mod api_advice;
pub mod args;
mod database;
mod finding;
mod fix;
mod host;
mod identity;
mod ledger_advice;
mod parallel;
mod server;
mod sweep;

use std::collections::BTreeSet;
use std::time::Duration;

use engine::account;
use engine::configuration::{AddressesOf, MainFile, ObjectCache, ObjectCacheError};
use plugin_kit::{Out, Problem, ToolResult};
use policy::RepairName;
use policy_file::Config;
use privsep::Account;
use serde_json::{Value, json};

use crate::context::{Context, UnusablePolicy};
use crate::split::{CommandResult, Split};
use crate::ui::json;
use crate::ui::tone::Tone;
use advice::FixContext;
use args::DoctorArgs;
use finding::{DoctorFinding, DoctorVerdict, note, ok, wrong};
use fix::{ServerFix, SiteFile};
use host::Target;

/// Groups of findings, each with the host that it is about, or with `None` for this server.
type Checks = Vec<(Option<String>, Vec<DoctorFinding>)>;

/// Time limit for checking all hosts. Each host also has its own, shorter deadline.
const WITHIN: Duration = Duration::from_secs(3600);

impl Split for DoctorArgs {
    type Data = Checks;

    fn account(&self, context: &Context) -> Result<Option<Account>, Problem> {
        Ok(account::to_become(self.nagios_user.as_deref(), context.nagios_cfg.as_deref())?)
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
        let addresses = match self.hosts.as_slice() {
            [] => AddressesOf::AllHosts,
            hosts => AddressesOf::Hosts(hosts),
        };
        let objects = main.as_ref().map(|main| main.objects(addresses));
        let api = config
            .as_ref()
            .ok()
            .and_then(|config| config.icinga2.as_ref().map(|api| api::examine(config, api)));
        let known = match &api {
            Some((_, objects)) => objects.as_ref(),
            None => objects.as_ref().and_then(|read| read.as_ref().ok()),
        };
        let targets =
            config.as_ref().map(|config| targets(self, config, known)).unwrap_or_default();

        let mut findings = vec![identity::check(&account)];
        findings.push(policy(&config, context));
        if let Ok(config) = &config {
            findings.extend(server::programs(config));
            findings.extend(server::keys(targets.iter().map(|target| &target.route)));
            findings.extend(server::ledger(config));
        }
        match api.as_ref() {
            Some((of_api, _)) => findings.extend(of_api.iter().cloned()),
            None => {
                let usable = config.as_ref().ok().copied();
                findings.extend(usable.into_iter().flat_map(server::files_of_nagios));
                findings.extend(nagios_config(main.as_ref(), objects.as_ref(), usable));
            }
        }
        if let (Ok(config), Some(objects)) = (&config, known) {
            findings.extend(unknown_hosts(self, config, objects));
        }
        if targets.is_empty() && config.is_ok() {
            let text = "none: neither Nagios' objects nor the policy names a host to repair";
            findings.push(wrong("hosts", text, ServerFix::OptIn));
        }
        let mut checks = vec![(None, findings)];
        parallel::examine(&targets, self.jobs.into(), |target, findings| {
            checks.push((Some(target.route.host.clone()), findings))
        });
        Ok(checks)
    }

    fn show(&self, mut checks: Checks, context: &Context, out: &mut Out) -> CommandResult {
        let account = account::trusted(self.nagios_user.as_deref(), context.nagios_cfg.as_deref())?;
        if let Some((None, findings)) = checks.first_mut() {
            findings.extend(server::policy_of_root(context));
            findings.extend(context.config().ok().and_then(sweep::check));
        }
        let config = context.config().ok();
        let context = FixContext { account: &account, site: context, config };
        let wrong = count(&checks, DoctorVerdict::Wrong);
        let counts = (wrong, count(&checks, DoctorVerdict::Note));
        match self.json {
            true => print_json(&checks, counts, &context, out),
            false => print(&checks, counts, &context, out),
        }
        Ok(if wrong == 0 { ToolResult::Fine } else { ToolResult::Wrong })
    }
}

fn policy(config: &Result<&Config, UnusablePolicy>, context: &Context) -> DoctorFinding {
    let path = context.policy.display();
    let why = match config {
        Err(why) => why,
        Ok(config) => {
            let names: Vec<&str> = config.policy.repairs.keys().map(RepairName::as_str).collect();
            if names.is_empty() {
                let text = format!("{path} contains no repair, so nothing is ever repaired");
                return wrong("policy", text, ServerFix::AddFirstRepair);
            }
            return ok("policy", format!("{path}: {}", names.join(", ")));
        }
    };
    let fix = match (context.policy.try_exists(), why) {
        (Ok(false), _) => ServerFix::Init,
        (Err(_), _) => ServerFix::EnterDirectories(SiteFile::Policy),
        (Ok(true), UnusablePolicy::Forbidden(_)) => ServerFix::OwnPolicy,
        (Ok(true), UnusablePolicy::Bad(why)) if why.is_about_its_owner() => ServerFix::OwnPolicy,
        (Ok(true), UnusablePolicy::Bad(_)) => ServerFix::CorrectPolicy,
    };
    wrong("policy", why.to_string(), fix)
}

fn nagios_config(
    main: Option<&MainFile>,
    objects: Option<&Result<ObjectCache, ObjectCacheError>>,
    config: Option<&Config>,
) -> Vec<DoctorFinding> {
    let Some(main) = main else {
        let text = "nagios.cfg was not found in the directories where distributions put it";
        return vec![note("nagios.cfg", text, ServerFix::NameNagiosCfg)];
    };
    let mut findings = server::settings(main, config);
    match (objects, config) {
        (Some(Err(why)), _) => findings.push(server::unknown_objects(why)),
        (Some(Ok(objects)), Some(config)) => findings.push(server::opted(objects, config)),
        _ => {}
    }
    findings
}

/// Reports each host on the command line that is neither in Nagios' objects nor in the policy.
fn unknown_hosts(args: &DoctorArgs, config: &Config, objects: &ObjectCache) -> Vec<DoctorFinding> {
    let known = |host: &&String| {
        objects.address(host).is_some() || config.routes.hosts().any(|name| name == *host)
    };
    let unknown = args.hosts.iter().filter(|host| !known(host)).map(|host| {
        let text = format!("neither Nagios nor the policy knows a host '{host}'");
        note("host", text, ServerFix::CorrectHost)
    });
    unknown.collect()
}

/// Returns the hosts to check. These are the hosts named on the command line. If the command line
/// names none, they are the hosts on which an object has a `_REPAIR`, and all hosts in the policy
/// and its ladders except those that serve only as jump hosts.
fn targets(args: &DoctorArgs, config: &Config, objects: Option<&ObjectCache>) -> Vec<Target> {
    let none = ObjectCache::default();
    let objects = objects.unwrap_or(&none);
    let elsewhere = |rules: &policy::Rules| -> Vec<String> {
        let at = |rung: &policy::Rung| rung.act.at_gate()?.1.map(str::to_owned);
        rules.ladder.iter().filter_map(at).collect()
    };
    let mut hosts: BTreeSet<String> = args.hosts.iter().cloned().collect();
    if hosts.is_empty() {
        hosts.extend(objects.opted_in().into_iter().map(str::to_owned));
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
    let opted: Vec<&str> = objects.repairs_of(host).collect();
    let wants = |name: &RepairName| opted.is_empty() || opted.contains(&name.as_str());
    let mut needs = BTreeSet::new();
    let mut named = !opted.is_empty();
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

/// Whether this finding reports that no object has a `_REPAIR`, or that an object names an unknown
/// repair.
fn is_unused(finding: &DoctorFinding) -> bool {
    finding.check == server::OPTED_IN && finding.verdict != DoctorVerdict::Ok
}

fn count(checks: &Checks, verdict: DoctorVerdict) -> usize {
    let all = checks.iter().flat_map(|(_, findings)| findings);
    all.filter(|finding| finding.verdict == verdict).count()
}

fn print_json(checks: &Checks, counts: (usize, usize), context: &FixContext<'_>, out: &mut Out) {
    let all = checks.iter().flat_map(|(host, findings)| {
        findings.iter().map(|finding| finding.json(host.as_deref(), context))
    });
    let checks: Vec<Value> = all.collect();
    json::print(json!({"wrong": counts.0, "notes": counts.1, "checks": checks}), out);
}

fn print(checks: &Checks, counts: (usize, usize), context: &FixContext<'_>, out: &mut Out) {
    for (host, findings) in checks {
        out.line(host.as_deref().map_or_else(|| "this server".into(), finding::one_line));
        for finding in findings {
            finding.lines(host.as_deref(), context, out).iter().for_each(|line| out.line(line));
        }
    }
    let hosts = checks.len().saturating_sub(1);
    let checked: usize = checks.iter().map(|(_, findings)| findings.len()).sum();
    let all = format!(
        "{checked} checks, {hosts} {noun}",
        noun = if hosts == 1 { "host" } else { "hosts" }
    );
    let (text, tone) = match counts {
        (0, 0) => (format!("{all}: all is well"), Tone::Good),
        (0, notes) => {
            // Even if every gate answers, nothing is repaired while no object has a `_REPAIR`.
            let unused = checks.iter().flat_map(|(_, findings)| findings).any(is_unused);
            let works = if unused { "no host or service has a _REPAIR" } else { "repairs work" };
            let noun = if notes == 1 { "note" } else { "notes" };
            (format!("{all}: {works}; {notes} {noun}"), Tone::Uneasy)
        }
        (wrong, _) => (format!("{all}: {wrong} wrong"), Tone::Bad),
    };
    out.line(tone.paint(&text, out));
}
