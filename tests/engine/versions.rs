//! A table of which one version after another is published beside queries: new members of its
//! collection, which a new `collection.properties` names, with those of the version before.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fs;
use std::path::{Path, PathBuf};

use catalog::synthetic::{Content, Footprint, Sky};
use tempfile::TempDir;

const PROPERTIES: &str = "collection.properties";

/// What its description says without a version.
const DESCRIBED: &str = "None of them exists.";

/// The table `s.object` of a data folder.
pub(crate) struct Versions {
    folder: TempDir,
    published: usize,
}

impl Versions {
    /// A folder with the first version.
    pub(crate) fn new(objects: u64) -> Self {
        let mut versions = Self { folder: TempDir::new().unwrap(), published: 0 };
        versions.publish(objects);
        versions
    }

    /// The data folder.
    pub(crate) fn data(&self) -> String {
        self.folder.path().join("data").to_string_lossy().into_owned()
    }

    /// The folder of the table.
    pub(crate) fn table(&self) -> PathBuf {
        self.folder.path().join("data/s/object")
    }

    /// The folder of the rows of a version, relative to the data folder.
    pub(crate) fn rows(version: usize) -> String {
        format!("s/object/object.{version}")
    }

    /// Publishes a sky of so many objects; the versions before the last one go.
    pub(crate) fn publish(&mut self, objects: u64) {
        self.published += 1;
        let version = self.published;
        let made = self.folder.path().join("made/object");
        let sky = Sky::with(objects, version as u64, Footprint::All, 3);
        sky.write(&Content::DemoObjects, &made, "s", &|_| {}).unwrap();
        let table = self.table();
        fs::create_dir_all(&table).unwrap();
        let is_member = |path: &PathBuf| path.is_dir();
        let entries = fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().path());
        let members: Vec<PathBuf> = entries.filter(is_member).collect();
        let text = fs::read_to_string(made.join(PROPERTIES)).unwrap();
        let named = |member: &Path| member.file_name().unwrap().to_str().unwrap().to_owned();
        let names: Vec<String> = members.iter().map(|member| named(member)).collect();
        for (member, name) in members.iter().zip(&names) {
            fs::rename(member, table.join(format!("{name}.{version}"))).unwrap();
            if let Some(oldest) = version.checked_sub(2) {
                let _none = fs::remove_dir_all(table.join(format!("{name}.{oldest}")));
            }
        }
        let toml = fs::read_to_string(made.join("table.toml")).unwrap();
        assert!(toml.contains(DESCRIBED), "{toml}");
        let toml = toml.replace(DESCRIBED, &format!("This is version {version}."));
        fs::write(table.join("table.toml"), toml).unwrap();
        self.replace(&numbered(&text, &names, version));
        fs::remove_dir_all(&made).unwrap();
    }

    /// The text that says which members there are.
    pub(crate) fn properties(&self) -> String {
        fs::read_to_string(self.table().join(PROPERTIES)).unwrap()
    }

    /// Replaces the text that says which members there are.
    pub(crate) fn replace(&self, properties: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, properties).unwrap();
        fs::rename(next, self.table().join(PROPERTIES)).unwrap();
    }
}

/// The names of members with the number of a version.
fn numbered(properties: &str, members: &[String], version: usize) -> String {
    let word = |word: &str| {
        let is_member = members.iter().any(|member| member == word);
        if is_member { format!("{word}.{version}") } else { word.to_owned() }
    };
    let line = |line: &str| match line.split_once('=') {
        Some((key, value))
            if key.contains("url") || key.contains("margin") || key == "all_indexes" =>
        {
            format!("{key}={}\n", value.split(' ').map(word).collect::<Vec<_>>().join(" "))
        }
        _ => format!("{line}\n"),
    };
    properties.lines().map(line).collect()
}
