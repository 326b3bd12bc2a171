//! Which tables a data folder holds: `DIR/<schema>/<table>`, `DIR/<table>` in schema `public`, or
//! DIR itself as one table or collection. Each of these folders may hold a pointer to where its table
//! lies in place of the table.
//!
//! Margins and indexes are found by what their properties say, in a collection or beside their
//! table, and are attached to it; they are no tables of their own, since their rows are copies.

use std::sync::Arc;

use adql::TableName;
use futures::future::{join_all, try_join_all};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tracing::{debug, warn};

use crate::Error;
use crate::hats::{Collection, Kind, Leaf, PROPERTIES, Properties, TableProperties, collection};
use crate::location::{Location, Root};
use crate::pointer;
use crate::stores::Stores;
use crate::survey::Surveyed;
use crate::tasks;

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
    /// How the tiles of a margin are stored.
    pub(crate) leaf: Leaf,
}

/// A table as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) name: TableName,
    /// Folder of the table itself: in a collection that of the primary table.
    pub(crate) path: Path,
    /// Folder that names the table: in a collection that of the collection.
    pub(crate) named: Path,
    pub(crate) properties: TableProperties,
    pub(crate) attachments: Vec<Attachment>,
    /// Where it lies, if the folder that names it leads elsewhere.
    pub(crate) elsewhere: Option<Location>,
}

impl Site {
    /// Its tiles.
    pub(crate) fn surveyed(&self) -> Surveyed<'_> {
        let TableProperties { leaf, rows, .. } = &self.properties;
        let name = self.name.to_string();
        Surveyed { name, path: &self.path, leaf, rows: *rows, counts: true }
    }
}

/// The tables of a location and the store to which their paths are relative.
#[derive(Debug)]
pub(crate) struct Discovered {
    pub(crate) stores: Arc<Stores>,
    pub(crate) sites: Vec<Site>,
    /// The folder of the location in the stores.
    pub(crate) folder: Path,
}

/// What a folder says that it is.
enum Folder {
    Table(TableProperties),
    Collection(Collection),
    Other,
}

/// A folder, and where it lies if it leads elsewhere.
struct Looked {
    folder: Folder,
    elsewhere: Option<Location>,
}

