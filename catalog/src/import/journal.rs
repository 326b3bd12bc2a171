//! What a killed import had done: of which command, how far, and what it had counted.
//!
//! The journal is written anew when a run of the writer is complete on disk, and replaces the one
//! before it by a rename. All that came after is done again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::position::Reasons;
use super::reading::Place;
use crate::Error;
use crate::write::{Kept, Staging};

/// Name of the file among what does not stay.
const FILE_NAME: &str = "journal.toml";
/// The version of this layout; one of another release is begun anew.
const VERSION: u32 = 3;

/// How far an import is, when all rows until then are on disk.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Done {
    /// In the table that rows are added to.
    pub(super) former: Place,
    /// In the files.
    pub(super) place: Place,
    pub(super) kept: Kept,
    pub(super) tally: Tally,
    /// Parts of the rows without a position.
    pub(super) aside: usize,
}

/// What is counted of the rows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Tally {
    pub(super) reasons: Reasons,
    /// Rows whose parent is not there.
    pub(super) orphans: u64,
    /// The largest distance between a row and its parent.
    pub(super) slack_deg: f64,
}

impl Tally {
    /// Adds what was counted of other rows.
    pub(super) fn add(&mut self, other: Self) {
        self.reasons.add(other.reasons);
        self.orphans += other.orphans;
        self.slack_deg = self.slack_deg.max(other.slack_deg);
    }
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    version: u32,
    software: String,
    former_part: usize,
    former_batch: u64,
    part: usize,
    batch: u64,
    runs: usize,
    bytes: u64,
    unplaced: u64,
    aside: usize,
    missing: u64,
    out_of_range: u64,
    unreadable: u64,
    orphans: u64,
    slack_deg: f64,
    /// What was asked, by name.
    command: BTreeMap<String, String>,
}

/// The one key that every version of the file has.
#[derive(Deserialize)]
struct Stated {
    version: u32,
}

/// Where an import notes how far it is.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    command: BTreeMap<String, String>,
}

impl Journal {
    /// The journal of a command.
    pub(super) fn new(staging: &Staging, command: BTreeMap<String, String>) -> Self {
        Self { path: staging.scratch().join(FILE_NAME), command }
    }

    /// How far a killed import of the same command came, if there was one.
    ///
    /// # Errors
    /// What differs, where it was of another command.
    pub(super) fn read(&self) -> Result<Option<Done>, String> {
        let Ok(text) = fs::read_to_string(&self.path) else { return Ok(None) };
        if toml::from_str(&text).ok().is_none_or(|Stated { version }| version != VERSION) {
            return Ok(None);
        }
        let Ok(stored) = toml::from_str::<Stored>(&text) else { return Ok(None) };
        // Another release may sort or encode differently.
        if stored.software != crate::write::SOFTWARE {
            return Ok(None);
        }
        let names = stored.command.keys().chain(self.command.keys());
        for name in names {
            let (then, now) = (stored.command.get(name), self.command.get(name));
            if then != now {
                let [then, now] = [then, now].map(|said| said.map_or("not given", String::as_str));
                return Err(format!("its {name} was {then}, and is {now} now"));
            }
        }
        Ok(Some(stored.into()))
    }

    /// Notes how far the import is.
    pub(super) fn write(&self, done: &Done) -> Result<(), Error> {
        let failed = |path: &Path, e| Error::write(path, e);
        let stored = Stored::new(done, self.command.clone());
        let text = toml::to_string(&stored).map_err(|e| Error::write(&self.path, e))?;
        let next = self.path.with_extension("next");
        fs::write(&next, text).map_err(|e| failed(&next, e))?;
        fs::rename(&next, &self.path).map_err(|e| failed(&self.path, e))
    }
}

impl Stored {
    fn new(done: &Done, command: BTreeMap<String, String>) -> Self {
        let Done { former, place, kept, tally, aside } = *done;
        let Tally { reasons, orphans, slack_deg } = tally;
        Self {
            version: VERSION,
            software: crate::write::SOFTWARE.to_owned(),
            former_part: former.part,
            former_batch: former.batch,
            part: place.part,
            batch: place.batch,
            runs: kept.runs,
            bytes: kept.bytes,
            unplaced: kept.unplaced,
            aside,
            missing: reasons.missing,
            out_of_range: reasons.out_of_range,
            unreadable: reasons.unreadable,
            orphans,
            slack_deg,
            command,
        }
    }
}

impl From<Stored> for Done {
    fn from(stored: Stored) -> Self {
        let Stored { missing, out_of_range, unreadable, orphans, slack_deg, .. } = stored;
        let reasons = Reasons { missing, out_of_range, unreadable };
        Self {
            former: Place { part: stored.former_part, batch: stored.former_batch },
            place: Place { part: stored.part, batch: stored.batch },
            kept: Kept { runs: stored.runs, unplaced: stored.unplaced, bytes: stored.bytes },
            tally: Tally { reasons, orphans, slack_deg },
            aside: stored.aside,
        }
    }
}
