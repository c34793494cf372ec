//! Reads two things from the object cache: host addresses, which the status file does not contain,
//! and the opted-in objects. In the cache, Nagios has already applied all templates. A large site's
//! cache is 200 MB, so it is read block by block in constant memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use policy::spell;

use super::lines::stripped;
use crate::line_buffer::LineBuffer;

/// The hosts in an object cache. Host names are encoded by [`policy::spell`].
#[derive(Debug, Default)]
pub struct ObjectCache {
    addresses: HashMap<String, String>,
    /// For each repair, the hosts that opted in to it, themselves or through one of their services.
    /// There are few repairs and many hosts, so these lists take less memory than a list of repairs
    /// for each host.
    opted: BTreeMap<String, BTreeSet<String>>,
}

/// Which hosts' addresses to keep.
#[derive(Debug, Clone, Copy)]
pub enum AddressesOf<'a> {
    /// All hosts in the object cache.
    AllHosts,
    /// Only the hosts with these names, which are encoded by [`policy::spell`].
    Hosts(&'a [String]),
}

impl AddressesOf<'_> {
    fn contains(self, host: &str) -> bool {
        match self {
            AddressesOf::AllHosts => true,
            AddressesOf::Hosts(hosts) => hosts.iter().any(|wanted| wanted == host),
        }
    }
}

/// Why the object cache cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectCacheError {
    /// The main file does not set `object_cache_file`.
    #[error("no object_cache_file is set")]
    NotSet,
    /// The object cache is missing or not readable.
    #[error("cannot read {}: {why}{}", path.display(), when_written(why))]
    Unreadable {
        /// Path of the object cache.
        path: PathBuf,
        /// Error from the operating system.
        why: io::Error,
    },
}

/// If the file is missing, returns a hint about when Nagios writes it. Otherwise returns an empty
/// string.
fn when_written(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::NotFound => "; Nagios writes this file when it starts",
        _ => "",
    }
}

impl ObjectCache {
    /// Reads an object cache.
    ///
    /// # Errors
    /// Fails if the file is not readable.
    pub fn read(path: &Path, addresses: AddressesOf<'_>) -> io::Result<ObjectCache> {
        ObjectCache::scan(safe_file::open(path)?, addresses)
    }

    fn scan(file: impl Read, addresses: AddressesOf<'_>) -> io::Result<ObjectCache> {
        let mut cache = ObjectCache::default();
        let ControlFlow::<Infallible>::Continue(()) = definitions(file, |object| {
            cache.take(object, addresses);
            ControlFlow::Continue(())
        })?;
        Ok(cache)
    }

    fn take(&mut self, object: &CachedObject, addresses: AddressesOf<'_>) {
        let repair = object.repair.as_deref().filter(|name| !name.is_empty());
        let Some(host) = object.host_name.as_deref() else { return };
        if object.address.is_none() && repair.is_none() {
            return;
        }
        let host = spell(host);
        if let Some(address) = &object.address
            && addresses.contains(&host)
        {
            self.add_address(host.clone(), spell(address));
        }
        if let Some(repair) = repair.map(spell) {
            self.add_repair(host, repair);
        }
    }

    /// Adds the address of a host.
    pub(crate) fn add_address(&mut self, host: String, address: String) {
        self.addresses.insert(host, address);
    }

    /// Adds a repair that a host or one of its services names.
    pub(crate) fn add_repair(&mut self, host: String, repair: String) {
        self.opted.entry(repair).or_default().insert(host);
    }

    /// Returns the hosts that opted in to any repair, themselves or through one of their services.
    pub fn opted_in(&self) -> BTreeSet<&str> {
        self.opted.values().flatten().map(String::as_str).collect()
    }

    /// Returns the names of all repairs that objects name, each with the hosts of these objects.
    pub fn repairs(&self) -> impl Iterator<Item = (&str, &BTreeSet<String>)> {
        self.opted.iter().map(|(repair, hosts)| (repair.as_str(), hosts))
    }

