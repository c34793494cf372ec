//! Where our programs find each other.

use std::path::{Path, PathBuf};

/// Where packages put programs that nobody runs by hand.
pub const LIBEXEC: &str = match option_env!("SELFHEAL_LIBEXECDIR") {
    Some(path) => path,
    None => "/usr/libexec/nagios-selfheal",
};

/// Returns the places of our program `name`, for the program `us`: beside it, in the libexec
/// directory of its prefix, and in [`LIBEXEC`]. Anyone who can write beside it could replace it as
/// well.
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
    fn looks_beside_the_program_and_in_libexec() {
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
