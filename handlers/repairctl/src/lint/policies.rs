//! Checks the policies that the event handlers read. Most sites have a single policy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use engine::configuration::{Configuration, Directive, Location};
use plugin_kit::LIBEXEC;
use policy::object_name;
use policy_file::{BadPolicy, Config, WatchService};

use super::finding::{Findings, error};
use crate::context::Context;

/// Cache of the policies that the event handlers name.
pub struct Policies {
    /// Path of the policy for handlers without `--policy`.
    default: PathBuf,
    read: BTreeMap<PathBuf, Result<Config, BadPolicy>>,
}

impl Policies {
    pub fn new(context: &Context) -> Policies {
        Policies { default: context.policy.to_owned(), read: BTreeMap::new() }
    }

    /// Returns the policy at the path `named`, or the default policy if `named` is `None`. Returns
    /// `None` for an unusable policy, which [`Policies::check`] reports.
    pub fn get(&mut self, named: Option<&Path>) -> Option<(PathBuf, &Config)> {
        let path = named.unwrap_or(&self.default).to_owned();
        let read = self.read.entry(path.clone()).or_insert_with(|| policy_file::read(&path));
        Some((path, read.as_ref().ok()?))
    }

    /// Returns the policies that were read without an error.
    pub fn usable(&self) -> impl Iterator<Item = (&Path, &Config)> {
        self.read.iter().filter_map(|(path, read)| Some((path.as_path(), read.as_ref().ok()?)))
    }

    /// Reports unusable policies, missing verify commands and wrong `check_repairs` services.
    pub fn check(&self, configuration: &Configuration, findings: &mut Findings) {
        for (path, read) in &self.read {
            match read {
                Err(bad) => {
                    let line = if let BadPolicy::Malformed { line, .. } = bad { *line } else { 0 };
                    let text = format!("the policy is invalid, so no repair runs: {bad}");
                    let fix = "correct the file, or choose another one with --policy";
                    findings.add(&at(path, line), error("unusable-policy", text, fix), "");
                }
                Ok(config) => {
                    verify_commands(path, config, findings);
                    if let Some(watch) = &config.check_repairs {
                        check_repairs(path, watch, configuration, findings);
                    }
                }
            }
        }
    }
}

/// Returns the location of the first line in a policy that contains the word in quotes.
pub fn place(path: &Path, word: &str) -> Location {
    let text = safe_file::read(path, policy_file::LONGEST, None).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let quoted = format!("\"{word}\"");
    at(path, text.lines().position(|line| line.contains(&quoted)).map_or(0, |index| index + 1))
}

fn at(path: &Path, line: usize) -> Location {
    Location { file: Rc::from(path), line: u32::try_from(line).unwrap_or(0) }
}

/// Reports the verify commands that are not on this server.
pub fn verify_commands(path: &Path, config: &Config, findings: &mut Findings) {
    for (name, rules) in &config.policy.repairs {
        for program in rules.ladder.iter().filter_map(|rung| rung.verify.first()) {
            let places = config.plugin_places(Some(Path::new(LIBEXEC)));
            let is_there = match program.contains('/') {
                true => Path::new(program).is_file(),
                false => places.iter().any(|place| place.join(program).is_file()),
            };
            if !is_there {
                let text = format!(
                    "the verify command '{program}' is not on this server, so the repair '{name}' \
                     never starts"
                );
                let fix = "install it, write its full path in the policy, or add its directory to \
                           plugin_path";
                findings.add(&place(path, program), error("no-verify-command", text, fix), "");
            }
        }
    }
}

fn check_repairs(
    path: &Path,
    watch: &WatchService,
    configuration: &Configuration,
    findings: &mut Findings,
) {
    let WatchService { host, service } = watch;
    let mut services = configuration.objects.services.iter();
    let known = services
        .find(|one| *one.description == **service && one.hosts.iter().any(|it| **it == **host));
    let label = object_name(host, Some(service));
    match known {
        None => {
            let text = "check_repairs names a service that Nagios does not know, so escalations go \
                        unnoticed";
            let fix = "define the service as in nagios-config/services.cfg, or correct its names \
                       in the policy";
            findings.add(&place(path, service), error("no-check-repairs", text, fix), &label);
        }
        Some(one) => {
            if let Some(value) = one.object.off(Directive::PassiveChecksEnabled) {
                let text = "passive_checks_enabled is 0 for the check_repairs service, so \
                            escalations go unnoticed";
                let fix = "set passive_checks_enabled to 1";
                findings.add(&value.at, error("no-check-repairs", text, fix), &label);
            }
        }
    }
}
