//! Converts table rows to records, including their times, names and enum words.

use std::string::FromUtf8Error;
use std::time::SystemTime;

use policy::spell;

use crate::value::{given, time};
use crate::{Paused, Record, Refusal, RepairOutcome, Reset, Step, StepKind};

/// The columns that [`record`] reads.
pub(crate) const RECORD: &str = "job, host, service, repair, event, reserved, ended, outcome, \
    text, rung, rung_gate, problem, rung_until";

/// The columns that [`refusal`] reads.
pub(crate) const REFUSAL: &str = "at, host, service, reason, text, event";

/// The columns that [`paused`] reads.
pub(crate) const PAUSE: &str = "host, service, by_whom, reason, since, until";

/// The columns that [`reset`] reads.
pub(crate) const RESET: &str = "at, host, service, by_whom, reason";

/// The columns that [`step`] reads.
pub(crate) const STEP: &str = "at, kind, rung, text";

/// A row that a store returned.
pub(crate) trait Columns {
    /// The error for a column with the wrong type.
    type Failure;

    /// Returns the bytes of the text or name in a column, or `None` for NULL.
    fn raw(&self, column: usize) -> Result<Option<&[u8]>, Self::Failure>;

    /// Returns the number in a column, or `None` for NULL.
    fn number(&self, column: usize) -> Result<Option<i64>, Self::Failure>;

    /// Returns the error for a text that is not UTF-8.
    fn not_utf8(&self, column: usize, why: FromUtf8Error) -> Self::Failure;

    /// Returns the time in a column, as a time on this machine's clock, or `None` for NULL.
    fn time(&self, column: usize) -> Result<Option<SystemTime>, Self::Failure> {
        Ok(self.number(column)?.map(time))
    }
}

/// A function that reads a text column, either [`strict`] or [`lossy`].
pub(crate) type ReadText<R> = fn(&R, usize) -> Result<String, <R as Columns>::Failure>;

/// Reads a string that a decision depends on. Fails if the string is not UTF-8, because the ledger
/// is then damaged.
pub(crate) fn strict<R: Columns>(row: &R, column: usize) -> Result<String, R::Failure> {
    let bytes = row.raw(column)?.unwrap_or_default().to_vec();
    String::from_utf8(bytes).map_err(|why| row.not_utf8(column, why))
}

/// Reads a string that is only displayed. Replaces bytes that are not UTF-8, so that all other
/// records can still be displayed.
pub(crate) fn lossy<R: Columns>(row: &R, column: usize) -> Result<String, R::Failure> {
    Ok(String::from_utf8_lossy(row.raw(column)?.unwrap_or_default()).into_owned())
}

/// Reads the name of a host or service, and encodes it with [`policy::spell`], because a name can
/// consist of any bytes.
pub(crate) fn name<R: Columns>(row: &R, column: usize) -> Result<String, R::Failure> {
    Ok(spell(row.raw(column)?.unwrap_or_default()))
}

/// Reads a number as a `u32`, or `None` for NULL. A number that does not fit becomes `u32::MAX`.
fn small<R: Columns>(row: &R, column: usize) -> Result<Option<u32>, R::Failure> {
    Ok(row.number(column)?.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
}

/// Reads a time from a column that is never NULL.
fn moment<R: Columns>(row: &R, column: usize) -> Result<SystemTime, R::Failure> {
    Ok(row.time(column)?.unwrap_or(SystemTime::UNIX_EPOCH))
}

pub(crate) fn record<R: Columns>(row: &R, read: ReadText<R>) -> Result<Record, R::Failure> {
    let outcome = lossy(row, 7)?;
    Ok(Record {
        job: read(row, 0)?,
        host: name(row, 1)?,
        service: given(name(row, 2)?),
        repair: read(row, 3)?,
        event: read(row, 4)?,
        reserved: moment(row, 5)?,
        ended: row.time(6)?,
        outcome: RepairOutcome::from_word(&outcome),
        text: read(row, 8)?,
        rungs: small(row, 9)?.unwrap_or(0),
        gate: row.raw(10)?.map(spell),
        problem: given(read(row, 11)?),
        rung_until: row.time(12)?,
    })
}

pub(crate) fn refusal<R: Columns>(row: &R, read: ReadText<R>) -> Result<Refusal, R::Failure> {
    Ok(Refusal {
        at: moment(row, 0)?,
        host: name(row, 1)?,
        service: given(name(row, 2)?),
        reason: read(row, 3)?.into(),
        text: read(row, 4)?,
        event: read(row, 5)?,
    })
}

pub(crate) fn step<R: Columns>(row: &R) -> Result<Step, R::Failure> {
    let kind = StepKind::from_word(&lossy(row, 1)?).unwrap_or(StepKind::Note);
    Ok(Step { at: moment(row, 0)?, kind, rung: small(row, 2)?, text: lossy(row, 3)? })
}

pub(crate) fn reset<R: Columns>(row: &R) -> Result<Reset, R::Failure> {
    Ok(Reset {
        at: moment(row, 0)?,
        host: name(row, 1)?,
        service: given(name(row, 2)?),
        by: lossy(row, 3)?,
        reason: lossy(row, 4)?,
    })
}

pub(crate) fn paused<R: Columns>(row: &R) -> Result<Paused, R::Failure> {
    Ok(Paused {
        host: given(name(row, 0)?),
        service: given(name(row, 1)?),
        by: lossy(row, 2)?,
        reason: lossy(row, 3)?,
        since: moment(row, 4)?,
        until: row.time(5)?,
    })
}
