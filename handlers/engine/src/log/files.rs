//! The files of the log, in order of time.

use std::cell::Cell;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use safe_file::Input;

use super::entry::timestamp;
use super::lines::LogLines;

/// A log, and the time of its first line.
#[derive(Debug)]
pub struct LogFile {
    /// The file.
    pub path: PathBuf,
    /// Its size as it is stored, in bytes.
    pub size: u64,
    first: u64,
}

/// Why a log cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Missing, not readable for us, or damaged.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// Truncated; the part before counts.
    #[error("{path}: {why}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// No line begins as those of Nagios' log do.
    #[error(
        "{0} is no log of Nagios: no line begins with [seconds since 1970]; see log_file and \
         log_archive_path in nagios.cfg"
    )]
    NoLog(PathBuf),
}

/// Counts the bytes that are read.
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

/// Returns the logs in order of their first time, and those that cannot be read. A log that is
/// named twice is read once; empty ones are left out.
pub fn in_order(paths: &[PathBuf]) -> (Vec<LogFile>, Vec<LogError>) {
    let (mut logs, mut bad) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for path in paths {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        match first_line(path) {
            Ok(Some(log)) => logs.push(log),
            Ok(None) => {}
            Err(why) => bad.push(why),
        }
    }
    logs.sort_by_key(|log| log.first);
    (logs, bad)
}

/// The number of lines in which a first time is searched.
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

/// Each log is read more than once.
fn plain(path: &Path) -> io::Result<Input> {
    let input = Input::open(path, u64::MAX, None)?;
    match input.is_regular()? {
        true => Ok(input),
        false => Err(io::Error::other(
            "a log is read more than once: write what comes through a pipe to a file first",
        )),
    }
}

/// Opens a log, unpacking it if it begins as gzip does (RFC 1952). `count` grows by the bytes that
/// are read of the file.
///
/// # Errors
/// It is not readable, or not a regular file.
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
