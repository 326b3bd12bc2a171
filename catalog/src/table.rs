//! A HATS table as the catalog knows it: its columns, its positions, its tiles.
//!
//! Rows are tiled by the position that the properties name; users search by the row's own where
//! `table.toml` says so ([`overlay`]), and the distance of the two is the slack of its positions.

pub(crate) mod overlay;

use std::sync::Arc;

use adql::rewrite::{physical_displacement, physical_range};
use adql::sky::Angle;
use adql::{Column, CoordinateSystem, Positions, System, Table, TableName};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::file_format::parquet::transform_schema_to_view;
use datafusion::physical_plan::PhysicalExpr;
use object_store::ObjectStore;
use object_store::path::Path;
use tracing::warn;

use crate::Error;
use crate::discover::{Attachment, Site};
use crate::hats::{Kind, TableProperties};
use crate::location::Location;
use crate::lookup::IdIndex;
use crate::margin::{self, Margin};
use crate::metadata::{FILE_NAME, KeyMetadata, Origin, TableMetadata};
use crate::ranges::ColumnRanges;
use crate::survey::Survey;
use crate::tile::Manifest;

/// Name of the spatial index that HATS recommends, and of the one that is computed.
pub const SPATIAL_INDEX: &str = "_healpix_29";

/// How far a position in double precision may be from the one that its spatial index was computed
/// of: a cell of order 29, since implementations round differently on its sides.
const SLACK_DOUBLE_DEG: f64 = 2e-7;
/// The same in single precision: right ascensions near 360° are rounded to 1.5e-5°.
const SLACK_SINGLE_DEG: f64 = 5e-5;

/// A table with its tiles.
#[derive(Debug)]
pub struct TiledTable {
    table: Arc<Table>,
    /// Folder of the table, relative to the data root.
    path: String,
    /// All columns, in the order of `table.columns`.
    schema: SchemaRef,
    /// How many of them the files have: a computed spatial index is the last, beyond those.
    stored: usize,
    /// Right ascension and declination that the spatial index is computed of.
    tiled_by: Option<[String; 2]>,
    keys: Vec<KeyMetadata>,
    origin: Origin,
    manifest: Manifest,
    stated_rows: Option<u64>,
    attachments: Vec<Attachment>,
    indexes: Vec<IdIndex>,
    ranges: Option<ColumnRanges>,
    margins: Vec<Margin>,
    elsewhere: Option<Location>,
    is_far: bool,
}

impl TiledTable {
    /// Puts together what the folder, its files and its `table.toml` (with its path) say.
    pub(crate) fn new(
        site: Site,
        survey: Survey,
        metadata: Option<(TableMetadata, String)>,
    ) -> Result<Self, Error> {
        let Site { name, path, named, properties, attachments, elsewhere } = site;
        let (metadata, metadata_path) = match metadata {
            // What this program has put into the files is what `table.toml` said then.
            Some(said) if survey.is_ours() => said,
            Some((said, path)) => (said.over(survey.metadata()), path),
            None => (survey.metadata(), named.join(FILE_NAME).to_string()),
        };
        let file_schema = served_schema(&survey.schema);
        let mut fields: Vec<Arc<Field>> = file_schema.fields().iter().map(Arc::clone).collect();
        let tiling = positions(&name, path.as_ref(), &properties, &file_schema)?;
        if let Some(p) = &tiling {
            match fields.iter_mut().find(|f| f.name() == &p.spatial_index) {
                Some(field) => *field = with_type(field, DataType::Int64),
                None => fields.push(Arc::new(Field::new(&p.spatial_index, DataType::Int64, true))),
            }
        }
        let stored = file_schema.fields().len();
        let schema = Schema::new(fields);
        let mut table = described(name, &schema, tiling.as_ref(), (&metadata, &metadata_path))?;
        table.description = table.description.or(properties.description);
        for column in &mut table.columns {
            let said = metadata.columns.get(&column.name).and_then(|said| said.indexed);
            let is_index_of =
                |kind: &Kind| matches!(kind, Kind::Index { column: of } if *of == column.name);
            let has_index = attachments.iter().any(|attachment| is_index_of(&attachment.kind));
            column.indexed |= has_index && said.is_none();
        }
        Ok(Self {
            table: Arc::new(table),
            path: path.to_string(),
            schema: Arc::new(schema),
            stored,
            tiled_by: tiling.map(|p| [p.ra, p.dec]),
            keys: metadata.keys,
            origin: metadata.origin,
            manifest: survey.manifest,
            stated_rows: properties.rows,
            attachments,
            indexes: Vec::new(),
            ranges: None,
            margins: Vec::new(),
            elsewhere,
            is_far: survey.is_far,
        })
    }

