//! Functions evaluated through a session, on constants and on columns.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;

use super::{Target, aggregate_functions, functions, lookup, scalar_functions};

fn session() -> SessionContext {
    let session = SessionContext::new();
    for function in scalar_functions() {
        session.register_udf(function.as_ref().clone());
    }
    let columns: [(&str, ArrayRef); 4] = [
        ("id", Arc::new(Int64Array::from(vec![Some(-7), Some(7), None, Some(i64::MIN)]))),
        ("x", Arc::new(Float64Array::from(vec![Some(-7.5), Some(2.5), None, Some(f64::NAN)]))),
        ("lon", Arc::new(Float64Array::from(vec![Some(370.0), Some(0.0), None, Some(f64::NAN)]))),
        ("lat", Arc::new(Float64Array::from(vec![Some(0.0), Some(91.0), Some(0.0), Some(1.0)]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    )
    .unwrap();
    session.register_batch("t", batch).unwrap();
    session
}

fn rows(sql: &str) -> Result<Vec<String>, DataFusionError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime.block_on(async { session().sql(sql).await?.collect().await })?;
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            rows.push(array_value_to_string(batch.column(0), row).unwrap());
        }
    }
    Ok(rows)
}

/// The value of an expression without columns, folded and (the second) evaluated on a row.
fn check(expr: &str, expected: &str) {
    assert_eq!(rows(&format!("SELECT {expr}")).unwrap(), [expected], "{expr}");
}

fn check_rows(expr: &str, expected: [&str; 4]) {
    assert_eq!(rows(&format!("SELECT {expr} FROM t")).unwrap(), expected, "{expr}");
}

fn check_error(expr: &str, part: &str) {
    let error = rows(&format!("SELECT {expr} FROM t")).unwrap_err().to_string();
    assert!(error.contains(part), "{expr}: {error}");
}

#[test]
fn logarithms_are_natural_or_decimal_and_null_where_undefined() {
    check("adql_log(exp(2))", "2.0");
    check("adql_log10(1000)", "3.0");
    check("adql_log(0)", "");
    check("adql_log10(-1)", "");
    check("adql_sqrt(-1)", "");
    check("adql_acos(2)", "");
    check("adql_cot(0)", "");
    check("adql_exp(1000)", "");
    check_rows("adql_sqrt(x)", ["", "1.5811388300841898", "", ""]);
}

#[test]
fn a_star_without_place_or_epoch_has_no_place_and_a_constant_one_is_an_error() {
    let call = |ra: &str, out: &str| {
        format!("adql_coord1(adql_epoch_prop_pos({ra}, lat, NULL, x, x, NULL, 2000, {out}))")
    };
    check_rows(&call("lon", "2000"), ["10.0", "", "", ""]);
    // A motion that is NULL is none; NaN, which no guard has made NULL here, is no number.
    let moves = "adql_coord2(adql_epoch_prop_pos(5, 6, NULL, NULL, x, NULL, 2000, 2000))";
    check_rows(moves, ["6.0", "6.0", "6.0", ""]);
    let epoch = "adql_coord2(adql_epoch_prop_pos(5, 6, 1, 0, 0, x, id, 7))";
    check_rows(epoch, ["6.0", "6.0", "", ""]);
    for (call, part) in [
        (call("NULL", "2000"), "ra is NULL"),
        (call("lon", "NULL"), "out_epoch is NULL"),
        (call("lon", "CAST(NULL AS DOUBLE)"), "out_epoch is NULL"),
        ("adql_epoch_prop_pos(1, 91, NULL, x, x, NULL, 2000, 2001)".to_owned(), "latitude 91"),
        ("adql_epoch_prop_pos(1, 2, 3)".to_owned(), "does not take 3 arguments"),
    ] {
        check_error(&call, part);
    }
}

#[test]
fn remainders_have_the_sign_of_the_dividend_and_keep_integers() {
    check_rows("adql_mod(id, 4)", ["-3", "3", "", "0"]);
    check_rows("adql_mod(x, 2)", ["-1.5", "0.5", "", ""]);
    check_rows("adql_mod(id, 0)", ["", "", "", ""]);
    check_rows("adql_mod(x, 0)", ["", "", "", ""]);
    check("adql_mod(9007199254740993, 2)", "1");
    check("adql_mod(7, -4)", "3");
    check("adql_mod(-7.5, 2)", "-1.5");
    check_rows("adql_mod(id, -1)", ["0", "0", "", "0"]);
}

#[test]
fn absolute_values_keep_integers() {
    check_rows("adql_abs(id)", ["7", "7", "", ""]);
    check_rows("adql_abs(x)", ["7.5", "2.5", "", ""]);
}

