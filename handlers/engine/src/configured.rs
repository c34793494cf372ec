//! Selects the engine that the policy configures.

use policy_file::Config;

use crate::icinga2::Icinga2;
use crate::interface::Engine;
use crate::nagios_files::NagiosFiles;

/// Returns the engine that the policy configures.
pub fn engine_of(config: &Config) -> Box<dyn Engine + '_> {
    match &config.icinga2 {
        Some(api) => Box::new(Icinga2::new(api, config.check_repairs.as_ref())),
        None => Box::new(NagiosFiles::new(config)),
    }
}

/// Returns the engine that the policy configures, for programs that must not write any file.
pub fn read_only_engine_of(config: &Config) -> Box<dyn Engine + '_> {
    match &config.icinga2 {
        Some(_) => engine_of(config),
        None => Box::new(NagiosFiles::read_only(config)),
    }
}
