//! What the planner is told of the rows of scans, and what it makes of that: the smaller side of a
//! join is built.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::prelude::SessionContext;

use super::fixture::{Shape, answer, open, plan, rows, scans, session, within, write_table};

/// 12 tiles of 2,000 rows, another table of 1,500 rows, and one of 40.
async fn tables() -> (tempfile::TempDir, SessionContext, SessionContext) {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { order: 0, ..Shape::default() };
    for (name, count) in [("large", 24_000), ("middle", 1_500), ("small", 40)] {
        write_table(&folder.path().join(name), &shape, &rows(count));
    }
    let snapshot = open(folder.path()).await;
    (folder, session(&snapshot, true), session(&snapshot, false))
}

fn rows_of(plan: &dyn ExecutionPlan) -> Precision<usize> {
    StatisticsContext::new().compute(plan, &StatisticsArgs::new()).unwrap().num_rows
}

#[tokio::test]
async fn rows_are_exact_without_filters_and_else_by_the_part_that_is_covered() {
    let (_folder, context, _) = tables().await;
    for (condition, least, most) in [
        (within(45.0, 20.0, 1.0), 1, 10),
        (within(45.0, 20.0, 10.0), 100, 400),
        ("dec > 0 AND ra > 0".to_owned(), 11_000, 16_000),
        ("mag < 12".to_owned(), 24_000, 24_000),
    ] {
        let planned =
            plan(&context, &format!("SELECT id FROM public.large WHERE {condition}")).await;
        let estimated = rows_of(&scans(&planned)[0]);
        let Precision::Inexact(rows) = estimated else { panic!("{condition}: {estimated:?}") };
        assert!((least..=most).contains(&rows), "{condition}: {rows}");
    }
    let whole = plan(&context, "SELECT id FROM public.large").await;
    assert_eq!(rows_of(&scans(&whole)[0]), Precision::Exact(24_000));
}

/// The tables of the build side and of the other side of the join in a plan.
fn sides(plan: &Arc<dyn ExecutionPlan>) -> Option<[String; 2]> {
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        let side = |side: &Arc<dyn ExecutionPlan>| {
            let text =
                datafusion::physical_plan::displayable(side.as_ref()).indent(true).to_string();
            ["large", "middle", "small"]
                .into_iter()
                .find(|table| text.contains(&format!("{table}/dataset")))
                .unwrap_or_default()
                .to_owned()
        };
        return Some([side(join.left()), side(join.right())]);
    }
    plan.children().into_iter().find_map(sides)
}

#[tokio::test]
async fn the_smaller_side_of_a_join_is_built() {
    let (_folder, context, unpruned) = tables().await;
    let cone = within(45.0, 20.0, 1.0).replace("ra,", "a.ra,").replace("dec)", "a.dec)");
    for (from, condition, built) in [
        ("public.large AS a JOIN public.small AS b", "b.mag > 0".to_owned(), "small"),
        ("public.small AS b JOIN public.large AS a", "b.mag > 0".to_owned(), "small"),
        ("public.large AS a JOIN public.middle AS b", cone.clone(), "large"),
        ("public.middle AS b JOIN public.large AS a", cone, "large"),
        ("public.large AS a JOIN public.middle AS b", "a.mag > 0".to_owned(), "middle"),
    ] {
        let sql = format!("SELECT a.id, b.mag FROM {from} ON a.id = b.id WHERE {condition}");
        let [build, _] = sides(&plan(&context, &sql).await).unwrap();
        assert_eq!(build, built, "{sql}");
        assert_eq!(answer(&context, &sql).await, answer(&unpruned, &sql).await, "{sql}");
    }
}
