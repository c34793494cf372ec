//! `repairctl doctor`: looks at everything between Nagios and the gates, as the user Nagios runs as.

mod finding;
mod host;
mod identity;
mod server;
mod ward;

use std::collections::BTreeSet;

use handle_repair::config::Config;
use plugin_kit::{Found, Out, Problem};
use policy::{Act, RepairName};
use serde_json::json;

use crate::cli::Doctor;
use crate::json;
use crate::nagios::{Account, MainFile, Objects};
use crate::site::Site;
use crate::table::Tone;
use finding::{Finding, Verdict};
use host::Patient;

/// The command.
pub fn run(words: &Doctor, site: &Site, out: &mut Out) -> Result<Found, Problem> {
    let main = MainFile::find(words.nagios_cfg.as_deref())?;
    let account = Account::of_nagios(words.nagios_user.as_deref(), main.as_ref())?;
    identity::become_nagios(&account, main.as_ref())?;
    let config = site.config();
    let objects = main.as_ref().map(MainFile::objects);
    let known = objects.as_ref().and_then(|read| read.as_ref().ok());
    let patients = config.as_ref().map(|config| patients(words, config, known)).unwrap_or_default();

    let mut here = vec![identity::look(&account)];
    here.extend(policy(&config, site, &account));
    if let Ok(config) = &config {
        here.extend(server::programs(config));
        here.extend(server::keys(patients.iter().map(|patient| &patient.way), &account.name));
        here.push(server::ledger(config, &account.name, &account.group));
        here.extend(server::files_of_nagios(config));
    }
    here.extend(of_nagios(main.as_ref(), objects.as_ref(), config.as_ref().ok()));
    if let (Ok(config), false) = (&config, words.hosts.is_empty()) {
        here.extend(strangers(words, config, known));
    }
    let mut report = Report { json: words.json.then(Vec::new), wrong: 0, notes: 0, checks: 0 };
    report.add(None, &here, out);
    ward::examine(&patients, words.jobs.into(), |patient, findings| report.add(Some(&patient.way.host), &findings, out));
    Ok(report.end(patients.len(), out))
}

/// The text of an error without its consequence: nobody asked for a repair here.
fn short(why: &transport::Error) -> String {
    let text = why.to_string();
    text.trim_end_matches("nothing was run").trim_end_matches(['?', ':', ';', ' ']).to_owned()
}

fn policy(config: &Result<Config, Problem>, site: &Site, account: &Account) -> Option<Finding> {
    let path = site.policy().display();
    Some(match config {
        Ok(config) => {
            let names: Vec<&str> = config.policy.repairs.keys().map(RepairName::as_str).collect();
            Finding::ok("policy", format!("{path}: {}", names.join(", ")))
        }
        Err(why) if matches!(site.policy().try_exists(), Ok(false)) => {
            Finding::wrong("policy", why.to_string(), "sudo repairctl init writes a first one")
        }
        Err(why) if site.policy().try_exists().is_err() => {
            let above = site.policy().parent().unwrap_or(site.policy()).display();
            Finding::wrong("policy", why.to_string(), format!("chmod 755 {above}, so that {} reaches it", account.name))
        }
        Err(why) if why.to_string().contains("ermission denied") => {
            Finding::wrong("policy", why.to_string(), format!("chgrp {} {path} && chmod 640 {path}", account.group))
        }
        Err(why) => Finding::wrong("policy", why.to_string(), "correct the file at that place"),
    })
}

fn of_nagios(main: Option<&MainFile>, objects: Option<&Result<Objects, String>>, config: Option<&Config>) -> Vec<Finding> {
    let Some(main) = main else {
        return vec![Finding::note("nagios.cfg", "not found where distributions put it", "name it with --nagios-cfg")];
    };
    let mut findings = vec![server::settings(main, config)];
    match (objects, config) {
        (Some(Err(why)), _) => findings.push(Finding::note("opted in", why, "start Nagios")),
        (Some(Ok(objects)), Some(config)) => findings.push(server::opted(objects, config)),
        _ => {}
    }
    findings
}

