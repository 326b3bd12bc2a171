//! Which columns are the position of a row, and how they become degrees.
//!
//! Columns are found by their UCD, then by their names; where several could be meant, none is
//! guessed. A column of degrees becomes a double and keeps its name. Any other stays as it is, and
//! a column of degrees is added.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use adql::sky::sexagesimal::{self, Leading};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Float64Type, Schema, SchemaRef};

use super::saying::extend_frames;
use crate::Error;
use crate::metadata::{ColumnMetadata, TableMetadata};

/// Usual names of right ascension and declination, in lower case.
const NAMES: [[&str; 2]; 15] = [
    ["ra", "dec"],
    ["ra", "de"],
    ["raj2000", "dej2000"],
    ["raj2000", "decj2000"],
    ["ra_j2000", "dec_j2000"],
    ["_raj2000", "_dej2000"],
    ["ra_icrs", "de_icrs"],
    ["ra_icrs", "dec_icrs"],
    ["radeg", "dedeg"],
    ["radeg", "decdeg"],
    ["ra_deg", "dec_deg"],
    ["ramean", "decmean"],
    ["coord_ra", "coord_dec"],
    ["right_ascension", "declination"],
    ["rightascension", "declination"],
];

/// How a position is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositionUnit {
    /// Degrees.
    Degrees,
    /// Radians.
    Radians,
    /// Right ascension in hours, declination in degrees.
    Hours,
    /// Texts: hours, minutes and seconds; degrees, minutes and seconds.
    Sexagesimal,
}

impl fmt::Display for PositionUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Degrees => "degrees",
            Self::Radians => "radians",
            Self::Hours => "hours",
            Self::Sexagesimal => "sexagesimal",
        })
    }
}

impl FromStr for PositionUnit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Degrees, Self::Radians, Self::Hours, Self::Sexagesimal];
        all.into_iter().find(|unit| unit.to_string() == text).ok_or(())
    }
}

/// What is asked of positions; what is not said is found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PositionChoice {
    /// Column of the right ascension.
    pub ra: Option<String>,
    /// Column of the declination.
    pub dec: Option<String>,
    /// How both are written.
    pub unit: Option<PositionUnit>,
}

/// One of the two coordinates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coordinate {
    Ra,
    Dec,
}

impl Coordinate {
    fn name(self) -> &'static str {
        match self {
            Self::Ra => "right ascension",
            Self::Dec => "declination",
        }
    }

    fn ucd(self) -> &'static str {
        match self {
            Self::Ra => "pos.eq.ra",
            Self::Dec => "pos.eq.dec",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Ra => "ra",
            Self::Dec => "dec",
        }
    }
}

/// A column of a coordinate and where its degrees go.
#[derive(Debug)]
struct Axis {
    coordinate: Coordinate,
    source: usize,
    unit: PositionUnit,
    /// Name of the column of degrees: that of the source where it is replaced.
    degrees: String,
    is_replaced: bool,
}

/// The columns of the position of each row.
#[derive(Debug)]
pub(super) struct Positions {
    axes: [Axis; 2],
    schema: SchemaRef,
}

/// Why rows have no position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reasons {
    /// A coordinate is NULL or NaN.
    pub missing: u64,
    /// A coordinate is beyond its range.
    pub out_of_range: u64,
    /// A coordinate is a text that is no angle.
    pub unreadable: u64,
}

impl Reasons {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.missing + self.out_of_range + self.unreadable
    }

    pub(super) fn add(&mut self, other: Self) {
        self.missing += other.missing;
        self.out_of_range += other.out_of_range;
        self.unreadable += other.unreadable;
    }
}

