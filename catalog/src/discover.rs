//! Which tables a data folder holds: `DIR/<schema>/<table>`, `DIR/<table>` in schema `public`, or
//! DIR itself as one table or collection.
//!
//! Margins and indexes are found by what their properties say, in a collection or beside their
//! table, and are attached to it; they are no tables of their own, since their rows are copies.

use std::sync::Arc;

use adql::TableName;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tracing::{debug, warn};

use crate::Error;
use crate::hats::{Collection, Kind, PROPERTIES, Properties, TableProperties, collection};
use crate::location::{Location, Root};

/// Schema of the tables that lie directly in the data folder.
pub const DEFAULT_SCHEMA: &str = "public";

/// Folders that are looked at at the same time.
const CONCURRENCY: usize = 32;

/// How many files of a folder without properties are looked at for Parquet.
const PROBE_FILES: usize = 10_000;

/// A margin or index of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// Its folder, relative to the data root.
    pub path: String,
    /// [`Kind::Margin`] or [`Kind::Index`].
    pub kind: Kind,
}

/// A table as it was found.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) name: TableName,
    /// Folder of the table itself: in a collection that of the primary table.
    pub(crate) path: Path,
    /// Folder that names the table: in a collection that of the collection.
    pub(crate) named: Path,
    pub(crate) properties: TableProperties,
    pub(crate) attachments: Vec<Attachment>,
}

/// The tables of a location and the store to which their paths are relative.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) sites: Vec<Site>,
}

/// What a folder says that it is.
enum Folder {
    Table(TableProperties),
    Collection(Collection),
    Other,
}

/// The text of a small file, if there is one.
pub(crate) async fn read_text(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<String>, Error> {
    let bytes = match store.get(path).await {
        Ok(found) => found.bytes().await.map_err(|e| Error::store(&path, e))?,
        Err(object_store::Error::NotFound { .. }) => return Ok(None),
        Err(e) => return Err(Error::store(&path, e)),
    };
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(e) => Err(Error::malformed(&path, format!("it is not UTF-8: {e}"))),
    }
}

/// The store to which the tiles of a location are relative. Of its tables nothing is read, but
/// whether the location is one itself.
///
/// # Errors
/// When the location cannot be opened or looked at.
pub async fn tile_store(location: &Location) -> Result<Arc<dyn ObjectStore>, Error> {
    let Root { above, inside, name } = location.open()?;
    let Some(inside) = inside else { return Ok(above) };
    let whole = Path::from_iter((!name.is_empty()).then_some(name.as_str()));
    let folder = Schema::new(DEFAULT_SCHEMA, Arc::clone(&above)).read(&whole).await?;
    Ok(if matches!(folder, Folder::Other) { inside } else { above })
}

/// Finds the tables of a location.
pub(crate) async fn discover(location: &Location) -> Result<Discovered, Error> {
    let Root { above, inside, name } = location.open()?;
    let whole = Path::from_iter((!name.is_empty()).then_some(name.as_str()));
    let mut schema = Schema::new(DEFAULT_SCHEMA, Arc::clone(&above));
    let folder = schema.read(&whole).await?;
    if !matches!(folder, Folder::Other) {
        schema.add(&whole, folder).await?;
        return schema.finish(above, location);
    }
    let Some(inside) = inside else {
        let missing =
            format!("none of {}, {} is there", PROPERTIES.join(", "), collection::FILE_NAME);
        return Err(Error::NotHats { path: location.to_string(), missing });
    };
    let mut top = Schema::new(DEFAULT_SCHEMA, Arc::clone(&inside));
    let mut sites = Vec::new();
    for (path, folder) in read_all(&inside, &Path::default()).await? {
        match folder {
            Folder::Other => sites.extend(discover_schema(&inside, &path).await?),
            folder => top.add(&path, folder).await?,
        }
    }
    top.sites.append(&mut sites);
    top.finish(inside, location)
}

