//! Checks that Nagios knows an object, because a pause for a mistyped name would have no effect.

use engine::configuration::{self, MainFile};
use engine::status_file;
use policy_file::Config;

use crate::context::Context;
use crate::object::Object;

/// Why a pause may have no effect: the object does not exist, or its existence could not be
/// checked.
#[derive(Debug, thiserror::Error)]
pub enum UnknownObject {
    /// Nagios has no such object.
    #[error("{0}")]
    NotThere(String),
    /// Neither the status file nor the object cache can be read.
    #[error("{0}")]
    NotLookedUp(String),
}

/// Looks up the object in Nagios' status file or, if that file cannot be read, in the object cache.
/// Also returns `Ok` if the policy names no status file and the object cache cannot be read.
pub fn check(
    context: &Context,
    config: &Config,
    host: Option<&str>,
    service: Option<&str>,
) -> Result<(), UnknownObject> {
    let Some(host) = host else { return Ok(()) };
    let object = Object { host, service };
    let unread = match &config.status_file {
        Some(file) => match status_file::services(file, host) {
            Ok(services) => return judge(&object, services.as_deref()),
            Err(why) => Some(format!("could not check whether Nagios knows {object}: {why}")),
        },
        None => None,
    };
    match services_in_objects(context, host) {
        Some(services) => judge(&object, services.as_deref()),
        None => unread.map_or(Ok(()), |why| Err(UnknownObject::NotLookedUp(why))),
    }
}

fn judge(object: &Object<'_>, services: Option<&[String]>) -> Result<(), UnknownObject> {
    let known = |all: &[String]| object.service.is_none_or(|name| all.iter().any(|it| it == name));
    if services.is_some_and(known) {
        return Ok(());
    }
    Err(UnknownObject::NotThere(object.is_unknown(services)))
}

/// Returns a host's services from the object cache, or `Some(None)` if the cache does not list the
/// host. Returns `None` if the cache cannot be read.
fn services_in_objects(context: &Context, host: &str) -> Option<Option<Vec<String>>> {
    let main = MainFile::find(context.nagios_cfg.as_deref()).ok()??;
    let read = configuration::read(main.text("object_cache_file")?.as_ref());
    if !read.unreadable.is_empty() {
        return None;
    }
    let is_known = read.objects.hosts.iter().any(|known| *known.name == *host);
    let of_host =
        read.objects.services.iter().filter(|one| one.hosts.iter().any(|it| **it == *host));
    Some(is_known.then(|| of_host.map(|service| service.description.to_string()).collect()))
}
