//! The conditions that rank the rows of a table by their distances from a place:
//!
//! ```text
//! DISTANCE(a, b) = (SELECT MIN(DISTANCE(a, n)) FROM b AS n WHERE …)
//! k > (SELECT COUNT(*) FROM b AS n WHERE DISTANCE(a, n) < DISTANCE(a, b) AND …)
//! NOT EXISTS (SELECT 1 FROM b AS n WHERE DISTANCE(a, n) < DISTANCE(a, b) AND …)
//! ```
//! with the sides of comparisons either way round. Rows at the same distance have the same rank.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::Exists;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::analyzer::type_coercion::TypeCoercionRewriter;

use super::refuse;
use crate::function::DISTANCE;
use crate::rewrite::cross_match::Reader;
use crate::rewrite::sky_predicate::{Place, call};

/// A condition that ranks rows.
pub(super) struct Ranking {
    /// So many nearest rows are asked for.
    pub(super) most: i64,
    /// What is ranked, as the sub-query names it.
    pub(super) relation: LogicalPlan,
    /// The conditions of the sub-query.
    conditions: Vec<Expr>,
    /// The distance of the query and that of the sub-query whose least it is; without them, two
    /// distances are compared in a condition.
    least: Option<[Expr; 2]>,
}

/// A ranking in the columns of the query.
pub(super) struct Ranked {
    /// Where distances are from, and the place of a row that is ranked.
    pub(super) places: [Place; 2],
    /// What else has to hold of a row that is ranked.
    pub(super) conditions: Vec<Expr>,
}

impl Ranking {
    /// Reads a conjunct; nothing where it ranks no rows.
    ///
    /// # Errors
    /// When it ranks rows by a number that is not in the query, or by another comparison.
    pub(super) fn read(conjunct: &Expr) -> Result<Option<Self>> {
        match conjunct {
            Expr::Not(inner) => match inner.as_ref() {
                Expr::Exists(Exists { subquery, negated: false }) => {
                    Ok(Self::without_nearer(&subquery.subquery))
                }
                _ => Ok(None),
            },
            Expr::Exists(Exists { subquery, negated: true }) => {
                Ok(Self::without_nearer(&subquery.subquery))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                match (left.as_ref(), right.as_ref()) {
                    (value, Expr::ScalarSubquery(subquery)) => {
                        Self::compared(value, *op, &subquery.subquery)
                    }
                    (Expr::ScalarSubquery(subquery), value) => match op.swap() {
                        Some(op) => Self::compared(value, op, &subquery.subquery),
                        None => Ok(None),
                    },
                    _ => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// `NOT EXISTS` a nearer row. With an equality between both, DataFusion joins by that.
    fn without_nearer(plan: &LogicalPlan) -> Option<Self> {
        let LogicalPlan::Projection(projection) = plan else { return None };
        let (relation, conditions) = source(&projection.input);
        let is_equality = |condition: &&Expr| {
            matches!(condition, Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right })
                if left.contains_outer() != right.contains_outer())
        };
        let is_ranking = conditions.iter().any(compares_distances)
            && !conditions.iter().any(|condition| is_equality(&condition));
        is_ranking.then(|| Self { most: 1, relation: relation.clone(), conditions, least: None })
    }

    /// A comparison with an aggregate.
    fn compared(value: &Expr, op: Operator, plan: &LogicalPlan) -> Result<Option<Self>> {
        let Some((Expr::AggregateFunction(aggregate), input)) = aggregate(plan) else {
            return Ok(None);
        };
        let (relation, conditions) = source(input);
        let relation = relation.clone();
        let is_plain = !aggregate.params.distinct && aggregate.params.filter.is_none();
        match (aggregate.func.name(), &aggregate.params.args[..]) {
            ("min", [distance]) if is_distance(value) && is_distance(distance) => {
                if !distance.contains_outer() {
                    return Ok(None);
                }
                if !matches!(op, Operator::Eq | Operator::LtEq) {
                    return refuse(
                        "the distance has to be equal to the least one: \
                         DISTANCE(…) = (SELECT MIN(DISTANCE(…)) FROM …)",
                    );
                }
                let least = Some([value.clone(), distance.clone()]);
                Ok(Some(Self { most: 1, relation, conditions, least }))
            }
            ("count", arguments) if conditions.iter().any(compares_distances) => {
                let counts_rows = arguments.iter().all(
                    |argument| matches!(argument, Expr::Literal(value, _) if !value.is_null()),
                );
                let (true, true, Some(most)) = (is_plain, counts_rows, most(value, op)) else {
                    return refuse(
                        "for the k nearest, the number of those that are nearer has to be compared \
                         with a number: k > (SELECT COUNT(*) FROM … WHERE \
                         DISTANCE(…) < DISTANCE(…)) with k = 1, 2, …",
                    );
                };
                Ok(Some(Self { most, relation, conditions, least: None }))
            }
            _ => Ok(None),
        }
    }

    /// Whether it is a comparison with the least distance, which is true of no row without a place.
    pub(super) fn is_of_least(&self) -> bool {
        self.least.is_some()
    }

    /// The ranking in terms of the query, `leaf` being what is ranked there; nothing where the
    /// distances that are compared are not those from one place to a row of the leaf.
    pub(super) fn of(&self, leaf: &DFSchema, query: &DFSchema) -> Result<Option<Ranked>> {
        let inner = self.relation.schema();
        let terms = |expr: &Expr| in_terms_of(expr, inner, leaf);
        let mut conditions = Vec::with_capacity(self.conditions.len());
        let mut places = match &self.least {
            Some([outer, least]) => same_places([outer, &terms(least)?], query)?,
            None => None,
        };
        for condition in &self.conditions {
            let in_terms = terms(condition)?;
            if places.is_none()
                && let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition
                && let Some((nearer, farther)) = ordered(left, *op, right)
                && let Some(found) = same_places([&terms(nearer)?, &terms(farther)?], query)?
                && !nearer.column_refs().is_empty()
                && farther.column_refs().is_empty()
            {
                places = Some(found);
            } else {
                conditions.push(in_terms);
            }
        }
        let Some(places) = places else { return Ok(None) };
        let is_ranked = |place: &Place| {
            let columns = [place.ra.column_refs(), place.dec.column_refs()];
            let mut columns = columns.into_iter().flatten().peekable();
            columns.peek().is_some().then(|| columns.all(|column| leaf.has_column(column)))
        };
        let [first, second] = places;
        let places = match (is_ranked(&first), is_ranked(&second)) {
            (Some(false), Some(true)) => [first, second],
            (Some(true), Some(false)) => [second, first],
            _ => return Ok(None),
        };
        Ok(Some(Ranked { places, conditions }))
    }
}

/// How many nearest rows are asked for where a number is compared with that of the nearer ones.
fn most(value: &Expr, op: Operator) -> Option<i64> {
    let Expr::Literal(ScalarValue::Int64(Some(value)), _) = value else { return None };
    let most = match op {
        Operator::Gt => *value,
        Operator::GtEq => value.checked_add(1)?,
        Operator::Eq if *value == 0 => 1,
        _ => return None,
    };
    (most > 0).then_some(most)
}

/// An aggregate over all rows of a plan that computes nothing else, and what it is of.
fn aggregate(plan: &LogicalPlan) -> Option<(&Expr, &LogicalPlan)> {
    match plan {
        LogicalPlan::Projection(projection) => match &projection.expr[..] {
            [expr] if matches!(unnamed(expr), Expr::Column(_)) => aggregate(&projection.input),
            _ => None,
        },
        LogicalPlan::Aggregate(aggregate) => match &aggregate.aggr_expr[..] {
            [expr] if aggregate.group_expr.is_empty() => Some((unnamed(expr), &aggregate.input)),
            _ => None,
        },
        _ => None,
    }
}

fn unnamed(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unnamed(&alias.expr),
        other => other,
    }
}

/// What a sub-query reads, and its conditions.
fn source(plan: &LogicalPlan) -> (&LogicalPlan, Vec<Expr>) {
    match plan {
        LogicalPlan::Filter(filter) => {
            let (relation, mut conditions) = source(&filter.input);
            conditions.extend(split_conjunction(&filter.predicate).into_iter().cloned());
            (relation, conditions)
        }
        other => (other, Vec::new()),
    }
}

fn is_distance(expr: &Expr) -> bool {
    call(expr, &[DISTANCE]).is_some()
}

/// Whether a condition of a sub-query compares a distance of its rows with one of the query.
fn compares_distances(condition: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return false };
    is_distance(left)
        && is_distance(right)
        && matches!(op, Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
        && (left.contains_outer() || right.contains_outer())
}

/// The sides of `nearer < farther`.
fn ordered<'a>(left: &'a Expr, op: Operator, right: &'a Expr) -> Option<(&'a Expr, &'a Expr)> {
    match op {
        Operator::Lt if is_distance(left) && is_distance(right) => Some((left, right)),
        Operator::Gt if is_distance(left) && is_distance(right) => Some((right, left)),
        _ => None,
    }
}

