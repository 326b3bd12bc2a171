//! An immutable, numbered view of all tables of a location: what one query sees from end to end.

mod changes;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adql::rewrite::columns_of_reach;
use adql::schema::{TAP_SCHEMA, TAP_UPLOAD};
use adql::sky::Order;
use adql::{Macro, Schemas, Table, TableName};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, TableSource};
use futures::future::join_all;
use object_store::ObjectStore;
use tracing::{info, warn};

use crate::definitions::{Declarations, Defined};
use crate::describe::overlay_file;
use crate::discover::{Discovered, Site, discover};
use crate::location::Location;
use crate::margin::{self, Margin};
use crate::metadata::{FILE_NAME, TableMetadata};
use crate::placement::{Placement, placement_order};
use crate::provider::HatsTable;
use crate::stores::Stores;
use crate::survey::survey;
use crate::table::TiledTable;
use crate::tap_schema::{Key, MetadataTable, SchemaInfo, TapSchema, keys_between};
use crate::tile::{Manifest, TileFile};
use crate::{Error, tasks};

pub use changes::Changes;

/// Tables that are surveyed at the same time: each waits for some twenty small reads in turn, and
/// decodes what it has read.
const CONCURRENCY: usize = 16;

/// All tables of a location, as they were when it was opened.
pub struct Snapshot {
    number: u64,
    location: Location,
    store: Arc<dyn ObjectStore>,
    tables: Vec<Arc<TiledTable>>,
    by_name: HashMap<TableName, usize>,
    defined: Defined,
    tap_schema: TapSchema,
}

impl Snapshot {
    /// Reads what a location holds: names, columns, tiles; no rows.
    ///
    /// # Errors
    /// When it cannot be read, or a table or what describes it is not as it should be.
    pub async fn open(location: &Location) -> Result<Self, Error> {
        Self::open_tables(location, discover(location).await?, None).await
    }

    /// The same, with the views and macros that are defined there, and with a folder of descriptions,
    /// `<schema>/<table>.toml`, that win over what lies beside the tables.
    ///
    /// # Errors
    /// As [`Snapshot::open`], and when a description cannot be read, or a definition is wrong.
    pub async fn open_described(
        location: &Location,
        overlay: Option<&Path>,
    ) -> Result<Self, Error> {
        let discovered = discover(location).await?;
        let (stores, folder) = (Arc::clone(&discovered.stores), discovered.folder.clone());
        let declared = Declarations::read(&stores, &folder, overlay).await?;
        let snapshot = Self::open_tables(location, discovered, overlay).await?;
        let defined = declared.define(&snapshot)?;
        let (views, macros) = (defined.views.len(), defined.macros.len());
        if views + macros > 0 {
            info!(views, macros, "defined");
        }
        Ok(snapshot.with_defined(defined))
    }

    async fn open_tables(
        location: &Location,
        discovered: Discovered,
        overlay: Option<&Path>,
    ) -> Result<Self, Error> {
        let Discovered { stores, sites, folder: _ } = discovered;
        if let Some(overlay) = overlay {
            warn_of_strays(overlay, &sites)?;
        }
        let opened = sites.into_iter().map(|site| {
            let (stores, location) = (Arc::clone(&stores), location.clone());
            let overlay = overlay.map(Path::to_owned);
            async move {
                refuse_reserved(&site)?;
                let (named, elsewhere) = (site.named.clone(), site.elsewhere.clone());
                let opened = open_table(&stores, &location, site, overlay.as_deref()).await;
                opened.map_err(|error| match &elsewhere {
                    Some(there) => Error::elsewhere(&named, there, error),
                    None => error,
                })
            }
        });
        let tables: Vec<Arc<TiledTable>> = tasks::all(location, CONCURRENCY, opened).await?;
        let snapshot = Self::new(location.clone(), stores, tables);
        let (number, tables) = (snapshot.number, snapshot.tables.len());
        let tiles: usize = snapshot.tables.iter().map(|t| t.manifest().len()).sum();
        info!(snapshot = number, %location, tables, tiles, "opened");
        Ok(snapshot)
    }