#[test]
fn rounding_goes_to_decimals_on_either_side_of_the_point() {
    check("adql_round(2.5)", "3.0");
    check("adql_round(-2.5)", "-3.0");
    check("adql_round(1234.567, 2)", "1234.57");
    check("adql_round(1234.567, -2)", "1200.0");
    check("adql_round(1251, -2)", "1300.0");
    check("adql_truncate(1299.99, -2)", "1200.0");
    check("adql_truncate(-1.999)", "-1.0");
    check("adql_truncate(-1.999, 1)", "-1.9");
    check("adql_truncate(-0.5)", "0.0");
    check("adql_round(-0.04, 1)", "0.0");
    check("adql_ceiling(-0.5)", "0.0");
    check("adql_mod(-4.5, 1.5)", "0.0");
    check("adql_round(1.5, 400)", "1.5");
    check("adql_round(1e300, 300)", "1e300");
    check("adql_round(1.5, -400)", "0.0");
    check("adql_ceiling(-1.5)", "-1.0");
    check("adql_floor(-1.5)", "-2.0");
    check("adql_ceiling(2)", "2.0");
}

#[test]
fn powers_and_angles_are_doubles() {
    check("adql_power(2, 3)", "8.0");
    check("adql_power(2, -1)", "0.5");
    check("adql_power(-8, 0.5)", "");
    check("adql_power(0, -1)", "");
    check("adql_degrees(adql_pi())", "180.0");
    check("adql_radians(180)", "3.141592653589793");
    check("adql_atan2(1, -1)", "2.356194490192345");
    check("adql_cot(1)", "0.6420926159343306");
    check("adql_tan(1)", "1.5574077246549023");
}

#[test]
fn random_numbers_of_a_seed_are_repeatable() {
    let [first, second] = [1, 2].map(|seed| rows(&format!("SELECT adql_rand({seed})")).unwrap());
    assert_ne!(first, second);
    assert_eq!(first, rows("SELECT adql_rand(1)").unwrap());
    let below = rows("SELECT count(*) FROM range(10000) WHERE adql_rand(value) < 0.25").unwrap();
    let below: f64 = below[0].parse().unwrap();
    assert!((2400.0..2600.0).contains(&below), "{below}");
}

#[test]
fn text_is_no_number() {
    check_error("adql_sqrt('4')", "SQRT takes numbers");
    check_error("adql_round(1.5, 0.5)", "ROUND takes a whole number");
    check_error("adql_power(2)", "POWER");
}

#[test]
fn points_of_rows_without_a_place_are_null() {
    check_rows("adql_coord1(adql_point(lon, lat))", ["10.0", "", "", ""]);
    check_rows("adql_point(lon, lat) IS NULL", ["false", "true", "true", "true"]);
    check_rows("adql_contains(adql_point(lon, lat), adql_circle(0, 0, 20))", ["1", "", "", ""]);
    check_rows("adql_distance(lon, lat, 0, 0)", ["10.0", "", "", ""]);
    check_rows("adql_circle(lon, lat, x) IS NULL", ["true", "true", "true", "true"]);
    check_rows("healpix_29(lon, lat) IS NULL", ["false", "true", "true", "true"]);
}

#[test]
fn constants_out_of_range_are_errors_that_name_them() {
    check_error("adql_circle(10, 20, -1)", "CIRCLE: radius -1 is not within 0 to 180 degrees");
    check_error("adql_circle(lon, lat, 181)", "CIRCLE: radius 181");
    check_error("adql_point(0, 91)", "POINT: latitude 91 is not within -90 to 90 degrees");
    check_error("adql_circle(adql_point(0, 91), 1)", "POINT: latitude 91");
    check_error("adql_box(0, 0, 180, 1)", "BOX: width 180");
    check_error("adql_distance(lon, lat, 0, -91)", "DISTANCE: latitude -91");
    check_error("adql_polygon(0, 0, 1, 1)", "POLYGON does not take");
    check_error("adql_polygon(0, 0, 1, 1, 0, 0)", "POLYGON");
    check_error("adql_polygon(0, 0, 10, 10, 10, 0, 0, 10)", "cross");
    check_error("adql_healpix_index(30, lon, lat)", "order 30 is not within 0 to 29");
}

#[test]
fn geometries_relate_in_either_form() {
    check("adql_contains(adql_point(0, 0), adql_circle(adql_point(0, 1), 1))", "1");
    check("adql_contains(adql_point(0, 0), adql_circle(0, 1, 0.5))", "0");
    check("adql_contains(adql_circle(0, 0, 1), adql_box(0, 0, 4, 4))", "1");
    check("adql_contains(adql_box(0, 0, 4, 4), adql_circle(0, 0, 1))", "0");
    check("adql_intersects(adql_box(0, 0, 4, 4), adql_circle(3, 0, 1))", "1");
    check("adql_intersects(adql_circle(3, 0, 1), adql_point(2, 0))", "1");
    check("adql_contains(adql_point(359.5, 0.5), adql_polygon(359, 0, 1, 0, 1, 2, 359, 2))", "1");
    check("adql_contains(adql_point(0, 0), adql_box(adql_point(0, 0), 0, 0))", "1");
    check("adql_contains(adql_point(1, 0), adql_box(0, 0, 4, 0))", "1");
    check("adql_contains(NULL, adql_circle(0, 0, 1))", "");
    let triangle = "adql_point(0, 0), adql_point(2, 0), adql_point(1, 2)";
    check(&format!("adql_contains(adql_point(1, 1), adql_polygon({triangle}))"), "1");
}

