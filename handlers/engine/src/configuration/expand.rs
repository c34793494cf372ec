//! Expands definitions into objects, and resolves duplicate services as Nagios does.

use std::collections::HashMap;
use std::rc::Rc;

use super::define::Definition;
use super::directive::{Directive, ObjectType};
use super::host_groups::HostGroups;
use super::inherit::{ResolvedObject, items, registered};
use super::objects::{HostDefinition, Objects, ServiceDefinition};
use super::value::SharedTexts;

/// Expands definitions into objects. `texts` holds the strings that the definitions share.
pub fn expand(mut all: Vec<Definition>, texts: &mut SharedTexts) -> Objects {
    let mut objects = Objects::default();
    for command in all.iter().filter(|definition| definition.kind == ObjectType::Command) {
        let line = command.get(Directive::CommandLine, true);
        if let (Some(name), Some(line)) = (command.get(Directive::CommandName, true), line) {
            objects.commands.insert(name.text, line);
        }
    }
    let mut of_kind = |kind| {
        let definitions = all.extract_if(.., |definition| definition.kind == kind).collect();
        registered(definitions, &mut objects.missing)
    };
    let hosts = of_kind(ObjectType::Host).into_iter();
    objects.hosts = hosts
        .filter_map(|object| {
            Some(HostDefinition { name: object.text(Directive::HostName)?, object })
        })
        .collect();
    for period in of_kind(ObjectType::TimePeriod) {
        let name = period.text(Directive::TimeperiodName).filter(|_| has_no_gap(&period));
        objects.always.extend(name);
    }
    let groups = HostGroups::new(&of_kind(ObjectType::HostGroup), &objects.hosts, texts);
    objects.services = place(of_kind(ObjectType::Service), &groups, texts);
    objects
}

/// Whether a time period covers the whole week.
fn has_no_gap(period: &ResolvedObject) -> bool {
    let is_whole = |day| {
        let ranges = period.text(day).unwrap_or_default();
        items(&ranges).any(|range| range == "00:00-24:00")
    };
    Directive::DAYS.into_iter().all(is_whole) && period.get(Directive::Exclude).is_none()
}

/// Assigns each service to its hosts. If two definitions give a host the same service, a definition
/// that names the host takes precedence over one that names its group. If both name the host, the
/// last one counts. If both name a group, the first one counts (observed in Nagios 4.4.6).
fn place(
    objects: Vec<ResolvedObject>,
    groups: &HostGroups,
    texts: &mut SharedTexts,
) -> Vec<ServiceDefinition> {
    let mut owners: HashMap<(Rc<str>, Rc<str>), (usize, bool)> = HashMap::new();
    for (index, object) in objects.iter().enumerate() {
        let Some(description) = object.text(Directive::ServiceDescription) else { continue };
        for (host, by_name) in groups.hosts_of(object, texts) {
            let owner = owners.entry((host, Rc::clone(&description))).or_insert((index, by_name));
            if by_name {
                *owner = (index, true);
            }
        }
    }
    let mut hosts: Vec<Vec<Rc<str>>> = objects.iter().map(|_| Vec::new()).collect();
    for ((host, _), (index, _)) in owners {
        if let Some(hosts) = hosts.get_mut(index) {
            hosts.push(host);
        }
    }
    let placed = objects.into_iter().zip(hosts).filter(|(_, hosts)| !hosts.is_empty());
    placed
        .filter_map(|(object, mut hosts)| {
            hosts.sort_unstable();
            let description = object.text(Directive::ServiceDescription)?;
            Some(ServiceDefinition { description, hosts, object })
        })
        .collect()
}
