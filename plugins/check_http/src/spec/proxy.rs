//! The HTTP proxy given with -x, and the hosts that bypass it.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Host name or address of the proxy.
    pub address: String,
    /// Port of the proxy.
    pub port: u16,
    /// `user:password`, if the proxy URL contains them.
    pub authorization: Option<Vec<u8>>,
    /// Hosts and domains that bypass the proxy. `*` means all hosts.
    pub bypass: Vec<String>,
}

impl Proxy {
    /// Whether requests to `host` bypass the proxy.
    pub fn bypasses(&self, host: &str) -> bool {
        self.bypass.iter().any(|name| {
            let domain =
                host.len().checked_sub(name.len()).and_then(|at| host.split_at_checked(at));
            name == "*"
                || domain.is_some_and(|(before, end)| {
                    end.eq_ignore_ascii_case(name) && (before.is_empty() || before.ends_with('.'))
                })
        })
    }
}