impl Positions {
    /// Finds the columns in a schema.
    pub(super) fn find(
        table: &str,
        schema: &SchemaRef,
        metadata: &TableMetadata,
        choice: &PositionChoice,
    ) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Input { table: table.to_owned(), reason };
        let [ra, dec] = columns(schema, &metadata.columns, choice).map_err(wrong)?;
        if ra == dec {
            let name = schema.field(ra).name();
            return Err(wrong(format!("{name} cannot be right ascension and declination both")));
        }
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().map(Arc::clone).collect();
        let mut axis = |coordinate, source: usize| -> Result<Axis, String> {
            let field = schema.field(source);
            let said = metadata.columns.get(field.name()).and_then(|said| said.unit.as_deref());
            let unit = unit(coordinate, field, said, choice.unit)?;
            let is_replaced = unit == PositionUnit::Degrees && field.data_type().is_numeric();
            let degrees = if is_replaced {
                fields[source] = Arc::new(Field::new(field.name(), DataType::Float64, true));
                field.name().clone()
            } else {
                let name = free_name(&fields, &format!("{}_deg", coordinate.flag()));
                fields.push(Arc::new(Field::new(&name, DataType::Float64, true)));
                name
            };
            Ok(Axis { coordinate, source, unit, degrees, is_replaced })
        };
        let axes =
            [axis(Coordinate::Ra, ra).map_err(wrong)?, axis(Coordinate::Dec, dec).map_err(wrong)?];
        Ok(Self { axes, schema: Arc::new(Schema::new(fields)) })
    }

    /// The columns with those of degrees.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Names of the columns that it is made of.
    pub(super) fn sources<'a>(&self, schema: &'a Schema) -> [&'a str; 2] {
        self.axes.each_ref().map(|axis| schema.field(axis.source).name().as_str())
    }

    /// Names of the columns of degrees.
    pub(super) fn degrees(&self) -> [&str; 2] {
        [&self.axes[0].degrees, &self.axes[1].degrees]
    }

    /// The columns of degrees of a batch that has been converted.
    pub(super) fn degrees_of<'a>(&self, batch: &'a RecordBatch) -> [&'a Float64Array; 2] {
        self.degrees().map(|name| {
            let column = batch.column_by_name(name).expect("a converted batch has its degrees");
            column.as_primitive::<Float64Type>()
        })
    }

    /// The rows with their position in degrees.
    pub(super) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch, Error> {
        let mut columns = batch.columns().to_vec();
        for axis in &self.axes {
            let degrees = axis.degrees(batch.column(axis.source))?;
            if axis.is_replaced {
                columns[axis.source] = degrees;
            } else {
                columns.push(degrees);
            }
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .map_err(|e| Error::compute("make degrees of positions", e))
    }

    /// Why the rows of a converted batch have no position.
    pub(super) fn reasons(&self, batch: &RecordBatch) -> Reasons {
        let mut reasons = Reasons::default();
        let degrees = self.degrees_of(batch);
        for row in 0..batch.num_rows() {
            let mut seen = [false; 2];
            for (axis, degrees) in self.axes.iter().zip(degrees) {
                let has_degrees = degrees.is_valid(row) && !degrees.value(row).is_nan();
                seen[0] |= !has_degrees;
                let source = batch.column(axis.source);
                seen[1] |= !has_degrees
                    && source.as_string_opt::<i32>().is_some_and(|text| has_text(text, row));
            }
            match seen {
                [_, true] => reasons.unreadable += 1,
                [true, false] => reasons.missing += 1,
                [false, false] => reasons.out_of_range += 1,
            }
        }
        reasons
    }

    /// What is said of the columns, and what a person should know of them.
    pub(super) fn describe(&self, schema: &Schema, metadata: &mut TableMetadata) -> Vec<String> {
        let mut remarks = Vec::new();
        for axis in &self.axes {
            let Axis { coordinate, source, unit, degrees, is_replaced } = axis;
            let name = schema.field(*source).name();
            let of_source = metadata.columns.entry(name.clone()).or_default();
            if *is_replaced {
                of_source.unit = Some("deg".to_owned());
                continue;
            }
            let main = format!("{};meta.main", coordinate.ucd());
            if of_source.ucd.as_ref() == Some(&main) {
                of_source.ucd = Some(coordinate.ucd().to_owned());
            }
            let added = ColumnMetadata {
                unit: Some("deg".to_owned()),
                ucd: Some(main),
                description: Some(format!("{} in degrees, of {name}", coordinate.name())),
                ..ColumnMetadata::default()
            };
            metadata.columns.insert(degrees.clone(), added);
            extend_frames(metadata, name, degrees);
            remarks.push(format!("{name} is {unit}: {degrees} has it in degrees"));
        }
        metadata.columns.retain(|_, said| *said != ColumnMetadata::default());
        remarks
    }
}

fn has_text(texts: &StringArray, row: usize) -> bool {
    texts.is_valid(row) && !texts.value(row).trim().is_empty()
}

