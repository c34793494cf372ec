//! Checks what kind of file an open descriptor refers to.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Stat, fstat};

use crate::error::Error;
use crate::kind::FileKind;

/// Converts the descriptor to a [`File`] if it refers to the expected kind of file.
pub(crate) fn expect(path: &Path, opened: OwnedFd, expected: FileKind) -> Result<File, Error> {
    let found = FileKind::of(&stat(path, &opened)?);
    if found == expected {
        Ok(opened.into())
    } else {
        Err(Error::Kind { path: path.to_owned(), found, expected })
    }
}

pub(crate) fn stat(path: &Path, opened: impl AsFd) -> Result<Stat, Error> {
    fstat(opened).map_err(|why| Error::io(path, why))
}
