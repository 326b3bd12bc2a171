//! What `table.toml` says of a table, laid over what its files say.

use adql::schema::is_ucd;
use adql::{Column, Positions, Table};
use datafusion::arrow::datatypes::Schema;
use object_store::path::Path;
use tracing::warn;

use super::precision;
use crate::Error;
use crate::metadata::{PositionMetadata, TableMetadata};

/// The largest distance on the sky.
const SLACK_MAX_ARCSEC: f64 = 180.0 * 3600.0;

/// Where nothing says which columns belong to a first look, so many do, and those of the position.
const PRINCIPAL: usize = 16;

/// The row's own position in place of the one that it is tiled by; tiles are still found by the
/// spatial index, hence by places that are as far off as the slack.
pub(super) fn positions(
    own: &PositionMetadata,
    tiling: Option<&Positions>,
    schema: &Schema,
    path: &Path,
) -> Result<Positions, Error> {
    let Some(tiling) = tiling else {
        let reason = "position: the table is not tiled: give hats_col_ra and hats_col_dec in its \
                      properties";
        return Err(Error::malformed(path, reason));
    };
    let slack_arcsec = own.slack_arcsec;
    if !(0.0..=SLACK_MAX_ARCSEC).contains(&slack_arcsec) {
        let reason = format!(
            "position.slack_arcsec = {slack_arcsec} is no distance: give 0 to {SLACK_MAX_ARCSEC}"
        );
        return Err(Error::malformed(path, reason));
    }
    let mut own_slack_deg: f64 = 0.0;
    for (key, column) in [("ra", &own.ra), ("dec", &own.dec)] {
        let slack = precision(column, schema).map_err(|reason| {
            Error::malformed(path, format!("position.{key} = \"{column}\" is {reason}"))
        })?;
        own_slack_deg = own_slack_deg.max(slack);
    }
    Ok(Positions {
        ra: own.ra.clone(),
        dec: own.dec.clone(),
        spatial_index: tiling.spatial_index.clone(),
        slack_deg: tiling.slack_deg + own_slack_deg + slack_arcsec / 3600.0,
    })
}

/// Texts and flags of the table and its columns.
pub(super) fn describe(
    table: &mut Table,
    metadata: &TableMetadata,
    path: &Path,
) -> Result<(), Error> {
    overlay(&mut table.title, metadata.title.as_ref());
    overlay(&mut table.description, metadata.description.as_ref());
    overlay(&mut table.utype, metadata.utype.as_ref());
    for (name, said) in &metadata.columns {
        let Some(at) = table.column_index(name) else {
            let reason = format!("columns.\"{name}\" is no column of its tiles; names are exact");
            return Err(Error::malformed(path, reason));
        };
        let column = &mut table.columns[at];
        overlay(&mut column.unit, said.unit.as_ref());
        overlay(&mut column.ucd, said.ucd.as_ref().filter(|ucd| is_usable_ucd(ucd, name, path)));
        overlay(&mut column.utype, said.utype.as_ref());
        overlay(&mut column.xtype, said.xtype.as_ref());
        overlay(&mut column.description, said.description.as_ref());
        column.indexed |= said.indexed;
        column.principal |= said.principal;
    }
    for key in &metadata.keys {
        let unknown = key.columns.keys().find(|name| table.column_index(name).is_none());
        let reason = match unknown {
            Some(name) => format!("a key to {}: {name} is no column of its tiles", key.target),
            None if key.columns.is_empty() => format!("a key to {} has no columns", key.target),
            None => continue,
        };
        return Err(Error::malformed(path, reason));
    }
    choose_principal(table);
    Ok(())
}

/// What is said wins; an empty text says nothing.
fn overlay(text: &mut Option<String>, said: Option<&String>) {
    if let Some(said) = said.filter(|said| !said.trim().is_empty()) {
        *text = Some(said.trim().to_owned());
    }
}

/// Whether a text is a UCD; says so where it is not.
fn is_usable_ucd(ucd: &str, column: &str, path: &Path) -> bool {
    let good = is_ucd(ucd.trim());
    if !good {
        warn!(file = %path, column, ucd, "ignored what is no UCD");
    }
    good
}

fn choose_principal(table: &mut Table) {
    if table.columns.iter().any(|column| column.principal) {
        return;
    }
    let place = table.positions.as_ref().map(|p| [p.ra.clone(), p.dec.clone()]);
    let visible = table.columns.iter_mut().filter(|column: &&mut Column| !column.hidden);
    for (at, column) in visible.enumerate() {
        let is_place = place.as_ref().is_some_and(|place| place.contains(&column.name));
        column.principal = at < PRINCIPAL || is_place;
    }
}
