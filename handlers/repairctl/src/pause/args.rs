//! Arguments and help text of `repairctl pause`, `resume` and `status`.

use std::path::PathBuf;

use clap::Args;

use crate::object::name_parser;

/// The arguments that follow `repairctl pause`.
#[derive(Debug, Args)]
#[command(
    after_help = "Repairs that are already running continue. A pause replaces an earlier pause of
the same scope. check_repairs warns while anything is paused. repairctl refuses
to pause a host or service that Nagios does not know.

Exit codes: 1 if the pause was recorded, but repairctl could not check whether
Nagios knows HOST or SERVICE.

Examples:
  Repair nothing during tonight's migration:
    repairctl pause --for 6h --reason 'storage migration, call Alice'
  Pause a single service:
    repairctl pause web1 HTTP --reason 'debugging, ticket 4711'"
)]
pub struct PauseArgs {
    /// Pause only this host and its services [default: everything]
    #[arg(value_parser = name_parser())]
    pub host: Option<String>,
    /// Pause only this service of HOST
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
    /// End the pause after this time: 30m, 2h, 1d [default: end it only when
    /// somebody runs repairctl resume]
    #[arg(long = "for", value_name = "SPAN")]
    pub span: Option<String>,
    /// Give the reason for the pause, which is shown with every repair that the
    /// pause prevents
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Nagios' main configuration [default: the distribution's nagios.cfg]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// Name of the person who sets the pause. The process that runs as root
    /// passes it to the process that runs as Nagios' user.
    #[arg(long, hide = true, value_name = "NAME")]
    pub by: Option<String>,
}

/// The arguments that follow `repairctl resume`.
#[derive(Debug, Args)]
#[command(after_help = "Ends only the pause with exactly this scope. Pauses with other scopes
stay in effect, and resume lists them.

Exit codes: 1 if there was no such pause.")]
pub struct ResumeArgs {
    /// End the pause of this host [default: end the pause of everything]
    #[arg(value_parser = name_parser())]
    pub host: Option<String>,
    /// End the pause of this service on HOST
    #[arg(value_parser = name_parser())]
    pub service: Option<String>,
}

/// The arguments that follow `repairctl status`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 if nothing is paused, 1 if something is paused.")]
pub struct StatusArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
