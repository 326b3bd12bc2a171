//! Table files that astropy and STILTS wrote, read by `catalog::read` and compared with the values
//! that they were made of.

use std::path::Path;

use catalog::read::{ReadOptions, TableReader, open};
use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type};
use datafusion::arrow::util::display::array_value_to_string;
use serde_json::{Value, json};
use tests::places::{python, run_python, stilts};

/// A cell as the script spells it: numbers as text, floats by their bits.
fn cell(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let float = |value: f64| match value.is_nan() {
        true => json!("NaN"),
        false => json!(format!("{:016x}", value.to_bits())),
    };
    let list = |values: ArrayRef| (0..values.len()).map(|at| cell(&values, at)).collect();
    match array.data_type() {
        DataType::Float32 => float(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => float(array.as_primitive::<Float64Type>().value(row)),
        DataType::List(_) => list(array.as_list::<i32>().value(row)),
        DataType::FixedSizeList(..) => list(array.as_fixed_size_list().value(row)),
        _ => json!(array_value_to_string(array, row).expect("it can be shown")),
    }
}

/// Columns by their names, and what is known of them.
fn read(file: &Path) -> Result<Value, String> {
    // Few rows in a batch, so that there are several.
    let options = ReadOptions { batch_rows: 3, ..ReadOptions::default() };
    let mut reader: Box<dyn TableReader> = open(file, &options).map_err(|e| e.to_string())?;
    let mut columns: Vec<(String, Vec<Value>)> =
        reader.schema().fields().iter().map(|f| (f.name().clone(), Vec::new())).collect();
    for batch in reader.by_ref() {
        let batch = batch.map_err(|e| e.to_string())?;
        for (array, (_, cells)) in batch.columns().iter().zip(&mut columns) {
            cells.extend((0..array.len()).map(|row| cell(array, row)));
        }
    }
    let said = reader.metadata().columns.iter().filter_map(|(name, said)| {
        // Without our note on arrays of several dimensions.
        let own = said.description.as_deref().and_then(|text| text.split("(arrays").next());
        let own = own.filter(|text| !text.is_empty());
        let facts = [said.unit.as_deref(), said.ucd.as_deref(), said.utype.as_deref(), own];
        facts.iter().any(Option::is_some).then(|| (name.clone(), json!(facts)))
    });
    let said: serde_json::Map<String, Value> = said.collect();
    let columns: serde_json::Map<String, Value> =
        columns.into_iter().map(|(name, cells)| (name, Value::Array(cells))).collect();
    Ok(json!({ "columns": columns, "said": said }))
}

#[test]
fn what_astropy_and_stilts_write_is_read() {
    let (Some(python), Some(stilts)) = (python(), stilts()) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [place, stilts] = [folder.path(), &stilts].map(|path| path.to_str().expect("it is UTF-8"));
    let told = run_python(&python, "tests/engine/read_tables.py", &[place, stilts]);
    let told: Value = serde_json::from_str(&told.unwrap_or_else(|said| panic!("{said}")))
        .expect("the script writes JSON");
    let files = told.as_object().expect("files");
    assert!(files.len() >= 12, "only {} files were written", files.len());
    let mut wrong = Vec::new();
    for (name, expected) in files {
        let found = match read(&folder.path().join(name)) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        for (column, cells) in expected["columns"].as_object().expect("columns") {
            if &found["columns"][column] != cells {
                let found = &found["columns"][column];
                wrong.push(format!("{name}: {column}\n  has {found}\n  not {cells}"));
            }
        }
        if found["said"] != expected["said"] {
            wrong.push(format!("{name}: said {} not {}", found["said"], expected["said"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