impl Axis {
    fn degrees(&self, column: &ArrayRef) -> Result<ArrayRef, Error> {
        if let Some(texts) = column.as_string_opt::<i32>() {
            let degrees = texts.iter().map(|text| self.degrees_of_text(text?));
            return Ok(Arc::new(degrees.collect::<Float64Array>()));
        }
        let numbers = cast(column, &DataType::Float64)
            .map_err(|e| Error::compute("make numbers of positions", e))?;
        if self.unit == PositionUnit::Degrees {
            return Ok(numbers);
        }
        let numbers = numbers.as_primitive::<Float64Type>();
        let degrees = numbers.unary::<_, Float64Type>(|value| self.degrees_of_number(value));
        Ok(Arc::new(degrees))
    }

    fn degrees_of_number(&self, value: f64) -> f64 {
        match (self.unit, self.coordinate) {
            (PositionUnit::Radians, _) => value.to_degrees(),
            (PositionUnit::Hours | PositionUnit::Sexagesimal, Coordinate::Ra) => value * 15.0,
            (PositionUnit::Hours | PositionUnit::Sexagesimal, Coordinate::Dec)
            | (PositionUnit::Degrees, _) => value,
        }
    }

    fn degrees_of_text(&self, text: &str) -> Option<f64> {
        let Some(written) = sexagesimal::parse(text) else {
            // A number with an exponent.
            let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
            return (self.unit != PositionUnit::Sexagesimal)
                .then(|| self.degrees_of_number(number));
        };
        match written.leading {
            Some(Leading::Hours) => Some(written.value * 15.0),
            Some(Leading::Degrees) => Some(written.value),
            // One number in a column of three: nothing says what it counts.
            None if written.is_plain && self.unit == PositionUnit::Sexagesimal => None,
            None if written.is_plain => Some(self.degrees_of_number(written.value)),
            None if self.unit == PositionUnit::Radians => None,
            None => Some(self.degrees_of_number(written.value)),
        }
    }
}

/// How a column is written: as asked, or as its type and unit say.
fn unit(
    coordinate: Coordinate,
    field: &Field,
    said: Option<&str>,
    asked: Option<PositionUnit>,
) -> Result<PositionUnit, String> {
    let (name, data_type) = (field.name(), field.data_type());
    let is_text = data_type == &DataType::Utf8;
    if !is_text && !data_type.is_numeric() {
        return Err(format!("column {name} is {data_type}: {} is none", coordinate.name()));
    }
    let said = said.map(|said| said.trim().trim_matches('"').to_ascii_lowercase());
    let of_column = match said.as_deref().unwrap_or_default() {
        "deg" | "degree" | "degrees" | "°" | "d" => Some(PositionUnit::Degrees),
        "rad" | "radian" | "radians" => Some(PositionUnit::Radians),
        "h" | "hr" | "hour" | "hours" | "hourangle" => Some(PositionUnit::Hours),
        "" if is_text => Some(PositionUnit::Sexagesimal),
        "" => Some(PositionUnit::Degrees),
        other if other.contains("h:m") || other.contains("d:m") || other.contains("hms") => {
            Some(PositionUnit::Sexagesimal)
        }
        _ => None,
    };
    let asked = match (asked, coordinate) {
        // Hours are of right ascension; the declination beside is in degrees.
        (Some(PositionUnit::Hours), Coordinate::Dec) => of_column.or(Some(PositionUnit::Degrees)),
        (asked, _) => asked,
    };
    let unit = asked.or(of_column).ok_or_else(|| {
        format!(
            "column {name} is in {}: give degrees, radians, hours or sexagesimal as position_unit",
            said.unwrap_or_default()
        )
    })?;
    if unit == PositionUnit::Sexagesimal && !is_text {
        return Err(format!("column {name} is {data_type}; sexagesimal positions are texts"));
    }
    Ok(unit)
}

/// The columns of right ascension and declination.
fn columns(
    schema: &Schema,
    described: &BTreeMap<String, ColumnMetadata>,
    choice: &PositionChoice,
) -> Result<[usize; 2], String> {
    let named = |name: &String| {
        schema.index_of(name).map_err(|_| {
            let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            format!("it has no column {name}; its columns are {}", names.join(", "))
        })
    };
    match (&choice.ra, &choice.dec) {
        (Some(ra), Some(dec)) => Ok([named(ra)?, named(dec)?]),
        (Some(ra), None) => Ok([named(ra)?, partner(schema, described, ra, Coordinate::Dec)?]),
        (None, Some(dec)) => Ok([partner(schema, described, dec, Coordinate::Ra)?, named(dec)?]),
        (None, None) => found(schema, described),
    }
}

