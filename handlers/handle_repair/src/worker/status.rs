//! What the event alone does not tell: acknowledgements and flapping are in no macro that is set.

use std::path::Path;
use std::time::SystemTime;

use policy::{Event, ObjectNow, ObjectState};

use crate::status::{self, Blind, Object};

/// What Nagios' status file says of the event's object, and of how many objects with a repair how
/// many are in trouble. Nagios writes the file every few seconds only, so a state counts only when
/// it was checked after `called`.
pub fn read(
    path: &Path,
    event: &Event,
    called: SystemTime,
) -> Result<(ObjectNow, (u32, u32)), Blind> {
    let (mut found, mut troubled, mut of) = (None, 0, 0);
    let scanned = status::scan(status::open(path)?, |object| {
        of += u32::from(object.has_repair());
        troubled += u32::from(object.has_repair() && object.in_trouble());
        if object.is(&event.host, event.service.as_deref()) {
            found = Some(now(object, called));
        }
    });
    scanned.map_err(|why| Blind::Unreadable { path: path.to_owned(), why })?;
    let found = found
        .ok_or_else(|| Blind::NoSuchObject { path: path.to_owned(), object: event.object() })?;
    Ok((found, (troubled, of)))
}

/// Nagios' times are whole seconds: what was checked within that of the call was checked before it.
/// What has been in order since the call has had another fault since, if it is broken now, and that
/// one has its own calls.
fn now(object: &Object, called: SystemTime) -> ObjectNow {
    let seconds = |at: SystemTime| {
        at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    };
    let since_then = |at: SystemTime| seconds(at) > seconds(called);
    let good = if object.service().is_some() { ObjectState::Ok } else { ObjectState::Up };
    let state = if since_then(object.last_good) {
        Some(good)
    } else {
        since_then(object.last_check).then_some(object.state())
    };
    ObjectNow { state, acknowledged: object.acknowledged, flapping: object.flapping }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const FILE: &str = "
info {\n\tcreated=1\n\t}
hoststatus {\n\thost_name=web1\n\tcurrent_state=0\n\tlast_check=100\n\tis_flapping=0\n\t}
servicestatus {\n\thost_name=web1\n\tservice_description=HTTP\n\tcurrent_state=2\n\tlast_check=100\n\tplugin_output=current_state=0
\tproblem_has_been_acknowledged=1\n\tis_flapping=0\n\t_REPAIR=0;httpd\n\t}
servicestatus {\n\thost_name=web2\n\tservice_description=HTTP\n\tcurrent_state=0\n\tlast_check=100\n\tis_flapping=1\n\t_REPAIR=0;httpd\n\t}
servicestatus {\n\thost_name=web2\n\tservice_description=Disk\n\tcurrent_state=2\n\tlast_check=100\n\tlast_time_ok=90\n\t}
servicecomment {\n\thost_name=web2\n\tservice_description=HTTP\n\t}
";

    /// Read as if the event had come at the second `called`.
    fn look(
        host: &str,
        service: Option<&str>,
        called: u64,
    ) -> Result<(ObjectNow, (u32, u32)), Blind> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        std::fs::write(&path, FILE).unwrap();
        let event = Event::new(host, service, ObjectState::Critical, policy::StateType::Hard, 1);
        read(&path, &event, SystemTime::UNIX_EPOCH + Duration::from_secs(called))
    }

    #[test]
    fn an_object_is_found_with_what_no_macro_tells() {
        let (web1, share) = look("web1", Some("HTTP"), 99).unwrap();
        assert_eq!(
            web1,
            ObjectNow { state: Some(ObjectState::Critical), acknowledged: true, flapping: false }
        );
        // Only objects that opted in count.
        assert_eq!(share, (1, 2));
        let (web2, _) = look("web2", Some("HTTP"), 99).unwrap();
        assert_eq!(
            web2,
            ObjectNow { state: Some(ObjectState::Ok), acknowledged: false, flapping: true }
        );
        assert_eq!(look("web1", None, 99).unwrap().0.state, Some(ObjectState::Up));
    }

    #[test]
    fn a_state_from_before_the_event_is_not_believed() {
        let (now, _) = look("web2", Some("HTTP"), 100).unwrap();
        assert_eq!(now, ObjectNow { state: None, acknowledged: false, flapping: true });
    }

    #[test]
    fn a_call_from_before_the_last_ok_is_over_though_it_is_broken_again() {
        assert_eq!(look("web2", Some("Disk"), 89).unwrap().0.state, Some(ObjectState::Ok));
        assert_eq!(look("web2", Some("Disk"), 90).unwrap().0.state, Some(ObjectState::Critical));
    }

    #[test]
    fn a_missing_file_or_object_is_said() {
        let event = Event::new("web1", None, ObjectState::Down, policy::StateType::Hard, 1);
        assert!(matches!(
            read(Path::new("/nonexistent"), &event, SystemTime::now()),
            Err(Blind::Unreadable { .. })
        ));
        assert!(matches!(look("web9", None, 99), Err(Blind::NoSuchObject { .. })));
        assert!(matches!(look("web1", Some("FTP"), 99), Err(Blind::NoSuchObject { .. })));
    }
}
