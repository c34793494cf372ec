//! Resolves lists of hosts and host groups, in which `*` selects all names and `!` excludes a name.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::directive::Directive;
use super::inherit::{ResolvedObject, items};
use super::objects::HostDefinition;
use super::value::SharedTexts;

/// All hosts, and the members of each host group.
pub struct HostGroups {
    hosts: BTreeSet<Rc<str>>,
    members: HashMap<Rc<str>, BTreeSet<Rc<str>>>,
}

impl HostGroups {
    /// Determines which of the hosts are members of these groups.
    pub fn new(
        groups: &[ResolvedObject],
        hosts: &[HostDefinition],
        texts: &mut SharedTexts,
    ) -> HostGroups {
        let all: BTreeSet<Rc<str>> = hosts.iter().map(|host| Rc::clone(&host.name)).collect();
        let mut members: HashMap<Rc<str>, BTreeSet<Rc<str>>> = HashMap::new();
        let mut below: HashMap<Rc<str>, Vec<Rc<str>>> = HashMap::new();
        for group in groups {
            let Some(name) = group.text(Directive::HostgroupName) else { continue };
            let list = group.text(Directive::Members).unwrap_or_default();
            let named = chosen(&list, &all, |one| vec![texts.shared(one)]);
            members.entry(Rc::clone(&name)).or_default().extend(named);
            let parts = group.text(Directive::HostgroupMembers).unwrap_or_default();
            below.entry(name).or_default().extend(items(&parts).map(|part| texts.shared(part)));
        }
        for host in hosts {
            for group in items(&host.object.text(Directive::Hostgroups).unwrap_or_default()) {
                members.entry(texts.shared(group)).or_default().insert(Rc::clone(&host.name));
            }
        }
        raise(&mut members, &below);
        HostGroups { hosts: all, members }
    }

    /// Returns the hosts of a service. The value for a host is true if the service names the host
    /// itself, and false if the service names only a group that contains the host.
    pub fn hosts_of(
        &self,
        service: &ResolvedObject,
        texts: &mut SharedTexts,
    ) -> BTreeMap<Rc<str>, bool> {
        let of_group =
            |name: &str| self.members.get(name).into_iter().flatten().cloned().collect::<Vec<_>>();
        let groups = service.text(Directive::HostgroupName).unwrap_or_default();
        let named = service.text(Directive::HostName).unwrap_or_default();
        let by_group = chosen(&groups, &self.hosts, of_group);
        let by_name = chosen(&named, &self.hosts, |one| vec![texts.shared(one)]);
        let excluded = |list| items(list).filter_map(|item| item.strip_prefix('!'));
        let refused: BTreeSet<Rc<str>> = excluded(&groups)
            .flat_map(of_group)
            .chain(excluded(&named).map(|one| texts.shared(one)))
            .collect();
        let mut hosts: BTreeMap<Rc<str>, bool> =
            by_group.into_iter().map(|host| (host, false)).collect();
        hosts.extend(by_name.into_iter().map(|host| (host, true)));
        hosts.retain(|host, _| !refused.contains(host));
        hosts
    }
}

/// Adds the members of each group's subgroups, which `below` lists, to the group. Each round moves
/// members up one level. There are at most as many levels as groups, so one round per group is
/// enough.
fn raise(
    members: &mut HashMap<Rc<str>, BTreeSet<Rc<str>>>,
    below: &HashMap<Rc<str>, Vec<Rc<str>>>,
) {
    for _ in 0..below.len() {
        let mut grown = false;
        for (name, parts) in below {
            let more: Vec<Rc<str>> =
                parts.iter().filter_map(|part| members.get(part)).flatten().cloned().collect();
            let set = members.entry(Rc::clone(name)).or_default();
            let before = set.len();
            set.extend(more);
            grown |= set.len() > before;
        }
        if !grown {
            break;
        }
    }
}

/// Returns the names that a list selects. `*` selects all names, and `!` excludes a name.
fn chosen(
    list: &str,
    all: &BTreeSet<Rc<str>>,
    mut of: impl FnMut(&str) -> Vec<Rc<str>>,
) -> BTreeSet<Rc<str>> {
    let (mut taken, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for item in items(list) {
        match (item, item.strip_prefix('!')) {
            ("*", _) => taken.extend(all.iter().cloned()),
            (_, Some(not)) => refused.extend(of(not)),
            (name, None) => taken.extend(of(name)),
        }
    }
    taken.retain(|name| !refused.contains(name));
    taken
}
