//! The paths where our programs look for each other.

use std::path::{Path, PathBuf};

/// Directory for programs that the packages install but users do not run directly.
pub const LIBEXEC: &str = match option_env!("SELFHEAL_LIBEXECDIR") {
    Some(path) => path,
    None => "/usr/libexec/nagios-selfheal",
};

/// Returns the paths where our program `name` may be installed. It may be in the directory of the
/// calling program `us`, in the libexec directory of the same prefix, or in [`LIBEXEC`]. It is safe
/// to search the first two, because anyone who can write to them can also replace the calling
/// program.
#[must_use]
pub fn program_places(us: Option<&Path>, name: &str) -> Vec<PathBuf> {
    let beside = us.and_then(Path::parent);
    let prefixed =
        beside.and_then(Path::parent).map(|prefix| prefix.join("libexec/nagios-selfheal"));
    let directories = [beside.map(Path::to_owned), prefixed, Some(LIBEXEC.into())];
    let mut places = Vec::new();
    for place in directories.into_iter().flatten().map(|directory| directory.join(name)) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_next_to_the_program_and_in_libexec() {
        let places = program_places(Some(Path::new("/opt/heal/bin/handle_repair")), "worker");
        assert_eq!(
            places,
            [
                "/opt/heal/bin/worker",
                "/opt/heal/libexec/nagios-selfheal/worker",
                "/usr/libexec/nagios-selfheal/worker"
            ]
            .map(PathBuf::from)
        );
        assert_eq!(program_places(Some(Path::new("/usr/bin/handle_repair")), "worker").len(), 2);
    }
}
