//! Where things are: the repository, the shared data, the binary, Python, STILTS.
//!
//! What is absent is said aloud on stderr and its tests do nothing; `TEST_REQUIRE=all` (set by
//! `.ci/run`, or a list such as `python,stilts`) turns such an absence into a failure.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The root of the repository: that whose tests `cargo` runs, which is not the one whose tests it
/// compiled where several clones have one target folder.
pub fn repository() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let member = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let mut root = member.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        assert!(root.pop(), "a member lies in the repository");
        root
    })
}

/// The folder of shared material: `$TEST_SHARED`, else `../shared` beside the repository.
pub fn shared() -> Option<PathBuf> {
    let beside = repository().parent().map(|parent| parent.join("shared"));
    let folder = env::var_os("TEST_SHARED").map(PathBuf::from).or(beside)?;
    if folder.join("data/hats").is_dir() {
        return Some(folder);
    }
    missing("shared", &format!("there is no data/hats in {}", folder.display()));
    None
}

/// The small HATS tables of the shared folder.
pub fn hats() -> Option<PathBuf> {
    shared().map(|folder| folder.join("data/hats"))
}

/// Says on stderr that something is absent, or fails where `TEST_REQUIRE` asks for it.
///
/// # Panics
/// When `TEST_REQUIRE` is `all` or names `what`.
pub fn missing(what: &str, why: &str) {
    let required = env::var("TEST_REQUIRE").unwrap_or_default();
    assert!(
        !required.split([',', ' ']).any(|name| name == what || name == "all"),
        "{what} is required by TEST_REQUIRE, but {why}"
    );
    tell(&format!("\nNOT TESTED, {what} is absent: {why}\n"));
}

/// Writes a line to stderr, past the capture of tests.
pub fn tell(line: &str) {
    // A closed stderr is no reason to fail.
    let _written = writeln!(std::io::stderr(), "{line}");
}

/// The binary: `$TEST_BIN`, else built by the cargo that runs the tests, once per process.
///
/// # Panics
/// When it cannot be built.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| env::var_os("TEST_BIN").map_or_else(build_binary, PathBuf::from))
}

fn build_binary() -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // `--workspace`: with the features of the test build, else DataFusion would be compiled again.
    let built = Command::new(cargo)
        .args(["build", "--workspace", "--bin", "armilla", "--message-format", "json"])
        .current_dir(repository())
        .stdin(Stdio::null())
        .output()
        .expect("cargo runs");
    assert!(built.status.success(), "armilla: {}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "armilla")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the executable that it built")
}

/// A Python with the packages of `tests/requirements.txt`: `$TEST_PYTHON`, else the one of the
/// virtual environment that `tests/clients/prepare` makes on first use.
pub fn python() -> Option<PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(find_python).clone()
}

fn find_python() -> Option<PathBuf> {
    if let Some(given) = env::var_os("TEST_PYTHON") {
        return Some(PathBuf::from(given));
    }
    let prepared = Command::new(repository().join("tests/clients/prepare"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    match prepared {
        Ok(output) if output.status.success() => {
            Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
        }
        Ok(output) => {
            missing("python", &format!("tests/clients/prepare ended with {}", output.status));
            None
        }
        Err(error) => {
            missing("python", &format!("tests/clients/prepare did not start: {error}"));
            None
        }
    }
}

/// STILTS: `$TEST_STILTS`, else the one on the path (Debian's package `stilts`).
pub fn stilts() -> Option<PathBuf> {
    let name = env::var_os("TEST_STILTS").map_or_else(|| "stilts".into(), PathBuf::from);
    let runs = Command::new(&name).arg("-version").output().is_ok_and(|o| o.status.success());
    if !runs {
        missing("stilts", "`stilts -version` does not run: apt-get install stilts");
    }
    runs.then_some(name)
}

/// Runs a Python script of the repository with arguments and gives what it wrote to stdout.
///
/// # Errors
/// What it wrote to stderr, when it failed.
pub fn run_python(python: &Path, script: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(python)
        .arg(repository().join(script))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{} does not start: {error}", python.display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("{script} ended with {}:\n{said}", output.status))
    }
}
