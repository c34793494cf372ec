//! `repairctl trust`: shows a host's key, asks, and records it. Strict checking lives from what is recorded here, so
//! nothing is recorded that nobody has compared.

mod file;

use std::path::Path;
use std::time::{Duration, Instant};

use handle_repair::worker::reach;
use plugin_kit::{Found, Out, Problem};
use transport::known_hosts::{Names, OnFile, Verdict};
use transport::survey::{self, ShownKey};
use transport::{Error, SshTarget};

use crate::cli::Trust;
use crate::nagios::MainFile;
use crate::question;
use crate::site::Site;
use crate::table::Tone;

/// For all connections together; a host shows up to five keys.
const LIMIT: Duration = Duration::from_secs(30);

/// The command.
pub fn run(words: &Trust, site: &Site, out: &mut Out) -> Result<Found, Problem> {
    let wanted = words.fingerprint.as_deref().map(fingerprint).transpose()?;
    let target = target(words, site)?;
    let Some(known_hosts) = target.known_hosts.first() else {
        return Err(Problem::Usage("the policy names no known_hosts file to record the key in: see ssh.known_hosts".into()));
    };
    file::writable(known_hosts)?;
    let on_file = survey::recorded(&target).map_err(unusable)?;
    let keys = match survey::host_keys(&target, Instant::now() + LIMIT) {
        Ok(keys) => keys,
        Err(why @ Error::BadTarget { .. }) => return Err(unusable(why)),
        Err(why) => {
            out.line(plugin_kit::clean(&why.to_string()));
            return Ok(Found::Failed);
        }
    };
    let Some(key) = chosen(&keys, wanted, out) else { return Ok(Found::Failed) };
    match standing(&on_file, key, &keys) {
        Standing::Revoked(place) => {
            loud(out, &format!("REVOKED: {place} revokes the key that {} shows. It is not recorded.", words.host));
            out.line("Give the host a new key (ssh-keygen -A, after removing /etc/ssh/ssh_host_*), then come back.");
            Ok(Found::Failed)
        }
        Standing::Recorded => {
            let places: Vec<&str> = on_file.places().collect();
            out.line(format!("{} is recorded already: {} in {}", words.host, on_file.describe(), places.join(", ")));
            Ok(Found::Fine)
        }
        Standing::Other if !words.replace => {
            changed(words, &on_file, key, out);
            Ok(Found::Failed)
        }
        Standing::Other | Standing::New => {
            show(&target, &on_file, key, out);
            if wanted.is_none() && !agreed(words, key, out)? {
                out.line("Nothing was recorded.");
                return Ok(Found::Failed);
            }
            record(known_hosts, &target, key, out)
        }
    }
}

fn unusable(why: Error) -> Problem {
    Problem::Usage(why.to_string())
}

/// What ssh-keygen(1) prints: 32 bytes in base64, without padding.
fn fingerprint(text: &str) -> Result<&str, Problem> {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    match text.strip_prefix("SHA256:") {
        Some(rest) if rest.len() == 43 && rest.chars().all(base64) => Ok(text),
        _ => {
            let shown = plugin_kit::clean(text);
            let how = "write it as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it on the host: SHA256:...";
            Err(Problem::Usage(format!("'{shown}' is no fingerprint: {how}; nothing was recorded")))
        }
    }
}

fn target(words: &Trust, site: &Site) -> Result<SshTarget, Problem> {
    let config = site.config()?;
    let objects = MainFile::find(words.nagios_cfg.as_deref())?.and_then(|main| main.objects().ok()).unwrap_or_default();
    let address = words.address.as_deref().or_else(|| objects.address(&words.host));
    let mut target = reach::target(&config.reach.way(&words.host, address));
    target.port = words.port.unwrap_or(target.port);
    if let Some(address) = &words.address {
        target.address.clone_from(address);
    }
    Ok(target)
}

/// The key with the wanted fingerprint, or the best one.
fn chosen<'a>(keys: &'a [ShownKey], wanted: Option<&str>, out: &mut Out) -> Option<&'a ShownKey> {
    let Some(wanted) = wanted else { return keys.first() };
    let found = keys.iter().find(|key| key.fingerprint() == wanted);
    if found.is_none() {
        loud(out, &format!("ANOTHER HOST: no key of it has the fingerprint {wanted}. Nothing was recorded."));
        keys.iter().for_each(|key| out.line(format!("  it shows {} {}", key.kind(), key.fingerprint())));
    }
    found
}

