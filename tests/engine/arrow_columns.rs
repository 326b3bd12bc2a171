//! Columns of every Arrow type that a Parquet file may give, with NULLs and extreme values.

use std::sync::Arc;

use datafusion::arrow::array::*;
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::*;

/// A batch of nullable columns.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let nullable = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(nullable).expect("columns of one length")
}

fn float_columns() -> Vec<(&'static str, ArrayRef)> {
    let doubles = [
        Some(0.1),
        None,
        Some(f64::NAN),
        Some(f64::INFINITY),
        Some(f64::NEG_INFINITY),
        Some(-0.0),
        Some(f64::MIN_POSITIVE),
        Some(1.797_693_134_862_315_7e308),
    ];
    #[expect(clippy::cast_possible_truncation, reason = "floats of both widths are wanted")]
    let floats: Vec<Option<f32>> = doubles.iter().map(|d| d.map(|d| d as f32)).collect();
    vec![
        ("double", Arc::new(Float64Array::from(doubles.to_vec()))),
        ("float", Arc::new(Float32Array::from(floats))),
    ]
}

fn integer_columns() -> Vec<(&'static str, ArrayRef)> {
    macro_rules! integers {
        ($name:literal, $array:ty, $type:ty) => {{
            let values = [
                Some(<$type>::MIN),
                None,
                Some(<$type>::MAX),
                Some(0),
                Some(1),
                None,
                Some(7),
                Some(9),
            ];
            ($name, Arc::new(<$array>::from(values.to_vec())) as ArrayRef)
        }};
    }
    vec![
        integers!("i8", Int8Array, i8),
        integers!("i16", Int16Array, i16),
        integers!("i32", Int32Array, i32),
        integers!("i64", Int64Array, i64),
        integers!("u8", UInt8Array, u8),
        integers!("u16", UInt16Array, u16),
        integers!("u32", UInt32Array, u32),
        integers!("u64", UInt64Array, u64),
    ]
}

fn texts() -> [Option<&'static str>; 8] {
    [
        Some("M 31"),
        None,
        Some(""),
        Some("a < b && c > \"d\" 'e' ]]>"),
        Some("Čerenkov, β Pictoris, 天狼星, 🌌"),
        Some("  blanks kept  "),
        Some("tab\tand\nline"),
        Some("a text that is far longer than the twelve bytes that a view holds in place"),
    ]
}

fn text_columns() -> Vec<(&'static str, ArrayRef)> {
    let keys =
        Int32Array::from(vec![Some(0), None, Some(1), Some(0), Some(1), Some(0), None, Some(1)]);
    let values = Arc::new(StringArray::from(vec!["galaxy", "étoile"]));
    vec![
        ("utf8", Arc::new(StringArray::from(texts().to_vec())) as ArrayRef),
        ("large_utf8", Arc::new(LargeStringArray::from(texts().to_vec()))),
        ("utf8_view", Arc::new(StringViewArray::from(texts().to_vec()))),
        ("dictionary", Arc::new(DictionaryArray::new(keys, values))),
        ("null", Arc::new(NullArray::new(8))),
    ]
}

fn moment_columns() -> Vec<(&'static str, ArrayRef)> {
    let days =
        [Some(0), None, Some(-1), Some(19_782), Some(-719_468), Some(2_932_896), Some(1), Some(59)];
    let millis = days.map(|day| day.map(|day| i64::from(day) * 86_400_000));
    let ticks = [
        Some(0),
        None,
        Some(-1),
        Some(1_700_000_000_123),
        Some(1),
        Some(999),
        Some(1_000),
        Some(-62_000),
    ];
    vec![
        ("date32", Arc::new(Date32Array::from(days.to_vec())) as ArrayRef),
        ("date64", Arc::new(Date64Array::from(millis.to_vec()))),
        (
            "seconds",
            Arc::new(TimestampSecondArray::from(vec![
                Some(1_700_000_000),
                None,
                Some(-1),
                Some(0),
                Some(1),
                Some(2),
                None,
                Some(3),
            ])),
        ),
        ("millis", Arc::new(TimestampMillisecondArray::from(ticks.to_vec()))),
        ("micros", Arc::new(TimestampMicrosecondArray::from(ticks.to_vec()))),
        ("nanos", Arc::new(TimestampNanosecondArray::from(ticks.to_vec()))),
        (
            "civil",
            Arc::new(TimestampMillisecondArray::from(ticks.to_vec()).with_timezone("+02:00")),
        ),
        (
            "time",
            Arc::new(Time64MicrosecondArray::from(vec![
                Some(0),
                None,
                Some(86_399_999_999),
                Some(1),
                Some(1_000),
                None,
                Some(3_600_000_000),
                Some(60_000_000),
            ])),
        ),
    ]
}