/// The places of two distances that are the same one.
fn same_places(distances: [&Expr; 2], query: &DFSchema) -> Result<Option<[Place; 2]>> {
    let [Some(a), Some(b)] = [places(distances[0], query)?, places(distances[1], query)?] else {
        return Ok(None);
    };
    let mirrored = a[0] == b[1] && a[1] == b[0];
    Ok((a == b || mirrored).then_some(a))
}

fn places(distance: &Expr, query: &DFSchema) -> Result<Option<[Place; 2]>> {
    let distance = coerced(distance.clone(), query)?;
    let reader = Reader { left: query, right: query };
    Ok(call(&distance, &[DISTANCE]).and_then(|(_, arguments)| reader.places(arguments)))
}

/// An expression with the types that the analyzer gives it.
pub(super) fn coerced(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expr.rewrite(&mut TypeCoercionRewriter::new(schema))?.data)
}

/// An expression of a sub-query in the columns of its query, where `leaf` is what it reads.
fn in_terms_of(expr: &Expr, inner: &DFSchema, leaf: &DFSchema) -> Result<Expr> {
    let (columns, sources) = (inner.columns(), leaf.columns());
    let in_terms = expr.clone().transform(|node| {
        Ok(match node {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            Expr::Column(column) => {
                let source = columns.iter().position(|known| *known == column);
                let source = source.and_then(|at| sources.get(at)).cloned();
                Transformed::yes(Expr::Column(source.unwrap_or(column)))
            }
            other => Transformed::no(other),
        })
    });
    in_terms.map(|in_terms| in_terms.data)
}
