//! The logs: current and archived, packed or not, in order of time.

use std::cell::Cell;
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;
use safe_file::Input;

use super::entry::time;
use super::lines::Lines;

/// A log and the time it begins.
#[derive(Debug)]
pub struct Log {
    /// The file.
    pub path: PathBuf,
    /// Its size as it is stored, in bytes.
    pub size: u64,
    first: u64,
}

/// Why a log cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum BadLog {
    /// Not there, not for us, or damaged.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// It breaks off; what was read of it counts.
    #[error("{path}: {why}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// No line begins as those of Nagios' log do.
    #[error(
        "{0} is no log of Nagios: no line begins with [seconds since 1970]; see log_file and \
         log_archive_path in nagios.cfg"
    )]
    NoLog(PathBuf),
}

/// Reads, and counts what was read.
pub struct Counted {
    file: Input,
    count: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(to)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

/// The logs in order of their first time. What is named twice is read once; empty ones are left
/// out.
pub fn in_order(paths: &[PathBuf]) -> (Vec<Log>, Vec<BadLog>) {
    let (mut logs, mut bad) = (Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for path in paths {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        match look(path) {
            Ok(Some(log)) => logs.push(log),
            Ok(None) => {}
            Err(why) => bad.push(why),
        }
    }
    logs.sort_by_key(|log| log.first);
    (logs, bad)
}

/// So many lines are looked at for a first time.
const LOOKED_AT: usize = 1000;

fn look(path: &Path) -> Result<Option<Log>, BadLog> {
    let unreadable = |why| BadLog::Unreadable { path: path.to_owned(), why };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    let mut lines = Lines::new(open(path, Rc::default()).map_err(unreadable)?);
    let mut is_empty = true;
    for _ in 0..LOOKED_AT {
        let Some(line) = lines.next().map_err(unreadable)? else { break };
        is_empty &= line.is_empty();
        if let Some((first, _)) = time(line) {
            return Ok(Some(Log { path: path.to_owned(), size, first }));
        }
    }
    if is_empty { Ok(None) } else { Err(BadLog::NoLog(path.to_owned())) }
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

/// Opens a log, unpacking it when it begins as gzip does (RFC 1952). `count` grows by the bytes
/// read of the file.
pub fn open(path: &Path, count: Rc<Cell<u64>>) -> io::Result<Box<dyn Read>> {
    let mut begin = Vec::new();
    plain(path)?.take(2).read_to_end(&mut begin)?;
    let file = Counted { file: plain(path)?, count };
    Ok(if begin == [0x1f, 0x8b] {
        Box::new(MultiGzDecoder::new(BufReader::new(file)))
    } else {
        Box::new(file)
    })
}
