//! Checks the names in a route and formats its parts for messages.

use policy_file::HostRoute;

use crate::error::Error;
use crate::text::clean;

/// Returns the paths of the known_hosts files, for a message.
pub(crate) fn known_hosts_files(route: &HostRoute) -> String {
    let files: Vec<_> = route.known_hosts.iter().map(|file| file.display().to_string()).collect();
    if files.is_empty() { "no known_hosts file".into() } else { files.join(", ") }
}

/// Formats the address and port of a route for a message.
pub(crate) fn address_and_port(route: &HostRoute) -> String {
    if route.address.contains(':') {
        format!("[{}]:{}", route.address, route.port)
    } else {
        format!("{}:{}", route.address, route.port)
    }
}

/// Checks the host name, the address, the user and the port of a route. Refuses values that ssh or
/// a shell could misread as an option, a second line or a pattern.
pub(crate) fn check(route: &HostRoute) -> Result<(), Error> {
    let address = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let account = |c: char| {
        c.is_ascii_graphic()
            && !matches!(c, '\'' | '"' | '`' | '$' | '%' | '\\' | ';' | '&' | '|' | '<' | '>')
    };
    let bad = |what, value: &str, why| Err(Error::BadTarget { what, shown: clean(value), why });
    for (what, value) in
        [("host name", &route.host), ("address", &route.address), ("user", &route.user)]
    {
        if value.is_empty() || value.len() > 255 {
            return bad(what, value, "the value must have 1 to 255 characters");
        }
        if value.starts_with('-') {
            return bad(what, value, "the value begins with '-', like an option");
        }
        if value.contains(char::is_control) {
            return bad(what, value, "the value contains a control character");
        }
    }
    if !route.address.chars().all(address) {
        return bad(
            "address",
            &route.address,
            "the value is neither a host name nor an IP address",
        );
    }
    if !route.user.chars().all(account) {
        return bad(
            "user",
            &route.user,
            "the value contains a blank, a quote or another character that account names cannot \
             have",
        );
    }
    if route.port == 0 {
        return bad("port", "0", "a port must be between 1 and 65535");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use policy_file::HostRoutes;

    use super::*;

    #[test]
    fn refuses_names_that_could_be_options_or_lines() {
        let route = |host: &str, address: &str, user: &str| HostRoute {
            user: user.into(),
            ..HostRoutes::default().route(host, Some(address))
        };
        assert_eq!(check(&route("Web server 1", "fe80::1%eth0", "repair")), Ok(()));
        for (host, address, user) in [
            ("-oProxyCommand=id", "192.0.2.1", "repair"),
            ("web1\n", "192.0.2.1", "repair"),
            ("web1\x1b[2J", "192.0.2.1", "repair"),
            ("", "192.0.2.1", "repair"),
            ("web1", "-oProxyCommand=id", "repair"),
            ("web1", "192.0.2.1;id", "repair"),
            ("web1", "$(id)", "repair"),
            ("web1", "192.0.2.1", "-lroot"),
            ("web1", "192.0.2.1", "a b"),
            ("web1", "192.0.2.1", "a\0"),
        ] {
            let error = check(&route(host, address, user)).unwrap_err();
            assert_eq!(error.code(), "bad-target", "{host:?} {address:?} {user:?}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
