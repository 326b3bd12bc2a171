//! What `table.toml` says of a table, laid over what its files say.

use std::collections::HashSet;
use std::sync::Arc;

use adql::schema::{Enumerations, is_regular, is_ucd};
use adql::{Column, Positions, System, Table};
use datafusion::arrow::datatypes::{DataType, Schema};
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
    path: &str,
) -> Result<Positions, Error> {
    let Some(tiling) = tiling else {
        let reason = "position: the table is not tiled: give hats_col_ra and hats_col_dec in its \
                      properties";
        return Err(Error::malformed(&path, reason));
    };
    let slack_arcsec = own.slack_arcsec;
    if !(0.0..=SLACK_MAX_ARCSEC).contains(&slack_arcsec) {
        let reason = format!(
            "position.slack_arcsec = {slack_arcsec} is no distance: give 0 to {SLACK_MAX_ARCSEC}"
        );
        return Err(Error::malformed(&path, reason));
    }
    let mut own_slack_deg: f64 = 0.0;
    for (key, column) in [("ra", &own.ra), ("dec", &own.dec)] {
        let slack = precision(column, schema).map_err(|reason| {
            Error::malformed(&path, format!("position.{key} = \"{column}\" is {reason}"))
        })?;
        own_slack_deg = own_slack_deg.max(slack);
    }
    Ok(Positions {
        ra: own.ra.clone(),
        dec: own.dec.clone(),
        spatial_index: tiling.spatial_index.clone(),
        slack_deg: tiling.slack_deg + own_slack_deg + slack_arcsec / 3600.0,
        is_exact: tiling.is_exact && [&own.ra, &own.dec] == [&tiling.ra, &tiling.dec],
    })
}

/// Texts and flags of the table and its columns.
pub(crate) fn describe(
    table: &mut Table,
    metadata: &TableMetadata,
    path: &str,
) -> Result<(), Error> {
    overlay(&mut table.title, metadata.title.as_ref());
    overlay(&mut table.description, metadata.description.as_ref());
    overlay(&mut table.note, metadata.note.as_ref());
    overlay(&mut table.utype, metadata.utype.as_ref());
    table.index = metadata.index.or(table.index);
    for (name, said) in &metadata.columns {
        let Some(at) = table.column_index(name) else {
            let reason = format!("columns.\"{name}\" is no column of its tiles; names are exact");
            return Err(Error::malformed(&path, reason));
        };
        let column = &mut table.columns[at];
        overlay(&mut column.unit, said.unit.as_ref());
        overlay(&mut column.ucd, said.ucd.as_ref().filter(|ucd| is_usable_ucd(ucd, name, path)));
        overlay(&mut column.utype, said.utype.as_ref());
        overlay(&mut column.xtype, said.xtype.as_ref());
        overlay(&mut column.description, said.description.as_ref());
        overlay(&mut column.note, said.note.as_ref());
        column.index = said.index.or(column.index);
        column.indexed = said.indexed.unwrap_or(column.indexed);
        column.principal = said.principal.unwrap_or(column.principal);
        column.std = said.std.unwrap_or(column.std);
    }
    name_positions(table, metadata, path)?;
    place_systems(table, metadata, path)?;
    for key in &metadata.keys {
        let unknown = key.columns.keys().find(|name| table.column_index(name).is_none());
        let reason = match unknown {
            Some(name) => format!("a key to {}: {name} is no column of its tiles", key.target),
            None if key.columns.is_empty() => format!("a key to {} has no columns", key.target),
            None => continue,
        };
        return Err(Error::malformed(&path, reason));
    }
    choose_principal(table);
    Ok(())
}