enum Standing {
    New,
    Recorded,
    Other,
    Revoked(String),
}

/// A host that shows one recorded key is the recorded host, whatever other keys it has.
fn standing(on_file: &OnFile, key: &ShownKey, all: &[ShownKey]) -> Standing {
    match on_file.judge(key.blob()) {
        Verdict::Revoked(place) => Standing::Revoked(place),
        _ if all.iter().any(|key| on_file.judge(key.blob()) == Verdict::Trusted) => Standing::Recorded,
        _ if on_file.places().next().is_some() => Standing::Other,
        _ => Standing::New,
    }
}

fn changed(words: &Trust, on_file: &OnFile, key: &ShownKey, out: &mut Out) {
    let host = plugin_kit::clean(&words.host);
    loud(out, &format!("THE HOST KEY OF {host} HAS CHANGED. Nothing was recorded, and nothing is repaired there."));
    out.line(format!("  on file  {} ({})", on_file.describe(), on_file.places().collect::<Vec<_>>().join(", ")));
    out.line(format!("  shown    {} {}", key.kind(), key.fingerprint()));
    out.line("Either the host was reinstalled, or somebody stands between it and you. Ask whoever runs it, compare the");
    out.line(format!(
        "fingerprint there (ssh-keygen -lf {}), and only then: repairctl trust {host} --replace",
        key.file_on_host()
    ));
}

fn show(target: &SshTarget, on_file: &OnFile, key: &ShownKey, out: &mut Out) {
    out.line(format!("{} at {}, port {}, shows", plugin_kit::clean(&target.host), target.address, target.port));
    out.line(format!("  {} {}", key.kind(), key.fingerprint()));
    if on_file.places().next().is_some() {
        out.line(format!("in place of {} ({})", on_file.describe(), on_file.places().collect::<Vec<_>>().join(", ")));
    }
    out.line("Compare it with what the host itself says, there:");
    out.line(format!("  ssh-keygen -lf {}", key.file_on_host()));
}

/// yes, or the fingerprint itself, as ssh(1) takes it.
fn agreed(words: &Trust, key: &ShownKey, out: &mut Out) -> Result<bool, Problem> {
    if !question::possible() {
        out.flush();
        let how = format!("repairctl trust {} --fingerprint SHA256:...", plugin_kit::clean(&words.host));
        return Err(Problem::Usage(format!(
            "nobody is there to ask: give the fingerprint you compared, `{how}`; nothing was recorded"
        )));
    }
    let answer = question::ask("Is it the same? (yes/no/the fingerprint)", out);
    Ok(answer.eq_ignore_ascii_case("yes") || answer == key.fingerprint())
}

fn record(known_hosts: &Path, target: &SshTarget, key: &ShownKey, out: &mut Out) -> Result<Found, Problem> {
    let names = Names::new(&target.host, &target.address, target.port);
    let name = names.to_record().ok_or_else(|| {
        Problem::Usage("neither its name nor its address can stand in known_hosts; nothing was recorded".to_owned())
    })?;
    let line = key.line().ok_or_else(|| Problem::Internal("the key cannot be written".to_owned()))?;
    file::pin(known_hosts, name, line.trim_end())?;
    // Read back as a repair will read it: another file, or a line before it, may still say something else.
    let now = survey::recorded(target).map_err(unusable)?;
    let others: Vec<&str> = now.places().filter(|place| !place.starts_with(&format!("{}:", known_hosts.display()))).collect();
    if now.judge(key.blob()) == Verdict::Trusted && others.is_empty() {
        out.line(format!("Recorded in {} as {name}.", known_hosts.display()));
        return Ok(Found::Fine);
    }
    out.line(format!(
        "Recorded in {} as {name}, but other keys of it are on file too, and are believed: remove",
        known_hosts.display()
    ));
    others.iter().for_each(|place| out.line(format!("  {place}")));
    Ok(Found::Wrong)
}

fn loud(out: &mut Out, text: &str) {
    let text = Tone::Bad.paint(&plugin_kit::clean(text), out);
    out.line(text);
}
