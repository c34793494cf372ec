//! `repairctl trust`: shows a host's key, asks for confirmation, and records the key. Repairs
//! accept every recorded key, so trust records a key only after a person has compared its
//! fingerprint.

pub mod args;
mod decision;
mod known_hosts_file;

use std::time::{Duration, Instant};

use engine::configuration::MainFile;
use plugin_kit::{Out, Problem, ToolResult};
use policy_file::HostRoute;
use privsep::quoted;
use serde::{Deserialize, Serialize};
use transport::Error;
use transport::known_hosts::{HostKeyNames, RecordedHostKeys};
use transport::probe::{self, ShownKey};

use self::decision::{TrustAction, TrustOptions};
use crate::context::Context;
use crate::gate_setup::NEW_HOST_KEYS;
use crate::paste::Paste;
use crate::split::{CommandResult, Split};
use crate::ui::question;
use crate::ui::tone::Tone;
use args::TrustArgs;

/// Time limit for all connections to the host. A host has up to five keys and presents one per
/// connection.
const LIMIT: Duration = Duration::from_secs(30);

/// The data that the process of Nagios' user passes to the process that records the key. The
/// recording process reads everything else itself.
#[derive(Serialize, Deserialize)]
pub struct HostKeyProbe {
    /// The host's address in Nagios' object cache. `None` if the cache does not contain the host,
    /// or if the command line names an address.
    address: Option<String>,
    /// The keys, as the host sent them, or the error message.
    keys: Result<Vec<Vec<u8>>, String>,
}

/// Neither the name nor the address of the host is valid in known_hosts.
#[derive(Debug, thiserror::Error)]
#[error(
    "neither the name nor the address of the host is valid in known_hosts; nothing was recorded"
)]
struct NoRecordableName;

impl Split for TrustArgs {
    type Data = HostKeyProbe;

    fn validate(&self, context: &Context) -> Result<(), Problem> {
        self.fingerprint.as_deref().map(fingerprint).transpose()?;
        let route = context.config()?.routes.route(&self.host, None);
        Ok(known_hosts_file::check(&route.known_hosts)?)
    }

    fn collect(&self, context: &Context) -> Result<HostKeyProbe, Problem> {
        let address = known_address(self)?;
        let place = probe_target(self, &target(self, context, address.as_deref())?);
        let keys = match probe::host_keys(&place, Instant::now() + LIMIT) {
            Err(why @ Error::BadTarget { .. }) => return Err(Problem::failed(why)),
            shown => shown.map_err(|why| why.to_string()),
        };
        let blobs = |keys: Vec<ShownKey>| keys.iter().map(|key| key.blob().to_owned()).collect();
        Ok(HostKeyProbe { address, keys: keys.map(blobs) })
    }

    fn show(
        &self,
        HostKeyProbe { address, keys }: HostKeyProbe,
        context: &Context,
        out: &mut Out,
    ) -> CommandResult {
        // Use the address from Nagios' files to connect, but never record it as a name.
        let place = probe_target(self, &target(self, context, address.as_deref())?);
        let blobs = match keys {
            Ok(blobs) => blobs,
            Err(why) => {
                out.line(plugin_kit::clean(&why));
                return Ok(ToolResult::Failed);
            }
        };
        let keys: Vec<ShownKey> = blobs.iter().filter_map(|blob| ShownKey::read(blob)).collect();
        compare(self, context, &place, &keys, out)
    }
}

/// Returns the host's address in Nagios' object cache. Does not read the cache if `--address` is
/// given, because that option takes precedence.
fn known_address(args: &TrustArgs) -> Result<Option<String>, Problem> {
    let main = MainFile::find(args.nagios_cfg.as_deref())?.filter(|_| args.address.is_none());
    Ok(main.and_then(|main| main.address_of(&args.host).ok()?))
}

