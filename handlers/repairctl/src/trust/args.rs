//! The arguments of `repairctl trust`.

use std::path::PathBuf;

use clap::Args;

use crate::object::name_parser;

/// The arguments of `trust`.
#[derive(Debug, Args)]
#[command(after_help = "\
The key goes into the first known_hosts file of the policy, under the name that
repairs look for. Nothing is ever recorded silently: a person says yes, or the
fingerprint is given. With --fingerprint or --replace, 0 means that a repair
believes this key and no other; without, that it believes only keys which the
host shows.

Examples:
  repairctl trust web1
  repairctl trust web1 --fingerprint SHA256:B0zV1rbLyqd... (unattended)
  repairctl trust web1 --replace     (the host was reinstalled)")]
pub struct TrustArgs {
    /// The host's name in Nagios
    #[arg(value_parser = name_parser())]
    pub host: String,
    /// Record the key with this fingerprint, without a question
    #[arg(long, value_name = "SHA256:...")]
    pub fingerprint: Option<String>,
    /// Replace all keys on file for this host
    #[arg(long)]
    pub replace: bool,
    /// Fetch the keys from this address [default: as in the policy, or in Nagios]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Fetch the keys from this port [default: as in the policy]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Nagios' main configuration [default: where distributions put it]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
}
