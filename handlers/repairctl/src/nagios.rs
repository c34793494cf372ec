//! What Nagios' own files tell of this server: its main configuration and, from its object cache,
//! addresses and the hosts and services that opted in. Whether all of it is sound is asked by
//! `lint`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use plugin_kit::Problem;
use privsep::{Account, Environment};
use safe_file::Directory;

use crate::configuration;

/// The longest nagios.cfg, in bytes; the one that is shipped has 45 KB.
const LONGEST: u64 = 16 << 20;
/// How much of a file in /proc is read, in bytes. Nagios' environment has a few hundred.
const LONGEST_OF_PROC: u64 = 128 << 10;

/// nagios.cfg, or naemon.cfg.
#[derive(Debug)]
pub struct MainFile {
    path: PathBuf,
    text: String,
}

impl MainFile {
    /// The file that is named, or the one of the usual places; `None` when there is none.
    pub fn find(named: Option<&Path>) -> Result<Option<MainFile>, Problem> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => match configuration::find() {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        match configuration::read_file(&path) {
            Ok(bytes) => {
                Ok(Some(MainFile { path, text: String::from_utf8_lossy(&bytes).into_owned() }))
            }
            Err(why) => Err(Problem::Usage(format!("cannot read {}: {why}", path.display()))),
        }
    }