/// Reads a folder that is no table as a schema of tables.
async fn discover_schema(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Vec<Site>, Error> {
    let mut schema = Schema::new(path.filename().unwrap_or_default(), Arc::clone(store));
    let mut others = Vec::new();
    for (child, folder) in read_all(store, path).await? {
        match folder {
            Folder::Other => others.push(child),
            folder => schema.add(&child, folder).await?,
        }
    }
    let others = if schema.is_empty() { vec![path.clone()] } else { others };
    for other in others {
        if holds_parquet(store.as_ref(), &other).await? {
            let missing = format!(
                "it holds Parquet files, but none of {}, {}",
                PROPERTIES.join(", "),
                collection::FILE_NAME
            );
            return Err(Error::NotHats { path: other.to_string(), missing });
        }
        warn!(folder = %other, "ignored a folder without tables");
    }
    schema.attach();
    Ok(schema.sites)
}

/// The folders in a folder, each with what it says that it is.
async fn read_all(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Vec<(Path, Folder)>, Error> {
    futures::stream::iter(folders(store.as_ref(), path).await?)
        .map(|path| async move {
            let folder = read(store.as_ref(), &path).await?;
            Ok((path, folder))
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

/// What a folder says that it is.
async fn read(store: &dyn ObjectStore, path: &Path) -> Result<Folder, Error> {
    let file = path.clone().join(collection::FILE_NAME);
    if let Some(text) = read_text(store, &file).await? {
        return Ok(Folder::Collection(Collection::parse(file.as_ref(), &text)?));
    }
    for name in PROPERTIES {
        let file = path.clone().join(name);
        if let Some(text) = read_text(store, &file).await? {
            return Ok(Folder::Table(Properties::parse(file.as_ref(), &text).table()?));
        }
    }
    Ok(Folder::Other)
}

/// The folders in a folder; files and hidden folders are passed over.
async fn folders(store: &dyn ObjectStore, path: &Path) -> Result<Vec<Path>, Error> {
    let listed = store.list_with_delimiter(Some(path)).await.map_err(|e| Error::store(&path, e))?;
    for file in &listed.objects {
        warn!(file = %file.location, "ignored a file among the tables");
    }
    let (hidden, mut shown): (Vec<Path>, Vec<Path>) = listed
        .common_prefixes
        .into_iter()
        .partition(|p| p.filename().is_some_and(|name| name.starts_with('.')));
    for folder in hidden {
        warn!(%folder, "ignored a hidden folder among the tables");
    }
    shown.sort();
    Ok(shown)
}

async fn holds_parquet(store: &dyn ObjectStore, path: &Path) -> Result<bool, Error> {
    let mut files = store.list(Some(path)).take(PROBE_FILES);
    while let Some(file) = files.next().await {
        let file = file.map_err(|e| Error::store(&path, e))?;
        if file.location.extension() == Some("parquet") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The tables of one schema while its folders are read.
struct Schema {
    name: String,
    store: Arc<dyn ObjectStore>,
    sites: Vec<Site>,
    /// Margins and indexes with the address of their primary table.
    waiting: Vec<(Option<String>, Attachment)>,
}

impl Schema {
    fn new(name: &str, store: Arc<dyn ObjectStore>) -> Self {
        Self { name: name.to_owned(), store, sites: Vec::new(), waiting: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.waiting.is_empty()
    }

    async fn read(&self, path: &Path) -> Result<Folder, Error> {
        read(self.store.as_ref(), path).await
    }

    async fn add(&mut self, path: &Path, folder: Folder) -> Result<(), Error> {
        match folder {
            Folder::Table(properties) => self.add_table(path.clone(), path, properties),
            Folder::Collection(collection) => self.add_collection(path, &collection).await?,
            Folder::Other => {}
        }
        Ok(())
    }

    /// Adds a table that lies at `path` and is named by the folder `named`.
    fn add_table(&mut self, path: Path, named: &Path, properties: TableProperties) {
        match &properties.kind {
            Kind::Margin { .. } | Kind::Index { .. } => {
                let attachment =
                    Attachment { path: path.to_string(), kind: properties.kind.clone() };
                self.waiting.push((properties.primary, attachment));
            }
            Kind::Association { leaf_files: false } => {
                warn!(folder = %path, "ignored an association that stores no rows");
            }
            Kind::Object
            | Kind::Source
            | Kind::Map
            | Kind::Table
            | Kind::Association { leaf_files: true } => {
                let table = named.filename().unwrap_or_default().to_owned();
                let name = TableName { schema: self.name.clone(), table };
                let (named, attachments) = (named.clone(), Vec::new());
                self.sites.push(Site { name, path, named, properties, attachments });
            }
        }
    }

    async fn add_collection(&mut self, path: &Path, members: &Collection) -> Result<(), Error> {
        let below = |name: &str| Path::from_iter(path.parts().chain(Path::from(name).parts()));
        let primary = below(&members.primary);
        let Folder::Table(properties) = self.read(&primary).await? else {
            let missing = format!(
                "{} names it as the primary table, but none of {} is there",
                path.clone().join(collection::FILE_NAME),
                PROPERTIES.join(", ")
            );
            return Err(Error::NotHats { path: primary.to_string(), missing });
        };
        self.add_table(primary, path, properties);
        let mut attachments = Vec::new();
        for member in members.margins.iter().chain(&members.indexes) {
            let member = below(member);
            match self.read(&member).await? {
                Folder::Table(TableProperties {
                    kind: kind @ (Kind::Margin { .. } | Kind::Index { .. }),
                    ..
                }) => attachments.push(Attachment { path: member.to_string(), kind }),
                _ => warn!(folder = %member, "ignored a margin or index that is not there"),
            }
        }
        if let Some(site) = self.sites.last_mut() {
            site.attachments.append(&mut attachments);
        }
        Ok(())
    }

    /// Gives margins and indexes that lie beside their table to it.
    fn attach(&mut self) {
        for (primary, attachment) in std::mem::take(&mut self.waiting) {
            let wanted =
                primary.as_deref().and_then(|p| p.trim_end_matches('/').rsplit('/').next());
            let owner = self.sites.iter_mut().find(|site| {
                wanted.is_some_and(|w| w == site.name.table || Some(w) == site.path.filename())
            });
            match owner {
                Some(site) => {
                    debug!(folder = %attachment.path, table = %site.name, "attached");
                    site.attachments.push(attachment);
                }
                None => {
                    let primary = primary.unwrap_or_default();
                    warn!(folder = %attachment.path, primary, "ignored: its table is not here");
                }
            }
        }
    }

    /// Closes the search: a location without any table is an error.
    fn finish(
        mut self,
        store: Arc<dyn ObjectStore>,
        location: &Location,
    ) -> Result<Discovered, Error> {
        self.attach();
        self.sites.sort_by(|a, b| a.name.cmp(&b.name));
        if self.sites.is_empty() {
            let reason = "it holds no HATS table; name a folder of tables, a table or a collection";
            return Err(Error::Location {
                location: location.to_string(),
                reason: reason.to_owned(),
            });
        }
        Ok(Discovered { store, sites: self.sites })
    }
}
