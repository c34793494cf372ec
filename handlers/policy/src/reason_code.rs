//! The codes of the reasons, for scripts and for the record.

words! {
    /// The code of a [`crate::Reason`]. Scripts match it, so a code never changes and is never used
    /// again.
    pub enum ReasonCode {
        /// The object did not opt in.
        NoRepairNamed = "no-repair-named",
        /// The policy has no repair of that name.
        UnknownRepair = "unknown-repair",
        /// The object is OK or UP.
        Recovered = "recovered",
        /// The rules do not repair this state.
        StateNotCovered = "state-not-covered",
        /// Nagios still rechecks.
        TooEarly = "too-early",
        /// The result before this one was another.
        NotInARow = "not-in-a-row",
        /// The host is down or unreachable.
        HostNotUp = "host-not-up",
        /// The service is in a planned downtime.
        ServiceDowntime = "service-downtime",
        /// The host is in a planned downtime.
        HostDowntime = "host-downtime",
        /// Somebody has acknowledged the problem.
        Acknowledged = "acknowledged",
        /// Nagios sees the object flapping.
        Flapping = "flapping",
        /// An admin paused repairs.
        Paused = "paused",
        /// The same event was answered before.
        SameEvent = "same-event",
        /// The same problem was repaired before.
        SameProblem = "same-problem",
        /// The ledger holds a later time than the clock.
        ClockWentBack = "clock-went-back",
        /// A repair is running on the host.
        AlreadyRunning = "already-running",
        /// The object was repaired a short time ago.
        CoolingDown = "cooling-down",
        /// Too many repairs of the incident did not help.
        BreakerOpen = "breaker-open",
        /// The repairs of the incident are used up.
        IncidentBudget = "incident-budget",
        /// The repairs of the window are used up.
        WindowBudget = "window-budget",
        /// The limit of running repairs is reached.
        FleetRunning = "fleet-running",
        /// The limit of started repairs is reached.
        FleetStarted = "fleet-started",
        /// Too many objects are in trouble at once.
        FleetShare = "fleet-share",
    }
}

impl ReasonCode {
    /// Whether it is a limit that the object shares with others: it passes as their repairs end.
    pub fn is_shared_limit(self) -> bool {
        match self {
            ReasonCode::AlreadyRunning
            | ReasonCode::FleetRunning
            | ReasonCode::FleetStarted
            | ReasonCode::FleetShare => true,
            ReasonCode::NoRepairNamed
            | ReasonCode::UnknownRepair
            | ReasonCode::Recovered
            | ReasonCode::StateNotCovered
            | ReasonCode::TooEarly
            | ReasonCode::NotInARow
            | ReasonCode::HostNotUp
            | ReasonCode::ServiceDowntime
            | ReasonCode::HostDowntime
            | ReasonCode::Acknowledged
            | ReasonCode::Flapping
            | ReasonCode::Paused
            | ReasonCode::SameEvent
            | ReasonCode::SameProblem
            | ReasonCode::ClockWentBack
            | ReasonCode::CoolingDown
            | ReasonCode::BreakerOpen
            | ReasonCode::IncidentBudget
            | ReasonCode::WindowBudget => false,
        }
    }
}