    /// Returns the names of the repairs that a host or its services opted in to.
    pub fn repairs_of(&self, host: &str) -> impl Iterator<Item = &str> {
        let of_host = self.repairs().filter(move |(_, hosts)| hosts.contains(host));
        of_host.map(|(repair, _)| repair)
    }

    /// Returns the address of a host; `None` if there is no such host.
    pub fn address(&self, host: &str) -> Option<&str> {
        self.addresses.get(host).map(String::as_str)
    }
}

/// Returns the address of one host in an object cache; `None` if there is no such host. Nagios
/// writes each host once, so reading stops after this host.
///
/// # Errors
/// Fails if the file is not readable.
pub fn address_of(path: &Path, host: &str) -> io::Result<Option<String>> {
    find_address(safe_file::open(path)?, host)
}

fn find_address(file: impl Read, host: &str) -> io::Result<Option<String>> {
    let found = definitions(file, |object| match (&object.host_name, &object.address) {
        (Some(name), Some(address)) if spell(name) == host => ControlFlow::Break(spell(address)),
        _ => ControlFlow::Continue(()),
    });
    Ok(found?.break_value())
}

/// The part of a definition in the object cache that these programs use.
#[derive(Debug, Default)]
struct CachedObject {
    host_name: Option<Vec<u8>>,
    /// Address of a host. A contact can also have an address, but it has no host name, so its
    /// address is not used.
    address: Option<Vec<u8>>,
    repair: Option<Vec<u8>>,
}

impl CachedObject {
    /// Stores a line of the definition. If a name occurs twice, the last line counts, except for
    /// custom variables, where the first line counts.
    fn take(&mut self, line: &[u8]) {
        let value = |name: &[u8]| {
            let (start, rest) = line.split_at_checked(name.len())?;
            let is_whole = rest.first().is_none_or(|byte| matches!(byte, b' ' | b'\t'));
            (is_whole && start.eq_ignore_ascii_case(name)).then(|| stripped(rest).to_vec())
        };
        match line.first() {
            Some(b'h') => self.host_name = value(b"host_name").or(self.host_name.take()),
            Some(b'a') => self.address = value(b"address").or(self.address.take()),
            Some(b'_') => self.repair = self.repair.take().or_else(|| value(b"_REPAIR")),
            _ => {}
        }
    }
}

/// Maximum length of a line, in bytes. Longer lines, such as the members of a large host group, are
/// skipped.
const LONGEST_LINE: usize = 64 * 1024;

