//! Writes small HATS tables, and runs SQL on a snapshot as the engine does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adql::sky::{Order, Pixel, Position};
use adql::{Schemas, TableName};
use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::TableReference;
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::SessionStateBuilder;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};

use crate::hats::{Leaf, tile_name};
use crate::{HatsTable, Location, ScanOptions, Snapshot, TILE_STORE};

/// A row of a table written here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) mag: f64,
}

/// How a table is written.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) order: u8,
    pub(super) leaf: Leaf,
    pub(super) spatial_index: Option<&'static str>,
    pub(super) partition_list: bool,
    pub(super) rows_per_group: usize,
    pub(super) rows_per_page: usize,
    pub(super) position_columns: (&'static str, &'static str),
    /// Whether each row has a position of its own, `own_ra` and `own_dec`, apart from the one that
    /// it is tiled by.
    pub(super) own_positions: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            order: 1,
            leaf: Leaf::File(".parquet".to_owned()),
            spatial_index: Some("_healpix_29"),
            partition_list: true,
            rows_per_group: 500,
            rows_per_page: 100,
            position_columns: ("ra", "dec"),
            own_positions: false,
        }
    }
}

/// How far the own position of a row is from the one that it is tiled by, but for rounding.
pub(super) const OWN_ARCSEC: f64 = 2.9;

/// The own position of a row.
pub(super) fn own_position(row: &Row) -> (f64, f64) {
    let (north, east) = (row.id as f64 * 2.4).sin_cos();
    let offset = OWN_ARCSEC / 3600.0;
    (row.ra + offset * east / row.dec.to_radians().cos(), row.dec + offset * north)
}

/// Rows all over the sky, the same in every run; magnitudes from 10 to 30.
pub(super) fn rows(count: i64) -> Vec<Row> {
    let mut state: u64 = 42;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count)
        .map(|id| Row {
            id,
            ra: 360.0 * random(),
            dec: (2.0 * random() - 1.0).asin().to_degrees(),
            mag: 10.0 + 20.0 * random(),
        })
        .collect()
}

fn schema(shape: &Shape) -> SchemaRef {
    let (ra, dec) = shape.position_columns;
    let mut fields = vec![
        Field::new("id", DataType::Int64, false),
        Field::new("mag", DataType::Float64, true),
        Field::new(dec, DataType::Float64, true),
        Field::new(ra, DataType::Float64, true),
        Field::new("name", DataType::Utf8, true),
    ];
    if let Some(name) = shape.spatial_index {
        fields.push(Field::new(name, DataType::Int64, false));
    }
    if shape.own_positions {
        fields.extend(["own_ra", "own_dec"].map(|n| Field::new(n, DataType::Float64, true)));
    }
    Arc::new(Schema::new(fields))
}

fn batch(shape: &Shape, rows: &[(i64, Row)]) -> RecordBatch {
    let double = |value: fn(&Row) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, r)| value(r))))
    };
    let names = rows.iter().map(|(_, r)| format!("row {}", r.id));
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, r)| r.id))),
        double(|r| r.mag),
        double(|r| r.dec),
        double(|r| r.ra),
        Arc::new(StringArray::from_iter_values(names)),
    ];
    if shape.spatial_index.is_some() {
        columns.push(Arc::new(Int64Array::from_iter_values(rows.iter().map(|(h, _)| *h))));
    }
    if shape.own_positions {
        columns.extend([double(|r| own_position(r).0), double(|r| own_position(r).1)]);
    }
    RecordBatch::try_new(schema(shape), columns).unwrap()
}

fn write_file(path: &Path, shape: &Shape, rows: &[(i64, Row)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(shape.rows_per_group))
        .set_data_page_row_count_limit(shape.rows_per_page)
        .set_write_batch_size(shape.rows_per_page)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Page)
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema(shape), Some(properties)).unwrap();
    writer.write(&batch(shape, rows)).unwrap();
    writer.close().unwrap();
}

