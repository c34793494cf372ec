//! Refuses to build against a distribution's libssh2. Debian 12 ships 1.10.0, which lacks RSA with
//! SHA-2 and has known vulnerabilities. libssh2-sys links the system's libssh2 if
//! LIBSSH2_SYS_USE_PKG_CONFIG is set to any value.

fn main() {
    let switch = "LIBSSH2_SYS_USE_PKG_CONFIG";
    // A build script passes instructions to cargo on stdout.
    let _ = std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("cargo:rerun-if-env-changed={switch}\ncargo:rerun-if-changed=build.rs\n")
            .as_bytes(),
    );
    assert!(
        std::env::var_os(switch).is_none(),
        "unset {switch}: crate transport is built with the bundled libssh2 only, never the system's"
    );
}
