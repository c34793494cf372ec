//! Bills of materials (CycloneDX 1.5). Each of them lists the crates in one package's programs and
//! the C libraries in these crates. They contain no timestamps or serial numbers, so the same
//! sources give byte-identical files.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// The name of a package, and the arguments of each cargo build that the Makefile runs for it.
type Package = (&'static str, &'static [&'static [&'static str]]);

/// All packages and their cargo builds.
pub const PACKAGES: [Package; 4] = [
    ("nagios-selfheal", &[&["handle_repair"], &["repairctl"]]),
    (
        "nagios-plugins-selfheal",
        &[
            &["check_http"],
            &["check_http", "--no-default-features", "--features", "openssl"],
            &["check_repairs"],
        ],
    ),
    ("nagios-selfheal-config", &[]),
    ("repair-gate", &[&["repair_gate"]]),
];

/// Crates that contain a C library. Each entry has the crate, the library, the header that defines
/// the library's version, and the name of the macro in this header.
const BUNDLED: [(&str, &str, &str, &str); 2] = [
    ("libsqlite3-sys", "sqlite", "sqlite3/sqlite3.h", "SQLITE_VERSION"),
    ("libssh2-sys", "libssh2", "libssh2/include/libssh2.h", "LIBSSH2_VERSION"),
];

/// Writes one bill of materials for each package.
pub fn write(directory: &Path) -> io::Result<()> {
    let known = Known::read()?;
    for (package, builds) in PACKAGES {
        let text = format!("{:#}\n", bill(package, builds, &known)?);
        fs::write(directory.join(format!("{package}.cdx.json")), text)?;
    }
    Ok(())
}

/// Returns the bill of materials for one package.
pub fn bill(package: &str, builds: &[&[&str]], known: &Known) -> io::Result<Value> {
    let mut crates = BTreeMap::new();
    for build in builds {
        // A crate that is both linked and used at build time is recorded as linked.
        for (edges, scope) in [("normal,no-proc-macro", "required"), ("normal,build", "excluded")] {
            for line in tree(build, edges)?.lines() {
                if let Some(found) = Crate::read(line) {
                    // openssl-src is a build dependency, but its C code is linked, so list it as
                    // linked.
                    let scope = if found.name == "openssl-src" { "required" } else { scope };
                    crates.entry(found).or_insert(scope);
                }
            }
        }
    }
    let components = crates
        .iter()
        .map(|(one, scope)| known.component(one, scope))
        .collect::<io::Result<Vec<_>>>()?;
    let version = env!("CARGO_PKG_VERSION");
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": package, "name": package, "version": version,
            "licenses": [{"expression": env!("CARGO_PKG_LICENSE")}],
        }},
        "components": components,
    }))
}

fn tree(build: &[&str], edges: &str) -> io::Result<String> {
    cargo(
        &[&["tree", "--prefix=none", "--format={p}|{l}", "--edges", edges, "--package"], build]
            .concat(),
    )
}

fn cargo(words: &[&str]) -> io::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(program).args(words).arg("--locked").output()?;
    if !done.status.success() {
        let why = String::from_utf8_lossy(&done.stderr).into_owned();
        return Err(io::Error::other(format!("cargo {}: {why}", words.join(" "))));
    }
    String::from_utf8(done.stdout).map_err(io::Error::other)
}

/// A third-party crate, as `cargo tree` lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    license: String,
}

impl Crate {
    /// Parses a line such as `serde v1.0.0|MIT OR Apache-2.0`. Returns `None` for the workspace's
    /// own crates, whose lines contain a directory.
    fn read(line: &str) -> Option<Crate> {
        let (package, license) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version) =
            (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
        let license = license.trim_end_matches(" (*)").replace('/', " OR ");
        (!package.contains("(/")).then_some(Crate { name, version, license })
    }
}

/// Locations and checksums of all crates, from cargo and Cargo.lock.
pub struct Known {
    manifests: HashMap<(String, String), PathBuf>,
    checksums: HashMap<(String, String), String>,
}

impl Known {
    /// Runs `cargo metadata` and reads Cargo.lock in the workspace's root.
    pub fn read() -> io::Result<Known> {
        let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version=1"])?)?;
        let text = |value: &Value, key: &str| {
            value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
        let manifests = packages
            .map(|one| {
                ((text(one, "name"), text(one, "version")), text(one, "manifest_path").into())
            })
            .collect();
        let lock =
            fs::read_to_string(Path::new(&text(&metadata, "workspace_root")).join("Cargo.lock"))?;
        let field = |block: &str, key: &str| {
            let line = block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
            line.map(|value| value.trim_matches('"').to_owned())
        };
        let checksums = lock.split("[[package]]").filter_map(|block| {
            Some(((field(block, "name")?, field(block, "version")?), field(block, "checksum")?))
        });
        Ok(Known { manifests, checksums: checksums.collect() })
    }

    fn component(&self, one: &Crate, scope: &str) -> io::Result<Value> {
        let key = (one.name.clone(), one.version.clone());
        let purl = format!("pkg:cargo/{}@{}", one.name, one.version.replace('+', "%2B"));
        let mut component = json!({
            "type": "library", "bom-ref": purl, "name": one.name, "version": one.version, "scope": scope, "purl": purl,
            "licenses": [{"expression": one.license}],
        });
        if let (Some(object), Some(checksum)) =
            (component.as_object_mut(), self.checksums.get(&key))
        {
            object.insert("hashes".into(), json!([{"alg": "SHA-256", "content": checksum}]));
        }
        if let (Some(object), Some((name, version))) =
            (component.as_object_mut(), self.bundled(one, &key)?)
        {
            let cpe = format!("cpe:2.3:a:{name}:{name}:{version}:*:*:*:*:*:*:*");
            object.insert(
                "components".into(),
                json!([{"type": "library", "name": name, "version": version, "cpe": cpe, "scope": scope}]),
            );
        }
        Ok(component)
    }

    fn bundled(
        &self,
        one: &Crate,
        key: &(String, String),
    ) -> io::Result<Option<(&'static str, String)>> {
        if one.name == "openssl-src" {
            // The version of OpenSSL follows the plus sign, as in 300.5.0+3.5.0.
            return Ok(one
                .version
                .split_once('+')
                .map(|(_, version)| ("openssl", version.to_owned())));
        }
        let Some((_, name, header, symbol)) =
            BUNDLED.iter().find(|(crate_name, ..)| *crate_name == one.name)
        else {
            return Ok(None);
        };
        let path = self
            .manifests
            .get(key)
            .map(|manifest| manifest.with_file_name("").join(header))
            .unwrap_or_default();
        let text = fs::read_to_string(&path)
            .map_err(|why| io::Error::other(format!("{}: {why}", path.display())))?;
        let version = text.lines().find_map(|line| {
            line.strip_prefix("#define ")?.trim().strip_prefix(symbol)?.split('"').nth(1)
        });
        let version = version.ok_or_else(|| {
            io::Error::other(format!("{} does not define {symbol}", path.display()))
        })?;
        Ok(Some((name, version.to_owned())))
    }
}
