//! Places at another epoch are bounded by the ranges of columns, restrict scans, and answer the same.

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::create_physical_expr;
use datafusion::prelude::{SessionContext, col};

use super::{ALL, Sky, WITHOUT_INDEX, optimized, rows, session};
use crate::function::measure::coordinates_of;
use crate::rewrite::{columns_of_reach, coverage_of, displacement, physical_displacement};
use crate::schema::Positions;
use crate::sky::{Angle, Coverage};

/// Stars that are at (ra, dec) in 2000 and move `mag` arcseconds a year to the east: up to 2.83
/// degrees in a century.
fn call(side: &str, pm: &str) -> String {
    format!("adql_epoch_prop_pos({side}ra, {side}dec, 0, {pm}, NULL, 70, 2000.0, 2100.0)")
}

fn offered(sky: &Sky) -> Coverage {
    coverage_of(&sky.offered.lock().unwrap(), sky.positions())
}

fn same(plain: &SessionContext, ruled: &SessionContext, sql: &str) -> usize {
    let [mut expected, mut found] = [plain, ruled].map(|session| rows(session, sql));
    expected.sort();
    found.sort();
    assert_eq!(expected, found, "{sql}");
    found.len()
}

#[test]
fn cones_at_another_epoch_restrict_the_scan_and_answer_the_same() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, WITHOUT_INDEX, true));
    let place = call("", "mag * 1000.0");
    let unknown = call("", "id");
    let cone = |place: &str| format!("adql_contains({place}, adql_circle(10, 20, 1.5)) = 1");
    for (condition, restricts) in [
        (cone(&place), true),
        (format!("adql_distance({place}, adql_point(10, 20)) < 1.5"), true),
        (format!("1.5 >= adql_distance(adql_point(0, 90), {place})"), true),
        (format!("adql_distance({place}, adql_point(0, 0)) BETWEEN 0 AND 2"), true),
        (format!("adql_contains({place}, adql_box(0, 0, 2, 3)) = 1"), true),
        (format!("{} AND mag > 5", cone(&place)), true),
        (format!("({} OR ra = 0) AND {}", cone(&unknown), cone(&place)), true),
        (
            format!("{} AND id > 3 OR adql_distance({place}, adql_point(0, 0)) < 1", cone(&place)),
            true,
        ),
        (format!("{} OR {}", cone(&place), cone(&unknown)), false),
        (format!("NOT {}", cone(&place)), false),
        (format!("adql_distance({place}, adql_point(10, 20)) > 1.5"), false),
        (cone(&unknown), false),
        (format!("adql_distance({place}, adql_point(10, 20)) < 179"), false),
    ] {
        let sql = format!("SELECT id FROM t WHERE {condition}");
        assert!(same(&plain, &ruled, &sql) > 0, "{sql}");
        assert_eq!(offered(&sky) != Coverage::all(), restricts, "{sql}");
        let plan = optimized(&ruled, &sql);
        let again = ruled.state().optimize(&plan).unwrap();
        assert_eq!(plan.display_indent().to_string(), again.display_indent().to_string());
    }
}

#[test]
fn a_region_reaches_stars_at_another_epoch_and_what_is_near_them() {
    let sky = Sky::new();
    let (plain, ruled) = (session(&sky, ALL, false), session(&sky, WITHOUT_INDEX, true));
    let near =
        format!("adql_distance({}, adql_point(b.ra, b.dec)) < 0.5", call("a.", "a.mag * 1000.0"));
    let at = |side: &str| format!("adql_distance({side}.ra, {side}.dec, 10, 20) <= 1.5");
    for condition in [
        at("a"),
        at("b"),
        format!("adql_contains({}, adql_circle(10, 20, 1.5)) = 1", call("a.", "a.mag * 1000.0")),
    ] {
        let sql = format!("SELECT a.id, b.id FROM t a, u b WHERE {near} AND {condition}");
        assert!(same(&plain, &ruled, &sql) > 0, "{sql}");
        let plan = optimized(&ruled, &sql);
        let text = plan.display_indent().to_string();
        let scans: Vec<&str> = text.lines().filter(|line| line.contains("TableScan")).collect();
        assert_eq!(scans.len(), 2, "{text}");
        assert!(scans.iter().all(|scan| scan.contains("in_region(")), "{text}");
        let again = ruled.state().optimize(&plan).unwrap();
        assert_eq!(text, again.display_indent().to_string());
    }
}

fn positions() -> Positions {
    let [ra, dec, spatial_index] = ["ra", "dec", "_healpix_29"].map(str::to_owned);
    Positions { ra, dec, spatial_index, slack_deg: 0.25, is_exact: false }
}

#[test]
fn places_are_no_farther_from_home_than_said() {
    let positions = positions();
    let range_of = |column: &str| match column {
        "pm" => Some([-100.0, 36_000.0]),
        "epoch" => Some([1990.0, 2010.0]),
        _ => None,
    };
    let names = ["ra", "dec", "pm", "id", "epoch", "nowhere"];
    let fields = names.map(|name| Field::new(name, DataType::Float64, true));
    let schema = DFSchema::try_from(Schema::new(fields.to_vec())).unwrap();
    let session = session(&Sky::new(), ALL, true);
    let of = |expr: &str| session.parse_sql_expr(expr, &schema).unwrap();
    let place = |pm: &str, epoch: &str| {
        coordinates_of(&of(&format!(
            "adql_epoch_prop_pos(ra, dec, 0.0, {pm}, CAST(NULL AS DOUBLE), 0.0, epoch, {epoch})"
        )))
    };
    let both = |[ra, dec]: [Expr; 2]| {
        let logical = displacement([&ra, &dec], &positions, &range_of);
        let physical = [&ra, &dec].map(|expr| {
            let (properties, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
            create_physical_expr(expr, &schema, &properties, &context).unwrap()
        });
        let physical = [&physical[0], &physical[1]];
        assert_eq!(physical_displacement(physical, &positions, &range_of), logical, "{ra}");
        logical.map(Angle::degrees)
    };
    assert_eq!(both([col("ra"), col("dec")]), Some(0.25));
    assert_eq!(both([col("dec"), col("ra")]), None);
    // 36 arcseconds in each of 100 years at most.
    let most = both(place("pm", "1910.0")).unwrap();
    assert!((most - 1.25).abs() < 2e-4 && most > 1.2498, "{most}");
    let shifted = both(place("pm * 2.0 - 72000.0", "1910.0")).unwrap();
    assert!((shifted - 2.2547).abs() < 1e-3, "{shifted}");
    assert_eq!(both(place("id", "1910.0")), None);
    assert_eq!(both(place("pm", "nowhere")), None);
}

#[test]
fn columns_of_motion_are_found_behind_their_aliases() {
    let sky = Sky::new();
    let ruled = session(&sky, ALL, true);
    let sql = "SELECT id FROM (SELECT id, ra AS r, dec AS d, mag * 2 AS m FROM t) x WHERE \
               adql_distance(adql_epoch_prop_pos(r, d, 0, m, 0, 0, 2000, 2100), adql_point(1, 2)) < 1";
    let plan = super::block_on(async { ruled.sql(sql).await.unwrap().into_unoptimized_plan() });
    let names = columns_of_reach(&plan).unwrap();
    assert!(names.contains("mag") && !names.contains("id"), "{names:?}");
    let other = super::block_on(async { ruled.sql("SELECT id, mag AS m FROM t").await.unwrap() });
    assert!(columns_of_reach(&other.into_unoptimized_plan()).unwrap().is_empty());
}