/// The columns whose UCD is one of these.
fn with_ucd(
    schema: &Schema,
    described: &BTreeMap<String, ColumnMetadata>,
    ucd: &str,
) -> Vec<usize> {
    let has = |field: &Field| {
        let said = described.get(field.name()).and_then(|said| said.ucd.as_deref());
        said.is_some_and(|said| said.trim().eq_ignore_ascii_case(ucd))
    };
    (0..schema.fields().len()).filter(|at| has(schema.field(*at))).collect()
}

/// Pairs of columns that could be a position: the surest way that finds any tells them all.
fn found(
    schema: &Schema,
    described: &BTreeMap<String, ColumnMetadata>,
) -> Result<[usize; 2], String> {
    let ucds = [["pos.eq.ra;meta.main", "pos.eq.dec;meta.main"], ["pos.eq.ra", "pos.eq.dec"]];
    let [main, any] = ucds.map(|[ra, dec]| {
        let [ra, dec] = [ra, dec].map(|ucd| with_ucd(schema, described, ucd));
        if ra.is_empty() || dec.is_empty() { [Vec::new(), Vec::new()] } else { [ra, dec] }
    });
    let mut by_name = [Vec::new(), Vec::new()];
    for [ra, dec] in NAMES {
        let at = |wanted: &str| {
            let fields = schema.fields();
            fields.iter().position(|field| field.name().eq_ignore_ascii_case(wanted))
        };
        if let (Some(ra), Some(dec)) = (at(ra), at(dec)) {
            by_name[0].push(ra);
            by_name[1].push(dec);
        }
    }
    for columns in &mut by_name {
        columns.sort_unstable();
        columns.dedup();
    }
    for [ra, dec] in [main, any, by_name] {
        match (ra.as_slice(), dec.as_slice()) {
            ([], _) | (_, []) => {}
            ([ra], [dec]) => return Ok([*ra, *dec]),
            _ => {
                let names = |columns: &[usize]| {
                    let names = columns.iter().map(|at| schema.field(*at).name().as_str());
                    names.collect::<Vec<_>>().join(", ")
                };
                return Err(format!(
                    "several columns could be its position: {} and {}; choose by ra and dec",
                    names(&ra),
                    names(&dec)
                ));
            }
        }
    }
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).take(50).collect();
    Err(format!(
        "no columns are its position by UCD or name; choose them by ra and dec, or say \
         no_position; its columns are {}",
        names.join(", ")
    ))
}

/// The columns of a position that a table can be searched by as it is: floating-point numbers in
/// degrees of a frame like ICRS. None where there are no such columns, or several could be meant.
pub(crate) fn in_degrees(schema: &Schema, metadata: &TableMetadata) -> Option<[usize; 2]> {
    let [ra, dec] = found(schema, &metadata.columns).ok().filter(|[ra, dec]| ra != dec)?;
    let is_usable = |coordinate, at: usize| {
        let field = schema.field(at);
        let said = metadata.columns.get(field.name()).and_then(|said| said.unit.as_deref());
        let in_degrees = unit(coordinate, field, said, None) == Ok(PositionUnit::Degrees);
        let is_float = matches!(field.data_type(), DataType::Float32 | DataType::Float64);
        let mut frames = metadata.frames.iter();
        let is_foreign = frames.any(|f| f.columns.contains(field.name()) && !f.is_searchable());
        in_degrees && is_float && !is_foreign
    };
    (is_usable(Coordinate::Ra, ra) && is_usable(Coordinate::Dec, dec)).then_some([ra, dec])
}

/// The other coordinate, where only one was named.
fn partner(
    schema: &Schema,
    described: &BTreeMap<String, ColumnMetadata>,
    given: &str,
    wanted: Coordinate,
) -> Result<usize, String> {
    let [ra, dec] = found(schema, described)
        .map_err(|reason| format!("{given} is named, but not the {}: {reason}", wanted.name()))?;
    Ok(if wanted == Coordinate::Ra { ra } else { dec })
}

/// A name that no column has.
pub(crate) fn free_name(fields: &[Arc<Field>], wanted: &str) -> String {
    let is_free = |name: &str| fields.iter().all(|f| !f.name().eq_ignore_ascii_case(name));
    let numbered = (2..).map(|number| format!("{wanted}_{number}"));
    let mut names = std::iter::once(wanted.to_owned()).chain(numbered);
    names.find(|name| is_free(name)).unwrap_or_default()
}
