//! The tables of the synthetic survey: what DP1 calls things, the same values whatever is made of
//! them, and children that agree with their parents and with the images.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use adql::sky::{Order, Pixel, Polygon, Position, spatial_index};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit,
};

use crate::synthetic::{Columns, Content, Footprint, Sky, Table};

fn make(sky: &Sky, table: Table, columns: Columns, threads: usize) -> RecordBatch {
    let content = Content::Survey(table, columns);
    let mut batches = Vec::new();
    let made = sky.generate(&content, threads, |batch| {
        batches.push(batch);
        Ok(())
    });
    let schema = Arc::new(content.schema().unwrap());
    let all = concat_batches(&schema, &batches).unwrap();
    assert_eq!(made.unwrap().rows, u64::try_from(all.num_rows()).unwrap());
    all
}

fn all(sky: &Sky, table: Table) -> RecordBatch {
    make(sky, table, Columns::All, 2)
}

fn longs<'a>(batch: &'a RecordBatch, name: &str) -> &'a [i64] {
    batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().values()
}

fn doubles<'a>(batch: &'a RecordBatch, name: &str) -> &'a [f64] {
    batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values()
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<Option<f32>> {
    batch.column_by_name(name).unwrap().as_primitive::<Float32Type>().iter().collect()
}

fn places(batch: &RecordBatch, ra: &str, dec: &str) -> Vec<Position> {
    let places = doubles(batch, ra).iter().zip(doubles(batch, dec));
    places.map(|(ra, dec)| Position::from_degrees(*ra, *dec).unwrap()).collect()
}

/// Name, type and unit of each column of DP1, by table.
fn public_schema() -> Option<HashMap<String, Vec<[String; 5]>>> {
    let path = "../../shared/data/lsst/dp1_columns.tsv";
    let Ok(text) = std::fs::read_to_string(path) else {
        eprintln!("NOT TESTED: {path} is absent");
        return None;
    };
    let mut tables: HashMap<String, Vec<[String; 5]>> = HashMap::new();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let column = [cells[1], cells[2], cells[4], cells[5], cells[7]].map(str::to_owned);
        tables.entry(cells[0].to_lowercase()).or_default().push(column);
    }
    Some(tables)
}

fn type_in_words(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Int64 => "long",
        DataType::Int32 => "int",
        DataType::Float64 => "double",
        DataType::Float32 => "float",
        DataType::Boolean => "boolean",
        DataType::Utf8 => "char",
        DataType::Timestamp(TimeUnit::Microsecond, None) => "timestamp",
        _ => "another",
    }
}

#[test]
fn tables_are_those_of_the_public_schema() {
    let Some(public) = public_schema() else { return };
    for table in Table::ALL {
        let content = Content::Survey(table, Columns::All);
        let (schema, metadata) = (content.schema().unwrap(), content.metadata("s").unwrap());
        let ours = schema.fields().iter().map(|field| {
            let said = &metadata.columns[field.name()];
            assert!(said.description.is_some(), "{table}: {field}");
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let principal = if said.principal == Some(true) { "1" } else { "" };
            let data_type = type_in_words(field.data_type()).to_owned();
            [
                field.name().clone(),
                data_type,
                text(&said.unit),
                text(&said.ucd),
                principal.to_owned(),
            ]
        });
        let mut ours: Vec<[String; 5]> = ours.collect();
        assert_eq!(ours.remove(0)[0], "_healpix_29");
        let mut theirs = public[&table.name().to_lowercase()].clone();
        theirs.iter_mut().filter(|column| column[4] == "0").for_each(|c| c[4].clear());
        let more: Vec<[String; 5]> = ours.split_off(theirs.len());
        for (our, their) in ours.iter().zip(&theirs) {
            assert_eq!(our, their, "{table}");
        }
        let more: Vec<&str> = more.iter().map(|column| column[0].as_str()).collect();
        let expected: &[&str] = match table {
            Table::Source => &["objectId", "objectRa", "objectDec"],
            Table::DiaSource => &["objectRa", "objectDec"],
            _ => &[],
        };
        assert_eq!(more, expected, "{table}");
    }
}