fn compare(
    args: &TrustArgs,
    context: &Context,
    place: &HostRoute,
    keys: &[ShownKey],
    out: &mut Out,
) -> CommandResult {
    let target = &target(args, context, None)?;
    let on_file = probe::recorded(target).map_err(Problem::failed)?;
    let wanted = args.fingerprint.as_deref();
    let Some(key) = choose(keys, wanted, out) else { return Ok(ToolResult::Failed) };
    let shown: Vec<&[u8]> = keys.iter().map(ShownKey::blob).collect();
    let options = TrustOptions { named: wanted.is_some(), replace: args.replace };
    match decision::decide(options, &on_file, key.blob(), &shown) {
        TrustAction::Keep => {
            let (host, keys) = (&args.host, on_file.describe());
            out.line(format!(
                "The key of {host} is already recorded: {keys} in {places}",
                places = places(&on_file)
            ));
            return Ok(ToolResult::Fine);
        }
        TrustAction::Record => {
            print_key(place, &on_file, key, out);
            if wanted.is_some() || confirmed(args, key, out)? {
                return record(target, &on_file, key, out);
            }
            out.line("Nothing was recorded.");
        }
        TrustAction::Changed => print_changed(args, context, &on_file, key, out),
        TrustAction::Others => print_other_keys(args, context, &on_file, key, out),
        TrustAction::Revoked(place) => {
            let host = &args.host;
            let text = format!(
                "REVOKED: {place} revokes the key that {host} presents. Nothing was recorded."
            );
            alarm(&text, out);
            let renew = Paste::on(&quoted(host), NEW_HOST_KEYS);
            out.line(format!("Give the host new keys before you try again, {renew}"));
        }
    }
    Ok(ToolResult::Failed)
}

/// Whether this is a fingerprint as ssh-keygen(1) prints it: `SHA256:` and 32 bytes in base64,
/// without padding.
pub fn is_fingerprint(text: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    text.strip_prefix("SHA256:").is_some_and(|rest| rest.len() == 43 && rest.chars().all(base64))
}

fn fingerprint(text: &str) -> Result<&str, Problem> {
    if is_fingerprint(text) {
        return Ok(text);
    }
    let shown = plugin_kit::clean(text);
    let how = "write it as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it on the \
               host: SHA256:...";
    Err(Problem::Usage(format!("'{shown}' is not a fingerprint: {how}; nothing was recorded")))
}

/// Returns the route by which repairs reach the host. Trust checks and records keys for this route,
/// even if it fetches them from another address.
fn target(args: &TrustArgs, context: &Context, known: Option<&str>) -> Result<HostRoute, Problem> {
    Ok(context.config()?.routes.route(&args.host, args.address.as_deref().or(known)))
}

/// Returns the route by which trust fetches the host's keys.
fn probe_target(args: &TrustArgs, target: &HostRoute) -> HostRoute {
    let mut place = target.clone();
    place.port = args.port.unwrap_or(place.port);
    if let Some(address) = &args.address {
        place.address.clone_from(address);
    }
    place
}

/// Returns the key with the fingerprint that the admin passed, if the host presents this key.
/// Without a fingerprint, returns the first key, which is the preferred one.
fn choose<'a>(keys: &'a [ShownKey], wanted: Option<&str>, out: &mut Out) -> Option<&'a ShownKey> {
    let Some(wanted) = wanted else { return keys.first() };
    let found = keys.iter().find(|key| key.fingerprint() == wanted);
    if found.is_none() {
        let text = format!(
            "FINGERPRINT MISMATCH: no key of the host has the fingerprint {wanted}. Nothing was \
             recorded."
        );
        alarm(&text, out);
        keys.iter().for_each(|key| out.line(format!("  shown    {key}", key = in_short(key))));
    }
    found
}

/// Returns the key's type, and its fingerprint as ssh-keygen(1) prints it.
fn in_short(key: &ShownKey) -> String {
    format!("{} {}", key.kind(), key.fingerprint())
}

/// Returns the files and line numbers of the recorded keys.
fn places(on_file: &RecordedHostKeys) -> String {
    on_file.places().collect::<Vec<_>>().join(", ")
}

/// Returns the command that replaces the recorded keys with this key.
fn replace(args: &TrustArgs, context: &Context, more: &str) -> Paste {
    let address = args.address.as_ref().map(|address| format!(" --address {}", quoted(address)));
    let port = args.port.map(|port| format!(" --port {port}"));
    let options = [address, port].into_iter().flatten().collect::<String>();
    let words = format!("trust {} --replace{more}{options}", quoted(&args.host));
    Paste::here(context.repairctl_with_nagios(&words))
}

fn print_changed(
    args: &TrustArgs,
    context: &Context,
    on_file: &RecordedHostKeys,
    key: &ShownKey,
    out: &mut Out,
) {
    let (host, file) = (plugin_kit::clean(&args.host), key.file_on_host());
    let text = format!(
        "THE HOST KEY OF {host} HAS CHANGED. Nothing was recorded. Repairs refuse this host."
    );
    alarm(&text, out);
    out.line(format!("  recorded {} ({})", on_file.describe(), places(on_file)));
    out.line(format!("  shown    {}", in_short(key)));
    out.line(format!(
        "Either the host was reinstalled, or somebody is intercepting the connection. Ask the \
         host's admin, compare the\n\
         fingerprint on the host (ssh-keygen -lf {file}), and only then replace the recorded key, \
         {replace}",
        replace = replace(args, context, "")
    ));
}

