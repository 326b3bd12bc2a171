//! `elsewhere.toml`: what makes a folder of the data folder a table that lies elsewhere and is served
//! in place.
//!
//! The file names a folder or URL and nothing secret: credentials come from the environment of the
//! process that reads. It is followed once, from the data itself: what lies elsewhere leads nowhere
//! else, and data behind a URL never lead into folders of the host that reads them.

use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::discover::read_text;
use crate::location::Location;
use crate::metadata::parse_versioned;

/// Name of the file.
pub(crate) const FILE_NAME: &str = "elsewhere.toml";

/// The version of this layout that is written; older ones are read.
const VERSION: u32 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    version: u32,
    location: String,
}

/// Where the table of a folder lies, if the folder says that it lies elsewhere.
pub(crate) async fn read(
    store: &dyn ObjectStore,
    folder: &Path,
    may_be_folder: bool,
) -> Result<Option<Location>, Error> {
    let path = folder.clone().join(FILE_NAME);
    let Some(text) = read_text(store, &path).await? else { return Ok(None) };
    parse(path.as_ref(), &text, may_be_folder).map(Some)
}

fn parse(path: &str, text: &str, may_be_folder: bool) -> Result<Location, Error> {
    let Pointer { location, .. } =
        parse_versioned(path, text, VERSION, |pointer: &Pointer| pointer.version)?;
    let wrong = |reason: String| Error::malformed(&path, reason);
    let found: Location = location.parse().map_err(|e: Error| wrong(e.to_string()))?;
    if found.has_credentials() {
        let reason = "location holds a user or password: they come from the environment";
        return Err(wrong(reason.to_owned()));
    }
    match &found {
        Location::Folder(_) if !may_be_folder => {
            Err(wrong("location is a folder, but data behind a URL may only name URLs".to_owned()))
        }
        Location::Folder(folder) if !folder.is_absolute() => {
            let reason = "is a folder without a slash in front: write the whole path";
            Err(wrong(format!("location = \"{location}\" {reason}")))
        }
        Location::Folder(_) | Location::S3(_) | Location::Http(_) => Ok(found),
    }
}

/// The text of the file that leads to a location.
pub(crate) fn text(location: &Location) -> String {
    let pointer = Pointer { version: VERSION, location: location.to_string() };
    let fields = toml::to_string(&pointer).expect("a number and a text are TOML");
    format!(
        "# This table lies elsewhere and is served in place. To remove it, delete this folder.\n{fields}"
    )
}

#[cfg(test)]
mod tests {
    use super::{parse, text};
    use crate::location::Location;

    #[test]
    fn what_is_written_is_read() {
        for location in ["s3://b/gaia", "https://h/a/gaia", "/sky/gaia"] {
            let location: Location = location.parse().unwrap();
            assert_eq!(parse("s/t/elsewhere.toml", &text(&location), true).unwrap(), location);
        }
    }

    #[test]
    fn what_must_not_be_followed_is_named() {
        let error = |text: &str, may_be_folder| {
            parse("s/t/elsewhere.toml", text, may_be_folder).unwrap_err().to_string()
        };
        let cases = [
            ("version = 1\nlocation = 'https://me:secret@h/x'\n", "come from the environment"),
            ("version = 1\nlocation = 'https://me@h/x'\n", "come from the environment"),
            ("version = 1\nlocation = 'sky/gaia'\n", "write the whole path"),
            ("version = 1\nlocation = 'ftp://h/x'\n", "ftp:// is not supported"),
            ("version = 1\nlocatoin = 'x'\n", "line 2: unknown field `locatoin`"),
            ("version = 2\nnews = 1\n", "version = 2 is not read here: write 1 or less"),
        ];
        for (text, expected) in cases {
            let said = error(text, true);
            assert!(said.starts_with("s/t/elsewhere.toml: ") && said.contains(expected), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        let said = error("version = 1\nlocation = '/etc'\n", false);
        assert!(said.contains("may only name URLs"), "{said}");
    }
}