#[test]
fn values_are_the_same_whatever_is_made_of_them() {
    let sky = Sky::with(1_000, 11, Footprint::All, 2);
    let object = all(&sky, Table::Object);
    assert_eq!((object.num_rows(), object.num_columns()), (1_000, 1_297));
    for columns in [
        Columns::First(3),
        Columns::First(24),
        Columns::Named(vec!["g_psfFlux".to_owned(), "y_kronFlux_flag_edge".to_owned()]),
    ] {
        let part = make(&sky, Table::Object, columns.clone(), 1);
        let expected = match columns {
            Columns::First(count) => count,
            _ => 5,
        };
        assert_eq!(part.num_columns(), 1 + expected);
        for (field, column) in part.schema().fields().iter().zip(part.columns()) {
            let same = column == object.column_by_name(field.name()).unwrap();
            // Visits are counted only where a column asks for them.
            assert!(same, "{field}");
        }
    }
    let unknown = Content::Survey(Table::Object, Columns::Named(vec!["gFlux".to_owned()]));
    let error = unknown.schema().unwrap_err().to_string();
    assert!(error.contains("it has no column gFlux"), "{error}");
    for table in [Table::Source, Table::ForcedSource, Table::DiaObject] {
        assert!(all(&sky, table) == make(&sky, table, Columns::All, 1), "{table}");
    }
    // And a part of the sky is that part of the rows.
    let whole = all(&sky, Table::ForcedSource);
    let middle = longs(&whole, "_healpix_29")[whole.num_rows() / 2].cast_unsigned();
    let pixel = Pixel::new(Order::new(5).unwrap(), middle >> 48).unwrap();
    let content = Content::Survey(Table::ForcedSource, Columns::All);
    let mut part = Vec::new();
    let take = |batch| {
        part.push(batch);
        Ok(())
    };
    sky.generate_in(&content, &[pixel], 1, take).unwrap();
    let part = concat_batches(&part[0].schema(), &part).unwrap();
    let start =
        longs(&whole, "_healpix_29").partition_point(|at| at.cast_unsigned() < pixel.range().start);
    assert!(part.num_rows() > 0 && part == whole.slice(start, part.num_rows()));
}

#[test]
fn errors_grow_to_the_faint_end_and_some_values_are_null() {
    let object = all(&Sky::new(5_000, 2), Table::Object);
    let [fluxes, errors, magnitudes] =
        ["g_psfFlux", "g_psfFluxErr", "g_psfMag"].map(|name| floats(&object, name));
    let (mut bright, mut faint, mut lost) = (Vec::new(), Vec::new(), 0);
    for ((flux, error), magnitude) in fluxes.iter().zip(&errors).zip(&magnitudes) {
        assert_eq!(flux.is_some(), error.is_some());
        let Some((flux, error)) = flux.zip(*error) else {
            lost += 1;
            continue;
        };
        match magnitude {
            Some(magnitude) => {
                assert!((31.4 - 2.5 * flux.log10() - magnitude).abs() < 1e-4);
                let part = if *magnitude < 22.0 { &mut bright } else { &mut faint };
                part.push(error / flux);
            }
            None => assert!(flux <= 0.0),
        }
    }
    let mean = |parts: &[f32]| parts.iter().sum::<f32>() / parts.len() as f32;
    assert!(10.0 * mean(&bright) < mean(&faint) && bright.len() > 30);
    assert!((10..500).contains(&lost), "{lost}");
    let failed = object.column_by_name("g_psfFlux_flag").unwrap().as_boolean().clone();
    assert_eq!(failed.true_count(), lost);
}

