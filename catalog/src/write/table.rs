//! From collected rows to the folders of a collection: tiles, margin, indexes, and what describes
//! them.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adql::sky::{Coverage, Pixel};
use adql::{Positions, TableName};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::datatypes::Schema;
use datafusion::parquet::file::metadata::KeyValue;

use crate::hats::written::{self, WrittenCollection};
use crate::hats::{
    self, COMMON_METADATA, DATASET, Kind, METADATA, PROPERTIES, TILE_COLUMNS, collection,
    index_part_name, partition_info,
};
use crate::metadata::{self, TableMetadata};
use crate::moc_file;
use crate::table::described;
use crate::write::covered::Covered;
use crate::write::histogram::sky_without;
use crate::write::index::{Index, Values};
use crate::write::leaf::{Leaf, Written};
use crate::write::runs::sorted;
use crate::write::{
    Outcome, Progress, SOFTWARE, Step, TableKind, TableWriter, WriteOptions, check, margin,
    parallel, versioned,
};
use crate::{DEFAULT_SCHEMA, Error, SPATIAL_INDEX, votable};

/// Tells of finished pieces of work.
struct Teller<'a> {
    step: Step,
    total: usize,
    done: AtomicUsize,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Teller<'a> {
    fn new(step: Step, total: usize, progress: &'a (dyn Fn(Progress) + Sync)) -> Self {
        progress(Progress { step, done: 0, total });
        Self { step, total, done: AtomicUsize::new(0), progress }
    }

    fn tell(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.progress)(Progress { step: self.step, done, total: self.total });
    }
}

/// A tile as it was written.
struct Tile {
    file: Written,
    /// Its distinct values of each indexed column.
    values: Vec<Values>,
}

/// A folder of the collection under way.
struct Member<'a> {
    table: &'a TableWriter,
    /// What it is called, in each version of the table.
    title: String,
    /// Name of the folder.
    name: String,
    folder: PathBuf,
}

