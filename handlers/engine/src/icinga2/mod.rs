//! The [`Engine`] for Icinga 2. It uses the REST API for queries and for reports. Icinga 2's names
//! are UTF-8.

mod client;
mod error;
mod row;
mod settings;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use policy::{Event, ObjectNow, Observation, object_name, unspell};
use policy_file::{Icinga2Api, WatchService};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::configuration::ObjectCache;
use crate::error::Error;
use crate::interface::Engine;
use crate::notification::Notification;
use crate::status::{self, EngineSummary, ObjectReport, ObjectStatus, ProgramStatus};
use crate::status_snapshot::{HostStatus, StatusSnapshot};
use client::{ApiClient, Method};
use row::{
    ActionRow, ApplicationRow, JOINED, NameRow, Row, StateRow, host_attributes, service_attributes,
};
use settings::{SETTINGS, SettingsRow};

pub use error::ApiError;
pub use row::ApiUserInfo;
pub use settings::RepairSettings;

/// Author of the comments that these programs add.
const AUTHOR: &str = "nagios-selfheal";
/// How long Icinga 2 keeps a comment, also across restarts. The permanent record is in the ledger.
const COMMENT_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Filter expression for the services that opted in.
const REPAIRABLE_SERVICES: &str = "service.vars.repair";
/// Filter expression for the hosts that opted in.
const REPAIRABLE_HOSTS: &str = "host.vars.repair";

/// Icinga 2 as an engine.
#[derive(Debug)]
pub struct Icinga2<'a> {
    api: &'a Icinga2Api,
    watch: Option<&'a WatchService>,
    client: OnceCell<ApiClient<'a>>,
}

