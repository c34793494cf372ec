//! Expands definitions to objects: lists of hosts and groups, `*` and `!`, and Nagios' treatment of
//! duplicates.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::define::{Definition, ObjectType};
use super::inherit::{MissingTemplates, ResolvedObject, Templates, items};
use super::value::DirectiveValue;

/// All objects that are read.
#[derive(Debug, Default)]
pub struct Objects {
    /// The command lines, by the name of their command.
    pub commands: BTreeMap<String, DirectiveValue>,
    /// In the order of the files.
    pub hosts: Vec<HostDefinition>,
    /// In the order of the files; one definition may be on many hosts.
    pub services: Vec<ServiceDefinition>,
    /// The time periods that have no gap.
    pub always: BTreeSet<String>,
    /// Templates that are defined nowhere, at the `use` line.
    pub missing: MissingTemplates,
}

impl Objects {
    /// Returns the command line of an event handler: `name` or `name!argument!...`.
    pub fn command(&self, handler: &str) -> Option<&DirectiveValue> {
        self.commands.get(handler.split('!').next()?)
    }
}

/// A host.
#[derive(Debug, Clone)]
pub struct HostDefinition {
    /// Its name.
    pub name: String,
    /// The rest.
    pub object: ResolvedObject,
}

/// A service definition.
#[derive(Debug, Clone)]
pub struct ServiceDefinition {
    /// Its description.
    pub description: String,
    /// The hosts it is on.
    pub hosts: Vec<String>,
    /// The rest.
    pub object: ResolvedObject,
}

/// Returns the objects of these definitions.
pub fn expand(all: &[Definition]) -> Objects {
    let mut objects = Objects::default();
    for definition in all.iter().filter(|definition| definition.kind == ObjectType::Command) {
        let line = definition.get("command_line");
        if let (Some(name), Some(line)) = (definition.get("command_name"), line) {
            objects.commands.insert(name.text.clone(), line.clone());
        }
    }
    for object in registered(ObjectType::Host, all, &mut objects.missing) {
        if let Some(name) = object.text("host_name").map(str::to_owned) {
            objects.hosts.push(HostDefinition { name, object });
        }
    }
    for period in registered(ObjectType::TimePeriod, all, &mut objects.missing) {
        let name = period.text("timeperiod_name").filter(|_| has_no_gap(&period));
        objects.always.extend(name.map(str::to_owned));
    }
    let groups = registered(ObjectType::HostGroup, all, &mut objects.missing);
    let groups = HostGroups::new(&groups, &objects.hosts);
    objects.services = place(registered(ObjectType::Service, all, &mut objects.missing), &groups);
    objects
}

