//! Parses the modules of a crate and their imports with `syn`. Test modules are ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::TokenTree;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

/// Path of a module, starting at the root of its crate.
type ModulePath = Vec<String>;

/// The modules of a library or program.
pub struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Names that `use` declarations import, each with its path as written in the source.
    uses: BTreeMap<String, Vec<String>>,
    /// Paths that the code uses, as written.
    mentions: BTreeSet<Vec<String>>,
    types: BTreeSet<String>,
}

impl Crate {
    /// Parses the crates in a source directory, one for each root file.
    pub fn read_all(src: &Path) -> Vec<Crate> {
        let bins = std::fs::read_dir(src.join("bin")).into_iter().flatten().flatten();
        let roots = ["lib.rs", "main.rs"].map(|name| src.join(name));
        let roots = roots.into_iter().chain(bins.map(|entry| entry.path()));
        roots.filter(|root| root.exists()).map(|root| Crate::read(&root)).collect()
    }

    fn read(root: &Path) -> Crate {
        let mut read = Crate { modules: BTreeMap::new() };
        read.file(root, root.parent().unwrap(), Vec::new());
        read
    }

    /// Parses a file, and then the files of the modules that it declares, which are in `directory`.
    fn file(&mut self, file: &Path, directory: &Path, path: ModulePath) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|why| panic!("{file:?}: {why}"));
        let parsed = syn::parse_file(&text).unwrap_or_else(|why| panic!("{file:?}: {why}"));
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        for item in parsed.items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(child) if child.content.is_none() => {
                    let name = child.ident.to_string();
                    let below = directory.join(&name);
                    let beside = directory.join(format!("{name}.rs"));
                    let place = if beside.exists() { beside } else { below.join("mod.rs") };
                    self.file(&place, &below, [path.clone(), vec![name]].concat());
                }
                Item::Use(import) => module.import(&import.tree, Vec::new()),
                _ => module.visit_item(item),
            }
        }
        self.modules.insert(path, module);
    }

    /// Returns the files of all modules.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.modules.values().map(|module| module.file.as_path())
    }

    /// Returns the name of each type that is defined in the crate, with the file.
    pub fn types(&self) -> impl Iterator<Item = (String, &Path)> {
        let of = |module: &'_ Module| module.types.iter().cloned().collect::<Vec<_>>();
        self.modules.values().flat_map(move |module| {
            of(module).into_iter().map(|name| (name, module.file.as_path()))
        })
    }

    /// Returns the module that defines the item at a path from the root. Follows re-exports.
    fn home(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let mut here = Vec::new();
        for (n, segment) in path.iter().enumerate() {
            let below = [here.clone(), vec![segment.clone()]].concat();
            if self.modules.contains_key(&below) {
                here = below;
                continue;
            }
            let Some(used) = self.modules.get(&here)?.uses.get(segment) else { return Some(here) };
            let target = absolute(used, &here, self).filter(|_| depth < 9)?;
            let rest = path.get(n + 1..).unwrap_or_default();
            return self.home(&[target.as_slice(), rest].concat(), depth + 1);
        }
        Some(here)
    }

    fn imports(&self, path: &ModulePath, module: &Module) -> BTreeSet<ModulePath> {
        let written = module.mentions.iter().chain(module.uses.values());
        let targets = written.filter_map(|words| absolute(words, path, self));
        let homes = targets.filter_map(|target| self.home(&target, 0));
        homes.filter(|home| home != path).collect()
    }

    /// Returns the groups of modules that import each other.
    pub fn cycles(&self) -> Vec<String> {
        let graph: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
            self.modules.iter().map(|(path, module)| (path, self.imports(path, module))).collect();
        let reachable = |from: &ModulePath| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(at) = next.pop() {
                for to in graph.get(&at).into_iter().flatten() {
                    if seen.insert(to.clone()) {
                        next.push(to.clone());
                    }
                }
            }
            seen
        };
        let all: BTreeMap<&ModulePath, BTreeSet<ModulePath>> =
            graph.keys().map(|path| (*path, reachable(path))).collect();
        let mut groups = BTreeSet::new();
        for (path, reached) in &all {
            if reached.contains(*path) {
                let group: Vec<String> = reached
                    .iter()
                    .filter(|other| all.get(other).is_some_and(|back| back.contains(*path)))
                    .map(
                        |module| {
                            if module.is_empty() { "the root".into() } else { module.join("::") }
                        },
                    )
                    .collect();
                groups.insert(group.join(", "));
            }
        }
        groups.into_iter().collect()
    }
}