impl<'a> Icinga2<'a> {
    /// Creates an engine for the API that the policy names. Does not connect yet. `watch` is the
    /// passive service that reports repairs.
    pub fn new(api: &'a Icinga2Api, watch: Option<&'a WatchService>) -> Icinga2<'a> {
        Icinga2 { api, watch, client: OnceCell::new() }
    }

    /// Returns the permissions of the user, and the version of Icinga 2.
    ///
    /// # Errors
    /// Fails if the API cannot be used.
    pub fn user(&self, deadline: Instant) -> Result<ApiUserInfo, ApiError> {
        self.list("/v1", &json!({}), deadline)?.pop().ok_or_else(|| ApiError::Malformed {
            url: self.api.url.clone(),
            request: "/v1".into(),
            why: "it describes no user".into(),
        })
    }

    /// Returns the settings of all hosts and services that have opted in.
    ///
    /// # Errors
    /// Fails if the API cannot be used, or if the user may not query hosts or services.
    pub fn settings(&self, deadline: Instant) -> Result<Vec<RepairSettings>, ApiError> {
        let mut all = Vec::new();
        for (path, filter, more) in
            [(HOSTS, REPAIRABLE_HOSTS, None), (SERVICES, REPAIRABLE_SERVICES, Some("host_name"))]
        {
            let attributes: Vec<&str> = SETTINGS.into_iter().chain(more).collect();
            let body = json!({"filter": filter, "attrs": attributes});
            let rows = self.list::<SettingsRow>(path, &body, deadline)?;
            all.extend(rows.into_iter().map(RepairSettings::from));
        }
        Ok(all)
    }

    fn client(&self) -> Result<&ApiClient<'a>, ApiError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = ApiClient::new(self.api)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Queries several objects. If the API finds nothing, the user lacks the permission.
    fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        deadline: Instant,
    ) -> Result<Vec<T>, ApiError> {
        let rows = self.client()?.request(Method::Query, path, body, deadline)?;
        rows.ok_or_else(|| self.denied(permission(path)))
    }

    fn denied(&self, permission: &str) -> ApiError {
        let (url, user) = (self.api.url.clone(), self.api.user.clone());
        ApiError::Denied { url, user, permission: permission.to_owned() }
    }

    /// Queries a host or a service. Returns `None` if Icinga 2 does not know it, or if the user may
    /// not see it.
    fn row(
        &self,
        host: &str,
        service: Option<&str>,
        deadline: Instant,
    ) -> Result<Option<Row>, ApiError> {
        let Some((path, name)) = full_name(host, service) else { return Ok(None) };
        let body = match service {
            Some(_) => json!({
                "service": name, "attrs": service_attributes(), "joins": JOINED,
            }),
            None => json!({"host": name, "attrs": host_attributes()}),
        };
        let rows = self.client()?.request(Method::Query, path, &body, deadline)?;
        Ok(rows.and_then(|mut rows| rows.pop()))
    }

    fn program(&self, deadline: Instant) -> Result<ProgramStatus, ApiError> {
        let path = "/v1/status/IcingaApplication";
        let rows: Vec<ApplicationRow> = self.list(path, &json!({}), deadline)?;
        let row = rows.first().ok_or_else(|| self.denied(permission(path)))?;
        Ok(row.program(SystemTime::now()))
    }

    /// Counts the opted-in objects that are CRITICAL or DOWN, and all opted-in objects.
    fn counts(&self, deadline: Instant) -> Result<(u32, u32), ApiError> {
        let mut counts = (0, 0);
        for (path, filter, trouble) in
            [(SERVICES, REPAIRABLE_SERVICES, 2.0), (HOSTS, REPAIRABLE_HOSTS, 1.0)]
        {
            let body = json!({"filter": filter, "attrs": ["state"]});
            for row in self.list::<StateRow>(path, &body, deadline)? {
                // A service in state 3 is UNKNOWN, which does not count as trouble.
                let is_unknown = path == SERVICES && row.is_at_least(3.0);
                counts.0 += u32::from(row.is_at_least(trouble) && !is_unknown);
                counts.1 += 1;
            }
        }
        Ok(counts)
    }

    /// Returns the host of a row. Fails if the user may not see the host. Otherwise a downtime of
    /// the host could go unnoticed.
    fn host_of(&self, row: &Row, name: &str) -> Result<ObjectStatus, ApiError> {
        row.host().ok_or_else(|| self.denied(&format!("objects/query/Host for {name}")))
    }

    fn condition(
        &self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<ObjectNow, ApiError> {
        let row = self.row(&event.host, event.service.as_deref(), deadline)?;
        let row = row.ok_or_else(|| self.unknown(event.object()))?;
        let (object, host) = (row.object(), self.host_of(&row, &event.host)?);
        let now = status::condition(&object, &host, since);
        // If the state is good now, use it without comparing times. The time of the check comes
        // from the clock of the node that ran it, which can differ from the clock of this server.
        let is_good = object.state().is_good();
        Ok(ObjectNow { state: if is_good { Some(object.state()) } else { now.state }, ..now })
    }

    fn report(
        &self,
        host: &str,
        service: Option<&str>,
        deadline: Instant,
    ) -> Result<ObjectReport, ApiError> {
        let row = self.row(host, service, deadline)?;
        Ok(ObjectReport {
            program: self.program(deadline)?,
            object: row.as_ref().map(Row::object),
            host: row.as_ref().map(|row| self.host_of(row, host)).transpose()?,
            share: self.counts(deadline)?,
        })
    }

    /// Runs an action on a host or a service.
    fn act(
        &self,
        action: &str,
        (host, service): (&str, Option<&str>),
        parameters: Value,
        deadline: Instant,
    ) -> Result<(), ApiError> {
        let unknown = || self.unknown(object_name(host, service));
        let (_, name) = full_name(host, service).ok_or_else(unknown)?;
        let (kind, key) = if service.is_some() { ("Service", "service") } else { ("Host", "host") };
        let mut body = json!({"type": kind, key: name});
        if let (Some(body), Value::Object(parameters)) = (body.as_object_mut(), parameters) {
            body.extend(parameters);
        }
        let path = format!("/v1/actions/{action}");
        let rows = self.client()?.request::<ActionRow>(Method::Act, &path, &body, deadline)?;
        let rows = rows.ok_or_else(|| {
            self.denied(&format!("actions/{action} on {}", object_name(host, service)))
        })?;
        match rows.into_iter().find(|row| row.code != 200.0) {
            None => Ok(()),
            Some(ActionRow { code, status: text }) => {
                let (url, status) = (self.api.url.clone(), code as u16);
                Err(ApiError::Status { url, request: path, status, text })
            }
        }
    }

    fn unknown(&self, object: String) -> ApiError {
        let (url, user) = (self.api.url.clone(), self.api.user.clone());
        ApiError::NoSuchObject { url, user, object }
    }

    fn faults(&self, deadline: Instant) -> Result<Vec<Row>, ApiError> {
        let is_broken = |kind: &str| format!("{kind}.state_type == 1 && {kind}.state != 0");
        let mut rows = self.list::<Row>(
            SERVICES,
            &json!({
                "filter": format!("{REPAIRABLE_SERVICES} && {}", is_broken("service")),
                "attrs": service_attributes(), "joins": JOINED,
            }),
            deadline,
        )?;
        let filter = format!("{REPAIRABLE_HOSTS} && {}", is_broken("host"));
        let body = json!({"filter": filter, "attrs": host_attributes()});
        rows.extend(self.list::<Row>(HOSTS, &body, deadline)?);
        Ok(rows)
    }
}

const SERVICES: &str = "/v1/objects/services";
const HOSTS: &str = "/v1/objects/hosts";