    /// The same table, whose id indexes and ranges of columns are read from a store; `lists` says
    /// whether that can list folders.
    pub(crate) fn read_from(self, store: &Arc<dyn ObjectStore>, lists: bool) -> Self {
        let mut indexes = Vec::new();
        for Attachment { path, kind, .. } in &self.attachments {
            let Kind::Index { column } = kind else { continue };
            let Some(at) = self.table.column_index(column).filter(|at| !self.is_computed(*at))
            else {
                warn!(table = %self.name(), column, "an id index is ignored: no such column");
                continue;
            };
            let column = (column.clone(), self.schema.field(at).data_type().clone());
            // What a store listed is encoded already; `from` would encode it again.
            let folder = Path::parse(path).unwrap_or_else(|_| Path::from(path.as_str()));
            indexes.push(IdIndex::new(column, folder, (Arc::clone(store), lists)));
        }
        let ranges = Some(ColumnRanges::new(Arc::clone(store)));
        Self { indexes, ranges, ..self }
    }

    /// The same table with those of its margins that fit it.
    pub(crate) fn with_margins(self, found: Vec<(Margin, Survey)>) -> Self {
        let positions = self.table.positions.as_ref();
        // Elsewhere searched positions are not those that tell what a margin has.
        let is_tiled_by_them = positions.zip(self.tiled_by.as_ref()).is_some_and(|(p, tiled)| {
            [&p.ra, &p.dec] == tiled.each_ref() && !self.computes_spatial_index()
        });
        if !is_tiled_by_them {
            return self;
        }
        let stored: Vec<usize> = (0..self.stored).collect();
        let Ok(stored) = self.schema.project(&stored) else { return self };
        let margins = margin::fitting(self.name(), found, (&self.manifest, &stored));
        Self { margins, ..self }
    }

    /// The table as a query sees it.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Its exact name.
    pub fn name(&self) -> &TableName {
        &self.table.name
    }