/// Gives names of positions to the arrays that have so many, or any number of them.
fn name_positions(table: &mut Table, metadata: &TableMetadata, path: &str) -> Result<(), Error> {
    for (names, members) in &metadata.enumerations {
        let all = || [names].into_iter().chain(members);
        if let Some(name) = all().find(|name| !is_regular(name)) {
            let reason = format!(
                "enumerations.{names}: \"{name}\" is no name: write a Latin letter, then letters, \
                 digits and _"
            );
            return Err(Error::malformed(&path, reason));
        }
        let twice = |at: usize| members[..at].iter().any(|m| m.eq_ignore_ascii_case(&members[at]));
        if let Some(at) = (0..members.len()).find(|at| twice(*at)) {
            let reason = format!("enumerations.{names} has {} twice", members[at]);
            return Err(Error::malformed(&path, reason));
        }
    }
    for column in table.columns.iter_mut().filter(|column| column.xtype.is_none()) {
        let fits = |members: &Vec<String>| match &column.data_type {
            DataType::FixedSizeList(_, length) => usize::try_from(*length) == Ok(members.len()),
            DataType::List(_) | DataType::LargeList(_) => true,
            _ => false,
        };
        let fitting = metadata.enumerations.iter().filter(|(_, members)| fits(members));
        let fitting: Enumerations = fitting.map(|(n, all)| (n.clone(), all.clone())).collect();
        column.enumerations = (!fitting.is_empty()).then(|| Arc::new(fitting));
    }
    for names in metadata.enumerations.keys() {
        let has = |column: &Column| {
            column.enumerations.as_ref().is_some_and(|known| known.contains_key(names))
        };
        if !table.columns.iter().any(has) {
            warn!(file = %path, names, "no column is an array of so many elements");
        }
    }
    Ok(())
}

/// Frames and scales of columns.
fn place_systems(table: &mut Table, metadata: &TableMetadata, path: &str) -> Result<(), Error> {
    let position: Vec<String> =
        table.positions.iter().flat_map(|p| [p.ra.clone(), p.dec.clone()]).collect();
    let mut placed = HashSet::new();
    for frame in &metadata.frames {
        let columns = if frame.columns.is_empty() { &position } else { &frame.columns };
        let said = format!("frames: {}", frame.system);
        if columns.is_empty() {
            let reason = format!("{said} has no columns, and the table no position");
            return Err(Error::malformed(&path, reason));
        }
        if let Some(name) = columns.iter().find(|name| position.contains(name))
            && !frame.is_searchable()
        {
            let reason = format!(
                "{said} of {name}: the table is searched by it, in degrees of ICRS; convert it"
            );
            return Err(Error::malformed(&path, reason));
        }
        let system = usable(frame.system(), &said, path).map(System::Space);
        place_system(table, (system, columns), &mut placed, (&said, path))?;
    }
    for time in &metadata.times {
        let said = format!("times: {}", time.scale);
        let system = usable(time.system(), &said, path).map(System::Time);
        place_system(table, (system, &time.columns), &mut placed, (&said, path))?;
    }
    Ok(())
}

/// What is of the standard; says so where it is not.
fn usable<T>(system: Result<T, String>, said: &str, path: &str) -> Option<T> {
    system.inspect_err(|reason| warn!(file = %path, said, reason, "ignored a system")).ok()
}

fn place_system(
    table: &mut Table,
    (system, columns): (Option<System>, &[String]),
    placed: &mut HashSet<String>,
    (said, path): (&str, &str),
) -> Result<(), Error> {
    let system = system.map(Arc::new);
    for name in columns {
        let Some(at) = table.column_index(name) else {
            let reason = format!("{said} of \"{name}\", which is no column of its tiles");
            return Err(Error::malformed(&path, reason));
        };
        if !placed.insert(name.clone()) {
            let reason = format!("{said} of {name}, which has another frame or scale already");
            return Err(Error::malformed(&path, reason));
        }
        if system.is_some() {
            table.columns[at].system.clone_from(&system);
        }
    }
    Ok(())
}

/// What is said wins; an empty text says nothing.
fn overlay(text: &mut Option<String>, said: Option<&String>) {
    if let Some(said) = said.filter(|said| !said.trim().is_empty()) {
        *text = Some(said.trim().to_owned());
    }
}

/// Whether a text is a UCD; says so where it is not.
fn is_usable_ucd(ucd: &str, column: &str, path: &str) -> bool {
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
