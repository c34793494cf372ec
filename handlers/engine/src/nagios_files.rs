//! The [`Engine`] for Nagios. It reads the status file and writes to the command file.

use std::path::Path;
use std::time::{Instant, SystemTime};

use policy::{Event, Observation};
use policy_file::Config;

use crate::command_file;
use crate::configuration::ObjectCache;
use crate::error::Error;
use crate::interface::Engine;
use crate::notification::Notification;
use crate::status::{EngineSummary, ObjectReport};
use crate::status_file::{self, IndexFile, StatusFileError};
use crate::status_snapshot::StatusSnapshot;

/// Nagios as an engine, with the files that the policy names.
#[derive(Debug, Clone, Copy)]
pub struct NagiosFiles<'a> {
    config: &'a Config,
    writes_index: bool,
}

impl<'a> NagiosFiles<'a> {
    /// Creates an engine for the files that this policy names.
    pub fn new(config: &'a Config) -> NagiosFiles<'a> {
        NagiosFiles { config, writes_index: true }
    }

    /// Creates an engine that only reads the index of the status file, and never writes it.
    pub fn read_only(config: &'a Config) -> NagiosFiles<'a> {
        NagiosFiles { config, writes_index: false }
    }
}

impl Engine for NagiosFiles<'_> {
    fn name(&self) -> &'static str {
        "Nagios"
    }

    // The status file is needed because Nagios' macros do not show acknowledgements or flapping,
    // and because a downtime can begin after the event. The deadline is not used, because reading a
    // regular file does not block.
    fn observe(
        &mut self,
        event: &Event,
        since: SystemTime,
        _deadline: Instant,
    ) -> Result<Option<Observation>, Error> {
        let Some(file) = &self.config.status_file else { return Ok(None) };
        let path = self.config.status_index();
        let index = IndexFile { path: &path, is_written: self.writes_index };
        Ok(Some(observe(file, index, event, since, SystemTime::now())?))
    }

    fn find(
        &mut self,
        host: &str,
        service: Option<&str>,
        _deadline: Instant,
    ) -> Result<Option<ObjectReport>, Error> {
        let Some(file) = &self.config.status_file else { return Ok(None) };
        let path = self.config.status_index();
        let index = IndexFile { path: &path, is_written: self.writes_index };
        let found = status_file::find(file, index, host, service)?;
        status_file::refuse_outdated(file, &found.program, SystemTime::now())?;
        Ok(Some(found))
    }

    fn services(&mut self, host: &str, _deadline: Instant) -> Result<Option<Vec<String>>, Error> {
        let Some(file) = &self.config.status_file else { return Ok(None) };
        Ok(status_file::services(file, host)?)
    }

    fn summary(&mut self, _deadline: Instant) -> Result<Option<EngineSummary>, Error> {
        let Some(file) = &self.config.status_file else { return Ok(None) };
        let (share, program) = status_file::share(file)?;
        Ok(Some(EngineSummary { program, share }))
    }

    fn snapshot(&mut self, _deadline: Instant) -> Result<Option<StatusSnapshot>, Error> {
        let Some(file) = &self.config.status_file else { return Ok(None) };
        Ok(Some(StatusSnapshot::read(file)?))
    }

    fn refresh(&mut self, snapshot: &mut StatusSnapshot, _deadline: Instant) -> Result<(), Error> {
        let Some(file) = &self.config.status_file else { return Ok(()) };
        Ok(snapshot.refresh(file)?)
    }

    fn objects(&mut self, _deadline: Instant) -> Result<Option<ObjectCache>, Error> {
        Ok(None)
    }

    fn notify(
        &mut self,
        notification: &Notification<'_>,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let Some(file) = &self.config.command_file else { return Ok(false) };
        let (watch, now) = (self.config.check_repairs.as_ref(), SystemTime::now());
        command_file::send(file, notification, watch, now, deadline)?;
        Ok(true)
    }
}

