//! FROM: tables, WITH queries, derived tables and joins (ADQL 2.1, section 2.2.2).

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Spanned,
    TableAlias, TableFactor, TableWithJoins,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::expression::placed;
use super::kind;
use super::scope::{Columns, Env, Found, Relation, Scope, Visible, fits};
use super::{Resolver, nearest};
use crate::Error;
use crate::parser::{place, tree};

/// Which side of a join keeps rows without partner, and so has the values of a merged column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Left,
    Right,
    Both,
}

impl Resolver<'_> {
    /// The scope of a whole FROM.
    pub(super) fn from(
        &mut self,
        items: &mut [TableWithJoins],
        outer: Option<&Env<'_>>,
    ) -> Result<Scope, Error> {
        let mut scope = Scope::default();
        for item in items {
            let span = item.relation.span();
            let part = self.table_with_joins(item, outer)?;
            append(&mut scope, part, span)?;
        }
        Ok(scope)
    }

    fn table_with_joins(
        &mut self,
        item: &mut TableWithJoins,
        outer: Option<&Env<'_>>,
    ) -> Result<Scope, Error> {
        let mut scope = self.table_factor(&mut item.relation, outer)?;
        for join in &mut item.joins {
            scope = self.join(scope, join, outer)?;
        }
        Ok(scope)
    }

    fn table_factor(
        &mut self,
        factor: &mut TableFactor,
        outer: Option<&Env<'_>>,
    ) -> Result<Scope, Error> {
        match factor {
            TableFactor::Table { name, alias, .. } => {
                let (scope, view) = self.named_table(name, alias)?;
                if let Some(view) = view {
                    *factor = TableFactor::Derived {
                        lateral: false,
                        subquery: Box::new(view),
                        alias: alias.take(),
                        sample: None,
                    };
                }
                Ok(scope)
            }
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                let outputs = self.query(subquery, outer)?;
                let name = alias.name.value.clone();
                let plan_name = self.plan_name(&name);
                alias.name = tree::exact(&plan_name);
                let columns = Columns::Query(outputs.into());
                Ok(Scope::of(Relation { plan_name, schema: None, name, columns }))
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.table_with_joins(table_with_joins, outer)
            }
            _ => Ok(Scope::default()),
        }
    }

    /// A table of the schemas, or a WITH query; of a view, the query that stands in its place.
    fn named_table(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
    ) -> Result<(Scope, Option<Query>), Error> {
        let named = alias.as_ref().map(|alias| alias.name.value.clone());
        let mut view = None;
        let cte = match name.0.as_slice() {
            [part] => part.as_ident().and_then(|written| {
                self.ctes.iter().rev().find(|cte| fits(written, &cte.name)).cloned()
            }),
            _ => None,
        };
        let (schema, real, columns) = if let Some(cte) = cte {
            *name = ObjectName::from(vec![tree::exact(&cte.plan_name)]);
            (None, cte.name, Columns::Query(cte.outputs))
        } else {
            let table = self.table(name)?;
            let exact = &table.name;
            *name = ObjectName::from(vec![tree::exact(&exact.schema), tree::exact(&exact.table)]);
            let (schema, real) = (Some(exact.schema.clone()), exact.table.clone());
            if let Some(shown) = &table.view {
                let (query, outputs) = self.view(&table, shown)?;
                view = Some(query);
                (schema, real, Columns::Query(outputs.into()))
            } else {
                self.touch_table(&table);
                (schema, real, Columns::Table(Arc::clone(&table)))
            }
        };
        let schema = if named.is_some() { None } else { schema };
        let name_in_query = named.unwrap_or(real);
        let plan_name = self.plan_name(&name_in_query);
        *alias = Some(TableAlias {
            explicit: true,
            name: tree::exact(&plan_name),
            columns: vec![],
            at: None,
        });
        Ok((Scope::of(Relation { plan_name, schema, name: name_in_query, columns }), view))
    }

    fn join(
        &mut self,
        left: Scope,
        join: &mut Join,
        outer: Option<&Env<'_>>,
    ) -> Result<Scope, Error> {
        let span = join.relation.span();
        let right = self.table_factor(&mut join.relation, outer)?;
        let (constraint, kept) = match &mut join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                (constraint, Kept::Left)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                (constraint, Kept::Left)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                (constraint, Kept::Right)
            }
            JoinOperator::FullOuter(constraint) => (constraint, Kept::Both),
            _ => {
                let mut scope = left;
                append(&mut scope, right, span)?;
                return Ok(scope);
            }
        };
        let names = match constraint {
            JoinConstraint::On(condition) => {
                let mut scope = left;
                append(&mut scope, right, span)?;
                self.expression(condition, &Env::new(&scope, outer))?;
                return Ok(scope);
            }
            JoinConstraint::Using(names) => names
                .iter()
                .filter_map(|name| name.0.first().and_then(|part| part.as_ident()).cloned())
                .collect(),
            JoinConstraint::Natural | JoinConstraint::None => common_names(&left, &right, span)?,
        };
        let (scope, condition) = self.merge((left, right), &names, kept, span)?;
        *constraint = JoinConstraint::On(condition);
        Ok(scope)
    }

    /// Joins by equal names: each pair becomes one visible column, before all others
    /// (SQL-92, section 7.5).
    fn merge(
        &mut self,
        (left, right): (Scope, Scope),
        names: &[Ident],
        kept: Kept,
        span: Span,
    ) -> Result<(Scope, Expr), Error> {
        let mut merged = vec![];
        let mut condition: Option<Expr> = None;
        let (mut used_left, mut used_right) = (vec![], vec![]);
        for name in names {
            let (a, b) = (side(&left, name, "left")?, side(&right, name, "right")?);
            self.touch_visible(&left, &left.visible[a]);
            self.touch_visible(&right, &right.visible[b]);
            let (x, y) = (
                left.visible_expression(&left.visible[a]),
                right.visible_expression(&right.visible[b]),
            );
            let kinds = (
                left.visible_metadata(&left.visible[a]).kind,
                right.visible_metadata(&right.visible[b]).kind,
            );
            if let (Some(kind), other) = kinds {
                let span = if name.span == Span::empty() { span } else { name.span };
                kind::unlike(&placed(x.clone(), span), kind, &y, other)?;
            }
            let equal = tree::binary(x.clone(), BinaryOperator::Eq, y.clone());
            condition = Some(match condition {
                Some(before) => tree::binary(before, BinaryOperator::And, equal),
                None => equal,
            });
            merged.push(Visible::Merged {
                name: left.visible_name(&left.visible[a]),
                expression: Box::new(match kept {
                    Kept::Left => x,
                    Kept::Right => y,
                    Kept::Both => tree::call("COALESCE", vec![x, y]),
                }),
                metadata: Box::new(left.visible_metadata(&left.visible[a]).with_others()),
            });
            used_left.push(a);
            used_right.push(b);
        }
        let offset = left.visible.len();
        let mut scope = left;
        append(&mut scope, right, span)?;
        let rest = scope.visible.into_iter().enumerate().filter_map(|(index, visible)| {
            let used = match index.checked_sub(offset) {
                None => used_left.contains(&index),
                Some(index) => used_right.contains(&index),
            };
            (!used).then_some(visible)
        });
        merged.extend(rest);
        scope.visible = merged;
        let condition = condition.unwrap_or_else(tree::null);
        Ok((scope, condition))
    }
}