    pub(crate) fn new(
        location: Location,
        store: Arc<dyn ObjectStore>,
        tables: Vec<Arc<TiledTable>>,
    ) -> Self {
        let by_name = tables.iter().enumerate().map(|(i, t)| (t.name().clone(), i)).collect();
        let defined = Defined::default();
        let tap_schema = tap_schema(&tables, &defined);
        Self { number: number(&tables), location, store, tables, by_name, defined, tap_schema }
    }

    /// The same tables with views and macros, which clients are told of.
    fn with_defined(self, defined: Defined) -> Self {
        let tap_schema = tap_schema(&self.tables, &defined);
        Self { defined, tap_schema, ..self }
    }

    /// Its number: the same tables with the same tiles have the same on every node.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What was opened.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The store of its tiles, rooted so that a tile's path is its location.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// All tables, by schema and name.
    pub fn tiled_tables(&self) -> &[Arc<TiledTable>] {
        &self.tables
    }

    /// What clients are told of: every schema with its tables, the last of them `TAP_SCHEMA`.
    pub fn schemas(&self) -> &[SchemaInfo] {
        &self.tap_schema.schemas
    }

    /// The foreign keys between tables, those of `TAP_SCHEMA` last.
    pub fn keys(&self) -> &[Key] {
        &self.tap_schema.keys
    }

    /// The keys of one table.
    pub fn keys_from(&self, table: &TableName) -> &[Key] {
        self.tap_schema.keys_from(table)
    }

    /// The rows of the largest table of `TAP_SCHEMA`.
    pub fn metadata_rows(&self) -> usize {
        self.tap_schema.largest()
    }

    /// The table of exactly this name.
    pub fn tiled_table(&self, name: &TableName) -> Option<&Arc<TiledTable>> {
        self.by_name.get(name).map(|at| &self.tables[*at])
    }

    /// The table whose tiles lie in this folder (relative to the data root), as
    /// [`crate::tile_of_path`] names it.
    pub fn table_of_path(&self, path: &str) -> Option<&Arc<TiledTable>> {
        self.tables.iter().find(|t| t.path() == path)
    }

    /// The table with whose rows those of another lie on disk, by a column of that: each of its
    /// rows is in the same tile as the row whose column, the second here, has the same value.
    pub fn tiled_with<'a>(
        &'a self,
        table: &'a TiledTable,
        column: &str,
    ) -> Option<(&'a TiledTable, &'a str)> {
        table.keys().iter().find_map(|key| {
            let version = key.tiled_with.as_ref()?;
            let target = key.columns.get(column).filter(|_| key.columns.len() == 1)?;
            let named = |t: &&Arc<TiledTable>| {
                t.name().to_string().eq_ignore_ascii_case(&key.target) && t.version() == version
            };
            let parent = self.tables.iter().find(named)?;
            Some((parent.as_ref(), target.as_str()))
        })
    }

    /// Learns what [`Schemas::range`] is asked of the columns by which stars move in a plan over
    /// these tables, and of those that are radii; does nothing for other plans.
    ///
    /// # Errors
    /// When an expression of the plan cannot be walked.
    pub async fn learn_reach(
        &self,
        plan: &LogicalPlan,
        tables: &[TableName],
    ) -> Result<(), DataFusionError> {
        let columns = columns_of_reach(plan)?;
        if columns.is_empty() {
            return Ok(());
        }
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let tables = tables.iter().filter_map(|name| self.tiled_table(name));
        let tables = tables.filter(|table| table.table().positions.is_some());
        join_all(tables.map(|table| table.learn_ranges(&columns))).await;
        Ok(())
    }

    /// The bytes of all tables in each pixel of an order, for [`Placement::first`], those left out
    /// that every worker holds ([`TiledTable::is_everywhere`]); a coarser tile counts in the first
    /// pixel that it holds.
    pub fn bytes_by_cell(&self, order: Order, small_table_bytes: u64) -> Vec<u64> {
        let shift = 2 * (Order::MAX.get() - order.get());
        let mut cells = vec![0; usize::try_from(order.pixels()).unwrap_or(usize::MAX)];
        for table in self.tables.iter().filter(|t| !t.is_everywhere(small_table_bytes)) {
            for manifest in manifests(table) {
                for tile in 0..manifest.len() {
                    let cell = manifest.pixel(tile).range().start >> shift;
                    if let Some(bytes) = usize::try_from(cell).ok().and_then(|c| cells.get_mut(c)) {
                        *bytes += manifest.tile_bytes(tile);
                    }
                }
            }
        }
        cells
    }

    /// The first placement of this snapshot's tiles on workers, the same on every node.
    ///
    /// # Panics
    /// If there is no worker.
    pub fn place(&self, workers: &[String], replicas: usize, small_table_bytes: u64) -> Placement {
        let order = placement_order();
        let bytes = self.bytes_by_cell(order, small_table_bytes);
        Placement::first(workers, replicas, order, &bytes)
    }

    /// The files of the tiles that a worker is to hold: all of every small table, and of the
    /// others with their margins what the placement gives it; missing files are left out.
    pub fn files_of(
        &self,
        placement: &Placement,
        small_table_bytes: u64,
        worker: usize,
    ) -> Vec<TileFile> {
        let mut files = Vec::new();
        for table in &self.tables {
            let everywhere = table.is_everywhere(small_table_bytes);
            // Who has a whole table needs no margin.
            let manifests = manifests(table).take(if everywhere { 1 } else { usize::MAX });
            for manifest in manifests {
                for tile in 0..manifest.len() {
                    if everywhere || placement.holds(manifest.pixel(tile), worker) {
                        let held = manifest.files(tile).map(|file| manifest.file(file));
                        files.extend(held.filter(|file| file.bytes > 0));
                    }
                }
            }
        }
        files
    }
}