    /// Its folder relative to the data root, as [`crate::tile_of_path`] finds it in a tile's path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last of its folders, which another version of the table does not have.
    pub(crate) fn version(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, last)| last)
    }

    /// Its tiles.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its margins and indexes.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Those of its margins that queries may read.
    pub fn margins(&self) -> &[Margin] {
        &self.margins
    }

    /// A margin that has every row so many degrees beside a pixel.
    pub fn margin_reaching(&self, degrees: f64) -> Option<&Margin> {
        margin::reaching(&self.margins, degrees)
    }

    /// Its id indexes.
    pub(crate) fn indexes(&self) -> &[IdIndex] {
        &self.indexes
    }

    /// The id index of a column, if it has one.
    pub(crate) fn index_of(&self, column: &str) -> Option<&IdIndex> {
        self.indexes.iter().find(|index| index.column() == column)
    }

    /// Learns between which numbers the values of columns lie, for [`Self::range`]; what no file
    /// tells stays unknown. Columns that it has not are ignored.
    pub async fn learn_ranges(&self, columns: &[&str]) {
        let Some(ranges) = &self.ranges else { return };
        let is_stored =
            |column: &str| self.table.column_index(column).is_some_and(|at| !self.is_computed(at));
        let columns: Vec<&str> = columns.iter().copied().filter(|name| is_stored(name)).collect();
        ranges.learn(&self.manifest, &columns).await;
    }

    /// Between which numbers the values of a column lie, NULL and NaN left out, where that was
    /// learned.
    pub fn range(&self, column: &str) -> Option<[f64; 2]> {
        self.ranges.as_ref()?.range(column, None)
    }

    /// The same in one tile.
    pub fn tile_range(&self, tile: usize, column: &str) -> Option<[f64; 2]> {
        self.ranges.as_ref()?.range(column, Some(tile))
    }

    /// How far, at most, a place of its rows is from the position that they are tiled by: see
    /// [`adql::rewrite::displacement`].
    pub fn displacement(&self, place: [&Arc<dyn PhysicalExpr>; 2]) -> Option<Angle> {
        let positions = self.table.positions.as_ref()?;
        physical_displacement(place, positions, &|column| self.range(column))
    }

    /// Between which numbers an expression over its columns lies, where that was learned of them.
    pub fn range_of(&self, expr: &Arc<dyn PhysicalExpr>) -> Option<[f64; 2]> {
        physical_range(expr, &|column| self.range(column))
    }

    /// Where it lies, if not in the data folder.
    pub fn elsewhere(&self) -> Option<&Location> {
        self.elsewhere.as_ref()
    }

    /// Whether each request to its store takes a while.
    pub(crate) fn is_far(&self) -> bool {
        self.is_far
    }

    /// Number of rows that its properties state, which nothing proves.
    pub fn stated_rows(&self) -> Option<u64> {
        self.stated_rows
    }

    /// Number of rows: as the tiles tell, or else as its properties state, which nothing proves.
    pub fn rows(&self) -> Option<u64> {
        self.manifest.rows().or(self.stated_rows)
    }

    /// Whether every worker holds all of it: it is smaller than a small table may be, or nothing
    /// says where on the sky its rows belong.
    pub fn is_everywhere(&self, small_table_bytes: u64) -> bool {
        self.table.positions.is_none() || self.manifest.bytes() < small_table_bytes
    }

    /// The Arrow schema of all columns, as a scan delivers them.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The names of right ascension and declination by which rows are tiled.
    pub(crate) fn tiled_by(&self) -> Option<&[String; 2]> {
        self.tiled_by.as_ref()
    }

    /// Who made it, and how it is cited.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its keys as its `table.toml` says them; their targets may not be there.
    pub(crate) fn keys(&self) -> &[KeyMetadata] {
        &self.keys
    }

    /// Whether a column is no column of the files but the spatial index, computed of the position.
    pub(crate) fn is_computed(&self, column: usize) -> bool {
        column >= self.stored
    }

    /// The column of the files that has the order-29 index by which rows are tiled, if there is one.
    pub fn spatial_index_in_files(&self) -> Option<&str> {
        let positions = self.table.positions.as_ref()?;
        (!self.computes_spatial_index()).then_some(positions.spatial_index.as_str())
    }

    /// Whether the files have no usable spatial index.
    pub(crate) fn computes_spatial_index(&self) -> bool {
        self.schema.fields().len() > self.stored
    }
}

/// The columns of a schema as a query sees them: by their roles, and by what is said of them (and
/// where). `tiling` is the position that rows are tiled by.
pub(crate) fn described(
    name: TableName,
    schema: &Schema,
    tiling: Option<&Positions>,
    (metadata, path): (&TableMetadata, &str),
) -> Result<Table, Error> {
    let positions = match &metadata.position {
        Some(own) => Some(overlay::positions(own, tiling, schema, path)?),
        None => tiling.cloned(),
    };
    let icrs = Arc::new(System::Space(CoordinateSystem::new("ICRS")));
    let columns = schema.fields().iter().map(|field| {
        let mut column = column(field, tiling, positions.as_ref());
        let is_place = |p: &Positions| [&p.ra, &p.dec].contains(&field.name());
        let placed = [tiling, positions.as_ref()].into_iter().flatten().any(is_place);
        column.system = placed.then(|| Arc::clone(&icrs));
        column
    });
    let mut table = Table::new(name, columns.collect());
    table.positions = positions;
    overlay::describe(&mut table, metadata, path)?;
    Ok(table)
}

/// The schema that scans deliver for files of a schema: texts as views, which the Parquet reader
/// makes without copying; dictionaries as their values, being an encoding; every column nullable,
/// whatever one file claims; and no metadata, since schemas travel with every task.
pub(crate) fn served_schema(files: &Schema) -> Schema {
    let plain: Vec<Field> = files
        .fields()
        .iter()
        .map(|field| {
            let data_type = match field.data_type() {
                DataType::Dictionary(_, value) => value.as_ref().clone(),
                other => other.clone(),
            };
            Field::new(field.name(), data_type, true)
        })
        .collect();
    transform_schema_to_view(&Schema::new(plain))
}

