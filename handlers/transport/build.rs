//! Refuses to build against a distribution's libssh2. Debian 12 ships 1.10.0, which has no RSA with
//! SHA-2 and known holes; libssh2-sys takes it when this variable is set, to any value.

fn main() {
    let switch = "LIBSSH2_SYS_USE_PKG_CONFIG";
    // One write to stdout is how a build script talks to cargo.
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