/// Passes each definition to `each`, until `each` returns `Break`.
fn definitions<T>(
    file: impl Read,
    mut each: impl FnMut(&CachedObject) -> ControlFlow<T>,
) -> io::Result<ControlFlow<T>> {
    let mut lines = LineBuffer::new(file, LONGEST_LINE);
    let mut open: Option<CachedObject> = None;
    while let Some(line) = lines.next_line()? {
        let line = stripped(line);
        if line == b"}" {
            if let Some(object) = open.take()
                && let ControlFlow::Break(found) = each(&object)
            {
                return Ok(ControlFlow::Break(found));
            }
        } else if line.starts_with(b"define") {
            open = Some(CachedObject::default());
        } else if let Some(object) = &mut open {
            object.take(line);
        }
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &str) -> ObjectCache {
        ObjectCache::scan(text.as_bytes(), AddressesOf::AllHosts).unwrap()
    }

    #[test]
    fn finds_hosts_with_their_addresses_and_repairs() {
        let objects = scan(
            "define host {\n\thost_name\tweb 1\n\taddress\t192.0.2.1\n\t_REPAIR\treboot\n\t}\n\
             define service {\n\thost_name\tweb 1\n\tservice_description\tHTTP\n\
             \t_REPAIR\thttpd\n\t}\n\
             define service {\n\thost_name\tweb2\n\tservice_description\tHTTP\n\t_REPAIR\t\n\t}\n",
        );
        assert_eq!(objects.address("web 1"), Some("192.0.2.1"));
        assert_eq!(objects.address("web2"), None);
        assert_eq!(objects.repairs_of("web 1").collect::<Vec<_>>(), ["httpd", "reboot"]);
        assert_eq!(objects.opted_in(), ["web 1"].into());
    }

    #[test]
    fn spells_names_and_uses_the_first_repair() {
        let text = b"define host {\n\thost_name\tGr\xf6\xdfe\n\taddress\tw\xe4b\n\t_REPAIR\tone\n\
                     \t_REPAIR\ttwo\n\t}\n";
        let objects = ObjectCache::scan(text.as_slice(), AddressesOf::AllHosts).unwrap();
        assert_eq!(objects.address(r"Gr\xF6\xDFe"), Some(r"w\xE4b"));
        assert_eq!(objects.repairs_of(r"Gr\xF6\xDFe").collect::<Vec<_>>(), ["one"]);
    }

    #[test]
    fn ignores_addresses_of_contacts() {
        let objects = scan(
            "define contact {\n\tcontact_name\tpager\n\taddress\t9\n\t}\n\n\
             define host {\n\thost_name\tweb 1\n\talias\tx\n\taddress\t192.0.2.1\n\t}\n\n\
             define service {\n\thost_name\tweb 1\n\tservice_description\tHTTP\n\t}\n",
        );
        assert_eq!(objects.addresses.len(), 1);
        assert_eq!(objects.address("web 1"), Some("192.0.2.1"));
    }

    const HOSTS: &str = "define host {\n\thost_name\tweb1\n\taddress\t192.0.2.1\n\t}\n\
        define host {\n\thost_name\tweb2\n\taddress\t192.0.2.2\n\t_REPAIR\treboot\n\t}\n";

    #[test]
    fn keeps_only_the_wanted_addresses() {
        let wanted = ["web1".to_owned()];
        let objects = ObjectCache::scan(HOSTS.as_bytes(), AddressesOf::Hosts(&wanted)).unwrap();
        assert_eq!((objects.address("web1"), objects.address("web2")), (Some("192.0.2.1"), None));
        assert_eq!(objects.opted_in(), ["web2"].into());
    }

    /// A reader that fails on every read, for the part of a file that must not be read.
    struct Unread;

    impl Read for Unread {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("read too far"))
        }
    }

    #[test]
    fn stops_reading_at_the_host() {
        let address = |host| find_address(HOSTS.as_bytes().chain(Unread), host);
        assert_eq!(address("web1").unwrap().as_deref(), Some("192.0.2.1"));
        assert_eq!(address("web2").unwrap().as_deref(), Some("192.0.2.2"));
        assert!(address("web3").is_err());
        assert_eq!(find_address(HOSTS.as_bytes(), "web3").unwrap(), None);
    }

    #[test]
    fn skips_endless_lines() {
        let long = vec![b'x'; 3 * LONGEST_LINE];
        let text = [b"define host {\n\talias\t", long.as_slice(), b"\n", HOSTS.as_bytes()].concat();
        assert_eq!(find_address(text.as_slice(), "web1").unwrap().as_deref(), Some("192.0.2.1"));
    }

    proptest! {
        #[test]
        fn reads_any_file(bytes in prop::collection::vec(prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]), Just(b"define host {\n".to_vec()),
            Just(b"\thost_name\tweb1\n".to_vec()), Just(b"address".to_vec()),
            Just(b"\t_REPAIR\t\xe4\n".to_vec()), Just(b"\t}\n".to_vec()),
        ], 0..40)) {
            let bytes = bytes.concat();
            let cache = ObjectCache::scan(bytes.as_slice(), AddressesOf::AllHosts).unwrap();
            let found = find_address(bytes.as_slice(), "web1").unwrap();
            prop_assert_eq!(cache.address("web1").is_some(), found.is_some());
        }
    }
}
