//! A column of a synthetic table: what it is called, what it means, and how rows have it.

use std::borrow::Cow;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::arrow::error::ArrowError;

use crate::metadata::{ColumnMetadata, MJD_ORIGIN, TableMetadata, TimeMetadata};

/// How a value is taken from a row.
type Take<R, T> = Box<dyn Fn(&R) -> T + Send + Sync>;

/// How a column's values are taken from rows.
enum Values<R> {
    Long(Take<R, i64>),
    Int(Take<R, i32>),
    Double(Take<R, f64>),
    /// With NULL.
    DoubleOrNull(Take<R, Option<f64>>),
    Float(Take<R, Option<f32>>),
    Text(Take<R, &'static str>),
    Flag(Take<R, bool>),
    /// Microseconds of 1970.
    Time(Take<R, i64>),
}

/// A column.
pub(super) struct Column<R> {
    pub(super) name: Cow<'static, str>,
    unit: &'static str,
    ucd: &'static str,
    description: Cow<'static, str>,
    values: Values<R>,
    principal: bool,
    indexed: bool,
}

impl<R> Column<R> {
    fn new(
        name: impl Into<Cow<'static, str>>,
        unit: &'static str,
        ucd: &'static str,
        description: impl Into<Cow<'static, str>>,
        values: Values<R>,
    ) -> Self {
        let (name, description) = (name.into(), description.into());
        Self { name, unit, ucd, description, values, principal: false, indexed: false }
    }

    /// The same, part of a first look.
    pub(super) fn principal(mut self) -> Self {
        self.principal = true;
        self
    }

    /// The same, by which rows are found quickly.
    pub(super) fn indexed(mut self) -> Self {
        self.indexed = true;
        self
    }

    pub(super) fn is_principal(&self) -> bool {
        self.principal
    }

    fn field(&self) -> Field {
        let (data_type, nullable) = match self.values {
            Values::Long(_) => (DataType::Int64, false),
            Values::Int(_) => (DataType::Int32, false),
            Values::Double(_) => (DataType::Float64, false),
            Values::DoubleOrNull(_) => (DataType::Float64, true),
            Values::Float(_) => (DataType::Float32, true),
            Values::Text(_) => (DataType::Utf8, false),
            Values::Flag(_) => (DataType::Boolean, false),
            Values::Time(_) => (DataType::Timestamp(TimeUnit::Microsecond, None), false),
        };
        Field::new(self.name.as_ref(), data_type, nullable)
    }

    fn array(&self, rows: &[R]) -> ArrayRef {
        match &self.values {
            Values::Long(of) => Arc::new(Int64Array::from_iter_values(rows.iter().map(of))),
            Values::Int(of) => Arc::new(Int32Array::from_iter_values(rows.iter().map(of))),
            Values::Double(of) => Arc::new(Float64Array::from_iter_values(rows.iter().map(of))),
            Values::DoubleOrNull(of) => Arc::new(rows.iter().map(of).collect::<Float64Array>()),
            Values::Float(of) => Arc::new(rows.iter().map(of).collect::<Float32Array>()),
            Values::Text(of) => Arc::new(StringArray::from_iter_values(rows.iter().map(of))),
            Values::Flag(of) => {
                Arc::new(BooleanArray::from(rows.iter().map(of).collect::<Vec<bool>>()))
            }
            Values::Time(of) => {
                Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(of)))
            }
        }
    }
}

/// A constructor for each kind of values. Where `unit` or `ucd` is empty, there is none.
macro_rules! constructors {
    ($($name:ident, $kind:ident, $of:ty;)*) => {
        impl<R> Column<R> {
            $(pub(super) fn $name(
                name: impl Into<Cow<'static, str>>,
                unit: &'static str,
                ucd: &'static str,
                description: impl Into<Cow<'static, str>>,
                take: impl Fn(&R) -> $of + Send + Sync + 'static,
            ) -> Self {
                Self::new(name, unit, ucd, description, Values::$kind(Box::new(take)))
            })*
        }
    };
}

constructors! {
    long, Long, i64;
    int, Int, i32;
    double, Double, f64;
    double_or_null, DoubleOrNull, Option<f64>;
    float, Float, Option<f32>;
    text, Text, &'static str;
    flag, Flag, bool;
    time, Time, i64;
}

/// The schema of these columns.
pub(super) fn schema<R>(columns: &[&Column<R>]) -> Schema {
    Schema::new(columns.iter().map(|column| column.field()).collect::<Vec<Field>>())
}

/// Rows in columns.
pub(super) fn batch<R>(columns: &[&Column<R>], rows: &[R]) -> Result<RecordBatch, ArrowError> {
    let arrays = columns.iter().map(|column| column.array(rows)).collect();
    RecordBatch::try_new(Arc::new(schema(columns)), arrays)
}

/// What is said of these columns.
pub(super) fn metadata<R>(columns: &[&Column<R>]) -> TableMetadata {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    // As everywhere in LSST, times are those of TAI.
    let of = |origin, fits: fn(&Column<R>) -> bool| TimeMetadata {
        scale: "TAI".to_owned(),
        refposition: "TOPOCENTER".to_owned(),
        origin,
        columns: columns
            .iter()
            .filter(|column| fits(column))
            .map(|c| c.name.as_ref().to_owned())
            .collect(),
    };
    let days = of(Some(MJD_ORIGIN), |c| c.unit == "d" && c.description.contains("(MJD, TAI)"));
    let moments = of(None, |c| matches!(c.values, Values::Time(_)));
    let times = [days, moments].into_iter().filter(|time| !time.columns.is_empty()).collect();
    let columns = columns.iter().map(|column| {
        let metadata = ColumnMetadata {
            unit: text(column.unit),
            ucd: text(column.ucd),
            description: text(&column.description),
            principal: column.principal.then_some(true),
            indexed: column.indexed.then_some(true),
            ..ColumnMetadata::default()
        };
        (column.name.as_ref().to_owned(), metadata)
    });
    TableMetadata { columns: columns.collect(), times, ..TableMetadata::default() }
}