fn observe(
    path: &Path,
    index: IndexFile<'_>,
    event: &Event,
    since: SystemTime,
    now: SystemTime,
) -> Result<Observation, StatusFileError> {
    let found = status_file::find(path, index, &event.host, event.service.as_deref())?;
    status_file::refuse_outdated(path, &found.program, now)?;
    found.observation(since).ok_or_else(|| StatusFileError::NoSuchObject {
        path: path.to_owned(),
        object: event.object(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use policy::{ObjectNow, ObjectState};

    use super::{Event, IndexFile, Observation, Path, StatusFileError, SystemTime};
    use crate::status_file::tests::status_file;

    /// When the sample files were written, in seconds since 1970.
    const WRITTEN: u64 = 1000;
    const BLOCKS: &str = "info created=1000\n\
        hoststatus host_name=web1 current_state=0 last_check=100 is_flapping=0\n\
        hoststatus host_name=web2 current_state=0 scheduled_downtime_depth=2\n\
        servicestatus host_name=web1 service_description=HTTP current_state=2 last_check=100 \
        plugin_output=current_state=0 problem_has_been_acknowledged=1 is_flapping=0 \
        scheduled_downtime_depth=1 _REPAIR=0;httpd\n\
        servicestatus host_name=web2 service_description=HTTP current_state=0 last_check=100 \
        is_flapping=1 _REPAIR=0;httpd\n\
        servicestatus host_name=web2 service_description=Disk current_state=2 last_check=100 \
        last_time_ok=90\n\
        servicecomment host_name=web2 service_description=HTTP";

    /// Observes an object as the engine does, with an index file next to the status file.
    fn observe(
        path: &Path,
        event: &Event,
        since: SystemTime,
    ) -> Result<Observation, StatusFileError> {
        let index = path.with_file_name("index");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(WRITTEN);
        super::observe(path, IndexFile { path: &index, is_written: true }, event, since, now)
    }

    /// Returns what the engine observes for an event. `since` is in seconds since 1970.
    fn observed(
        host: &str,
        service: Option<&str>,
        since: u64,
    ) -> Result<Observation, StatusFileError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        fs::write(&path, status_file(BLOCKS)).unwrap();
        let event = Event::new(host, service, ObjectState::Critical, policy::StateType::Hard, 1);
        observe(&path, &event, SystemTime::UNIX_EPOCH + Duration::from_secs(since))
    }

    fn state(host: &str, service: Option<&str>, since: u64) -> Option<ObjectState> {
        observed(host, service, since).unwrap().object.state
    }

    #[test]
    fn reads_conditions_that_no_macro_passes() {
        let web1 = observed("web1", Some("HTTP"), 99).unwrap();
        assert_eq!(
            web1.object,
            ObjectNow {
                state: Some(ObjectState::Critical),
                acknowledged: true,
                downtime: true,
                ..ObjectNow::default()
            }
        );
        // Only objects that opted in count towards the share.
        assert_eq!(web1.share, (1, 2));
        let web2 = observed("web2", Some("HTTP"), 99).unwrap();
        assert_eq!(
            web2.object,
            ObjectNow {
                state: Some(ObjectState::Ok),
                flapping: true,
                host_downtime: true,
                ..ObjectNow::default()
            }
        );
        assert_eq!(state("web1", None, 99), Some(ObjectState::Up));
    }

    #[test]
    fn finds_an_object_by_its_spelled_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        let file = status_file(BLOCKS).replace("web2", "w#b2").into_bytes();
        let latin1: Vec<u8> = file.into_iter().map(|b| if b == b'#' { 0xe4 } else { b }).collect();
        fs::write(&path, latin1).unwrap();
        let critical = ObjectState::Critical;
        let find = |host| {
            let event = Event::new(host, Some("HTTP"), critical, policy::StateType::Hard, 1);
            observe(&path, &event, SystemTime::UNIX_EPOCH)
        };
        assert_eq!(find(r"w\xE4b2").unwrap().object.state, Some(ObjectState::Ok));
        let missing = find("wäb2").unwrap_err();
        assert!(missing.to_string().contains("does not contain wäb2/HTTP"), "{missing}");
    }

    #[test]
    fn ignores_states_from_before_the_event() {
        let web2 = observed("web2", Some("HTTP"), 100).unwrap();
        assert_eq!(
            web2.object,
            ObjectNow { flapping: true, host_downtime: true, ..ObjectNow::default() }
        );
    }

    #[test]
    fn reports_a_recovery_even_if_the_object_failed_again() {
        assert_eq!(state("web2", Some("Disk"), 89), Some(ObjectState::Ok));
        assert_eq!(state("web2", Some("Disk"), 90), Some(ObjectState::Critical));
    }

    #[test]
    fn reports_missing_files_and_objects() {
        let event = Event::new("web1", None, ObjectState::Down, policy::StateType::Hard, 1);
        assert!(matches!(
            observe(Path::new("/nonexistent"), &event, SystemTime::now()),
            Err(StatusFileError::Unreadable { .. })
        ));
        let missing = |host, service| {
            matches!(observed(host, service, 99), Err(StatusFileError::NoSuchObject { .. }))
        };
        assert!(missing("web9", None) && missing("web1", Some("FTP")));
    }

    #[test]
    fn refuses_a_file_that_does_not_show_the_present_states() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        let event = Event::new("web1", None, ObjectState::Down, policy::StateType::Hard, 1);
        let index = dir.path().join("index");
        let index = IndexFile { path: &index, is_written: true };
        let read = |text: &str, now: u64| {
            fs::write(&path, text).unwrap();
            let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            super::observe(&path, index, &event, at(0), at(now)).map_err(|why| why.to_string())
        };
        let text = status_file(BLOCKS);
        // The index must not make an outdated file usable, so read the same file several times.
        for now in [WRITTEN - 600, WRITTEN, WRITTEN + 600] {
            read(&text, now).unwrap();
        }
        let refused = read(&text, WRITTEN + 601).unwrap_err();
        assert!(refused.contains("was written 11 min ago"), "{refused}");
        let refused = read(&text, WRITTEN - 601).unwrap_err();
        assert!(refused.contains("was written in the future"), "{refused}");
        let foreign = text.replace("created=", "made=");
        let refused = read(&foreign, WRITTEN).unwrap_err();
        assert!(refused.contains("is not a Nagios status file"), "{refused}");
    }

    #[test]
    fn refuses_a_truncated_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        let whole = status_file(BLOCKS);
        let event = Event::new("web1", None, ObjectState::Down, policy::StateType::Hard, 1);
        let read = |length: usize| {
            fs::write(&path, &whole[..length]).unwrap();
            observe(&path, &event, SystemTime::UNIX_EPOCH)
        };
        assert!(read(whole.len()).is_ok());
        let last_block = whole.rfind("servicecomment {").unwrap() + "servicecomment {".len();
        for length in last_block..whole.len() - "}\n".len() {
            let refused = read(length).unwrap_err();
            assert!(refused.to_string().contains("the file is truncated"), "{length}: {refused}");
        }
    }
}
