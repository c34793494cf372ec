//! Expands definitions into objects. Resolves lists of hosts and host groups with `*` and `!`, and
//! treats duplicate services in the same way as Nagios.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::define::{Definition, ObjectType};
use super::inherit::{MissingTemplates, ResolvedObject, Templates, items};
use super::value::DirectiveValue;

/// All objects of a configuration.
#[derive(Debug, Default)]
pub struct Objects {
    /// The command lines, by command name.
    pub commands: BTreeMap<String, DirectiveValue>,
    /// The hosts, in the order of the files.
    pub hosts: Vec<HostDefinition>,
    /// The service definitions, in the order of the files. One definition can apply to many hosts.
    pub services: Vec<ServiceDefinition>,
    /// The names of the time periods that cover the whole week.
    pub always: BTreeSet<String>,
    /// The undefined templates, each with the location of its `use` line.
    pub missing: MissingTemplates,
}

impl Objects {
    /// Returns the command line of an event handler, which is given as `name` or
    /// `name!argument!...`.
    pub fn command(&self, handler: &str) -> Option<&DirectiveValue> {
        self.commands.get(handler.split('!').next()?)
    }
}

/// A host of the configuration.
#[derive(Debug, Clone)]
pub struct HostDefinition {
    /// Name of the host.
    pub name: String,
    /// All directives of the host.
    pub object: ResolvedObject,
}

/// A service of the configuration, on one or more hosts.
#[derive(Debug, Clone)]
pub struct ServiceDefinition {
    /// Description of the service.
    pub description: String,
    /// Names of the hosts that have this service.
    pub hosts: Vec<String>,
    /// All directives of the service.
    pub object: ResolvedObject,
}

/// Expands definitions into objects.
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

/// Returns whether a time period covers the whole week.
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

/// Assigns each service to its hosts. If two definitions give a host the same service, one that
/// names the host takes precedence over one that names its group. Of two that name the host, the
/// last one counts. Of two that name a group, the first one counts (observed in Nagios 4.4.6).
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
        // Each round moves members up one level. There are at most as many levels as groups.
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

    /// Returns the hosts of a service. The value is true if the service names the host itself, and
    /// false if it names only a group of the host.
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

/// Returns the names that a list selects. `*` selects all names, and `!` excludes a name.
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