/// Whether a time period covers the whole week.
fn has_no_gap(period: &ResolvedObject) -> bool {
    const DAYS: [&str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let is_whole = |day| period.list(day).any(|range| range == "00:00-24:00");
    DAYS.into_iter().all(is_whole) && period.get("exclude").is_none()
}

fn registered(
    kind: ObjectType,
    all: &[Definition],
    missing: &mut MissingTemplates,
) -> Vec<ResolvedObject> {
    let templates = Templates::new(kind, all);
    let is_registered = |definition: &&Definition| {
        definition.kind == kind && definition.get("register").is_none_or(DirectiveValue::is_on)
    };
    all.iter().filter(is_registered).map(|one| templates.fill(one, missing)).collect()
}

/// Of two services of one name on a host, the one that names the host goes before the one that
/// names a group of it; of two that name the host the last one counts, of two that name groups the
/// first (seen on Nagios 4.4.6).
fn place(objects: Vec<ResolvedObject>, groups: &HostGroups) -> Vec<ServiceDefinition> {
    let mut owners: HashMap<(String, String), (usize, bool)> = HashMap::new();
    for (index, object) in objects.iter().enumerate() {
        let Some(description) = object.text("service_description") else { continue };
        for (host, by_name) in groups.hosts_of(object) {
            let owner = owners.entry((host, description.to_owned())).or_insert((index, by_name));
            if by_name {
                *owner = (index, true);
            }
        }
    }
    let mut hosts: Vec<Vec<String>> = objects.iter().map(|_| Vec::new()).collect();
    for ((host, _), (index, _)) in owners {
        if let Some(hosts) = hosts.get_mut(index) {
            hosts.push(host);
        }
    }
    let placed = objects.into_iter().zip(hosts).filter(|(_, hosts)| !hosts.is_empty());
    placed
        .filter_map(|(object, mut hosts)| {
            hosts.sort_unstable();
            Some(ServiceDefinition {
                description: object.text("service_description")?.to_owned(),
                hosts,
                object,
            })
        })
        .collect()
}

/// The members of host groups.
struct HostGroups {
    hosts: BTreeSet<String>,
    members: HashMap<String, BTreeSet<String>>,
}

impl HostGroups {
    fn new(groups: &[ResolvedObject], hosts: &[HostDefinition]) -> HostGroups {
        let all: BTreeSet<String> = hosts.iter().map(|host| host.name.clone()).collect();
        let mut members: HashMap<String, BTreeSet<String>> = HashMap::new();
        let mut below: HashMap<&str, Vec<&str>> = HashMap::new();
        for group in groups {
            let Some(name) = group.text("hostgroup_name") else { continue };
            let named = chosen(group.list("members"), &all, |one| vec![one.to_owned()]);
            members.entry(name.to_owned()).or_default().extend(named);
            below.entry(name).or_default().extend(group.list("hostgroup_members"));
        }
        for host in hosts {
            for group in host.object.list("hostgroups") {
                members.entry(group.to_owned()).or_default().insert(host.name.clone());
            }
        }
        // Each round brings members one level up; there are no more levels than groups.
        for _ in 0..below.len() {
            let mut grown = false;
            for (name, parts) in &below {
                let more: Vec<String> =
                    parts.iter().filter_map(|part| members.get(*part)).flatten().cloned().collect();
                let set = members.entry((*name).to_owned()).or_default();
                let before = set.len();
                set.extend(more);
                grown |= set.len() > before;
            }
            if !grown {
                break;
            }
        }
        HostGroups { hosts: all, members }
    }

    /// The hosts of a service, and whether they are named and not only their groups.
    fn hosts_of(&self, service: &ResolvedObject) -> BTreeMap<String, bool> {
        let of_group =
            |name: &str| self.members.get(name).into_iter().flatten().cloned().collect::<Vec<_>>();
        let groups = service.text("hostgroup_name").unwrap_or_default();
        let named = service.text("host_name").unwrap_or_default();
        let by_group = chosen(items(groups), &self.hosts, of_group);
        let by_name = chosen(items(named), &self.hosts, |one| vec![one.to_owned()]);
        let refused: BTreeSet<String> = items(groups)
            .filter_map(|item| item.strip_prefix('!'))
            .flat_map(of_group)
            .chain(items(named).filter_map(|item| item.strip_prefix('!')).map(str::to_owned))
            .collect();
        let mut hosts: BTreeMap<String, bool> =
            by_group.into_iter().map(|host| (host, false)).collect();
        hosts.extend(by_name.into_iter().map(|host| (host, true)));
        hosts.retain(|host, _| !refused.contains(host));
        hosts
    }
}

/// The names that a list selects: names, `*` for all, without those after a `!`.
fn chosen<'a>(
    list: impl Iterator<Item = &'a str>,
    all: &BTreeSet<String>,
    of: impl Fn(&str) -> Vec<String>,
) -> BTreeSet<String> {
    let (mut taken, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for item in list {
        match (item, item.strip_prefix('!')) {
            ("*", _) => taken.extend(all.iter().cloned()),
            (_, Some(not)) => refused.extend(of(not)),
            (name, None) => taken.extend(of(name)),
        }
    }
    taken.retain(|name| !refused.contains(name));
    taken
}
