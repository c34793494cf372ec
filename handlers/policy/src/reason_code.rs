//! Reason codes, for scripts and for the ledger.

words! {
    /// The code for a [`crate::Reason`]. Scripts match these codes, so a code never changes and is
    /// never reused for another reason.
    pub enum ReasonCode {
        /// The object names no repair, so it has not opted in.
        NoRepairNamed = "no-repair-named",
        /// The policy has no repair with this name.
        UnknownRepair = "unknown-repair",
        /// The object is OK or UP.
        Recovered = "recovered",
        /// The policy does not allow repairs for this state.
        StateNotCovered = "state-not-covered",
        /// Nagios has not confirmed the fault yet.
        TooEarly = "too-early",
        /// The previous result did not call for this repair.
        NotInARow = "not-in-a-row",
        /// The host is down or unreachable.
        HostNotUp = "host-not-up",
        /// The service is in scheduled downtime.
        ServiceDowntime = "service-downtime",
        /// The host is in scheduled downtime.
        HostDowntime = "host-downtime",
        /// Somebody has acknowledged the problem.
        Acknowledged = "acknowledged",
        /// Nagios considers the object flapping.
        Flapping = "flapping",
        /// An admin paused repairs.
        Paused = "paused",
        /// Another job has already answered this event.
        SameEvent = "same-event",
        /// Another job has already run for this problem.
        SameProblem = "same-problem",
        /// The ledger contains a time that is later than the current time.
        ClockWentBack = "clock-went-back",
        /// The fault was seen so long ago that it may be over.
        WaitedTooLong = "waited-too-long",
        /// A repair is running on the host.
        AlreadyRunning = "already-running",
        /// The cooldown of the last repair has not ended.
        CoolingDown = "cooling-down",
        /// Too many repairs in the incident did not help.
        BreakerOpen = "breaker-open",
        /// The repair budget of the incident is used up.
        IncidentBudget = "incident-budget",
        /// The repair budget of the window is used up.
        WindowBudget = "window-budget",
        /// The fleet limit on running repairs is reached.
        FleetRunning = "fleet-running",
        /// The fleet limit on started repairs is reached.
        FleetStarted = "fleet-started",
        /// Too many objects are in trouble at the same time.
        FleetShare = "fleet-share",
    }
}

impl ReasonCode {
    /// Whether the reason is a limit that the object shares with others. Such a limit ends when the
    /// other repairs end or the other objects recover.
    pub fn is_shared_limit(self) -> bool {
        match self {
            ReasonCode::WaitedTooLong
            | ReasonCode::AlreadyRunning
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