fn other_columns() -> Vec<(&'static str, ArrayRef)> {
    let flags =
        [Some(true), None, Some(false), Some(true), None, Some(false), Some(true), Some(true)];
    let bytes: Vec<Option<&[u8]>> = vec![
        Some(&[0, 255]),
        None,
        Some(&[]),
        Some(&[7]),
        None,
        Some(&[1, 2, 3]),
        Some(&[9]),
        Some(&[8]),
    ];
    let decimals = vec![Some(123), None, Some(-4_500), Some(0), Some(1), Some(99), None, Some(5)];
    let fixed: Vec<Option<[u8; 3]>> = vec![
        Some([1, 2, 3]),
        None,
        Some([0, 0, 0]),
        Some([255, 254, 253]),
        None,
        Some([4, 5, 6]),
        Some([7, 8, 9]),
        Some([1, 1, 1]),
    ];
    let fixed = FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 3)
        .expect("three bytes each");
    vec![
        ("boolean", Arc::new(BooleanArray::from(flags.to_vec())) as ArrayRef),
        ("binary", Arc::new(BinaryArray::from(bytes.clone()))),
        ("binary_view", Arc::new(BinaryViewArray::from(bytes))),
        ("fixed_binary", Arc::new(fixed)),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from(decimals.clone())
                    .with_precision_and_scale(20, 3)
                    .expect("they fit"),
            ),
        ),
        (
            "whole_decimal",
            Arc::new(
                Decimal128Array::from(decimals).with_precision_and_scale(18, 0).expect("they fit"),
            ),
        ),
    ]
}

fn array_columns() -> Vec<(&'static str, ArrayRef)> {
    let points = [
        Some(vec![Some(10.5), Some(-3.25)]),
        None,
        Some(vec![Some(f64::NAN), None]),
        Some(vec![Some(0.0), Some(90.0)]),
        None,
        Some(vec![Some(1e-300), Some(359.999)]),
        Some(vec![Some(1.0), Some(2.0)]),
        Some(vec![Some(3.0), Some(4.0)]),
    ];
    let lists = [
        Some(vec![Some(1), Some(-2), Some(3)]),
        None,
        Some(vec![]),
        Some(vec![Some(i32::MAX), None]),
        Some(vec![None]),
        Some(vec![Some(5)]),
        Some(vec![Some(6), Some(7)]),
        Some(vec![Some(8)]),
    ];
    let wide = lists
        .clone()
        .map(|l| l.map(|l| l.into_iter().map(|v| v.map(f64::from)).collect::<Vec<_>>()));
    let small = lists.clone().map(|l| {
        l.map(|l| {
            l.into_iter()
                .map(|v| v.map(|v| u8::try_from(v & 0x7f).expect("seven bits")))
                .collect::<Vec<_>>()
        })
    });
    let flags = lists
        .clone()
        .map(|l| l.map(|l| l.into_iter().map(|v| v.map(|v| v > 2)).collect::<Vec<_>>()));
    let mut booleans = ListBuilder::new(BooleanBuilder::new());
    for list in flags {
        booleans.append_option(list);
    }
    vec![
        (
            "point",
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(points, 2))
                as ArrayRef,
        ),
        ("integers", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone()))),
        ("large", Arc::new(LargeListArray::from_iter_primitive::<Float64Type, _, _>(wide))),
        ("bytes", Arc::new(ListArray::from_iter_primitive::<UInt8Type, _, _>(small))),
        ("booleans", Arc::new(booleans.finish())),
        ("matrix", matrices()),
    ]
}

