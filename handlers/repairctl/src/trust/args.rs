//! Arguments and help text of `repairctl trust`.

use std::path::PathBuf;

use clap::Args;

use crate::object::name_parser;

/// The arguments that follow `repairctl trust`.
#[derive(Debug, Args)]
#[command(after_help = "\
If you answer yes or pass the key's fingerprint, trust records the key in the
first known_hosts file in the policy, under the name that repairs look up. With
--fingerprint or --replace, exit code 0 means that repairs accept this key and
no other key. Without these options, it means that repairs accept only keys that
the host presents.

Examples:
  repairctl trust web1
  repairctl trust web1 --fingerprint SHA256:B0zV1rbLyqd... (unattended)
  repairctl trust web1 --replace     (the host was reinstalled)")]
pub struct TrustArgs {
    /// The host's name in Nagios
    #[arg(value_parser = name_parser())]
    pub host: String,
    /// Record the key with this fingerprint, without asking
    #[arg(long, value_name = "SHA256:...")]
    pub fingerprint: Option<String>,
    /// Replace all recorded keys of this host
    #[arg(long)]
    pub replace: bool,
    /// Fetch the keys from this address [default: the address in the policy, or
    /// in Nagios]
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Fetch the keys from this port [default: the port in the policy]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Nagios' main configuration [default: the distribution's nagios.cfg]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
}
