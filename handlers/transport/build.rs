//! Fails the build if it would link the distribution's libssh2. libssh2-sys does so if
//! LIBSSH2_SYS_USE_PKG_CONFIG is set to any value. Debian 12 ships libssh2 1.10.0, which lacks RSA
//! with SHA-2 and has known vulnerabilities.

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
        "unset {switch}: the transport crate needs the bundled libssh2, not the system's"
    );
}