/// Converts a path that code in `module` uses into a path from the crate's root. Returns `None` for
/// paths into other crates and for local names.
fn absolute(words: &[String], module: &ModulePath, all: &Crate) -> Option<Vec<String>> {
    let (first, rest) = words.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let parent = module.get(..module.len().checked_sub(1)?)?.to_vec();
            match rest.first().map(String::as_str) {
                Some("super") => absolute(rest, &parent, all),
                _ => Some([parent, rest.to_vec()].concat()),
            }
        }
        _ => {
            let child = [module.clone(), vec![first.clone()]].concat();
            if all.modules.contains_key(&child) {
                return Some([child, rest.to_vec()].concat());
            }
            // A `use` may have declared the name.
            let used = all.modules.get(module)?.uses.get(first).filter(|used| *used != words)?;
            Some([absolute(used, module, all)?.as_slice(), rest].concat())
        }
    }
}

impl Module {
    fn import(&mut self, tree: &UseTree, before: Vec<String>) {
        match tree {
            UseTree::Path(path) => {
                let before = [before, vec![path.ident.to_string()]].concat();
                self.import(&path.tree, before);
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.bring(&name.clone(), name, before);
            }
            UseTree::Rename(name) => {
                self.bring(&name.rename.to_string(), name.ident.to_string(), before);
            }
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.import(tree, before.clone()));
            }
            UseTree::Glob(_) => {
                self.mentions.insert(before);
            }
        }
    }

    fn bring(&mut self, name: &str, last: String, mut path: Vec<String>) {
        let (name, path) = if last == "self" {
            (path.last().cloned().unwrap_or_default(), path)
        } else {
            path.push(last);
            (name.to_owned(), path)
        };
        self.uses.insert(name, path);
    }

    fn mention(&mut self, words: Vec<String>) {
        if words.len() > 1 || words.first().is_some_and(|word| word.starts_with(char::is_uppercase))
        {
            self.mentions.insert(words);
        }
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            Item::Struct(it) => drop(self.types.insert(it.ident.to_string())),
            Item::Enum(it) => drop(self.types.insert(it.ident.to_string())),
            Item::Trait(it) => drop(self.types.insert(it.ident.to_string())),
            Item::Type(it) => drop(self.types.insert(it.ident.to_string())),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.mention(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// Finds the paths in a macro call by their `::`, because syn does not parse a macro's tokens.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let mut words: Vec<String> = Vec::new();
        let mut all = vec![call.tokens.clone().into_iter()];
        while let Some(tokens) = all.last_mut() {
            match tokens.next() {
                None => drop(all.pop()),
                Some(TokenTree::Group(group)) => all.push(group.stream().into_iter()),
                Some(TokenTree::Ident(word)) => {
                    if words.last().is_none_or(|last| last != "::") {
                        self.mention(std::mem::take(&mut words));
                    } else {
                        words.pop();
                    }
                    words.push(word.to_string());
                }
                Some(TokenTree::Punct(mark)) if mark.as_char() == ':' && !words.is_empty() => {
                    if words.last().is_some_and(|last| last == ":") {
                        words.pop();
                        words.push("::".into());
                    } else {
                        words.push(":".into());
                    }
                }
                Some(_) => words.clear(),
            }
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}