fn with_type(field: &Field, data_type: DataType) -> Arc<Field> {
    Arc::new(Field::new(field.name(), data_type, true))
}

/// The columns by which a table is tiled, as far as its properties and files have them.
fn positions(
    name: &TableName,
    path: &str,
    properties: &TableProperties,
    schema: &Schema,
) -> Result<Option<Positions>, Error> {
    if properties.kind == Kind::Table {
        return Ok(None);
    }
    let (Some(ra), Some(dec)) = (&properties.ra, &properties.dec) else {
        warn!(table = %name, "no positions: hats_col_ra and hats_col_dec are not given");
        return Ok(None);
    };
    let mut slack_deg: f64 = 0.0;
    for (key, column) in [("hats_col_ra", ra), ("hats_col_dec", dec)] {
        let slack = precision(column, schema)
            .map_err(|reason| Error::malformed(&path, format!("{key}={column} is {reason}")))?;
        slack_deg = slack_deg.max(slack);
    }
    let spatial_index = spatial_index(path, properties, schema)?;
    let is_exact = properties.is_index_computed && spatial_index == SPATIAL_INDEX;
    Ok(Some(Positions { ra: ra.clone(), dec: dec.clone(), spatial_index, slack_deg, is_exact }))
}

/// How far a coordinate may be off by the type of its column; what is wrong with the column, if it
/// cannot be one.
pub(crate) fn precision(column: &str, schema: &Schema) -> Result<f64, String> {
    match schema.field_with_name(column).map(Field::data_type) {
        Ok(DataType::Float64) => Ok(SLACK_DOUBLE_DEG),
        Ok(DataType::Float32) => Ok(SLACK_SINGLE_DEG),
        Ok(other) => Err(format!("a column of type {other}, not a float")),
        Err(_) => Err("no column of its tiles".to_owned()),
    }
}

/// The column with the order-29 index: the declared one, the recommended one, or one to compute.
fn spatial_index(
    path: &str,
    properties: &TableProperties,
    schema: &Schema,
) -> Result<String, Error> {
    let usable = |name: &str| {
        let data_type = schema.field_with_name(name).map(Field::data_type);
        matches!(data_type, Ok(DataType::Int64 | DataType::UInt64))
    };
    let declared = properties.spatial_index.as_deref();
    if let Some(name) = declared.filter(|n| properties.spatial_index_order == 29 && usable(n)) {
        return Ok(name.to_owned());
    }
    match schema.field_with_name(SPATIAL_INDEX).map(Field::data_type) {
        Err(_) => Ok(SPATIAL_INDEX.to_owned()),
        Ok(_) if usable(SPATIAL_INDEX) => Ok(SPATIAL_INDEX.to_owned()),
        Ok(other) => {
            let reason = format!("its column {SPATIAL_INDEX} is of type {other}, not int64");
            Err(Error::malformed(&path, reason))
        }
    }
}

/// A column with what its role alone says of it.
fn column(field: &Field, tiling: Option<&Positions>, positions: Option<&Positions>) -> Column {
    let mut column = Column::new(field.name(), field.data_type().clone());
    column.hidden = field.name() == SPATIAL_INDEX;
    let (Some(tiling), Some(own)) = (tiling, positions) else { return column };
    let mut describe = |unit: Option<&str>, ucd: &str, description: &str| {
        column.unit = unit.map(str::to_owned);
        column.ucd = Some(ucd.to_owned());
        column.description = Some(description.to_owned());
    };
    let name = field.name();
    column.indexed = [&own.ra, &own.dec, &own.spatial_index].contains(&name);
    if name == &own.ra {
        describe(Some("deg"), "pos.eq.ra;meta.main", "right ascension (ICRS)");
    } else if name == &own.dec {
        describe(Some("deg"), "pos.eq.dec;meta.main", "declination (ICRS)");
    } else if name == &tiling.ra {
        let text = "right ascension (ICRS) of the position that the row is tiled by";
        describe(Some("deg"), "pos.eq.ra", text);
    } else if name == &tiling.dec {
        let text = "declination (ICRS) of the position that the row is tiled by";
        describe(Some("deg"), "pos.eq.dec", text);
    } else if name == &own.spatial_index {
        let text = "HEALPix index (NESTED, order 29) of the position that the row is tiled by";
        describe(None, "pos.healpix", text);
    }
    column
}