/// Returns the permission that a query needs.
fn permission(path: &str) -> &'static str {
    match path {
        SERVICES => "objects/query/Service",
        HOSTS => "objects/query/Host",
        _ => "status/query",
    }
}

/// Returns the path for queries of a host or a service, and its full name. Returns `None` if the
/// name is not UTF-8, because Icinga 2 has no such objects.
fn full_name(host: &str, service: Option<&str>) -> Option<(&'static str, String)> {
    let host = String::from_utf8(unspell(host)).ok()?;
    match service {
        Some(service) => {
            let service = String::from_utf8(unspell(service)).ok()?;
            Some((SERVICES, format!("{host}!{service}")))
        }
        None => Some((HOSTS, host)),
    }
}

impl Engine for Icinga2<'_> {
    fn name(&self) -> &'static str {
        "Icinga 2"
    }

    fn observe(
        &mut self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<Option<Observation>, Error> {
        let object = self.condition(event, since, deadline)?;
        Ok(Some(Observation { object, share: self.counts(deadline)? }))
    }

    fn look_again(
        &mut self,
        event: &Event,
        since: SystemTime,
        deadline: Instant,
    ) -> Result<Option<ObjectNow>, Error> {
        Ok(Some(self.condition(event, since, deadline)?))
    }

    fn find(
        &mut self,
        host: &str,
        service: Option<&str>,
        deadline: Instant,
    ) -> Result<Option<ObjectReport>, Error> {
        Ok(Some(self.report(host, service, deadline)?))
    }

    fn services(&mut self, host: &str, deadline: Instant) -> Result<Option<Vec<String>>, Error> {
        let Some((_, name)) = full_name(host, None) else { return Ok(None) };
        let body = json!({"host": name, "attrs": ["name"]});
        let known = self.client()?.request::<NameRow>(Method::Query, HOSTS, &body, deadline)?;
        if known.is_none() {
            return Ok(None);
        }
        let body = json!({
            "filter": "service.host_name == wanted", "filter_vars": {"wanted": name},
            "attrs": ["name"],
        });
        let rows: Vec<NameRow> = self.list(SERVICES, &body, deadline)?;
        Ok(Some(rows.iter().map(NameRow::name).collect()))
    }

    fn summary(&mut self, deadline: Instant) -> Result<Option<EngineSummary>, Error> {
        let (program, share) = (self.program(deadline)?, self.counts(deadline)?);
        Ok(Some(EngineSummary { program, share }))
    }

    fn snapshot(&mut self, deadline: Instant) -> Result<Option<StatusSnapshot>, Error> {
        let (mut faults, mut hosts) = (HashMap::new(), HashMap::new());
        for row in self.faults(deadline)? {
            let object = row.object();
            if let Some(host) = row.host() {
                hosts.insert(host.host.clone(), HostStatus::from(&host));
            }
            faults.insert(object.key(), object);
        }
        let (program, share) = (self.program(deadline)?, self.counts(deadline)?);
        Ok(Some(StatusSnapshot { program, share, faults, hosts, identity: None }))
    }

    fn objects(&mut self, deadline: Instant) -> Result<Option<ObjectCache>, Error> {
        let mut objects = ObjectCache::default();
        // Custom variables can be long, so request them only for objects that opted in.
        let addresses = json!({"attrs": ["name", "address"]});
        let hosts = json!({"filter": REPAIRABLE_HOSTS, "attrs": ["name", "vars"]});
        let services = json!({
            "filter": REPAIRABLE_SERVICES, "attrs": ["name", "host_name", "vars"],
        });
        for (path, body) in [(HOSTS, addresses), (HOSTS, hosts), (SERVICES, services)] {
            for row in self.list::<NameRow>(path, &body, deadline)? {
                if let Some(address) = row.address() {
                    objects.add_address(row.host(), address.to_owned());
                }
                if let Some(repair) = row.repair() {
                    objects.add_repair(row.host(), repair.to_owned());
                }
            }
        }
        Ok(Some(objects))
    }

    fn notify(
        &mut self,
        notification: &Notification<'_>,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let Notification { event, healed, .. } = notification;
        let object = (event.host.as_str(), event.service.as_deref());
        let text = notification.comment();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let comment = json!({
            "author": AUTHOR, "comment": text, "expiry": (now + COMMENT_KEPT).as_secs(),
        });
        let commented = self.act("add-comment", object, comment, deadline);
        // Continue even if the comment could not be added, so that Icinga 2 still sees the recovery
        // or the failure.
        if *healed {
            self.act("reschedule-check", object, json!({"force": true}), deadline)?;
        } else if let Some(WatchService { host, service }) = self.watch {
            let result = json!({"exit_status": 2, "plugin_output": text});
            self.act("process-check-result", (host, Some(service)), result, deadline)?;
        }
        commented?;
        Ok(true)
    }
}
