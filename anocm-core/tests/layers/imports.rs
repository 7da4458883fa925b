//! The imports of this crate, as its source has them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, Item, ItemMod, ItemUse, Path as UsedPath, UseTree,
    visit::{self, Visit},
};

/// One module uses something of another. Both paths begin below the crate's root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Import {
    /// The module that uses.
    pub(crate) from: Vec<String>,
    /// What it uses: a module, or something in it.
    pub(crate) to: Vec<String>,
    /// The module in which that stands.
    pub(crate) module: Vec<String>,
}

impl Import {
    /// Whether the used thing stands in a module around the one that uses it, as a type does whose
    /// `impl` is in several files.
    pub(crate) fn is_of_ancestor(&self) -> bool {
        self.from.len() > self.module.len() && self.from.starts_with(&self.module)
    }
}

/// All imports of the crate but those of tests. What the crate's root gives out under another
/// path counts as used where it stands.
pub(crate) fn imports() -> Vec<Import> {
    let modules = modules();
    let root = root_exports(&modules);
    let mut all = Vec::new();
    for (module, file) in &modules {
        // The root itself is what gives everything out.
        if !module.is_empty() {
            let names = |item: &Item| match item {
                Item::Mod(item) => Some(item.ident.to_string()),
                _ => None,
            };
            let children = file.items.iter().filter_map(names).collect();
            let mut found = Found { module: module.clone(), children, imports: Vec::new() };
            found.visit_file(file);
            all.extend(found.imports);
        }
    }
    for import in &mut all {
        if let Some(path) = import.to.first().and_then(|first| root.get(first)) {
            import.to.clone_from(path);
        }
        let mut lengths = (1..=import.to.len()).rev();
        let length = lengths.find(|length| modules.contains_key(&import.to[..*length]));
        import.module = import.to[..length.unwrap_or_default()].to_vec();
    }
    // Macros stand at the root wherever they are defined.
    all.retain(|import| import.to.first().is_some_and(|first| !first.starts_with("__")));
    all
}

/// The source of each module, by its path.
fn modules() -> BTreeMap<Vec<String>, File> {
    let mut modules = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    read(&source.join("lib.rs"), &source, Vec::new(), &mut modules);
    modules
}

/// Reads a module's file and those of the modules that it declares, but for tests.
fn read(
    file: &Path,
    folder: &Path,
    module: Vec<String>,
    modules: &mut BTreeMap<Vec<String>, File>,
) {
    let parsed = syn::parse_file(&fs::read_to_string(file).unwrap()).unwrap();
    for item in &parsed.items {
        let Item::Mod(ItemMod { ident, content: None, attrs, .. }) = item else { continue };
        if is_test(attrs) {
            continue;
        }
        let name = ident.to_string();
        let below = folder.join(&name);
        let candidates: [PathBuf; 2] = [folder.join(format!("{name}.rs")), below.join("mod.rs")];
        let file = candidates.iter().find(|file| file.exists()).unwrap();
        let path = module.iter().cloned().chain([name]).collect();
        read(file, &below, path, modules);
    }
    modules.insert(module, parsed);
}

/// Whether something is compiled for tests only.
fn is_test(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("cfg")
            && attr
                .parse_args::<syn::Path>()
                .is_ok_and(|cfg| cfg.is_ident("test") || cfg.is_ident("doctest"))
    })
}

/// What the crate's root gives out, and where it comes from.
fn root_exports(modules: &BTreeMap<Vec<String>, File>) -> BTreeMap<String, Vec<String>> {
    let mut exports = BTreeMap::new();
    for item in &modules[&Vec::new()].items {
        if let Item::Use(ItemUse { tree, .. }) = item {
            for path in paths(tree) {
                let name = path.last().unwrap().clone();
                exports.insert(name, path);
            }
        }
    }
    exports
}

/// The paths that a tree of `use` stands for.
fn paths(tree: &UseTree) -> Vec<Vec<String>> {
    match tree {
        UseTree::Path(path) => {
            let begin = |rest: Vec<String>| {
                let first = path.ident.to_string();
                [first].into_iter().chain(rest).collect()
            };
            paths(&path.tree).into_iter().map(begin).collect()
        }
        UseTree::Name(name) if name.ident == "self" => vec![Vec::new()],
        UseTree::Name(name) => vec![vec![name.ident.to_string()]],
        UseTree::Rename(rename) => vec![vec![rename.ident.to_string()]],
        UseTree::Glob(_) => vec![Vec::new()],
        UseTree::Group(group) => group.items.iter().flat_map(paths).collect(),
    }
}

struct Found {
    module: Vec<String>,
    /// The modules that it declares.
    children: Vec<String>,
    imports: Vec<Import>,
}

impl Found {
    /// Notes a path, if it leads to this crate.
    fn note(&mut self, path: &[String]) {
        let mut to = match path.first().map(String::as_str) {
            Some("crate") => Vec::new(),
            Some("self" | "super") => self.module.clone(),
            // A module below this one, by its bare name.
            Some(first) if path.len() > 1 && self.children.iter().any(|child| child == first) => {
                self.module.clone()
            }
            _ => return,
        };
        for part in path {
            match part.as_str() {
                "crate" | "self" => {}
                "super" => drop(to.pop()),
                name => to.push(name.to_owned()),
            }
        }
        self.imports.push(Import { from: self.module.clone(), to, module: Vec::new() });
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item(&mut self, item: &'ast Item) {
        let attrs: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        // Modules of their own file are read as such.
        let is_elsewhere = matches!(item, Item::Mod(ItemMod { content: None, .. }));
        if !is_elsewhere && !is_test(attrs) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for path in paths(&item.tree) {
            self.note(&path);
        }
    }

    fn visit_path(&mut self, path: &'ast UsedPath) {
        let parts: Vec<_> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.note(&parts);
        visit::visit_path(self, path);
    }
}
