//! Tables as wide as surveys publish: J-PAS has 1,888 columns where it counts filters and apertures
//! one by one, and arrays where it does not.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, ListArray, RecordBatch,
};
use datafusion::arrow::datatypes::{Field, Float32Type};
use datafusion::parquet::arrow::ArrowWriter;

use super::Bench;
use crate::import::{ImportOptions, import};

const ROWS: i64 = 50;
const VALUES: i64 = 1_885;

/// The value of a row in a column.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn value(row: i64, column: i64) -> f32 {
    (row * VALUES + column) as f32 / 8.0
}

fn write(path: &Path, columns: Vec<(String, ArrayRef)>) {
    let ids: Vec<i64> = (0..ROWS).collect();
    let ra = ids.iter().map(|id| *id as f64 * 7.0).collect::<Float64Array>();
    let dec = ids.iter().map(|id| *id as f64 - 25.0).collect::<Float64Array>();
    let own: [(&str, ArrayRef); 3] =
        [("id", Arc::new(Int64Array::from(ids))), ("ra", Arc::new(ra)), ("dec", Arc::new(dec))];
    let own = own.into_iter().map(|(name, column)| (name.to_owned(), column));
    let batch = RecordBatch::try_from_iter(own.chain(columns)).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test]
async fn values_are_there_as_columns_and_as_arrays() {
    let bench = Bench::new();
    let path = |name: &str| bench.folder.path().join("input").join(name);
    let column = |column: i64| -> ArrayRef {
        Arc::new((0..ROWS).map(|row| value(row, column)).collect::<Float32Array>())
    };
    let columns = (0..VALUES).map(|at| (format!("flux_{at}"), column(at)));
    write(&path("columns.parquet"), columns.collect());
    let all = || (0..ROWS).flat_map(|row| (0..VALUES).map(move |at| value(row, at)));
    let values: ArrayRef = Arc::new(all().collect::<Float32Array>());
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    let size = i32::try_from(VALUES).unwrap();
    let fixed = FixedSizeListArray::new(item, size, Arc::clone(&values), None);
    // Of other lengths in each row.
    let lists = ListArray::from_iter_primitive::<Float32Type, _, _>((0..ROWS).map(|row| {
        let length = if row == 3 { VALUES } else { row };
        Some((0..length).map(move |at| Some(value(row, at))).collect::<Vec<_>>())
    }));
    let arrays: [(&str, ArrayRef); 2] = [("flux", Arc::new(fixed)), ("fluxes", Arc::new(lists))];
    write(
        &path("arrays.parquet"),
        arrays.into_iter().map(|(name, column)| (name.to_owned(), column)).collect(),
    );
    for table in ["columns", "arrays"] {
        let input = path(&format!("{table}.parquet"));
        let options = ImportOptions {
            margin_arcsec: Some(3_600.0),
            indexes: vec!["id".to_owned()],
            tile_rows: 20,
            ..bench.options(vec![input], table)
        };
        let report = import(&options, &|_| {}).unwrap();
        assert_eq!(report.table.rows, ROWS.unsigned_abs(), "{table}");
        assert!(report.table.tiles > 1, "{table}");
    }
    let counts = "SELECT table_name, COUNT(*) AS n FROM TAP_SCHEMA.columns \
                  WHERE table_name LIKE 's.%' GROUP BY table_name";
    assert_eq!(bench.ask(counts).await, ["s.arrays|5", "s.columns|1888"]);
    let sizes = "SELECT column_name, arraysize FROM TAP_SCHEMA.columns \
                 WHERE table_name = 's.arrays' AND column_name IN ('flux', 'fluxes')";
    assert_eq!(bench.ask(sizes).await, ["fluxes|*", "flux|1885"]);
    let near = |table: &str, columns: &str| {
        format!("SELECT {columns} FROM s.{table} WHERE DISTANCE(ra, dec, 21, -22) < 0.1")
    };
    let row = bench.ask(&near("columns", "id, flux_0, flux_1000, flux_1884")).await;
    let shown = |at: i64| format!("{:?}", value(3, at));
    assert_eq!(row, [format!("3|{}|{}|{}", shown(0), shown(1_000), shown(1_884))]);
    let expected = (0..VALUES).map(shown).collect::<Vec<_>>().join(", ");
    let row = bench.ask(&near("arrays", "flux, fluxes")).await;
    assert_eq!(row, [format!("[{expected}]|[{expected}]")]);
    let row = bench.ask("SELECT fluxes FROM s.arrays WHERE id = 2").await;
    assert_eq!(row, [format!("[{:?}, {:?}]", value(2, 0), value(2, 1))]);
}
