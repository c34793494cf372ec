//! Reads addresses of hosts and the objects that opted in from the object cache. The status file
//! has no addresses. In the cache, Nagios has already applied all templates. The cache of a large
//! site has 200 MB, so it is read line by line.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use policy::spell;

use super::define::{Definition, DefinitionParser, Item};
use super::lines::stripped;

/// The hosts of an object cache, by the spelling of their names.
#[derive(Debug, Default)]
pub struct ObjectCache {
    addresses: HashMap<String, String>,
    /// The repairs of each host that opted in, itself or with one of its services.
    pub opted: BTreeMap<String, Vec<String>>,
}

/// The reason why the object cache cannot be read.
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
        /// Error of the operating system.
        why: io::Error,
    },
}

/// Explains when Nagios writes the file, if the file is missing.
fn when_written(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::NotFound => "; Nagios writes it when it starts",
        _ => "",
    }
}

impl ObjectCache {
    /// Reads an object cache.
    ///
    /// # Errors
    /// The file is not readable.
    pub fn read(path: &Path) -> io::Result<ObjectCache> {
        ObjectCache::scan(path, BufReader::new(safe_file::open(path)?))
    }

    fn scan(path: &Path, mut file: impl BufRead) -> io::Result<ObjectCache> {
        let mut cache = ObjectCache::default();
        let is_wanted = |name: &str| matches!(name, "host_name" | "address" | "_REPAIR");
        let mut parser = DefinitionParser::new(path, is_wanted);
        let (mut line, mut number) = (Vec::new(), 0);
        while file.read_until(b'\n', &mut line)? > 0 {
            number += 1;
            let text = spell(&line);
            if let Some(Item::Definition(found)) = parser.line(number, stripped(&text), None) {
                cache.take(&found);
            }
            line.clear();
        }
        Ok(cache)
    }

    fn take(&mut self, definition: &Definition) {
        let text = |name| definition.get(name).map(|value| value.text.as_str());
        let Some(host) = text("host_name") else { return };
        // A contact can have an address too, but it has no host name.
        if let Some(address) = text("address") {
            self.addresses.insert(host.to_owned(), address.to_owned());
        }
        if let Some(repair) = text("_REPAIR").filter(|name| !name.is_empty()) {
            let repairs = self.opted.entry(host.to_owned()).or_default();
            if !repairs.iter().any(|known| known == repair) {
                repairs.push(repair.to_owned());
            }
        }
    }

    /// Returns the address of a host; `None` if there is no such host.
    pub fn address(&self, host: &str) -> Option<&str> {
        self.addresses.get(host).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> ObjectCache {
        ObjectCache::scan(Path::new("objects.cache"), text.as_bytes()).unwrap()
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
        assert_eq!(
            objects.opted.get("web 1"),
            Some(&vec!["reboot".to_owned(), "httpd".to_owned()])
        );
        assert_eq!(objects.opted.len(), 1);
    }

    #[test]
    fn spells_names_and_uses_the_first_repair() {
        let text = b"define host {\n\thost_name\tGr\xf6\xdfe\n\taddress\tw\xe4b\n\t_REPAIR\tone\n\
                     \t_REPAIR\ttwo\n\t}\n";
        let objects = ObjectCache::scan(Path::new("objects.cache"), text.as_slice()).unwrap();
        assert_eq!(objects.address(r"Gr\xF6\xDFe"), Some(r"w\xE4b"));
        assert_eq!(objects.opted.get(r"Gr\xF6\xDFe"), Some(&vec!["one".to_owned()]));
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
}
