//! `repairctl pause`, `resume` and `status`.

use clap::Args;

/// The words of `pause`.
#[derive(Debug, Args)]
pub struct Pause {
    /// Only this host [default: everything]
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// Only this service of it
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// For how long: 30m, 2h, 1d [default: until it is resumed]
    #[arg(long = "for", value_name = "SPAN")]
    pub span: Option<String>,
    /// Why; it is shown wherever a repair is refused for it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

/// The words of `resume`.
#[derive(Debug, Args)]
pub struct Resume {
    /// The host that was paused [default: the pause of everything]
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// The service of it that was paused
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
}

/// The words of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
