//! The workspace as `cargo metadata` tells it (invariant I1, the budget of test binaries, the settings).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use tests::places;

/// From the top down: each may depend on those after it.
const LINE: [&str; 4] = ["coordinator", "worker", "catalog", "adql"];

/// What the language must not know of.
const FOREIGN_TO_ADQL: [&str; 6] = ["tokio", "object_store", "axum", "tonic", "hyper", "reqwest"];

/// Each costs a link of DataFusion, which takes a minute.
const LINKING_TESTS: [&str; 3] = ["adql (lib)", "catalog (lib)", "engine (test)"];

fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let told = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(places::repository())
            .output()
            .expect("cargo runs");
        serde_json::from_slice(&told.stdout).expect("cargo metadata is JSON")
    })
}

fn packages() -> BTreeMap<&'static str, &'static Value> {
    let packages = metadata()["packages"].as_array().expect("packages");
    packages.iter().map(|package| (package["name"].as_str().expect("a name"), package)).collect()
}

/// What the product needs; what only tests need (`dev`) is not counted.
fn dependencies(package: &Value) -> BTreeSet<&str> {
    let all = package["dependencies"].as_array().expect("dependencies");
    all.iter()
        .filter(|dependency| dependency["kind"] != "dev")
        .map(|dependency| dependency["name"].as_str().expect("a name"))
        .collect()
}

#[test]
fn members_are_the_six_at_the_top() {
    let names: Vec<&str> = packages().into_keys().collect();
    assert_eq!(names, ["adql", "bench", "catalog", "coordinator", "tests", "worker"]);
    for (name, package) in packages() {
        let manifest = package["manifest_path"].as_str().expect("a path");
        assert!(manifest.ends_with(&format!("/{name}/Cargo.toml")), "{name} lies in {manifest}");
        assert_eq!(package["publish"], serde_json::json!([]), "{name} is not published");
    }
}

#[test]
fn dependencies_run_one_way() {
    let packages = packages();
    for (at, member) in LINE.iter().enumerate() {
        let above: Vec<&&str> = LINE[..at].iter().collect();
        let known = dependencies(packages[member]);
        let wrong: Vec<_> = above.into_iter().filter(|upper| known.contains(**upper)).collect();
        assert!(wrong.is_empty(), "{member} depends on {wrong:?}");
        assert!(!known.contains("bench") && !known.contains("tests"), "{member} knows its tests");
    }
    let known = dependencies(packages["adql"]);
    let foreign: Vec<_> = FOREIGN_TO_ADQL.iter().filter(|name| known.contains(**name)).collect();
    assert!(foreign.is_empty(), "adql depends on {foreign:?}");
    let importers = packages.iter().filter(|(_, p)| dependencies(p).contains("cdshealpix"));
    assert_eq!(importers.map(|(name, _)| *name).collect::<Vec<_>>(), ["adql"], "only adql::sky");
}

#[test]
fn every_member_takes_the_lints_of_the_workspace() {
    for (name, _) in packages() {
        let manifest = places::repository().join(name).join("Cargo.toml");
        let text = std::fs::read_to_string(manifest).expect("a manifest");
        let table: toml::Table = toml::from_str(&text).expect("it is TOML");
        let inherits = table.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(inherits.and_then(toml::Value::as_bool), Some(true), "{name} has its own lints");
    }
}

#[test]
fn three_test_binaries_link_datafusion() {
    let mut linking = Vec::new();
    for (name, package) in packages() {
        let links = dependencies(package).contains("datafusion") || LINE.contains(&name);
        for target in package["targets"].as_array().expect("targets") {
            let kind = target["kind"][0].as_str().expect("a kind");
            let target_name = target["name"].as_str().expect("a name");
            let names_ours = name != "tests" || target_name == "engine";
            if links && names_ours && target["test"] == true && kind != "custom-build" {
                linking.push(format!("{target_name} ({kind})"));
            }
        }
    }
    linking.sort();
    assert_eq!(linking, LINKING_TESTS, "set `test = false` in the [lib] or [[bin]] of the others");
}

#[test]
fn the_reference_settings_are_toml() {
    for (name, key) in [
        ("coordinator.toml", "data"),
        ("worker.toml", "data"),
        ("import.toml", "input"),
        ("check.toml", "data"),
    ] {
        let file = places::repository().join("deploy").join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("deploy/{name}: {e}"));
        let parsed = toml::from_str::<toml::Table>(&text);
        let table = parsed.unwrap_or_else(|error| panic!("deploy/{name}: {error}"));
        assert!(table.contains_key(key), "deploy/{name} has no {key}");
    }
}
