//! Links the SELinux module into the reference policy, and compares the result with the two tables
//! in packaging/selinux/README.md. The result must allow every access in the first table and none
//! in the second.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::{Place, run, shipped};

/// One row of a table in packaging/selinux/README.md. It describes an access.
#[derive(Debug)]
struct Row {
    line: String,
    domain: String,
    object: String,
    class: String,
    permissions: Vec<String>,
}

/// Parses the table that follows a heading.
fn table(heading: &str) -> Vec<Row> {
    let text = fs::read_to_string(shipped("packaging/selinux/README.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2).map(|line| {
        let cells: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        let [_, _, domain, object, class, permissions] =
            cells.try_into().unwrap_or_else(|_| panic!("{line}"));
        let permissions = permissions.split(' ').map(str::to_owned).collect();
        Row { line: line.to_owned(), domain, object, class, permissions }
    });
    rows.collect()
}

/// The reference policy together with the module, in a separate policy store.
struct Policy {
    _place: Place,
    binary: PathBuf,
    contexts: PathBuf,
    /// Names of the booleans that are on.
    on: HashSet<String>,
    /// Pairs of an attribute and one of its types, in the form `attribute type`.
    attributes: HashSet<String>,
    /// Output of sesearch with the rules for each domain.
    rules: HashMap<String, String>,
}

impl Policy {
    fn linked() -> Policy {
        let place = Place::new();
        for name in ["selfheal.te", "selfheal.fc"] {
            fs::copy(shipped("packaging/selinux").join(name), place.at(name)).unwrap();
        }
        run(Command::new("make")
            .args(["-f", "/usr/share/selinux/devel/Makefile", "selfheal.pp"])
            .current_dir(place.path()));
        for part in ["etc/selinux", "var/lib/selinux"] {
            let to = place.directory(part, None);
            run(Command::new("cp")
                .arg("-a")
                .arg(Path::new("/").join(part).join("default"))
                .arg(to));
        }
        let semodule = ["-n", "-s", "default", "-i", "selfheal.pp", "-p", "."];
        run(Command::new("/usr/sbin/semodule").args(semodule).current_dir(place.path()));
        let contexts = place.at("etc/selinux/default/contexts/files/file_contexts");
        let binary = fs::read_dir(place.at("etc/selinux/default/policy"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        let booleans = run(Command::new("seinfo").args(["-b", "-x"]).arg(&binary));
        let on = booleans
            .lines()
            .filter_map(|line| line.trim().strip_prefix("bool ")?.strip_suffix(" true;"));
        let on = on.map(str::to_owned).collect();
        let attributes = attributes(&run(Command::new("seinfo").args(["-a", "-x"]).arg(&binary)));
        Policy { _place: place, binary, contexts, on, attributes, rules: HashMap::new() }
    }

    /// Returns the type of an object. If the object is a path, the file contexts determine its
    /// type.
    fn type_of(&self, object: &str, class: &str) -> String {
        if !object.starts_with('/') {
            return object.to_owned();
        }
        let mode = match class {
            "fifo_file" => "p",
            "sock_file" => "s",
            "chr_file" => "c",
            "dir" => "d",
            _ => "f",
        };
        let mut command = Command::new("/usr/sbin/matchpathcon");
        let context = run(command.args(["-n", "-m", mode, "-f"]).arg(&self.contexts).arg(object));
        context.split(':').nth(2).unwrap_or_else(|| panic!("{object}: {context}")).trim().to_owned()
    }

    /// Returns the permissions that the policy grants while its booleans have their default values.
    fn permissions(&mut self, domain: &str, target: &str, class: &str) -> HashSet<String> {
        let binary = &self.binary;
        let search = || run(Command::new("sesearch").args(["-A", "-s", domain]).arg(binary));
        let rules = self.rules.entry(domain.to_owned()).or_insert_with(search);
        let on = &self.on;
        let holds = |condition: &str| match condition.split_once("]:") {
            None => true,
            Some((name, wanted)) => on.contains(name.trim()) == (wanted.trim() == "True"),
        };
        // A rule has the form `allow DOMAIN TARGET:CLASS { PERMISSION ... };`. If it is
        // conditional, its condition follows.
        let of_class = rules.lines().filter_map(|line| {
            let (rule, condition) = line.split_once(';')?;
            let [_, _, named, granted] = rule.splitn(4, ' ').collect::<Vec<_>>().try_into().ok()?;
            let (to, of) = named.split_once(':')?;
            let is_meant = of == class
                && (to == target || self.attributes.contains(&format!("{to} {target}")));
            (is_meant && holds(condition.trim().trim_start_matches('['))).then_some(granted)
        });
        of_class.flat_map(|granted| granted.split_whitespace().map(str::to_owned)).collect()
    }

    /// Returns the permissions that `row` requires and that the policy does not grant. Each row
    /// also requires the permission `search` for all parent directories of its object.
    fn missing(&mut self, row: &Row) -> Vec<String> {
        let target = self.type_of(&row.object, &row.class);
        let granted = self.permissions(&row.domain, &target, &row.class);
        let mut missing: Vec<String> = row
            .permissions
            .iter()
            .filter(|wanted| !granted.contains(*wanted))
            .map(|wanted| format!("{target}: {wanted}"))
            .collect();
        for above in Path::new(&row.object).ancestors().skip(1).filter(|above| above.has_root()) {
            let directory = self.type_of(above.to_str().unwrap(), "dir");
            if !self.permissions(&row.domain, &directory, "dir").contains("search") {
                missing.push(format!("{} ({directory}): search", above.display()));
            }
        }
        missing
    }

    /// Returns those permissions in `row` that the policy grants. The second table in README.md
    /// lists what must be denied, so for its rows the result must be empty.
    fn granted(&mut self, row: &Row) -> Vec<String> {
        let target = self.type_of(&row.object, &row.class);
        let granted = self.permissions(&row.domain, &target, &row.class);
        row.permissions.iter().filter(|unwanted| granted.contains(*unwanted)).cloned().collect()
    }
}

/// Parses the output of `seinfo -a -x`, which lists each attribute followed by its types.
fn attributes(text: &str) -> HashSet<String> {
    let mut attribute = "";
    let mut all = HashSet::new();
    for line in text.lines().map(str::trim) {
        match line.strip_prefix("attribute ") {
            Some(name) => attribute = name.trim_end_matches(';'),
            None => drop(all.insert(format!("{attribute} {line}"))),
        }
    }
    all
}

#[test]
fn module_allows_only_documented_accesses() {
    let mut policy = Policy::linked();
    let mut wrong = Vec::new();
    for row in table("What the programs do") {
        let missing = policy.missing(&row);
        wrong.extend(
            (!missing.is_empty())
                .then(|| format!("{}\n    missing: {}", row.line, missing.join(", "))),
        );
    }
    for row in table("What no rule allows") {
        let granted = policy.granted(&row);
        wrong.extend(
            (!granted.is_empty())
                .then(|| format!("{}\n    granted: {}", row.line, granted.join(", "))),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