/// What clients are told of tables and views.
fn tap_schema(tables: &[Arc<TiledTable>], defined: &Defined) -> TapSchema {
    let tiled = tables.iter().map(|t| t.table());
    let mut described: Vec<Arc<Table>> = tiled.chain(&defined.views).map(Arc::clone).collect();
    described.sort_by(|a, b| a.name.cmp(&b.name));
    let keys = keys_between(tables.iter().map(|t| (t.table().as_ref(), t.keys())));
    TapSchema::new(&described, keys)
        .expect("each of its columns has one value for each row, of the type of its field")
}

/// The tiles of a table, and those of its margins.
fn manifests(table: &TiledTable) -> impl Iterator<Item = &Manifest> {
    let margins = table.margins().iter().map(Margin::manifest);
    std::iter::once(table.manifest()).chain(margins)
}

/// Reads what the files of a table say, and what is said of it.
async fn open_table(
    stores: &Arc<Stores>,
    location: &Location,
    site: Site,
    overlay: Option<&Path>,
) -> Result<Arc<TiledTable>, Error> {
    let location = site.elsewhere.as_ref().unwrap_or(location);
    let surveyed = site.surveyed();
    let (metadata, found, margins) = futures::try_join!(
        said_of(stores, &site, overlay),
        survey(stores.as_ref(), location, &surveyed),
        async { Ok(margin::surveyed(stores.as_ref(), location, &site).await) }
    )?;
    drop(surveyed);
    let lists = location.lists();
    let table = TiledTable::new(site, found, metadata)?.with_margins(margins);
    let store = Arc::<Stores>::clone(stores) as Arc<dyn ObjectStore>;
    Ok(Arc::new(table.read_from(&store, lists)))
}

/// What is said of a table, and by which files: one of a folder of descriptions wins over the one
/// beside the table or its pointer, and that over the one where the pointer leads.
async fn said_of(
    stores: &Stores,
    site: &Site,
    overlay: Option<&Path>,
) -> Result<Option<(TableMetadata, String)>, Error> {
    let path = site.named.clone().join(FILE_NAME).to_string();
    let there = async {
        match &site.elsewhere {
            Some(location) => {
                let said = TableMetadata::read(stores, &site.named).await?;
                Ok(said.map(|said| (said, format!("{location}/{FILE_NAME}"))))
            }
            None => Ok::<_, Error>(None),
        }
    };
    let beside = TableMetadata::read(stores.own(), &site.named);
    let (beside, there) = futures::try_join!(beside, there)?;
    let above = match overlay.map(|overlay| overlay_file(overlay, &site.name)) {
        Some(file) => {
            TableMetadata::read_file(&file)?.map(|said| (said, file.display().to_string()))
        }
        None => None,
    };
    let layers = [above, beside.map(|said| (said, path)), there].into_iter().flatten();
    Ok(layers
        .reduce(|(above, file), (below, path)| (above.over(below), format!("{file} over {path}"))))
}

