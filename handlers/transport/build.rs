//! Fails the build if LIBSSH2_SYS_USE_PKG_CONFIG is set. With any value of this variable,
//! libssh2-sys would link the distribution's libssh2, which may be too old. Debian 12, for example,
//! ships libssh2 1.10.0, which lacks RSA with SHA-2 and has known vulnerabilities.

fn main() {
    let switch = "LIBSSH2_SYS_USE_PKG_CONFIG";
    // Tell cargo when to run this script again. Cargo reads such instructions from stdout.
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