fn append(scope: &mut Scope, part: Scope, span: Span) -> Result<(), Error> {
    scope.append(part).map_err(|name| Error::NotAllowed {
        message: format!("FROM has two tables of the name {name}: give one another name with AS"),
        place: place(span),
    })
}

/// The column of one side of a join by a name of USING.
fn side(scope: &Scope, name: &Ident, which: &str) -> Result<usize, Error> {
    match scope.find(name) {
        Found::One(index) => Ok(index),
        Found::None => {
            let names = scope.visible.iter().map(|visible| scope.visible_name(visible));
            let near = nearest(&name.value, names);
            let name_on_side = format!("{} on the {which} side of the join", name.value);
            Err(Error::Unknown {
                kind: "column",
                name: name_on_side,
                place: place(name.span),
                near,
            })
        }
        Found::Many(candidates) => Err(Error::Ambiguous {
            kind: "column",
            name: name.value.clone(),
            place: place(name.span),
            candidates,
        }),
    }
}

/// The names that NATURAL JOIN joins by, in the order of the left side.
fn common_names(left: &Scope, right: &Scope, span: Span) -> Result<Vec<Ident>, Error> {
    let names_of = |scope: &Scope| -> Vec<String> {
        let visible = scope.visible.iter().filter(|visible| !scope.is_hidden(visible));
        visible.map(|visible| scope.visible_name(visible)).collect()
    };
    let others: HashSet<String> =
        names_of(right).into_iter().map(|name| name.to_ascii_lowercase()).collect();
    let mut seen = HashSet::new();
    let common: Vec<Ident> = names_of(left)
        .into_iter()
        .filter(|name| {
            let lower = name.to_ascii_lowercase();
            others.contains(&lower) && seen.insert(lower)
        })
        .map(Ident::new)
        .collect();
    if common.is_empty() {
        return Err(Error::NotAllowed {
            message: "NATURAL JOIN needs a common column, and there is none: write JOIN … ON …"
                .to_owned(),
            place: place(span),
        });
    }
    Ok(common)
}
