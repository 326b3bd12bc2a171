//! `/examples` (DALI 1.1 §2.3, TAP 1.1 §2.4.4): queries that run on the tables that are here.
//!
//! XHTML with `RDFa`, from which TOPCAT and pyvo take the queries. They are made of what the snapshot
//! knows (tiles, columns, keys), without reading a row, and small enough for a table of any size.

use std::fmt::Write;
use std::sync::Arc;

use adql::schema::written;
use adql::{Column, Positions, Table, TableName};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use catalog::xml::escaped;
use catalog::{Key, Snapshot, TiledTable};

use crate::tap::{Service, typed};

/// So many rows are expected in the circle of an example.
const ROWS_EXPECTED: f64 = 100.0;

/// A tile of fewer rows is searched whole: they may be anywhere in it.
const FEW_ROWS: f64 = 500.0;

/// No pixel reaches farther from its center than this many roots of its area.
const REACH: f64 = 1.1;

/// Square degrees of the whole sky.
const SKY_SQ_DEG: f64 = 41_252.96;

/// Columns that an example selects by name.
const COLUMNS: usize = 4;

/// A query with a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) query: String,
    /// The tables that it reads, as it writes them.
    pub(super) tables: Vec<String>,
}

/// `/examples`.
pub(super) async fn document(State(service): State<Arc<Service>>) -> Response {
    let mut body = String::new();
    for example in &service.now().examples {
        push(&mut body, example).expect("writing to a String cannot fail");
    }
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n\
         <head><title>Examples</title></head>\n\
         <body vocab=\"http://www.ivoa.net/rdf/examples#\">\n<h1>Examples</h1>\n{body}</body>\n\
         </html>\n"
    );
    (typed("application/xhtml+xml;charset=utf-8"), document).into_response()
}

fn push(out: &mut String, example: &Example) -> std::fmt::Result {
    let id = example.id;
    writeln!(out, "<div typeof=\"example\" id=\"{id}\" resource=\"#{id}\">")?;
    writeln!(out, "<h2 property=\"name\">{}</h2>", escaped(&example.title))?;
    writeln!(out, "<pre property=\"query\">{}</pre>", lines(&example.query))?;
    out.push_str("<p>Tables:");
    for table in &example.tables {
        write!(out, " <code property=\"table\">{}</code>", escaped(table))?;
    }
    out.push_str("</p>\n</div>\n");
    Ok(())
}

/// Text of several lines for element content.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// Queries on the tables of a snapshot.
pub(super) fn examples(snapshot: &Snapshot) -> Vec<Example> {
    let searchable = snapshot.tiled_tables().iter().filter_map(Field::of);
    let best = searchable.max_by_key(|field| field.tiles);
    let on_the_sky = best.iter().flat_map(|field| {
        [Some(cone(field)), Some(density(field)), smallest_values(field)].into_iter().flatten()
    });
    let joined = snapshot.keys().iter().find_map(|key| join(snapshot, key));
    on_the_sky.chain(joined).chain([tables(), columns(snapshot)]).collect()
}

/// A place of the sky where a table has rows, and a circle around it.
struct Field<'a> {
    table: &'a Table,
    positions: &'a Positions,
    /// Of the whole table.
    tiles: usize,
    ra: f64,
    dec: f64,
    radius: f64,
}

impl<'a> Field<'a> {
    /// The middle of the densest tile; none where nothing is known of the rows of any tile.
    fn of(tiled: &'a Arc<TiledTable>) -> Option<Self> {
        let (table, manifest) = (tiled.table(), tiled.manifest());
        let positions = table.positions.as_ref()?;
        #[expect(clippy::cast_precision_loss, reason = "an example needs few digits")]
        let density = |tile: usize| {
            let rows = manifest.tile_rows(tile).filter(|rows| *rows > 0)? as f64;
            let area = SKY_SQ_DEG / manifest.pixel(tile).order().pixels() as f64;
            Some((tile, rows, area))
        };
        let tiles = (0..manifest.len()).filter_map(density);
        let (tile, rows, area) = tiles.max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2)))?;
        let center = manifest.pixel(tile).center();
        let radius = if rows < FEW_ROWS {
            REACH * area.sqrt()
        } else {
            (ROWS_EXPECTED / rows * area / std::f64::consts::PI).sqrt()
        };
        let rounded = |value: f64, digits: f64| (value * digits).round() / digits;
        Some(Self {
            table,
            positions,
            tiles: manifest.len(),
            ra: rounded(center.lon_deg(), 1e3),
            dec: rounded(center.lat_deg(), 1e3),
            radius: rounded(radius, 1e4).max(1e-4),
        })
    }

    /// The condition that a row of a relation lies in the circle.
    fn circle(&self, relation: &str, positions: &Positions) -> String {
        let [ra, dec] = [&positions.ra, &positions.dec].map(|name| written(name));
        let Self { ra: center_ra, dec: center_dec, radius, .. } = self;
        format!("DISTANCE({relation}{ra}, {relation}{dec}, {center_ra}, {center_dec}) < {radius}")
    }
}