/// Writes a HATS table of these rows at `folder` and returns the files of its tiles.
pub(super) fn write_table(folder: &Path, shape: &Shape, rows: &[Row]) -> Vec<PathBuf> {
    let order = Order::new(shape.order).unwrap();
    let mut sorted: Vec<(i64, Row)> =
        rows.iter().map(|r| (adql::sky::spatial_index(r.ra, r.dec).unwrap(), *r)).collect();
    sorted.sort_by_key(|(index, _)| *index);
    let mut files = Vec::new();
    let mut list = "Norder,Npix\n".to_owned();
    let pixel = |row: &Row| Pixel::of(order, &Position::from_degrees(row.ra, row.dec).unwrap());
    for tile in sorted.chunk_by(|a, b| pixel(&a.1) == pixel(&b.1)) {
        let pixel = pixel(&tile[0].1);
        list += &format!("{},{}\n", pixel.order(), pixel.index());
        let path = folder.join("dataset").join(tile_name(pixel, &shape.leaf));
        match shape.leaf {
            Leaf::File(_) => {
                write_file(&path, shape, tile);
                files.push(path);
            }
            Leaf::Folder => {
                for (part, rows) in tile.chunks(tile.len().div_ceil(2)).enumerate() {
                    let path = path.join(format!("part{part}.parquet"));
                    write_file(&path, shape, rows);
                    files.push(path);
                }
            }
        }
    }
    if shape.partition_list {
        fs::write(folder.join("partition_info.csv"), list).unwrap();
    }
    let (ra, dec) = shape.position_columns;
    let suffix = match &shape.leaf {
        Leaf::File(suffix) => suffix.as_str(),
        Leaf::Folder => "/",
    };
    let properties = format!(
        "dataproduct_type=object\nhats_nrows={}\nhats_col_ra={ra}\nhats_col_dec={dec}\n\
         hats_npix_suffix={suffix}\nhats_col_healpix={}\n",
        rows.len(),
        shape.spatial_index.unwrap_or("_healpix_29"),
    );
    fs::write(folder.join("hats.properties"), properties).unwrap();
    files
}

pub(super) async fn open(folder: &Path) -> Arc<Snapshot> {
    Arc::new(Snapshot::open(&Location::Folder(folder.to_owned())).await.unwrap())
}

pub(super) fn public(table: &str) -> TableName {
    TableName { schema: "public".to_owned(), table: table.to_owned() }
}

/// A session in which every table of the snapshot can be named, with the engine's rules.
pub(super) fn session(snapshot: &Arc<Snapshot>, prune: bool) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(2)
        .with_extension(Arc::new(ScanOptions { prune, part: None }));
    let schemas = Arc::clone(snapshot) as Arc<dyn Schemas>;
    let state = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features()
        .with_optimizer_rules(adql::rewrite::optimizer_rules(schemas))
        .build();
    let context = SessionContext::new_with_state(state);
    for function in adql::function::scalar_functions() {
        context.register_udf(function.as_ref().clone());
    }
    let url = TILE_STORE.parse().unwrap();
    context.register_object_store(&url, Arc::clone(snapshot.store()));
    for table in snapshot.tiled_tables() {
        let columns: Vec<usize> = (0..table.table().columns.len()).collect();
        let provider = HatsTable::new(Arc::clone(table), &columns).unwrap();
        let name = TableReference::partial("public", table.name().table.as_str());
        context.register_table(name, Arc::new(provider)).unwrap();
    }
    context
}

pub(super) async fn plan(context: &SessionContext, sql: &str) -> Arc<dyn ExecutionPlan> {
    let frame = context.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    frame.create_physical_plan().await.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// The rows of an answer as text, sorted.
pub(super) async fn answer(context: &SessionContext, sql: &str) -> Vec<String> {
    let batches = collect(plan(context, sql).await, context.task_ctx()).await;
    lines(&batches.unwrap_or_else(|e| panic!("{sql}: {e}")))
}

/// The rows of the answer to a query in ADQL as text, sorted.
pub(super) async fn ask(snapshot: &Arc<Snapshot>, prune: bool, text: &str) -> Vec<String> {
    let schemas = Arc::clone(snapshot) as Arc<dyn Schemas>;
    let query = adql::plan(text, schemas.as_ref(), &adql::Limits::default());
    let query = query.unwrap_or_else(|e| panic!("{text}: {e}"));
    let frame = DataFrame::new(session(snapshot, prune).state(), query.plan);
    lines(&frame.collect().await.unwrap_or_else(|e| panic!("{text}: {e}")))
}

fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
            lines.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    lines.sort();
    lines
}

/// The error of a query, wherever it appears.
pub(super) async fn failure(context: &SessionContext, sql: &str) -> String {
    let frame = match context.sql(sql).await {
        Ok(frame) => frame,
        Err(e) => return e.to_string(),
    };
    match frame.collect().await {
        Ok(_) => panic!("{sql} succeeded"),
        Err(e) => e.to_string(),
    }
}

/// The scans of a plan.
pub(super) fn scans(plan: &Arc<dyn ExecutionPlan>) -> Vec<DataSourceExec> {
    let mut found: Vec<DataSourceExec> = plan.children().into_iter().flat_map(scans).collect();
    found.extend(plan.downcast_ref::<DataSourceExec>().cloned());
    found
}

/// Names of the nodes of a plan, from the top.
pub(super) fn nodes(plan: &Arc<dyn ExecutionPlan>) -> Vec<String> {
    let mut names = vec![plan.name().to_owned()];
    names.extend(plan.children().into_iter().flat_map(nodes));
    names
}

/// A condition that a row lies within a distance of a place.
pub(super) fn within(ra: f64, dec: f64, radius: f64) -> String {
    format!("adql_contains(adql_point(ra, dec), adql_circle({ra}, {dec}, {radius})) = 1")
}
