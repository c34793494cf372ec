//! Other plugins whose options check_http accepts.

/// A plugin and the long names of its options.
#[derive(Debug, Clone, Copy)]
pub struct PluginFamily {
    /// Short name of the plugin.
    pub name: &'static str,
    /// Long names of its options, separated by spaces, in the order in which the plugin's error
    /// messages list them.
    pub options: &'static str,
}

impl PluginFamily {
    /// Whether the plugin has a long option with this name.
    pub fn has(&self, name: &str) -> bool {
        self.options.split(' ').any(|option| option == name)
    }
}

/// monitoring-plugins' check_http 2.3.3, which check_http replaces.
pub const CHECK_HTTP: PluginFamily = PluginFamily {
    name: "check_http",
    options: "help version verbose link nohtml ssl sni post method IP-address url port \
              authorization proxy-authorization hostname header-string string expect regex ereg \
              eregi linespan onredirect critical warning timeout certificate client-cert \
              private-key continue-after-certificate useragent header no-body max-age \
              content-type pagesize invert-regex use-ipv4 use-ipv6 extended-perfdata show-body \
              max-redirs extra-opts",
};

/// All plugins whose options check_http accepts: monitoring-plugins' check_http 2.3.3, its
/// check_curl up to 3.0.3, and nagios-plugins' check_http up to 2.5.
pub const FAMILIES: [PluginFamily; 3] = [
    CHECK_HTTP,
    PluginFamily {
        name: "check_curl",
        options: "help version verbose link nohtml ssl sni post method IP-address url port \
                  authorization proxy-authorization hostname header-string string expect regex \
                  ereg eregi linespan onredirect critical warning timeout certificate client-cert \
                  private-key continue-after-certificate useragent header no-body max-age \
                  content-type pagesize invert-regex use-ipv4 use-ipv6 extended-perfdata \
                  show-body max-redirs extra-opts ca-cert verify-cert http-version \
                  enable-automatic-decompression cookie-jar haproxy-protocol state-regex proxy \
                  noproxy timeout-result output-format",
    },
    PluginFamily {
        name: "nagios-plugins",
        options: "help version verbose link nohtml ssl sni post method IP-address url uri port \
                  authorization proxy-authorization hostname header-string string expect regex \
                  ereg eregi linespan onredirect critical warning timeout certificate client-cert \
                  private-key continue-after-certificate useragent header no-body max-age \
                  content-type pagesize invert-regex use-ipv4 use-ipv6 extended-perfdata show-url \
                  output-body-as-perfdata verify-host extra-opts",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::options;

    #[test]
    fn accepts_every_option_of_other_plugins() {
        let known = options::command();
        let accepts = |name: &str| {
            known.get_arguments().any(|argument| {
                argument.get_long() == Some(name)
                    || argument.get_all_aliases().unwrap_or_default().contains(&name)
            })
        };
        for family in FAMILIES {
            let refused: Vec<_> = family.options.split(' ').filter(|name| !accepts(name)).collect();
            assert!(refused.is_empty(), "{}: {refused:?}", family.name);
        }
    }
}