#[test]
fn measures_are_in_degrees() {
    check("adql_area(adql_point(1, 2))", "0.0");
    check("adql_round(adql_area(adql_circle(0, 0, 180)), 3)", "41252.961");
    check("adql_coord2(adql_centroid(adql_circle(5, 6, 1)))", "6.0");
    check("adql_contains(adql_point(10, 20), 'Circle GALACTIC 0 0 180')", "1");
    check("adql_contains(adql_circle(10, 20, 1), 'Union (Box 0 0 1 1 Circle 10 20 2)')", "1");
    check("adql_round(adql_area('0/3'), 6)", "3437.746771");
    // A column of texts, of which one is no region.
    let of_texts = "adql_contains(adql_point(10, 20), concat('Circle 10 ', lat, ' 25'))";
    check_rows(of_texts, ["1", "", "1", "1"]);
    check("adql_coordsys(adql_point(10, 20))", "ICRS");
    check("adql_moc(1, adql_point(45, 0.1))", "1/0");
    check_error("adql_contains(adql_point(10, 20), 'Ellipse 1 2 3 4')", "cannot read 'ELLIPSE'");
    check_error(
        "adql_area('Union (Position 1 2 Circle 10 20 2)')",
        "write AREA(MOC(order, region))",
    );
    check_error("adql_moc(30, adql_point(1, 2))", "order 30 is not within 0 to 29");
    check_error("adql_contains(adql_circle(1, 2, 3), '0/1')", "a MOC is compared with points");
    check("adql_round(adql_coord1(adql_centroid(adql_box(5, 6, 1, 1))), 9)", "5.0");
    check("adql_distance(adql_point(0, 90), adql_point(77, 90))", "0.0");
    check("adql_distance(0, 90, 0, -90)", "180.0");
    check("adql_distance(10, 0, 10, 0.0000002777777777777778)", "2.777777777777778e-7");
}

#[test]
fn healpix_indices_nest() {
    check("adql_healpix_index(0, 0, 0)", "4");
    check("adql_healpix_index(0, adql_point(45, 89))", "0");
    check("adql_healpix_index(29, 10.5, -20.5) = healpix_29(10.5, -20.5)", "true");
    check(
        "adql_healpix_index(3, 10.5, -20.5) = healpix_29(10.5, -20.5) / 4503599627370496",
        "true",
    );
}

#[test]
fn nan_is_null() {
    check_rows("nan_to_null(x)", ["-7.5", "2.5", "", ""]);
    check_rows("nan_to_null(CAST(x AS REAL))", ["-7.5", "2.5", "", ""]);
    check_rows("nan_to_null(id)", ["-7", "7", "", "-9223372036854775808"]);
    check("nan_to_null(CAST('NaN' AS DOUBLE))", "");
}

#[test]
fn the_registry_knows_every_scalar_function_it_names() {
    let known = scalar_functions();
    let session = SessionContext::new();
    for function in functions() {
        let least = *function.arguments.start();
        let state = session.state();
        match function.lowering(least).unwrap() {
            Target::Ours(name) => assert!(known.iter().any(|f| f.name() == name), "{name}"),
            Target::Builtin(name) => assert!(state.scalar_functions().contains_key(name), "{name}"),
            Target::Aggregate(name) => {
                let is_ours = aggregate_functions().iter().any(|f| f.name() == name);
                assert!(is_ours || state.aggregate_functions().contains_key(name), "{name}");
            }
            Target::Syntax => assert!(["CAST", "IN_UNIT", "REGION"].contains(&function.name)),
        }
        assert!(!function.signatures.is_empty() && !function.description.is_empty());
    }
    assert!(lookup("contains").is_some_and(|f| f.lowering(3).is_err()));
    assert!(lookup("NO_SUCH").is_none());
}

#[test]
fn coordinate_systems_other_than_icrs_are_refused() {
    for accepted in ["", " ", "ICRS", "icrs GEOCENTER"] {
        assert!(super::check_coordinate_system(accepted).is_ok(), "{accepted}");
    }
    let error = super::check_coordinate_system("GALACTIC").unwrap_err().to_string();
    assert!(error.contains("'GALACTIC'") && error.contains("ICRS"), "{error}");
}
