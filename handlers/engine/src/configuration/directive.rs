//! The types of objects in a configuration, and the directives that these programs use.

/// The type of an object in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectType {
    Command,
    Host,
    HostGroup,
    Service,
    TimePeriod,
    /// Any other type. Definitions of such objects are not used.
    Other,
}

impl ObjectType {
    /// Parses the object type that follows the word `define`.
    pub fn parse(rest: &[u8]) -> ObjectType {
        let rest = rest.trim_ascii_start();
        match rest.split(|byte| matches!(byte, b' ' | b'\t' | b'{')).next() {
            Some(b"command") => ObjectType::Command,
            Some(b"host") => ObjectType::Host,
            Some(b"hostgroup") => ObjectType::HostGroup,
            Some(b"service") => ObjectType::Service,
            Some(b"timeperiod") => ObjectType::TimePeriod,
            _ => ObjectType::Other,
        }
    }
}

/// A directive that these programs use. All other directives, which make up more than half of an
/// object cache, are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the documentation of Nagios describes each directive")]
pub enum Directive {
    ActiveChecksEnabled,
    CheckCommand,
    CheckInterval,
    CommandLine,
    CommandName,
    EventHandler,
    EventHandlerEnabled,
    EventHandlerPeriod,
    Exclude,
    HostName,
    HostgroupMembers,
    HostgroupName,
    Hostgroups,
    IsVolatile,
    MaxCheckAttempts,
    Members,
    Name,
    PassiveChecksEnabled,
    Register,
    /// The custom variable `_REPAIR`.
    Repair,
    RetryInterval,
    ServiceDescription,
    TimeperiodName,
    Use,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Directive {
    /// The directives for the days of the week in a time period.
    pub const DAYS: [Directive; 7] = [
        Directive::Monday,
        Directive::Tuesday,
        Directive::Wednesday,
        Directive::Thursday,
        Directive::Friday,
        Directive::Saturday,
        Directive::Sunday,
    ];

    /// Returns the directive with this name in an object of this type, or `None` if these programs
    /// do not use it. Names of custom variables are case-insensitive, and some directives also have
    /// an older name.
    pub fn parse(kind: ObjectType, name: &[u8]) -> Option<Directive> {
        use Directive::*;
        if name.first() == Some(&b'_') {
            return name.eq_ignore_ascii_case(b"_REPAIR").then_some(Repair);
        }
        Some(match (kind, name) {
            (ObjectType::Service, b"host") => HostName,
            (ObjectType::Service, b"hostgroup" | b"hostgroups") => HostgroupName,
            (ObjectType::Service, b"description") => ServiceDescription,
            (ObjectType::Host, b"host_groups") => Hostgroups,
            (_, b"active_checks_enabled") => ActiveChecksEnabled,
            (_, b"check_command") => CheckCommand,
            (_, b"check_interval" | b"normal_check_interval") => CheckInterval,
            (_, b"command_line") => CommandLine,
            (_, b"command_name") => CommandName,
            (_, b"event_handler") => EventHandler,
            (_, b"event_handler_enabled") => EventHandlerEnabled,
            (_, b"event_handler_period") => EventHandlerPeriod,
            (_, b"exclude") => Exclude,
            (_, b"host_name") => HostName,
            (_, b"hostgroup_members") => HostgroupMembers,
            (_, b"hostgroup_name") => HostgroupName,
            (_, b"hostgroups") => Hostgroups,
            (_, b"is_volatile") => IsVolatile,
            (_, b"max_check_attempts") => MaxCheckAttempts,
            (_, b"members") => Members,
            (_, b"name") => Name,
            (_, b"passive_checks_enabled") => PassiveChecksEnabled,
            (_, b"register") => Register,
            (_, b"retry_interval" | b"retry_check_interval") => RetryInterval,
            (_, b"service_description") => ServiceDescription,
            (_, b"timeperiod_name") => TimeperiodName,
            (_, b"use") => Use,
            (ObjectType::TimePeriod, day) => return Directive::day(day),
            _ => return None,
        })
    }

    fn day(name: &[u8]) -> Option<Directive> {
        Some(match name {
            b"monday" => Directive::Monday,
            b"tuesday" => Directive::Tuesday,
            b"wednesday" => Directive::Wednesday,
            b"thursday" => Directive::Thursday,
            b"friday" => Directive::Friday,
            b"saturday" => Directive::Saturday,
            b"sunday" => Directive::Sunday,
            _ => return None,
        })
    }

    /// Whether an object inherits the directive from its templates.
    pub fn is_inherited(self) -> bool {
        !matches!(self, Directive::Name | Directive::Register | Directive::Use)
    }
}
