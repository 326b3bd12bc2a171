//! Where data lies: a local folder, or an address in an S3-compatible or HTTP store.

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, ObjectStore};
use url::Url;

use crate::Error;

/// A data folder, or the folder or address of one table or collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A local folder.
    Folder(PathBuf),
    /// `s3://bucket/path`; endpoint, region and credentials from the `AWS_…` variables.
    S3(Url),
    /// `http://` or `https://`: one table or collection, since plain HTTP lists no folders.
    Http(Url),
}

/// A store with the folder that a location means.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    /// Rooted one level above the folder.
    pub(crate) above: Arc<dyn ObjectStore>,
    /// Rooted at the folder itself, if there may be several tables in it.
    pub(crate) inside: Option<Arc<dyn ObjectStore>>,
    /// Name of the folder in `above`.
    pub(crate) name: String,
}

impl Location {
    /// Opens the store without reading anything.
    pub(crate) fn open(&self) -> Result<Root, Error> {
        match self {
            Self::Folder(folder) => self.open_folder(folder),
            Self::S3(url) => self.open_s3(url),
            Self::Http(url) => self.open_http(url),
        }
    }

    /// Whether the store can list folders.
    pub(crate) fn lists(&self) -> bool {
        !matches!(self, Self::Http(_))
    }

    /// Whether each request takes a while.
    pub(crate) fn is_far(&self) -> bool {
        !matches!(self, Self::Folder(_))
    }

    /// Whether entity tags tell more than size and time of a file do.
    pub(crate) fn has_etags(&self) -> bool {
        !matches!(self, Self::Folder(_))
    }

    /// The location as others may be told of it: a folder by its whole path, nothing secret.
    ///
    /// # Errors
    /// When the folder is not there, or a URL holds a user or a password.
    pub(crate) fn for_pointer(&self) -> Result<Self, Error> {
        match self {
            Self::Folder(folder) => {
                folder.canonicalize().map(Self::Folder).map_err(|e| self.unusable(e))
            }
            Self::S3(url) | Self::Http(url) if self.has_credentials() => {
                let location = url.host_str().unwrap_or_default().to_owned();
                let reason = "its URL holds a user or password, which would be kept in a file: \
                              leave them out, credentials come from the environment";
                Err(Error::Location { location, reason: reason.to_owned() })
            }
            Self::S3(_) | Self::Http(_) => Ok(self.clone()),
        }
    }

    /// Whether it holds a user or a password.
    pub(crate) fn has_credentials(&self) -> bool {
        match self {
            Self::Folder(_) => false,
            Self::S3(url) | Self::Http(url) => {
                !url.username().is_empty() || url.password().is_some()
            }
        }
    }

    fn unusable(&self, reason: impl fmt::Display) -> Error {
        Error::Location { location: self.to_string(), reason: reason.to_string() }
    }

    fn open_folder(&self, folder: &FilePath) -> Result<Root, Error> {
        let folder = folder.canonicalize().map_err(|e| self.unusable(e))?;
        if !folder.is_dir() {
            return Err(self.unusable("it is a file, not a folder"));
        }
        let store = |at: &FilePath| -> Result<Arc<dyn ObjectStore>, Error> {
            Ok(Arc::new(LocalFileSystem::new_with_prefix(at).map_err(|e| self.unusable(e))?))
        };
        let name = folder.file_name().map(|n| n.to_string_lossy().into_owned());
        Ok(Root {
            above: store(folder.parent().unwrap_or(&folder))?,
            inside: Some(store(&folder)?),
            name: name.unwrap_or_default(),
        })
    }

    fn open_s3(&self, url: &Url) -> Result<Root, Error> {
        let store = AmazonS3Builder::from_env()
            .with_url(url.as_str())
            .build()
            .map_err(|e| self.unusable(e))?;
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        let path = Path::from_url_path(url.path()).map_err(|e| self.unusable(e))?;
        let mut parts: Vec<_> = path.parts().collect();
        let name = parts.pop().map(|p| p.as_ref().to_owned()).unwrap_or_default();
        let above = Path::from_iter(parts);
        Ok(Root {
            above: Arc::new(PrefixStore::new(Arc::clone(&store), above)),
            inside: Some(Arc::new(PrefixStore::new(store, path))),
            name,
        })
    }

    fn open_http(&self, url: &Url) -> Result<Root, Error> {
        let mut above = url.clone();
        let name = {
            let mut parts = above.path_segments_mut().map_err(|()| self.unusable("no path"))?;
            parts.pop_if_empty();
            let last = url.path_segments().and_then(|mut s| s.rfind(|p| !p.is_empty()));
            parts.pop();
            last.unwrap_or_default().to_owned()
        };
        let options = ClientOptions::new().with_allow_http(true);
        let store = HttpBuilder::new()
            .with_url(above.as_str())
            .with_client_options(options)
            .build()
            .map_err(|e| self.unusable(e))?;
        Ok(Root { above: Arc::new(store), inside: None, name })
    }
}

impl FromStr for Location {
    type Err = Error;

    /// Reads a folder, or a URL with the scheme `s3`, `http`, `https` or `file`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = |reason: String| Error::Location { location: text.to_owned(), reason };
        if text.is_empty() {
            return Err(fail("it is empty; name a folder or a URL".to_owned()));
        }
        if !text.contains("://") {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let url = Url::parse(text).map_err(|e| fail(e.to_string()))?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(fail("a URL of data has no query and no fragment".to_owned()));
        }
        match url.scheme() {
            "s3" => Ok(Self::S3(url)),
            "http" | "https" => Ok(Self::Http(url)),
            "file" => url
                .to_file_path()
                .map(Self::Folder)
                .map_err(|()| fail("it names no local folder".to_owned())),
            other => {
                Err(fail(format!("{other}:// is not supported; use a folder, s3://, https://")))
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::S3(url) | Self::Http(url) => write!(f, "{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Location;

    #[test]
    fn folders_and_urls_are_told_apart() {
        assert!(matches!("data/x".parse(), Ok(Location::Folder(_))));
        assert!(matches!("s3://b/x".parse(), Ok(Location::S3(_))));
        assert!(matches!("https://h/x".parse(), Ok(Location::Http(_))));
        assert!(matches!("file:///x".parse(), Ok(Location::Folder(_))));
        let error = "ftp://h/x".parse::<Location>().unwrap_err().to_string();
        assert!(error.contains("ftp://h/x as data: ftp:// is not supported"), "{error}");
        assert!("https://h/x?y".parse::<Location>().is_err());
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = Location::Folder("/no/such".into()).open().unwrap_err().to_string();
        assert!(error.starts_with("cannot use /no/such as data: "), "{error}");
    }

    #[test]
    fn the_last_part_of_a_url_names_the_table() {
        for url in ["https://h/a/gaia", "https://h/a/gaia/"] {
            assert_eq!(url.parse::<Location>().unwrap().open().unwrap().name, "gaia");
        }
    }
}