fn print_other_keys(
    args: &TrustArgs,
    context: &Context,
    on_file: &RecordedHostKeys,
    key: &ShownKey,
    out: &mut Out,
) {
    let (host, file) = (plugin_kit::clean(&args.host), key.file_on_host());
    let text = format!(
        "OTHER KEYS OF {host} ARE RECORDED, and repairs accept them. Nothing was recorded."
    );
    alarm(&text, out);
    on_file.besides(&[]).for_each(|other| out.line(format!("  recorded {other}")));
    out.line(format!(
        "  shown    {key}\n\
         To keep only the shown key, compare it with the key on the host (ssh-keygen -lf {file}), \
         and then record it, {record}",
        key = in_short(key),
        record = replace(args, context, &format!(" --fingerprint {}", key.fingerprint()))
    ));
}

fn print_key(target: &HostRoute, on_file: &RecordedHostKeys, key: &ShownKey, out: &mut Out) {
    let HostRoute { address, port, .. } = target;
    let host = plugin_kit::clean(&target.host);
    out.line(format!("{host} at {address}, port {port}, presents this key:"));
    out.line(format!("  {}", in_short(key)));
    if on_file.places().next().is_some() {
        out.line(format!("It replaces {} ({}).", on_file.describe(), places(on_file)));
    }
    out.line("Compare this key with the output of this command on the host itself:");
    out.line(format!("  ssh-keygen -lf {}", key.file_on_host()));
}

/// Asks whether the key is right. As in ssh(1), the answer can be yes or the fingerprint.
fn confirmed(args: &TrustArgs, key: &ShownKey, out: &mut Out) -> Result<bool, Problem> {
    let host = plugin_kit::clean(&args.host);
    let instead = format!(
        "pass the fingerprint you compared: repairctl trust {host} --fingerprint SHA256:...; \
         nothing was recorded"
    );
    let answer = question::ask("Is the key the same? (yes/no/fingerprint)", &instead, out)?;
    Ok(answer.eq_ignore_ascii_case("yes") || answer == key.fingerprint())
}

fn record(
    target: &HostRoute,
    before: &RecordedHostKeys,
    key: &ShownKey,
    out: &mut Out,
) -> CommandResult {
    let Some(known_hosts) = target.known_hosts.first() else { return Ok(ToolResult::Failed) };
    let names = HostKeyNames::new(&target.host, &target.address, target.port);
    let name = names.to_record().ok_or_else(|| Problem::failed(NoRecordableName))?;
    let unwritable =
        || Problem::Internal("the key cannot be written as a line of known_hosts".to_owned());
    let line = key.line().ok_or_else(unwritable)?;
    known_hosts_file::pin(known_hosts, name, before.name(), line.trim_end())?;
    // Look up the recorded keys again as a repair would, because another file or an earlier line
    // can still contain other keys.
    let now = probe::recorded(target).map_err(Problem::failed)?;
    let only = TrustOptions { named: true, replace: false };
    if decision::decide(only, &now, key.blob(), &[key.blob()]) == TrustAction::Keep {
        out.line(format!("Recorded the key in {file} as {name}.", file = known_hosts.display()));
        return Ok(ToolResult::Fine);
    }
    out.line(format!(
        "Recorded the key in {file} as {name}, but repairs still accept other keys. Remove these \
         lines:",
        file = known_hosts.display()
    ));
    now.besides(&[key.blob()]).for_each(|other| out.line(format!("  {other}")));
    Ok(ToolResult::Wrong)
}

fn alarm(text: &str, out: &mut Out) {
    let text = Tone::Bad.paint(&plugin_kit::clean(text), out);
    out.line(text);
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn reads_no_object_cache_for_a_given_address() {
        let directory = tempfile::tempdir().unwrap();
        let (main, cache) = (directory.path().join("nagios.cfg"), directory.path().join("cache"));
        fs::write(&main, format!("object_cache_file={}\n", cache.display())).unwrap();
        fs::write(&cache, "define host {\n\thost_name\tweb1\n\taddress\t192.0.2.1\n\t}\n").unwrap();
        let known = |address: Option<&str>| {
            known_address(&TrustArgs {
                host: "web1".to_owned(),
                fingerprint: None,
                replace: false,
                address: address.map(str::to_owned),
                port: None,
                nagios_cfg: Some(main.clone()),
            })
            .unwrap()
        };
        assert_eq!(known(None).as_deref(), Some("192.0.2.1"));
        assert_eq!(known(Some("192.0.2.9")), None);
    }
}
