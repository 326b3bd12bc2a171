//! What the folder of a table, margin or index says, and which files it has.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use adql::sky::Pixel;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::parquet::file::metadata::ParquetMetaData;
use object_store::path::Path;

use super::access::Access;
use super::finding::{FindingKind, FindingPlace, Findings};
use crate::hats::{
    self, COMMON_METADATA, DATASET, Kind, Leaf, METADATA, PROPERTIES, Properties, TableProperties,
    partition_info,
};
use crate::survey::{self, below};
use crate::{Error, survey::columns};

/// Tiles with their rows.
type TileRows = Vec<(Pixel, u64)>;

/// A folder with its files.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) path: Path,
    pub(super) properties: TableProperties,
    /// Along the sky; those of an index by their numbers.
    pub(super) files: Vec<MemberFile>,
    /// The pixels of its tiles, along the sky.
    pub(super) tiles: Vec<Pixel>,
    /// The columns of its files.
    pub(super) schema: Option<SchemaRef>,
    /// Rows of its files by `_metadata`, if it has one.
    listed_rows: Option<HashMap<String, u64>>,
    /// Rows of its tiles by `partition_info.csv`, if that has them.
    tile_rows: TileRows,
}

/// A file of a tile, or a part of an index.
#[derive(Debug, Clone)]
pub(super) struct MemberFile {
    pub(super) path: Path,
    /// Below the folder of files.
    name: String,
    pub(super) size: u64,
    /// The tile that it is of; none for a part of an index.
    pub(super) pixel: Option<Pixel>,
}

impl Member {
    /// Looks at a folder; none where it has no properties that can be read.
    pub(super) fn look(
        access: &Access,
        lists: bool,
        path: &Path,
        findings: &Findings,
    ) -> Option<Self> {
        let properties = properties(access, path, findings)?;
        let dataset = path.clone().join(DATASET);
        let said = |error: &Error| {
            findings.add(FindingKind::Damaged, FindingPlace::of(&dataset), error.to_string());
        };
        let metadata_path = dataset.clone().join(METADATA);
        let metadata = survey::footers(access.store.as_ref(), &metadata_path);
        let metadata = access.runtime.block_on(metadata).unwrap_or_else(|error| {
            findings.add(FindingKind::Damaged, FindingPlace::of(&metadata_path), error.to_string());
            None
        });
        let listed_rows = metadata.as_ref().map(survey::rows_by_file);
        let (listed, tile_rows) = partition_list(access, path, &properties, findings).unzip();
        let found = if lists {
            access.list(&dataset).map(|files| {
                let prefix = dataset.as_ref().len() + 1;
                let name = |location: &Path| location.as_ref().get(prefix..).map(str::to_owned);
                files.into_iter().filter_map(|f| Some((name(&f.location)?, f.size))).collect()
            })
        } else {
            let leaf = &properties.leaf;
            let from_list = listed.iter().flatten().map(|pixel| hats::tile_name(*pixel, leaf));
            let names: BTreeSet<String> = match (&listed_rows, leaf) {
                (Some(rows), _) => rows.keys().cloned().collect(),
                (None, Leaf::File(_)) => from_list.collect(),
                (None, Leaf::Folder) => BTreeSet::new(),
            };
            let sized = names.into_iter().filter_map(|name| {
                let size = access.size(&below(&dataset, &name)).transpose()?;
                Some(size.map(|size| (name, size)))
            });
            sized.collect::<Result<Vec<_>, Error>>()
        };
        let found = found.inspect_err(said).ok()?;
        let mut member = Self {
            path: path.clone(),
            files: files(&dataset, found, &properties, findings),
            tiles: Vec::new(),
            schema: None,
            properties,
            listed_rows,
            tile_rows: tile_rows.unwrap_or_default(),
        };
        member.reconcile(listed.as_deref(), findings);
        member.schema = member.columns(access, metadata.as_ref(), findings);
        Some(member)
    }

