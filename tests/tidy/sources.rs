//! How the sources look: length, names, heads, and who imports what.

use std::fs;
use std::path::{Path, PathBuf};

use tests::places;

const LINES_MAX: usize = 700;
const MEMBERS: [&str; 6] = ["adql", "bench", "catalog", "coordinator", "tests", "worker"];

/// Names that say nothing about what is inside.
const DRAWERS: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "core", "misc", "manager", "handler"];

#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    /// Its path in the repository.
    pub(crate) fn name(&self) -> String {
        let below = self.path.strip_prefix(places::repository()).unwrap_or(&self.path);
        below.display().to_string()
    }
}

/// Every Rust file of the members.
pub(crate) fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        MEMBERS.iter().map(|member| places::repository().join(member)).collect();
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path()) {
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                found.push(Source { path, text });
            }
        }
    }
    assert!(found.len() > 20, "only {} sources were found", found.len());
    found
}

pub(crate) fn complain(what: &str, wrong: &[String]) {
    assert!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().map(|source| (source.text.lines().count(), source.name()));
    let wrong: Vec<String> = long
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, name)| format!("{name}: {lines}"))
        .collect();
    complain(&format!("files of more than {LINES_MAX} lines"), &wrong);
}

#[test]
fn files_are_named_for_what_is_in_them() {
    let wrong: Vec<String> = sources()
        .iter()
        .filter(|source| {
            let stem = source.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            stem == "mod" || DRAWERS.contains(&stem)
        })
        .map(Source::name)
        .collect();
    complain("mod.rs, or drawers without a meaning in their name", &wrong);
}

#[test]
fn every_file_says_what_it_is_for() {
    let headless = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    let wrong: Vec<String> = headless.map(|source| source.name()).collect();
    complain("files that do not begin with `//! `", &wrong);
}

#[test]
fn nothing_is_left_unfinished() {
    // In two halves, so that this file does not contain them.
    let words = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["todo", "!("], ["unimple", "mented!("]];
    let words = words.map(|halves| halves.concat());
    let attribute = ["#[", "ignore"].concat();
    let mut wrong = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word.as_str())) || line.contains(&attribute) {
                wrong.push(format!("{}:{}: {}", source.name(), number + 1, line.trim()));
            }
        }
    }
    complain("unfinished words and ignored tests", &wrong);
}

/// The modules that hold a path in code; comments do not count.
fn importers(member: &str, path: &str) -> Vec<String> {
    let folder = places::repository().join(member);
    let inside = |source: &Source| source.path.starts_with(&folder);
    let names = |source: &Source| {
        let mut code = source.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        code.any(|line| line.contains(path))
    };
    sources().into_iter().filter(|s| inside(s) && names(s)).map(|s| s.name()).collect()
}

#[test]
fn one_module_per_side_imports_the_distributed_engine() {
    for side in ["coordinator", "worker"] {
        let modules = importers(side, "datafusion_distributed");
        assert!(modules.len() <= 1, "{side} imports datafusion_distributed in {modules:?}");
    }
    for other in ["adql", "catalog", "bench", "tests/harness"] {
        let path = Path::new(other);
        let modules = importers(&path.to_string_lossy(), "datafusion_distributed");
        assert!(modules.is_empty(), "{modules:?} import datafusion_distributed");
    }
}

/// The harness and its suites know the product from outside only.
#[test]
fn the_suites_name_none_of_our_crates() {
    for member in ["tests/harness", "tests/suite", "tests/sky", "tests/clients", "tests/faults"] {
        for ours in ["adql::", "catalog::", "coordinator::", "worker::", "datafusion::"] {
            let modules = importers(member, ours);
            assert!(modules.is_empty(), "{modules:?} name {ours}");
        }
    }
}

/// HATS is spelled in one place of the catalog, HEALPix covers in none.
#[test]
fn the_sky_is_computed_in_one_place() {
    for member in ["catalog", "worker", "coordinator"] {
        for path in ["cdshealpix::", "moc::"] {
            let modules = importers(member, path);
            assert!(modules.is_empty(), "{modules:?} name {path}");
        }
    }
}