/// Says which descriptions are of no table here.
fn warn_of_strays(overlay: &Path, sites: &[Site]) -> Result<(), Error> {
    let known: HashSet<PathBuf> =
        sites.iter().map(|site| overlay_file(overlay, &site.name)).collect();
    let list = |folder: &Path| {
        let entries = std::fs::read_dir(folder);
        let entries = entries.map_err(|error| {
            let reason = format!("the folder of descriptions cannot be read: {error}");
            Error::malformed(&folder.display(), reason)
        })?;
        Ok::<_, Error>(entries.filter_map(|entry| Some(entry.ok()?.path())).collect::<Vec<_>>())
    };
    for schema in list(overlay)?.into_iter().filter(|path| path.is_dir()) {
        for file in list(&schema)?.into_iter().filter(|path| !known.contains(path)) {
            warn!(file = %file.display(), "ignored what describes no table here");
        }
    }
    Ok(())
}

/// Whether a schema belongs to the service.
pub(crate) fn is_reserved(schema: &str) -> bool {
    [TAP_SCHEMA, TAP_UPLOAD].iter().any(|name| schema.eq_ignore_ascii_case(name))
}

/// Refuses a folder that would be a schema of TAP itself.
fn refuse_reserved(site: &Site) -> Result<(), Error> {
    let schema = &site.name.schema;
    if !is_reserved(schema) {
        return Ok(());
    }
    let reason =
        format!("the schema {schema} belongs to the service (TAP 1.1 §4): rename its folder");
    Err(Error::malformed(&site.named, reason))
}

/// FNV-1a over what makes two snapshots answer alike: names, where tiles lie, pixels, sizes and row
/// counts. Another version of a table has other folders, and may have tiles of the same sizes.
fn number(tables: &[Arc<TiledTable>]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for table in tables {
        add(table.name().to_string().as_bytes());
        // Nodes that read a pointer follow it anew when the number changes.
        if let Some(elsewhere) = table.elsewhere() {
            add(elsewhere.to_string().as_bytes());
        }
        for column in &table.table().columns {
            add(column.name.as_bytes());
            add(column.data_type.to_string().as_bytes());
        }
        for manifest in manifests(table) {
            add(manifest.dataset().as_bytes());
            for tile in 0..manifest.len() {
                add(&manifest.pixel(tile).range().start.to_le_bytes());
                add(&[manifest.pixel(tile).order().get()]);
                add(&manifest.tile_bytes(tile).to_le_bytes());
                add(&manifest.tile_rows(tile).unwrap_or(u64::MAX).to_le_bytes());
            }
        }
    }
    hash
}

impl Schemas for Snapshot {
    fn tables(&self) -> Vec<Arc<Table>> {
        let tiled = self.tables.iter().map(|t| t.table());
        tiled.chain(&self.defined.views).chain(self.tap_schema.tables()).map(Arc::clone).collect()
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        if name.is_metadata() {
            return self.tap_schema.table(name).map(|(table, _)| Arc::clone(table));
        }
        let tiled = self.tiled_table(name).map(|t| t.table());
        let found = tiled.or_else(|| self.defined.views.iter().find(|view| view.name == *name));
        found.map(Arc::clone)
    }

    fn source(
        &self,
        name: &TableName,
        columns: &[usize],
    ) -> Result<Arc<dyn TableSource>, adql::Error> {
        if let Some((_, rows)) = self.tap_schema.table(name) {
            return Ok(provider_as_source(Arc::new(MetadataTable::new(rows, columns)?)));
        }
        let table = self.tiled_table(name).ok_or_else(|| adql::Error::Unknown {
            kind: "table",
            name: name.to_string(),
            place: None,
            near: Vec::new(),
        })?;
        Ok(provider_as_source(Arc::new(HatsTable::new(Arc::clone(table), columns)?)))
    }

    fn macros(&self) -> &[Arc<Macro>] {
        &self.defined.macros
    }

    fn range(&self, table: &TableName, column: &str) -> Option<[f64; 2]> {
        self.tiled_table(table)?.range(column)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("number", &self.number)
            .field("location", &self.location)
            .field("tables", &self.tables.len())
            .finish_non_exhaustive()
    }
}