pub(super) fn write(
    mut table: TableWriter,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Outcome, Error> {
    check(&table.name, &table.options, table.input.written())?;
    table.runs.finish()?;
    let pixels = table.counts.tiles(tile_rows(&table));
    let covered = Covered::new(&table.options.metadata, table.input.written());
    let leaf = table.leaf()?;
    let tiles = write_tiles(&table, &leaf, &pixels, &covered, progress)?;
    let (files, values): (Vec<Written>, Vec<Vec<Values>>) =
        tiles.into_iter().map(|tile| (tile.file, tile.values)).unzip();
    let mut outcome = Outcome {
        rows: table.rows,
        tiles: pixels.len(),
        unplaced: table.unplaced,
        ..Outcome::default()
    };
    let kind = match table.options.kind {
        TableKind::Object => Kind::Object,
        TableKind::Source => Kind::Source,
    };
    let primary = Member::new(&table, table.name.clone())?;
    let primary_name = primary.name.clone();
    let (coverage, order) = covered.coverage();
    let sky = (pixels.as_slice(), Some(&coverage));
    outcome.bytes += primary.describe(&leaf, kind, sky, files)?.1;
    moc_file::write(&primary.folder, &coverage, order)?;
    let margin = write_margin(&table, &leaf, &pixels, progress)?;
    let mut margin_name = None;
    if let Some((name, rows, bytes)) = margin {
        outcome.margin_rows = rows;
        outcome.bytes += bytes;
        margin_name = Some(name);
    }
    let mut indexes = Vec::new();
    for (at, column) in table.options.indexes.iter().enumerate() {
        let values: Vec<&Values> = values.iter().map(|of_tile| &of_tile[at]).collect();
        let (name, rows, bytes) = write_index(&table, column, &pixels, values, progress)?;
        outcome.index_rows += rows;
        outcome.bytes += bytes;
        indexes.push((column.clone(), name));
    }
    let text = written::collection(&WrittenCollection {
        name: &table.name,
        primary: &primary_name,
        margin: margin_name.as_deref(),
        indexes: &indexes,
        builder: SOFTWARE,
    });
    let folder = table.staging.path();
    write_text(&folder.join(collection::FILE_NAME), &text)?;
    write_metadata(&folder.join(metadata::FILE_NAME), &table.options.metadata)?;
    let TableWriter { staging, .. } = table;
    staging.commit()?;
    Ok(outcome)
}

/// Most rows of a tile, by rows and by the bytes of a row on average.
fn tile_rows(table: &TableWriter) -> u64 {
    let bytes_per_row = table.bytes.div_ceil(table.rows.max(1)).max(1);
    table.options.tile_rows.min(table.options.tile_bytes / bytes_per_row).max(1)
}

impl TableWriter {
    /// Name of the folder of the primary table.
    fn primary(&self) -> String {
        versioned(&self.name, self.options.version)
    }

    /// How tiles of the table and of its margin are written, and what they say of their columns.
    fn leaf(&self) -> Result<Leaf, Error> {
        let (options, schema) = (&self.options, self.input.written());
        let (ra, dec) = (options.ra.clone(), options.dec.clone());
        let spatial_index = SPATIAL_INDEX.to_owned();
        let tiling = Positions { ra, dec, spatial_index, slack_deg: 0.0, is_exact: true };
        let said = said_of_files(&self.name, options, schema, Some(&tiling))?;
        let WriteOptions { few_values, indexes, layout, .. } = options;
        let leaf = Leaf::new(schema, SPATIAL_INDEX, few_values, indexes, layout);
        Ok(leaf.saying(&said))
    }

    /// Gathered rows, as the rows of a file.
    fn write_rows(
        &self,
        leaf: &Leaf,
        dataset: &Path,
        pixel: Pixel,
        rows: &[RecordBatch],
    ) -> Result<Written, Error> {
        let suffix = hats::Leaf::File(".parquet".to_owned());
        leaf.write(dataset, &hats::tile_name(pixel, &suffix), |take| {
            sorted(rows, leaf.group_rows(), take)
        })
    }
}

fn write_tiles(
    table: &TableWriter,
    leaf: &Leaf,
    pixels: &[Pixel],
    covered: &Covered,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Tile>, Error> {
    let dataset = table.staging.path().join(table.primary()).join(DATASET);
    let schema = table.input.written();
    let teller = Teller::new(Step::Tiles, pixels.len(), progress);
    parallel::run(pixels.len(), table.options.threads, |number| {
        let pixel = pixels[number];
        let rows = table.runs.gather(&[pixel.range()])?;
        let file = table.write_rows(leaf, &dataset, pixel, &rows)?;
        rows.iter().try_for_each(|batch| covered.add(batch))?;
        let mut values = Vec::new();
        for (at, name) in table.options.indexes.iter().enumerate() {
            let column = schema.index_of(name).map_err(|e| Error::compute("index a column", e))?;
            let columns: Vec<ArrayRef> =
                rows.iter().map(|b| Arc::clone(b.column(column))).collect();
            let path = table.staging.scratch().join(format!("values{at}-{number}.arrow"));
            values.push(Values::keep(path, &columns)?);
        }
        teller.tell();
        Ok(Tile { file, values })
    })
}

/// The name, rows and bytes of the margin, if there is to be one.
fn write_margin(
    table: &TableWriter,
    leaf: &Leaf,
    pixels: &[Pixel],
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Option<(String, u64, u64)>, Error> {
    let Some(threshold_arcsec) = table.options.margin_arcsec else { return Ok(None) };
    let threshold = threshold_arcsec.to_string().replace('.', "p");
    let member = Member::new(table, format!("{}_{threshold}arcs", table.name))?;
    let dataset = member.folder.join(DATASET);
    let schema = table.input.written();
    let at = |name: &str| schema.index_of(name).map_err(|e| Error::compute("find a column", e));
    let position = (at(&table.options.ra)?, at(&table.options.dec)?);
    let mut cells = [pixels, &sky_without(pixels)].concat();
    cells.sort_unstable_by_key(|pixel| pixel.range().start);
    let teller = Teller::new(Step::Margins, cells.len(), progress);
    let files = parallel::run(cells.len(), table.options.threads, |number| {
        let pixel = cells[number];
        let rows = margin::rows_around(&table.runs, pixel, threshold_arcsec, position)?;
        teller.tell();
        if rows.is_empty() {
            return Ok(None);
        }
        table.write_rows(leaf, &dataset, pixel, &rows).map(|file| Some((pixel, file)))
    })?;
    let (cells, files): (Vec<Pixel>, Vec<Written>) = files.into_iter().flatten().unzip();
    let kind = Kind::Margin { threshold_arcsec };
    let (rows, bytes) = member.describe(leaf, kind, (&cells, None), files)?;
    Ok(Some((member.name, rows, bytes)))
}

/// The name, rows and bytes of the index of a column.
fn write_index(
    table: &TableWriter,
    column: &str,
    pixels: &[Pixel],
    values: Vec<&Values>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(String, u64, u64), Error> {
    let member = Member::new(table, format!("{}_{column}", table.name))?;
    let dataset = member.folder.join(DATASET);
    let field = table.input.written().field_with_name(column);
    let field = field.map_err(|e| Error::compute("index a column", e))?;
    let index = Index::new(field, pixels, values);
    let few: HashSet<String> = TILE_COLUMNS.map(str::to_owned).into();
    let leaf = Leaf::new(index.schema(), column, &few, &[column.to_owned()], &table.options.layout);
    let teller = Teller::new(Step::Indexes, index.parts(), progress);
    let files = parallel::run(index.parts(), table.options.threads, |part| {
        let rows = index.part(part, &table.staging.scratch())?;
        let file = leaf.write(&dataset, &index_part_name(part), |take| take(rows))?;
        teller.tell();
        Ok(file)
    })?;
    let kind = Kind::Index { column: column.to_owned() };
    let (rows, bytes) = member.describe(&leaf, kind, (&[], None), files)?;
    Ok((member.name, rows, bytes))
}

impl<'a> Member<'a> {
    fn new(table: &'a TableWriter, title: String) -> Result<Self, Error> {
        let name = versioned(&title, table.options.version);
        let folder = table.staging.path().join(&name);
        let dataset = folder.join(DATASET);
        fs::create_dir_all(&dataset).map_err(|e| Error::write(&dataset, e))?;
        Ok(Self { table, title, name, folder })
    }

    /// Writes what describes the files of the member, with its tiles and where its rows are, if
    /// that is known better; its rows and bytes.
    fn describe(
        &self,
        leaf: &Leaf,
        kind: Kind,
        (tiles, coverage): (&[Pixel], Option<&Coverage>),
        files: Vec<Written>,
    ) -> Result<(u64, u64), Error> {
        let rows = files.iter().map(|file| file.rows).sum();
        let bytes = files.iter().map(|file| file.bytes).sum();
        let dataset = self.folder.join(DATASET);
        leaf.write_footers(&dataset.join(COMMON_METADATA), &dataset.join(METADATA), files)?;
        let options = &self.table.options;
        let is_index = matches!(kind, Kind::Index { .. });
        let is_primary = matches!(kind, Kind::Object | Kind::Source);
        if !is_index {
            let text = partition_info::text(tiles);
            write_text(&self.folder.join(partition_info::FILE_NAME), &text)?;
        }
        let metadata = &options.metadata;
        let primary = || format!("{}/{}", self.table.name, self.table.primary());
        let text = written::table(&written::Written {
            name: &self.title,
            kind,
            rows,
            bytes,
            position: (!is_index).then_some((options.ra.as_str(), options.dec.as_str())),
            spatial_index: SPATIAL_INDEX,
            primary: (!is_primary).then(primary),
            tiles,
            coverage,
            title: metadata.title.as_deref().filter(|_| is_primary),
            description: metadata.description.as_deref().filter(|_| is_primary),
            builder: SOFTWARE,
        });
        for name in PROPERTIES {
            write_text(&self.folder.join(name), &text)?;
        }
        Ok((rows, bytes))
    }
}

/// What the files of a table say of their columns: what `table.toml` will say.
pub(super) fn said_of_files(
    name: &str,
    options: &WriteOptions,
    schema: &Schema,
    tiling: Option<&Positions>,
) -> Result<[KeyValue; 2], Error> {
    let path = options.folder.join(metadata::FILE_NAME).display().to_string();
    let name = TableName { schema: DEFAULT_SCHEMA.to_owned(), table: name.to_owned() };
    let said = &options.metadata;
    let table = described(name, schema, tiling, (said, &path))?;
    Ok(votable::of_table(&table, &said.origin))
}

pub(super) fn write_metadata(path: &Path, metadata: &TableMetadata) -> Result<(), Error> {
    let metadata = TableMetadata { version: metadata::VERSION, ..metadata.clone() };
    let text = toml::to_string(&metadata).map_err(|e| Error::write(path, e))?;
    write_text(path, &text)
}

pub(super) fn write_text(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|e| Error::write(path, e))
}