/// Lists of pairs, a NULL pair among them.
fn matrices() -> ArrayRef {
    let values = Arc::new(Float32Array::from((0_u16..24).map(f32::from).collect::<Vec<_>>()));
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let present = NullBuffer::from((0..12).map(|pair| pair != 3).collect::<Vec<_>>());
    let pairs = Arc::new(FixedSizeListArray::new(item, 2, values, Some(present)));
    let item = Arc::new(Field::new_list_field(pairs.data_type().clone(), true));
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0, 2, 2, 2, 5, 6, 8, 11, 12]));
    let present = NullBuffer::from((0..8).map(|row| row != 1).collect::<Vec<_>>());
    Arc::new(ListArray::new(item, offsets, pairs, Some(present)))
}

/// Eight rows of every type.
pub(crate) fn every_type() -> RecordBatch {
    let families = [
        float_columns(),
        integer_columns(),
        text_columns(),
        moment_columns(),
        other_columns(),
        array_columns(),
    ];
    batch(families.into_iter().flatten().collect())
}

/// The least `i64`, which BINARY has no way to tell from NULL, becomes its neighbor.
pub(crate) fn without_least_long(rows: &RecordBatch) -> RecordBatch {
    let columns = rows.columns().iter().map(|column| match column.data_type() {
        DataType::Int64 => {
            let numbers = column.as_primitive::<Int64Type>();
            Arc::new(numbers.unary::<_, Int64Type>(|n| n.max(i64::MIN + 1))) as ArrayRef
        }
        _ => Arc::clone(column),
    });
    RecordBatch::try_new(rows.schema(), columns.collect()).expect("the types are the same")
}

/// Eight rows of values at the ends of their types, and of texts that are hard to write.
pub(crate) fn extremes() -> RecordBatch {
    let doubles = [f64::MIN, f64::MAX, 5e-324, -5e-324, 2.2e-308, 0.1 + 0.2, f64::NAN, -0.0];
    let floats = [f32::MIN, f32::MAX, 1e-45, -1e-45, f32::MIN_POSITIVE, 0.1, f32::NAN, -0.0];
    let longs =
        [i64::MIN, i64::MAX, i64::MIN + 1, -1, 0, 1, i64::from(i32::MIN), 9_007_199_254_740_993];
    let ints = [i32::MIN, i32::MAX, i32::MIN + 1, -1, 0, 1, i32::from(i16::MIN), 16_777_217];
    let shorts = [i16::MIN, i16::MAX, i16::MIN + 1, -1, 0, 1, -128, 255];
    let long = "x".repeat(1_000_000);
    let astral = "𐍈é".repeat(100_000);
    let texts = [
        "astral 🌌𝔸",
        "control \u{1}\u{b}\u{1f}\u{7f} x",
        "",
        &long,
        "|\u{fffe}\u{ffff}|",
        "NULL",
        "line\r\nend\ttab, \"quoted\"",
        &astral,
    ];
    batch(vec![
        ("double", Arc::new(Float64Array::from(doubles.to_vec()))),
        ("float", Arc::new(Float32Array::from(floats.to_vec()))),
        ("long", Arc::new(Int64Array::from(longs.to_vec()))),
        ("int", Arc::new(Int32Array::from(ints.to_vec()))),
        ("short", Arc::new(Int16Array::from(shorts.to_vec()))),
        ("text", Arc::new(StringArray::from(texts.to_vec()))),
        ("view", Arc::new(StringViewArray::from(texts.to_vec()))),
    ])
}