/// The table of a folder.
struct Held {
    /// Folder of the table itself.
    path: Path,
    properties: TableProperties,
    /// Of a collection, its margins and indexes.
    attachments: Vec<Attachment>,
    elsewhere: Option<Location>,
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

/// What the files of a folder say that it is.
async fn look(store: &dyn ObjectStore, path: &Path) -> Result<Folder, Error> {
    let [newer, older] = PROPERTIES;
    let files = [collection::FILE_NAME, newer, older].map(|name| path.clone().join(name));
    let texts = join_all(files.each_ref().map(|file| read_text(store, file))).await;
    let mut refused = None;
    for (file, text) in files.iter().zip(texts) {
        match text {
            Ok(Some(text)) if file.filename() == Some(collection::FILE_NAME) => {
                return Ok(Folder::Collection(Collection::parse(file.as_ref(), &text)?));
            }
            Ok(Some(text)) => {
                return Ok(Folder::Table(Properties::parse(file.as_ref(), &text).table()?));
            }
            Ok(None) => {}
            Err(error) if error.is_refusal() => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    refused.map_or(Ok(Folder::Other), Err)
}

fn nothing_there(path: &impl ToString) -> Error {
    let missing = format!("none of {}, {} is there", PROPERTIES.join(", "), collection::FILE_NAME);
    Error::NotHats { path: path.to_string(), missing }
}

/// The store to which the tiles of a location are relative. Of its tables nothing is read, but
/// whether the location is one itself.
///
/// # Errors
/// When the location cannot be opened or looked at.
pub async fn tile_store(location: &Location) -> Result<Arc<dyn ObjectStore>, Error> {
    let Root { above, inside, name } = location.open()?;
    let above = Stores::new(above, location);
    let Some(inside) = inside else { return Ok(Arc::new(above)) };
    let inside = Stores::new(inside, location);
    let whole = Path::from_iter((!name.is_empty()).then_some(name.as_str()));
    let is_whole = !matches!(follow(&above, &whole).await?.folder, Folder::Other);
    Ok(Arc::new(if is_whole { above } else { inside }))
}

/// Finds the tables of a location.
pub(crate) async fn discover(location: &Location) -> Result<Discovered, Error> {
    let Root { above, inside, name } = location.open()?;
    let whole = Path::from_iter((!name.is_empty()).then_some(name.as_str()));
    let mut schema = Schema::new(DEFAULT_SCHEMA, Arc::new(Stores::new(above, location)));
    if let Some(held) = held(&schema.stores, &whole).await? {
        schema.add(&whole, held);
        return schema.finish(location, whole);
    }
    let Some(inside) = inside else { return Err(nothing_there(location)) };
    let mut top = Schema::new(DEFAULT_SCHEMA, Arc::new(Stores::new(inside, location)));
    let mut schemas = Vec::new();
    for (path, held) in held_in(&top.stores, &Path::default()).await? {
        match held {
            Some(held) => top.add(&path, held),
            None => schemas.push(path),
        }
    }
    let stores = &top.stores;
    let sites: Vec<Vec<Site>> = stream::iter(schemas)
        .map(|path| async move { discover_schema(stores, &path).await })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    top.sites.extend(sites.into_iter().flatten());
    top.finish(location, Path::default())
}

/// Reads a folder that is no table as a schema of tables.
async fn discover_schema(stores: &Arc<Stores>, path: &Path) -> Result<Vec<Site>, Error> {
    let mut schema = Schema::new(path.filename().unwrap_or_default(), Arc::clone(stores));
    let mut others = Vec::new();
    for (child, held) in held_in(stores, path).await? {
        match held {
            Some(held) => schema.add(&child, held),
            None => others.push(child),
        }
    }
    let others = if schema.is_empty() { vec![path.clone()] } else { others };
    for other in others {
        if holds_parquet(stores.as_ref(), &other).await? {
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

/// Looks at a folder, and where it leads.
async fn follow(stores: &Stores, path: &Path) -> Result<Looked, Error> {
    let (folder, elsewhere) = futures::try_join!(look(stores.own(), path), stores.follow(path))?;
    let Some(location) = elsewhere else { return Ok(Looked { folder, elsewhere }) };
    if !matches!(folder, Folder::Other) {
        let reason = "there is a table beside it: remove the one or the other";
        return Err(Error::malformed(&path.clone().join(pointer::FILE_NAME), reason));
    }
    let failed = |error| Error::elsewhere(path, &location, error);
    match look(stores, path).await.map_err(failed)? {
        Folder::Other => Err(failed(nothing_there(&location))),
        folder => Ok(Looked { folder, elsewhere: Some(location) }),
    }
}

/// The table that a folder holds, if it holds one.
async fn held(stores: &Stores, path: &Path) -> Result<Option<Held>, Error> {
    let Looked { folder, elsewhere } = follow(stores, path).await?;
    match folder {
        Folder::Other => Ok(None),
        Folder::Table(properties) => {
            let (path, attachments) = (path.clone(), Vec::new());
            Ok(Some(Held { path, properties, attachments, elsewhere }))
        }
        Folder::Collection(collection) => match members(stores, path, &collection).await {
            Ok(held) => Ok(Some(Held { elsewhere, ..held })),
            Err(error) => Err(match &elsewhere {
                Some(location) => Error::elsewhere(path, location, error),
                None => error,
            }),
        },
    }
}

/// What each of the folders in a folder holds.
async fn held_in(stores: &Arc<Stores>, path: &Path) -> Result<Vec<(Path, Option<Held>)>, Error> {
    let folders = folders(stores.own(), path).await?.into_iter().map(|folder| {
        let stores = Arc::clone(stores);
        async move {
            let held = held(&stores, &folder).await?;
            Ok((folder, held))
        }
    });
    tasks::all(path, CONCURRENCY, folders).await
}

/// The primary table of a collection, with its margins and indexes.
async fn members(stores: &Stores, path: &Path, members: &Collection) -> Result<Held, Error> {
    let below = |name: &str| Path::from_iter(path.parts().chain(Path::from(name).parts()));
    let primary = below(&members.primary);
    let others: Vec<Path> =
        members.margins.iter().chain(&members.indexes).map(|name| below(name)).collect();
    let (primary_folder, other_folders) = futures::try_join!(
        look(stores, &primary),
        try_join_all(others.iter().map(|other| look(stores, other)))
    )?;
    let Folder::Table(properties) = primary_folder else {
        let missing = format!(
            "{} names it as the primary table, but none of {} is there",
            path.clone().join(collection::FILE_NAME),
            PROPERTIES.join(", ")
        );
        return Err(Error::NotHats { path: primary.to_string(), missing });
    };
    let mut attachments = Vec::new();
    for (member, folder) in others.into_iter().zip(other_folders) {
        match folder {
            Folder::Table(TableProperties {
                kind: kind @ (Kind::Margin { .. } | Kind::Index { .. }),
                leaf,
                ..
            }) => attachments.push(Attachment { path: member.to_string(), kind, leaf }),
            _ => warn!(folder = %member, "ignored a margin or index that is not there"),
        }
    }
    Ok(Held { path: primary, properties, attachments, elsewhere: None })
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
    stores: Arc<Stores>,
    sites: Vec<Site>,
    /// Margins and indexes with the address of their primary table.
    waiting: Vec<(Option<String>, Attachment)>,
}

impl Schema {
    fn new(name: &str, stores: Arc<Stores>) -> Self {
        Self { name: name.to_owned(), stores, sites: Vec::new(), waiting: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.waiting.is_empty()
    }

    /// Adds what the folder `named` holds.
    fn add(&mut self, named: &Path, held: Held) {
        let Held { path, properties, attachments, elsewhere } = held;
        match &properties.kind {
            Kind::Margin { .. } | Kind::Index { .. } => {
                let TableProperties { kind, leaf, primary, .. } = properties;
                let attachment = Attachment { path: path.to_string(), kind, leaf };
                self.waiting.push((primary, attachment));
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
                let named = named.clone();
                self.sites.push(Site { name, path, named, properties, attachments, elsewhere });
            }
        }
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
    fn finish(mut self, location: &Location, folder: Path) -> Result<Discovered, Error> {
        self.attach();
        self.sites.sort_by(|a, b| a.name.cmp(&b.name));
        if self.sites.is_empty() {
            let reason = "it holds no HATS table; name a folder of tables, a table or a collection";
            return Err(Error::Location {
                location: location.to_string(),
                reason: reason.to_owned(),
            });
        }
        Ok(Discovered { stores: self.stores, sites: self.sites, folder })
    }
}
