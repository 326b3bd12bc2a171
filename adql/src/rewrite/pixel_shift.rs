//! Groups by the pixels of rows, where the spatial index of the table is the computed one, take the
//! pixel of an order from it instead of from the position.
//!
//! ```text
//! GROUP BY ivo_healpix_index(6, ra, dec)     -->     GROUP BY _healpix_29 >> 46
//! ```
//! The pixels of an order are the ancestors of those of order 29. Runs before the analyzer.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, TableReference};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Operator, binary_expr, lit};

use super::pixel_predicate::pixel_of;
use crate::schema::{Positions, Schemas, Table, TableName};
use crate::sky::Order;

/// The plan with shifts in the place of such terms of GROUP BY.
pub(crate) fn shift_pixels(plan: LogicalPlan, schemas: &dyn Schemas) -> Result<LogicalPlan> {
    let shifted = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Aggregate(aggregate) = &node else { return Ok(Transformed::no(node)) };
        let names = NamePreserver::new(&node);
        let mut terms = aggregate.group_expr.clone();
        let mut changed = false;
        for term in &mut terms {
            if let Some(shift) = shifted(term, &aggregate.input, schemas)? {
                *term = names.save(term).restore(shift);
                changed = true;
            }
        }
        if !changed {
            return Ok(Transformed::no(node));
        }
        let (input, values) = (Arc::clone(&aggregate.input), aggregate.aggr_expr.clone());
        Aggregate::try_new(input, terms, values).map(LogicalPlan::Aggregate).map(Transformed::yes)
    });
    shifted.map(|shifted| shifted.data)
}

/// The shift that a pixel of the position of a table is.
fn shifted(term: &Expr, rows: &LogicalPlan, schemas: &dyn Schemas) -> Result<Option<Expr>> {
    let Some((order, [Expr::Column(ra), Expr::Column(dec)])) = pixel_of(term)? else {
        return Ok(None);
    };
    let (Some(relation), true) = (&ra.relation, ra.relation == dec.relation) else {
        return Ok(None);
    };
    let Some(table) = table_of(rows, relation, schemas)? else { return Ok(None) };
    let Some(Positions { ra: of_ra, dec: of_dec, spatial_index, is_exact: true, .. }) =
        &table.positions
    else {
        return Ok(None);
    };
    if (&ra.name, &dec.name) != (of_ra, of_dec) {
        return Ok(None);
    }
    let index = Column::new(Some(relation.clone()), spatial_index);
    let bits = 2 * (Order::MAX.get() - order.get());
    let shift = binary_expr(Expr::Column(index), Operator::BitwiseShiftRight, lit(i64::from(bits)));
    Ok(Some(shift))
}

/// The table that is read under a name, as it is and not as part of a query.
fn table_of(
    rows: &LogicalPlan,
    relation: &TableReference,
    schemas: &dyn Schemas,
) -> Result<Option<Arc<Table>>> {
    let mut found = None;
    rows.apply(|node| match node {
        LogicalPlan::SubqueryAlias(named) => {
            if let (true, LogicalPlan::TableScan(scan)) =
                (named.alias == *relation, named.input.as_ref())
                && let Some(schema) = scan.table_name.schema()
            {
                let (schema, table) = (schema.to_owned(), scan.table_name.table().to_owned());
                found = schemas.table(&TableName { schema, table });
            }
            // What is below has other names.
            Ok(TreeNodeRecursion::Jump)
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::sample::{Sample, rows};
    use crate::{Limits, plan};

    fn planned(text: &str) -> String {
        plan(text, &Sample::new(), &Limits::default()).unwrap().plan.display_indent().to_string()
    }

    /// Beside the same groups of a derived table, which has places only.
    #[test]
    fn groups_are_those_of_places() {
        for pixel in [
            "ivo_healpix_index(6, ra, dec)",
            "ivo_healpix_index(29, POINT(ra, dec))",
            "ivo_healpix_index(0, ra, dec)",
        ] {
            for (tables, condition) in [
                ("Stars AS s", "mag < 6 OR mag IS NULL"),
                ("obs AS o LEFT JOIN Stars AS s ON o.id = s.id + 2", "1 = 1"),
            ] {
                let query = |from: &str| {
                    format!(
                        "SELECT {pixel} AS pixel, COUNT(*) AS n FROM {from} GROUP BY pixel \
                         HAVING {pixel} IS NULL OR {pixel} > 0 ORDER BY pixel"
                    )
                };
                let shifted = query(&format!("{tables} WHERE {condition}"));
                let plain =
                    query(&format!("(SELECT ra, dec FROM {tables} WHERE {condition}) AS q"));
                assert!(planned(&shifted).contains("_healpix_29 >>"), "{}", planned(&shifted));
                assert!(!planned(&plain).contains("_healpix_29 >>"), "{}", planned(&plain));
                assert_eq!(rows(&shifted), rows(&plain), "{shifted}");
            }
        }
    }

    #[test]
    fn other_pixels_are_computed() {
        for text in [
            "SELECT COUNT(*) AS n FROM Stars GROUP BY ivo_healpix_index(6, dec, ra)",
            "SELECT COUNT(*) AS n FROM Stars GROUP BY ivo_healpix_index(id, ra, dec)",
            "SELECT COUNT(*) AS n FROM Stars GROUP BY ivo_healpix_index(6, ra, 0 + dec)",
            "SELECT COUNT(*) AS n FROM Stars AS a, Stars AS b GROUP BY ivo_healpix_index(6, a.ra, b.dec)",
            "SELECT ivo_healpix_index(6, ra, dec) AS pixel FROM Stars",
        ] {
            assert!(!planned(text).contains(">>"), "{}", planned(text));
        }
    }
}
