//! Which module of this crate may use which: the rule of layers in ARCHITECTURE.md, read from the
//! source.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail")]

mod imports;

use std::collections::{BTreeMap, BTreeSet};

use imports::{Import, imports};

/// The layers, each of which may use itself and those before it.
const LAYERS: [&[&str]; 7] = [
    // Values, without a protocol.
    &[
        "id",
        "secret",
        "secret_tap",
        "stack",
        "rng",
        "time",
        "duration",
        "setting",
        "retention",
        "transport_error",
    ],
    &["invite", "name", "wire", "pow"],
    &["session"],
    &["room"],
    // The seams.
    &["store", "transport"],
    // The drivers.
    &["client", "relay"],
    &["testing", "fuzz"],
];

/// What a layer would allow, and must not be all the same.
const NEVER: [(&str, &[&str]); 4] = [
    // Blind to content by construction.
    ("relay", &["session", "room", "client"]),
    ("client", &["relay", "store"]),
    ("store", &["session", "room", "transport"]),
    ("transport", &["session", "room", "store"]),
];

/// Folders in which no two modules may use each other, by whatever way round. That a module uses a
/// type of one around it, to implement a part of it, does not count.
const WITHOUT_CIRCLES: [&str; 2] = ["relay", "room"];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// What is wrong with one import, if anything.
fn breach(import: &Import) -> Option<String> {
    let (from, to) = (import.from.first()?, import.to.first()?);
    let path = format!("{} uses {}", import.from.join("::"), import.to.join("::"));
    let Some(own) = layer(from) else {
        return Some(format!("{path}: `{from}` is in no layer of this test"));
    };
    // What the crate's root gives out again is found by its own module.
    let Some(used) = layer(to) else {
        return Some(format!("{path}: `{to}` is in no layer of this test"));
    };
    let is_forbidden = NEVER.iter().any(|(module, never)| from == module && never.contains(&&**to));
    (used > own || is_forbidden).then_some(path)
}

#[test]
fn each_layer_uses_only_those_before_it() {
    let all = imports();
    assert!(all.len() > 300, "only {} imports found", all.len());
    let breaches: BTreeSet<_> = all.iter().filter_map(breach).collect();
    assert!(breaches.is_empty(), "{breaches:#?}");
}

#[test]
fn a_breach_is_found() {
    let import = |from: &str, to: &str| Import {
        from: from.split("::").map(str::to_owned).collect(),
        to: to.split("::").map(str::to_owned).collect(),
        module: Vec::new(),
    };
    assert_eq!(
        breach(&import("room::event", "transport::TransportError")).unwrap(),
        "room::event uses transport::TransportError"
    );
    assert!(breach(&import("relay::requests", "session::Session")).is_some());
    assert!(breach(&import("unheard_of", "id::Seq")).is_some());
    assert!(breach(&import("id", "unheard_of")).is_some());
    assert!(breach(&import("relay::requests", "store::Store")).is_none());
}

#[test]
fn no_module_of_a_folder_uses_itself_by_way_of_others() {
    for folder in WITHOUT_CIRCLES {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for import in imports() {
            let is_in = |path: &[String]| path.first().is_some_and(|first| first == folder);
            let (from, to) = (import.from.join("::"), import.module.join("::"));
            let is_within = is_in(&import.from) && is_in(&import.module);
            if is_within && from != to && !import.is_of_ancestor() {
                uses.entry(from).or_default().insert(to);
            }
        }
        assert!(uses.len() > 5, "{folder}: only {} modules found", uses.len());
        let circle = circle(&uses);
        assert!(circle.is_none(), "{folder}: {}", circle.unwrap().join(" → "));
    }
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &str)]| {
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for &(from, to) in pairs {
            uses.entry(from.to_owned()).or_default().insert(to.to_owned());
        }
        circle(&uses)
    };
    assert_eq!(uses(&[("a", "b"), ("b", "c"), ("a", "c")]), None);
    assert_eq!(uses(&[("a", "b"), ("b", "c"), ("c", "b")]).unwrap(), ["b", "c", "b"]);
}

/// A way from a module back to itself.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    for start in uses.keys() {
        if let Some(circle) = follow(start, uses, &mut Vec::new(), &mut done) {
            return Some(circle);
        }
    }
    None
}

fn follow(
    module: &str,
    uses: &BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = way.iter().position(|known| known == module) {
        let mut circle = way.split_off(at);
        circle.push(module.to_owned());
        return Some(circle);
    }
    if done.contains(module) {
        return None;
    }
    way.push(module.to_owned());
    for used in uses.get(module).into_iter().flatten() {
        if let Some(circle) = follow(used, uses, way, done) {
            return Some(circle);
        }
    }
    way.pop();
    done.insert(module.to_owned());
    None
}
