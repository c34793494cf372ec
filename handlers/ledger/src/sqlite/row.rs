//! Converts table rows to records, including their times, names and enum words.

use policy::{Event, spell, unspell};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Error, Result, Row};

pub(super) use crate::times::{age, millis, span_millis, time};
use crate::{Paused, Record, Refusal, RepairOutcome, Reset, Step, StepKind};

pub(super) const RECORD: &str = "SELECT job, host, service, repair, event, reserved, ended, \
    outcome, text, rung, rung_gate, problem, rung_until, rowid FROM repair";

pub(super) const REFUSAL: &str = "SELECT at, host, service, reason, text, event, id FROM refusal";

pub(super) const PAUSE: &str = "host, service, by_whom, reason, since, until";

pub(super) const RESET: &str = "SELECT at, host, service, by_whom, reason FROM reset";

pub(super) const STEP: &str = "SELECT at, kind, rung, text FROM step";

/// A function that reads a text column, either [`strict`] or [`lossy`].
pub(super) type ReadText = fn(&Row<'_>, usize) -> Result<String>;

/// Reads a string on which a decision depends. Fails if it is not UTF-8, because then the ledger is
/// damaged.
pub(super) fn strict(row: &Row<'_>, column: usize) -> Result<String> {
    let bytes = row.get_ref(column)?.as_bytes()?.to_vec();
    let damaged = |why| Error::FromSqlConversionFailure(column, Type::Blob, Box::new(why));
    String::from_utf8(bytes).map_err(damaged)
}

/// Reads a string that is only displayed. Replaces bytes that are not UTF-8, so that one damaged
/// string does not hide all other records.
pub(super) fn lossy(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes()?).into_owned())
}

/// Reads the name of a host or service, and encodes it with [`policy::spell`], because a name can
/// consist of any bytes.
pub(super) fn name(row: &Row<'_>, column: usize) -> Result<String> {
    Ok(spell(row.get_ref(column)?.as_bytes()?))
}

pub(super) fn record(row: &Row<'_>, read: ReadText) -> Result<Record> {
    let outcome: Option<String> = row.get(7)?;
    Ok(Record {
        job: read(row, 0)?,
        host: name(row, 1)?,
        service: given(name(row, 2)?),
        repair: read(row, 3)?,
        event: read(row, 4)?,
        reserved: time(row.get(5)?),
        ended: row.get::<_, Option<i64>>(6)?.map(time),
        outcome: outcome.as_deref().and_then(RepairOutcome::from_word),
        text: read(row, 8)?,
        rungs: row.get(9)?,
        gate: match row.get_ref(10)? {
            ValueRef::Null => None,
            _ => Some(name(row, 10)?),
        },
        problem: given(read(row, 11)?),
        rung_until: row.get::<_, Option<i64>>(12)?.map(time),
    })
}

pub(super) fn refusal(row: &Row<'_>, read: ReadText) -> Result<Refusal> {
    Ok(Refusal {
        at: time(row.get(0)?),
        host: name(row, 1)?,
        service: given(name(row, 2)?),
        reason: read(row, 3)?.into(),
        text: read(row, 4)?,
        event: read(row, 5)?,
    })
}

pub(super) fn step(row: &Row<'_>) -> Result<Step> {
    let kind = StepKind::from_word(row.get_ref(1)?.as_str()?).unwrap_or(StepKind::Note);
    Ok(Step { at: time(row.get(0)?), kind, rung: row.get(2)?, text: lossy(row, 3)? })
}

pub(super) fn reset(row: &Row<'_>) -> Result<Reset> {
    Ok(Reset {
        at: time(row.get(0)?),
        host: name(row, 1)?,
        service: given(name(row, 2)?),
        by: lossy(row, 3)?,
        reason: lossy(row, 4)?,
    })
}

pub(super) fn paused(row: &Row<'_>) -> Result<Paused> {
    Ok(Paused {
        host: given(name(row, 0)?),
        service: given(name(row, 1)?),
        by: lossy(row, 2)?,
        reason: lossy(row, 3)?,
        since: time(row.get(4)?),
        until: row.get::<_, Option<i64>>(5)?.map(time),
    })
}

/// Returns the bytes of an encoded name, or no bytes for `None`.
pub(super) fn bytes(name: Option<&str>) -> Vec<u8> {
    unspell(name.unwrap_or_default())
}

/// Returns `None` for an empty string.
pub(super) fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Returns the host and service of an event in the form in which the ledger stores them.
pub(super) fn object(event: &Event) -> (Vec<u8>, Vec<u8>) {
    (bytes(Some(&event.host)), bytes(event.service.as_deref()))
}