/// Hosts that were named on the command line and that nobody knows.
fn strangers(words: &Doctor, config: &Config, objects: Option<&Objects>) -> Vec<Finding> {
    let Some(objects) = objects else { return Vec::new() };
    let known = |host: &&String| objects.has(host) || config.reach.hosts().any(|name| name == *host);
    let unknown = words.hosts.iter().filter(|host| !known(host));
    unknown
        .map(|host| Finding::note("host", format!("neither Nagios nor the policy knows a host '{host}'"), "correct its name"))
        .collect()
}

/// Whom to look at: those that were named, or everybody who opted in, whom a ladder names, or whom the policy knows and
/// who is not only on the way to others.
fn patients(words: &Doctor, config: &Config, objects: Option<&Objects>) -> Vec<Patient> {
    let none = Objects::default();
    let objects = objects.unwrap_or(&none);
    let elsewhere = |rules: &policy::Rules| -> Vec<String> {
        let at = |rung: &policy::Rung| if let Act::Ssh { at: Some(at), .. } = &rung.act { Some(at.clone()) } else { None };
        rules.ladder.iter().filter_map(at).collect()
    };
    let mut hosts: BTreeSet<String> = words.hosts.iter().cloned().collect();
    if hosts.is_empty() {
        hosts.extend(objects.opted().keys().cloned());
        hosts.extend(config.policy.repairs.values().flat_map(elsewhere));
        let all: Vec<&str> = config.reach.hosts().collect();
        let bastions: BTreeSet<String> = all.iter().filter_map(|host| Some(config.reach.way(host, None).via?.host)).collect();
        hosts.extend(all.into_iter().filter(|host| !bastions.contains(*host)).map(str::to_owned));
    }
    hosts.iter().map(|host| patient(host, config, objects)).collect()
}

fn patient(host: &str, config: &Config, objects: &Objects) -> Patient {
    let way = config.reach.way(host, objects.address(host));
    let opted = objects.opted().get(host);
    let wants = |name: &RepairName| opted.is_none_or(|repairs| repairs.iter().any(|repair| repair == name.as_str()));
    let mut needs = BTreeSet::new();
    let mut named = opted.is_some();
    for (name, rules) in &config.policy.repairs {
        for rung in &rules.ladder {
            match &rung.act {
                Act::Ssh { repair, at: Some(at) } if at == host => {
                    named = true;
                    needs.insert(repair.clone());
                }
                Act::Ssh { repair, at: None } if wants(name) => drop(needs.insert(repair.clone())),
                _ => {}
            }
        }
    }
    Patient { way, needs: needs.into_iter().collect(), any: !named }
}

/// What is said, as it comes, or kept for JSON.
struct Report {
    json: Option<Vec<serde_json::Value>>,
    wrong: usize,
    notes: usize,
    checks: usize,
}

impl Report {
    fn add(&mut self, about: Option<&str>, findings: &[Finding], out: &mut Out) {
        self.checks += findings.len();
        self.wrong += findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
        self.notes += findings.iter().filter(|finding| finding.verdict == Verdict::Note).count();
        if let Some(kept) = &mut self.json {
            kept.extend(findings.iter().map(|finding| finding.json(about)));
            return;
        }
        out.line(plugin_kit::clean(about.unwrap_or("this server")));
        for finding in findings {
            out.line(finding.line(out));
        }
        out.flush();
    }

    fn end(self, hosts: usize, out: &mut Out) -> Found {
        let found = if self.wrong == 0 { Found::Fine } else { Found::Wrong };
        if let Some(checks) = self.json {
            let json = json!({"wrong": self.wrong, "notes": self.notes, "checks": checks});
            out.line(json::text(format_args!("{json:#}")));
            return found;
        }
        let all = format!("{} checks, {hosts} {}", self.checks, if hosts == 1 { "host" } else { "hosts" });
        let (text, tone) = match (self.wrong, self.notes) {
            (0, 0) => (format!("{all}: all is well"), Tone::Good),
            (0, notes) => (format!("{all}: repairs work; {notes} worth a look"), Tone::Uneasy),
            (wrong, _) => (format!("{all}: {wrong} wrong"), Tone::Bad),
        };
        out.line(tone.paint(&text, out));
        found
    }
}
