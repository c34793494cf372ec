//! Creates job IDs, which identify repairs.

use std::fs::File;
use std::io::{self, Read};
use std::time::{Duration, SystemTime};

use policy::JobId;

/// Returns a new job ID: the time in hexadecimal, which makes job IDs sortable, and eight random
/// bytes, which make them unique.
pub fn new() -> io::Result<JobId> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let id = format!("{:x}-{:016x}", now.as_secs(), u64::from_ne_bytes(random));
    id.parse().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    #[test]
    fn makes_unique_ids() {
        assert_ne!(super::new().unwrap(), super::new().unwrap());
    }
}
