//! Errors from an engine.

use plugin_kit::Problem;

use crate::account::AccountError;
use crate::command_file::CommandFileError;
use crate::configuration::MainFileError;
use crate::icinga2::ApiError;
use crate::status_file::StatusFileError;

/// Why an engine returned no observation or did not accept a report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nagios' status file cannot be used.
    #[error(transparent)]
    StatusFile(#[from] StatusFileError),
    /// Nagios' command file cannot be used.
    #[error(transparent)]
    CommandFile(#[from] CommandFileError),
    /// Icinga 2's API cannot be used.
    #[error(transparent)]
    Api(#[from] ApiError),
}

macro_rules! failures {
    ($($error:ty),*) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Problem {
                Problem::failed(error)
            }
        })*
    };
}

failures!(AccountError, MainFileError, StatusFileError, Error);