    pub(super) fn dataset(&self) -> Path {
        self.path.clone().join(DATASET)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Files against the list of tiles, and tiles against each other.
    fn reconcile(&mut self, listed: Option<&[Pixel]>, findings: &Findings) {
        let there: BTreeSet<Pixel> = self.files.iter().filter_map(|file| file.pixel).collect();
        if let Some(listed) = listed {
            let leaf = &self.properties.leaf;
            let listed: BTreeSet<Pixel> = listed.iter().copied().collect();
            for pixel in listed.difference(&there) {
                let path = below(&self.dataset(), &hats::tile_name(*pixel, leaf));
                let what = format!("{} lists the tile {pixel}", partition_info::FILE_NAME);
                findings.add(FindingKind::Missing, FindingPlace::of(&path), what);
            }
            for file in &self.files {
                if let Some(pixel) = file.pixel.filter(|pixel| !listed.contains(pixel)) {
                    let list = partition_info::FILE_NAME;
                    let what = format!("{list} does not list the tile {pixel}: no query reads it");
                    findings.add(FindingKind::LeftOver, FindingPlace::of(&file.path), what);
                }
            }
            // What is not listed is not served.
            self.files.retain(|file| file.pixel.is_none_or(|pixel| listed.contains(&pixel)));
        }
        self.tiles = self.files.iter().filter_map(|file| file.pixel).collect();
        self.tiles.dedup();
        let finest = self.tiles.iter().map(|tile| tile.order().get()).max();
        if let (Some(stated), Some(finest)) = (self.properties.order, finest)
            && stated != finest
        {
            let what = format!("hats_order={stated}, but its smallest tiles are of order {finest}");
            findings.add(FindingKind::Properties, FindingPlace::of(&self.path), what);
        }
        let mut widest: Option<Pixel> = None;
        for tile in &self.tiles {
            let outer = widest.filter(|outer| tile.range().start < outer.range().end);
            if let Some(outer) = outer {
                let what = format!("the tile {tile} lies in the tile {outer}");
                findings.add(FindingKind::Overlap, FindingPlace::of(&self.path), what);
            }
            widest = outer.or(Some(*tile));
        }
    }

    /// The columns: by `_common_metadata`, `_metadata` or the first file that can be read.
    fn columns(
        &self,
        access: &Access,
        metadata: Option<&ParquetMetaData>,
        findings: &Findings,
    ) -> Option<SchemaRef> {
        let common = self.dataset().join(COMMON_METADATA);
        let read = access.size(&common).and_then(|size| {
            size.map(|size| columns(&common, &access.footer(&common, size)?)).transpose()
        });
        match read {
            Ok(Some(schema)) => return Some(schema),
            Ok(None) => {}
            Err(error) => {
                findings.add(FindingKind::Damaged, FindingPlace::of(&common), error.to_string());
            }
        }
        let of_metadata = metadata.and_then(|m| columns(&self.dataset().join(METADATA), m).ok());
        of_metadata.or_else(|| {
            let footer = |file: &MemberFile| access.footer(&file.path, file.size).ok();
            self.files.iter().find_map(|file| columns(&file.path, &footer(file)?).ok())
        })
    }

    /// Counted rows of the files, where they could be counted, against all that is stated.
    pub(super) fn check_counts(&self, counted: &[Option<u64>], findings: &Findings) {
        let mut of_tiles: BTreeMap<Pixel, Option<u64>> = BTreeMap::new();
        for (file, rows) in self.files.iter().zip(counted) {
            if let Some(pixel) = file.pixel {
                let sum = of_tiles.entry(pixel).or_insert(Some(0));
                *sum = sum.zip(*rows).map(|(sum, rows)| sum + rows);
            }
        }
        for (pixel, stated) in &self.tile_rows {
            let rows = of_tiles.get(pixel).copied().flatten();
            if let Some(rows) = rows.filter(|rows| rows != stated) {
                let place = FindingPlace::of(&self.path.clone().join(partition_info::FILE_NAME));
                let what = format!("it states {stated} rows of the tile {pixel}, which has {rows}");
                findings.add(FindingKind::Count, place, what);
            }
        }
        let metadata = self.dataset().join(METADATA);
        if let Some(listed) = &self.listed_rows {
            let mut listed: BTreeMap<&str, u64> =
                listed.iter().map(|(name, rows)| (name.as_str(), *rows)).collect();
            for (file, rows) in self.files.iter().zip(counted) {
                let stated = listed.remove(file.name.as_str());
                let Some(rows) = rows.filter(|rows| stated != Some(*rows)) else { continue };
                let stated = stated.map_or_else(|| "none".to_owned(), |rows| rows.to_string());
                let what = format!("it has {rows} rows, but {METADATA} states {stated}");
                findings.add(FindingKind::Count, FindingPlace::of(&file.path), what);
            }
            for (name, rows) in listed {
                let what = format!("it states {rows} rows of {name}, which is not in the table");
                findings.add(FindingKind::Count, FindingPlace::of(&metadata), what);
            }
        }
        let all: Option<u64> = counted.iter().copied().sum();
        if let (Some(counted), Some(stated)) = (all, self.properties.rows)
            && counted != stated
        {
            let what = format!("hats_nrows={stated}, but its files have {counted} rows");
            findings.add(FindingKind::Count, FindingPlace::of(&self.path), what);
        }
    }
}

/// The primary table that the properties in a folder name.
pub(super) fn primary_of(access: &Access, path: &Path) -> Option<String> {
    let read = |name: &str| access.bytes(&path.clone().join(name)).ok().flatten();
    let bytes = PROPERTIES.into_iter().find_map(read)?;
    let properties = Properties::parse(path.as_ref(), &String::from_utf8_lossy(&bytes));
    properties.table().ok()?.primary
}

/// The properties, from either file, which say the same where both are there.
fn properties(access: &Access, path: &Path, findings: &Findings) -> Option<TableProperties> {
    let mut read: Vec<(Path, Properties)> = Vec::new();
    for name in PROPERTIES {
        let file = path.clone().join(name);
        match access.bytes(&file) {
            Ok(Some(bytes)) => {
                let text = String::from_utf8_lossy(&bytes);
                read.push((file.clone(), Properties::parse(file.as_ref(), &text)));
            }
            Ok(None) => {}
            Err(e) => findings.add(FindingKind::Damaged, FindingPlace::of(&file), e.to_string()),
        }
    }
    if let [(_, first), (path, second)] = read.as_slice()
        && let Some(key) = first.difference(second)
    {
        let value = |of: &Properties| of.get(key).map_or("nothing".to_owned(), str::to_owned);
        let what = format!("{key} is {}, but {} in {}", value(second), value(first), PROPERTIES[0]);
        findings.add(FindingKind::Properties, FindingPlace::of(path), what);
    }
    let Some((_, first)) = read.first() else {
        let what = format!("none of {} is there", PROPERTIES.join(", "));
        findings.add(FindingKind::Properties, FindingPlace::of(path), what);
        return None;
    };
    let table = first.table();
    let table = table.inspect_err(|e| {
        findings.add(FindingKind::Properties, FindingPlace::of(path), e.to_string());
    });
    table.ok()
}

/// The pixels of `partition_info.csv`, if it is there and can be read, and the rows that it states.
fn partition_list(
    access: &Access,
    path: &Path,
    properties: &TableProperties,
    findings: &Findings,
) -> Option<(Vec<Pixel>, TileRows)> {
    if matches!(properties.kind, Kind::Index { .. }) {
        return None;
    }
    let path = path.clone().join(partition_info::FILE_NAME);
    let place = || FindingPlace::of(&path);
    let read = access.bytes(&path).and_then(|bytes| {
        let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let read = text.map(|text| {
            let pixels = partition_info::parse(path.as_ref(), &text)?;
            let rows = partition_info::rows(&text).unwrap_or_default();
            let rows = pixels.iter().copied().zip(rows).collect();
            Ok((pixels, rows))
        });
        read.transpose()
    });
    match read {
        Ok(Some((pixels, rows))) => {
            let mut seen = BTreeSet::new();
            for pixel in pixels.iter().filter(|pixel| !seen.insert(**pixel)) {
                findings.add(FindingKind::Properties, place(), format!("it lists {pixel} twice"));
            }
            Some((pixels, rows))
        }
        Ok(None) => None,
        Err(e) => {
            findings.add(FindingKind::Damaged, place(), e.to_string());
            None
        }
    }
}

/// The files that hold rows, in order; others that nobody knows are told.
fn files(
    dataset: &Path,
    found: Vec<(String, u64)>,
    properties: &TableProperties,
    findings: &Findings,
) -> Vec<MemberFile> {
    let mut files = Vec::new();
    for (name, size) in found {
        if !hats::is_data(&name) {
            continue;
        }
        let path = below(dataset, &name);
        let pixel = hats::tile_pixel(&name);
        let fits = match (&properties.kind, &properties.leaf, pixel) {
            (Kind::Index { .. }, _, None) => name.ends_with(".parquet"),
            (Kind::Index { .. }, _, Some(_)) | (_, _, None) => false,
            (_, leaf @ Leaf::File(_), Some(pixel)) => {
                is_of_tile(&name, &hats::tile_name(pixel, leaf))
            }
            (_, Leaf::Folder, Some(_)) => name.matches('/').count() == 3,
        };
        if fits {
            files.push(MemberFile { path, name, size, pixel });
        } else {
            let what = "its name is that of no file of a table: no query reads it";
            findings.add(FindingKind::LeftOver, FindingPlace::of(&path), what);
        }
    }
    let along = |file: &MemberFile| file.pixel.map(|p| (p.range().start, p.order()));
    files.sort_by(|a, b| along(a).cmp(&along(b)).then_with(|| in_order(&a.name, &b.name)));
    files
}

/// Whether a name is that of a tile, whatever its folder of thousands is called.
fn is_of_tile(name: &str, tile: &str) -> bool {
    let ends = |name: &str| {
        let mut parts = name.split('/');
        Some((parts.next()?.to_owned(), parts.nth(1)?.to_owned(), parts.next().is_none()))
    };
    ends(name) == ends(tile)
}

/// Names in order, with the numbers in them by value: `part.10` comes after `part.9`.
fn in_order(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |name: &str| -> Vec<(String, u64)> {
        let runs = name.split_inclusive(|c: char| !c.is_ascii_digit());
        let mut parts = Vec::new();
        for run in runs {
            let digits = run.trim_end_matches(|c: char| !c.is_ascii_digit());
            parts.push((run[digits.len()..].to_owned(), digits.parse().unwrap_or(0)));
        }
        parts
    };
    let key = |(text, number): (String, u64)| (number, text);
    parts(a).into_iter().map(key).cmp(parts(b).into_iter().map(key))
}

#[cfg(test)]
mod tests {
    use super::in_order;

    #[test]
    fn parts_stand_in_the_order_of_their_numbers() {
        let mut names = ["index/part.10.parquet", "index/part.9.parquet", "index/part.0.parquet"];
        names.sort_by(|a, b| in_order(a, b));
        assert_eq!(names.map(|name| &name[11..13]), ["0.", "9.", "10"]);
    }
}