#[test]
fn children_agree_with_their_parents_and_with_what_is_known() {
    let sky = Sky::with(8_000, 3, Footprint::Survey, 6);
    let object = make(&sky, Table::Object, Columns::First(3), 2);
    let forced = all(&sky, Table::ForcedSource);
    let (source, changed) = (all(&sky, Table::Source), all(&sky, Table::DiaSource));
    let sums = |batch: &RecordBatch, id: &str, flux: &[Option<f64>]| {
        let mut sums: HashMap<i64, (u64, i64, f64)> = HashMap::new();
        let rows = longs(batch, id).iter().zip(longs(batch, "visit")).zip(flux);
        for ((id, visit), flux) in rows {
            let sum = sums.entry(*id).or_default();
            *sum = (sum.0 + 1, sum.1 + visit, sum.2 + flux.unwrap_or(0.0));
        }
        sums
    };
    let wide = |fluxes: Vec<Option<f32>>| fluxes.into_iter().map(|f| f.map(f64::from)).collect();
    let forced_flux: Vec<Option<f64>> = wide(floats(&forced, "psfFlux"));
    let source_flux = source.column_by_name("psfFlux").unwrap().as_primitive::<Float64Type>();
    let by_forced = sums(&forced, "objectId", &forced_flux);
    let by_source = sums(&source, "objectId", &source_flux.iter().collect::<Vec<_>>());
    let by_changed = sums(&changed, "diaObjectId", &wide(floats(&changed, "psfFlux")));
    // What is detected follows from what was measured at the place.
    let errors = floats(&forced, "psfFluxErr");
    let detected = forced_flux.iter().zip(&errors).filter(|(flux, error)| {
        flux.zip(**error).is_some_and(|(flux, error)| flux >= 5.0 * f64::from(error))
    });
    assert_eq!(detected.count(), source.num_rows());
    let rows = [&forced, &source, &changed].map(RecordBatch::num_rows);
    assert!(rows[0] > rows[1] && rows[1] > 1_000 && rows[2] > 10, "{rows:?}");
    let mut most = 0;
    for id in longs(&object, "objectId").iter().step_by(8).chain(by_changed.keys()) {
        let known = sky.object(*id).unwrap();
        for (known, made) in [
            (known.forced_sources, by_forced.get(id)),
            (known.sources, by_source.get(id)),
            (known.dia_sources, by_changed.get(id)),
        ] {
            let (count, visits, flux) = made.copied().unwrap_or_default();
            assert_eq!((known.count, known.visit_sum), (count, visits));
            assert!((known.flux_sum - flux).abs() <= 1e-9 * flux.abs());
        }
        most = most.max(known.forced_sources.count);
    }
    assert!(most > 15, "no deep field: {most} visits at most");
    assert!(sky.object(7).is_none() && sky.object(i64::MAX).is_none());
    let ids =
        |batch: &RecordBatch, name| longs(batch, name).iter().copied().collect::<HashSet<_>>();
    assert_eq!(ids(&source, "sourceId").len(), source.num_rows());
    assert_eq!(ids(&changed, "diaSourceId").len(), changed.num_rows());
    let variable = all(&sky, Table::DiaObject);
    assert_eq!(ids(&variable, "diaObjectId"), by_changed.keys().copied().collect());
    assert!((3..400).contains(&variable.num_rows()), "{}", variable.num_rows());
    for (id, count) in longs(&variable, "diaObjectId").iter().zip(longs(&variable, "nDiaSources")) {
        assert_eq!(by_changed[id].0, u64::try_from(*count).unwrap());
        let curve = sky.object(*id).unwrap().light_curve.unwrap();
        if let Some(period) = curve.period_days {
            assert!(
                (curve.brightness(61_234.5) - curve.brightness(61_234.5 + period)).abs() < 1e-6
            );
        }
    }
    let visits = all(&sky, Table::Visit);
    let times = doubles(&visits, "expMidptMJD");
    assert!(times.iter().all(|time| (61_000.0..64_653.0).contains(time)));
    assert!(ids(&forced, "visit").is_subset(&ids(&visits, "visit")));
    assert_eq!(ids(&visits, "visit").len(), visits.num_rows());
}

#[test]
fn an_object_is_measured_by_the_detectors_within_whose_corners_it_lies() {
    let sky = Sky::with(300, 9, Footprint::Survey, 1);
    let columns = ["llcra", "llcdec", "ulcra", "ulcdec", "urcra", "urcdec", "lrcra", "lrcdec"];
    let mut named = columns.map(str::to_owned).to_vec();
    named.push("detector".to_owned());
    let images = make(&sky, Table::CcdVisit, Columns::Named(named), 2);
    assert_eq!(images.num_rows() % 189, 0);
    let index = longs(&images, "_healpix_29");
    let middles = places(&images, "ra", "dec");
    for (middle, index) in middles.iter().zip(index).step_by(1_000) {
        assert_eq!(spatial_index(middle.lon_deg(), middle.lat_deg()), Some(*index));
    }
    let object = make(&sky, Table::Object, Columns::Named(vec!["r_inputCount".to_owned()]), 2);
    let forced = all(&sky, Table::ForcedSource);
    let mut rows: HashMap<i64, Vec<(i64, i64)>> = HashMap::new();
    let both = longs(&forced, "visit").iter().zip(longs(&forced, "detector"));
    for (id, (visit, detector)) in longs(&forced, "objectId").iter().zip(both) {
        rows.entry(*id).or_default().push((*visit, *detector));
    }
    let corners: Vec<Vec<Position>> =
        columns.chunks(2).map(|pair| places(&images, pair[0], pair[1])).collect();
    let mut found = 0;
    let places = places(&object, "coord_ra", "coord_dec");
    for (place, id) in places.iter().zip(longs(&object, "objectId")).step_by(6) {
        let near = (0..images.num_rows()).filter(|at| middles[*at].distance(place).degrees() < 0.2);
        let seen = near.filter(|at| {
            let outline = corners.iter().map(|corner| corner[*at]).collect();
            Polygon::new(outline).unwrap().contains(place)
        });
        let mut seen: Vec<(i64, i64)> = seen
            .map(|at| (longs(&images, "visitId")[at], longs(&images, "detector")[at]))
            .collect();
        found += seen.len();
        seen.sort_unstable();
        let mut made = rows.get(id).cloned().unwrap_or_default();
        made.sort_unstable();
        assert_eq!(seen, made, "{place:?}");
    }
    assert!(found > 20, "{found}");
    let inputs = object.column_by_name("r_inputCount").unwrap().as_primitive::<Int32Type>();
    let bands = forced.column_by_name("band").unwrap().as_string::<i32>();
    let in_r = bands.iter().filter(|band| *band == Some("r")).count();
    assert_eq!(inputs.values().iter().sum::<i32>(), i32::try_from(in_r).unwrap());
}
