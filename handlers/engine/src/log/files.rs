//! Opens log files and sorts them by time.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use safe_file::Input;

use super::entry::timestamp;
use super::lines::LogLines;

/// A log file, with the time of its first line.
#[derive(Debug)]
pub struct LogFile {
    /// Path of the file.
    pub path: PathBuf,
    /// Size on disk, in bytes.
    pub size: u64,
    first: u64,
}

/// Why a log cannot be read completely.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the error messages explain the fields")]
pub enum LogError {
    /// The log is missing, not readable or damaged.
    #[error("{path}: {why}")]
    Unreadable { path: PathBuf, why: io::Error },
    /// The log is truncated. The part before the error is used.
    #[error("{path}: {why}; only the part before the error was read")]
    Broken { path: PathBuf, why: io::Error },
    /// No line begins with a time.
    #[error(
        "{0} is not a Nagios log: no line begins with a time such as [1700000000]; see log_file \
         and log_archive_path in nagios.cfg"
    )]
    NoLog(PathBuf),
}

/// Counts the bytes that are read from a file.
struct CountingReader {
    file: Input,
    count: Rc<Cell<u64>>,
}

impl Read for CountingReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(to)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// Returns the logs, sorted by the time of their first line, and an error for each unreadable log.
/// Repeated paths and empty logs are skipped.
pub fn in_order(paths: &[PathBuf]) -> (Vec<LogFile>, Vec<LogError>) {
    let (mut logs, mut bad) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for path in paths {
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
            continue;
        }
        match first_line(path) {
            Ok(Some(log)) => logs.push(log),
            Ok(None) => {}
            Err(why) => bad.push(why),
        }
    }
    logs.sort_by_key(|log| log.first);
    (logs, bad)
}

/// Maximum number of lines to search for a log's first timestamp.
const SEARCHED: usize = 1000;

fn first_line(path: &Path) -> Result<Option<LogFile>, LogError> {
    let unreadable = |why| LogError::Unreadable { path: path.to_owned(), why };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    let mut lines = LogLines::new(open(path, Rc::default()).map_err(unreadable)?);
    let mut is_empty = true;
    for _ in 0..SEARCHED {
        let Some(line) = lines.next_line().map_err(unreadable)? else { break };
        is_empty &= line.is_empty();
        if let Some((first, _)) = timestamp(line) {
            return Ok(Some(LogFile { path: path.to_owned(), size, first }));
        }
    }
    if is_empty { Ok(None) } else { Err(LogError::NoLog(path.to_owned())) }
}

/// Opens a log. Accepts only regular files, because a log is read more than once.
fn plain(path: &Path) -> io::Result<Input> {
    let input = Input::open(path, u64::MAX, None)?;
    let why = "not a regular file, but this program reads a log more than once; save the data to a \
               file first";
    if input.is_regular()? { Ok(input) } else { Err(io::Error::other(why)) }
}

/// Opens a log. Decompresses it if it begins with the magic bytes of gzip (RFC 1952). Each read
/// adds the number of bytes that it took from the file to `count`.
///
/// # Errors
/// Fails if the file is not readable or not a regular file.
pub fn open(path: &Path, count: Rc<Cell<u64>>) -> io::Result<Box<dyn Read>> {
    let mut begin = Vec::new();
    plain(path)?.take(2).read_to_end(&mut begin)?;
    let file = CountingReader { file: plain(path)?, count };
    Ok(if begin == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    })
}
