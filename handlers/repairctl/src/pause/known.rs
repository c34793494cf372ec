//! Checks that the engine knows an object, because a pause for a mistyped name would have no
//! effect.

use std::time::Instant;

use engine::configuration::{self, MainFile};
use engine::read_only_engine_of;
use policy_file::Config;

use crate::context::{Context, ENGINE_TIMEOUT};
use crate::object::Object;

/// Why a pause may have no effect: the object does not exist, or its existence could not be
/// checked.
#[derive(Debug, thiserror::Error)]
pub enum UnknownObject {
    /// The engine has no such object.
    #[error("{0}")]
    NotThere(String),
    /// Neither the engine's state nor the object cache can be read.
    #[error("{0}")]
    NotLookedUp(String),
}

/// Looks up the object in the engine's state or, if that cannot be read, in Nagios' object cache.
/// Accepts any name if the policy names no source for the state and the object cache cannot be
/// read.
pub fn check(
    context: &Context,
    config: &Config,
    host: Option<&str>,
    service: Option<&str>,
) -> Result<(), UnknownObject> {
    let Some(host) = host else { return Ok(()) };
    let object = Object { host, service };
    let mut unread = None;
    if config.has_engine_state() {
        let mut engine = read_only_engine_of(config);
        let name = engine.name();
        match engine.services(host, Instant::now() + ENGINE_TIMEOUT) {
            Ok(services) => return judge(&object, name, services.as_deref()),
            Err(why) => {
                unread = Some(format!("could not check whether {name} knows {object}: {why}"));
            }
        }
    }
    match services_in_objects(context, host) {
        Some(services) => judge(&object, "Nagios", services.as_deref()),
        None => unread.map_or(Ok(()), |why| Err(UnknownObject::NotLookedUp(why))),
    }
}

fn judge(
    object: &Object<'_>,
    engine: &str,
    services: Option<&[String]>,
) -> Result<(), UnknownObject> {
    let known = |all: &[String]| object.service.is_none_or(|name| all.iter().any(|it| it == name));
    if services.is_some_and(known) {
        return Ok(());
    }
    Err(UnknownObject::NotThere(object.is_unknown(engine, services)))
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