    /// The same file, if root alone can change it: as whom to run is not for others to say.
    pub fn of_root(named: Option<&Path>) -> Option<MainFile> {
        let path = named.map(Path::to_owned).or_else(configuration::find)?;
        let path = std::path::absolute(path).ok()?;
        let (directory, name) = (Directory::open(path.parent()?).ok()?, path.file_name()?);
        let found = directory.metadata(name).ok()?;
        if found.uid() != 0 || found.mode() & 0o022 != 0 {
            return None;
        }
        let text = directory.read(name, LONGEST).ok()?;
        Some(MainFile { text: String::from_utf8_lossy(&text).into_owned(), path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of a setting; the last one counts, as in Nagios.
    pub fn get(&self, name: &str) -> Option<&str> {
        let settings = self.text.lines().filter_map(|line| line.split_once('='));
        settings.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).next_back()
    }

    /// The user it runs as.
    pub fn user(&self) -> Option<&str> {
        self.get("nagios_user").or_else(|| self.get("naemon_user"))
    }

    /// The group it runs as.
    pub fn group(&self) -> Option<&str> {
        self.get("nagios_group").or_else(|| self.get("naemon_group"))
    }

    /// All objects, as it reads them when it starts.
    pub fn objects(&self) -> Result<Objects, String> {
        let cache = self.get("object_cache_file").ok_or("no object_cache_file is set")?;
        let bytes = configuration::read_file(Path::new(cache))
            .map_err(|why| format!("{cache}: {why}; Nagios writes it when it starts"))?;
        Ok(Objects::parse(&String::from_utf8_lossy(&bytes)))
    }
}

/// The process of Nagios, if it runs: the oldest that was started with this file. A lock file is
/// written by a daemon only, and some units start it in the foreground. Anybody may name a program
/// so: only one of `uid` or of root is meant.
fn process(main: &Path, uid: u32) -> Option<u32> {
    let is_it = |pid: &u32| {
        let name = proc_file(*pid, "comm").unwrap_or_default();
        let is_named = ["nagios", "naemon"].iter().any(|known| name.starts_with(known.as_bytes()));
        is_named
            && runs_as(*pid).is_some_and(|owner| owner == uid || owner == 0)
            && proc_file(*pid, "cmdline").is_some_and(|words| {
                words.split(|b| *b == 0).any(|word| word == main.as_os_str().as_encoded_bytes())
            })
    };
    let entries = fs::read_dir("/proc").ok()?.flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_it).min()
}

/// The real user of a process: its directory in /proc is root's once it has changed its user
/// (proc(5)).
fn runs_as(pid: u32) -> Option<u32> {
    let status = String::from_utf8(proc_file(pid, "status")?).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// A file of a process in /proc. Its owner can make it as long as it likes (prctl(2), PR_SET_MM).
fn proc_file(pid: u32, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(format!("/proc/{pid}/{name}"))
        .ok()?
        .take(LONGEST_OF_PROC)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

/// The hosts of the object cache.
#[derive(Debug, Default)]
pub struct Objects {
    addresses: BTreeMap<String, String>,
    opted: BTreeMap<String, Vec<String>>,
}

impl Objects {
    fn parse(text: &str) -> Objects {
        let mut objects = Objects::default();
        let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("define ") {
                fields.clear();
            } else if line == "}" {
                objects.take(&fields);
            } else if let Some((name, value)) = line.split_once(['\t', ' ']) {
                fields.insert(name, value.trim());
            }
        }
        objects
    }

    fn take(&mut self, fields: &BTreeMap<&str, &str>) {
        let Some(host) = fields.get("host_name") else { return };
        // Only hosts have an address.
        if let Some(address) = fields.get("address") {
            self.addresses.insert((*host).to_owned(), (*address).to_owned());
        }
        if let Some(repair) = fields.get("_REPAIR").filter(|name| !name.is_empty()) {
            let repairs = self.opted.entry((*host).to_owned()).or_default();
            if !repairs.iter().any(|known| known == repair) {
                repairs.push((*repair).to_owned());
            }
        }
    }

    /// The address of a host.
    pub fn address(&self, host: &str) -> Option<&str> {
        self.addresses.get(host).map(String::as_str)
    }

    /// Whether there is such a host.
    pub fn has(&self, host: &str) -> bool {
        self.addresses.contains_key(host)
    }

    /// The hosts of which something opted in, each with the repairs it names.
    pub fn opted(&self) -> &BTreeMap<String, Vec<String>> {
        &self.opted
    }
}

/// The account Nagios runs as: the one that is named, or that of its configuration, or one of the
/// usual names.
pub fn account(named: Option<&str>, main: Option<&MainFile>) -> Result<Account, Problem> {
    if let Some(user) = named.or_else(|| main.and_then(MainFile::user)) {
        let account = Account::named(user)?;
        let account = account.ok_or_else(|| {
            Problem::Usage(format!("there is no user '{user}', as which Nagios would run"))
        })?;
        return match main.and_then(MainFile::group) {
            Some(group) => Ok(account.with_group(group)?),
            None => Ok(account),
        };
    }
    usual_account()?.ok_or_else(|| {
        Problem::Usage(
            "no user nagios, naemon or icinga is here: name the one Nagios runs as, \
                        with --nagios-user"
                .into(),
        )
    })
}

/// The first of the usual names of Nagios' user that this machine has.
fn usual_account() -> Result<Option<Account>, Problem> {
    for name in ["nagios", "naemon", "icinga"] {
        if let Some(account) = Account::named(name)? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}

/// As [`account_to_become`], but a machine without Nagios' user has no account to beware of.
pub fn account_if_any(nagios_cfg: Option<&Path>) -> Result<Option<Account>, Problem> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let names_one = MainFile::of_root(nagios_cfg).is_some_and(|main| main.user().is_some());
    match names_one || usual_account()?.is_some() {
        true => account_to_become(None, nagios_cfg),
        false => Ok(None),
    }
}

/// The same by a configuration that root may believe, when we are root: one that nobody else can
/// change.
pub fn trusted_account(named: Option<&str>, nagios_cfg: Option<&Path>) -> Result<Account, Problem> {
    match rustix::process::geteuid().is_root() {
        true => account(named, MainFile::of_root(nagios_cfg).as_ref()),
        false => account(named, MainFile::find(nagios_cfg)?.as_ref()),
    }
}

/// The account that root's other half becomes; `None` when we are not root, or Nagios runs as root.
pub fn account_to_become(
    named: Option<&str>,
    nagios_cfg: Option<&Path>,
) -> Result<Option<Account>, Problem> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let account = trusted_account(named, nagios_cfg)?;
    Ok((account.uid != 0).then_some(account))
}

/// The environment of Nagios' process; without one, what an init gives a service, with root's HOME,
/// as init scripts leave it.
pub fn environment(account: &Account, nagios_cfg: Option<&Path>) -> Environment {
    let found = nagios_cfg.map(Path::to_owned).or_else(configuration::find);
    let process = found.and_then(|main| process(&main, account.uid));
    let environment = process.and_then(|pid| proc_file(pid, "environ"));
    Environment::of(account).with_process(&environment.unwrap_or_else(|| b"HOME=/root".to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_nagios_does() {
        let text = "# comment\nnagios_user=nagios\n lock_file = \
        /run/x.pid \nnagios_user=other\n#status_file=/no\n";
        let main = MainFile { path: "/etc/nagios.cfg".into(), text: text.into() };
        assert_eq!(
            (main.user(), main.get("lock_file"), main.get("status_file")),
            (Some("other"), Some("/run/x.pid"), None)
        );
    }

    #[test]
    fn hosts_with_their_addresses_and_repairs() {
        let text = "define host {\n\thost_name\tweb \
        1\n\taddress\t192.0.2.1\n\t_REPAIR\treboot\n\t}\n\
                    define service {\n\thost_name\tweb \
                    1\n\tservice_description\tHTTP\n\t_REPAIR\thttpd\n\t}\n\
                    define service \
                    {\n\thost_name\tweb2\n\tservice_description\tHTTP\n\t_REPAIR\t\n\t}\n";
        let objects = Objects::parse(text);
        assert_eq!(objects.address("web 1"), Some("192.0.2.1"));
        assert!(objects.has("web 1") && !objects.has("web2"));
        assert_eq!(
            objects.opted().get("web 1"),
            Some(&vec!["reboot".to_owned(), "httpd".to_owned()])
        );
        assert_eq!(objects.opted().len(), 1);
    }
}