/// The position and the first other columns.
fn selected(table: &Table, positions: &Positions, relation: &str) -> String {
    let place = [&positions.ra, &positions.dec];
    let others = table.visible_columns().filter(|c| c.principal && !place.contains(&&c.name));
    let place = place.into_iter().map(String::as_str);
    let names = place.chain(others.take(COLUMNS).map(|c| c.name.as_str()));
    let names: Vec<String> = names.map(|name| format!("{relation}{}", written(name))).collect();
    names.join(", ")
}

fn cone(field: &Field<'_>) -> Example {
    let name = field.table.name.written();
    let columns = selected(field.table, field.positions, "");
    let circle = field.circle("", field.positions);
    Example {
        id: "cone",
        title: format!("The rows of {name} around a place"),
        query: format!("SELECT TOP 100 {columns}\nFROM {name}\nWHERE {circle}"),
        tables: vec![name],
    }
}

fn density(field: &Field<'_>) -> Example {
    let name = field.table.name.written();
    let [ra, dec] = [&field.positions.ra, &field.positions.dec].map(|name| written(name));
    let pixel = format!("ivo_healpix_index(2, {ra}, {dec})");
    Example {
        id: "count",
        title: format!("How the rows of {name} spread over the sky"),
        query: format!(
            "SELECT {pixel} AS pixel, COUNT(*) AS n\nFROM {name}\nGROUP BY {pixel}\nORDER BY n DESC"
        ),
        tables: vec![name],
    }
}

/// Whether the values of a column can be ordered by size.
fn is_measure(column: &Column) -> bool {
    let cell = adql::datatype::CellType::of(&column.data_type, column.xtype.as_deref());
    cell.is_scalar() && cell.kind.is_number()
}

fn smallest_values(field: &Field<'_>) -> Option<Example> {
    let place = [&field.positions.ra, &field.positions.dec];
    let columns = || field.table.visible_columns().filter(|c| !place.contains(&&c.name));
    let has_ucd = |c: &&Column| c.ucd.as_deref().is_some_and(|ucd| ucd.starts_with("phot."));
    let measures = || columns().filter(|c| is_measure(c));
    let column =
        measures().find(has_ucd).or_else(|| measures().find(|c| c.data_type.is_floating()));
    let column = written(&column.or_else(|| measures().next())?.name);
    let name = field.table.name.written();
    let [ra, dec] = place.map(|name| written(name));
    Some(Example {
        id: "top",
        title: format!("The ten rows of {name} with the smallest {column}"),
        query: format!(
            "SELECT TOP 10 {ra}, {dec}, {column}\nFROM {name}\nWHERE {column} IS NOT NULL\n\
             ORDER BY {column}"
        ),
        tables: vec![name],
    })
}

/// A join along a key of two tables that are tiled: both are restricted to the same sky, so that
/// neither is read whole.
fn join(snapshot: &Snapshot, key: &Key) -> Option<Example> {
    let [from, target] = [&key.from, &key.target].map(|name| snapshot.tiled_table(name));
    let field = Field::of(target?)?;
    let (from, target) = (from?.table(), field.table);
    let equal = key.written_columns().map(|(a, b)| format!("a.{a} = b.{b}"));
    let equal = equal.collect::<Vec<_>>().join(" AND ");
    let own = from.positions.as_ref()?;
    let [from_name, target_name] = [&key.from, &key.target].map(TableName::written);
    let query = format!(
        "SELECT TOP 100 {}, {}\nFROM {from_name} AS a\nJOIN {target_name} AS b ON {equal}\n\
         WHERE {}\nAND {}",
        selected(target, field.positions, "b."),
        selected(from, own, "a."),
        field.circle("b.", field.positions),
        field.circle("a.", own),
    );
    Some(Example {
        id: "join",
        title: format!("The rows of {target_name} around a place, with those of {from_name}"),
        query,
        tables: vec![from_name, target_name],
    })
}

fn tables() -> Example {
    Example {
        id: "tables",
        title: "The tables of this service".to_owned(),
        query: "SELECT table_name, description\nFROM TAP_SCHEMA.tables\n\
                ORDER BY schema_name, table_index"
            .to_owned(),
        tables: vec!["TAP_SCHEMA.tables".to_owned()],
    }
}

fn columns(snapshot: &Snapshot) -> Example {
    let first = snapshot.tiled_tables().first().map(|table| table.name().written());
    let name = first.unwrap_or_else(|| "TAP_SCHEMA.columns".to_owned());
    Example {
        id: "columns",
        title: format!("The columns of {name}"),
        query: format!(
            "SELECT column_name, datatype, unit, ucd, description\nFROM TAP_SCHEMA.columns\n\
             WHERE table_name = '{}'\nORDER BY column_index",
            name.replace('\'', "''")
        ),
        tables: vec!["TAP_SCHEMA.columns".to_owned()],
    }
}
