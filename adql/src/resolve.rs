//! Names against [`Schemas`]: every name in the tree becomes exact and unambiguous.
//!
//! Afterwards each relation has a name that is unique in the whole query, each column is written
//! as `"relation"."column"`, `*` is a list of columns, USING and NATURAL are conditions, each
//! output column has a unique name and ORDER BY names positions where it can, so that nothing is
//! left for DataFusion to guess. Yields one [`Output`] per output column and the columns of each
//! table that the query touches.

mod cast;
mod element;
mod expression;
mod from;
mod grouping;
mod in_unit;
mod kind;
mod metadata;
mod near;
mod scope;
mod select;
mod sub_query;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Expr, Ident, ObjectName, OrderBy, OrderByKind, Query, SetExpr, Spanned,
};

pub(crate) use metadata::Metadata;
pub(crate) use near::nearest;
use scope::{Env, Named, Scope, fits};

use crate::parser::{place, tree};
use crate::schema::TAP_UPLOAD;
use crate::{Error, Schemas, Table, TableName, View};

/// An output column of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    /// Its name, unique among the output columns in any case.
    pub(crate) name: String,
    pub(crate) metadata: Metadata,
}

/// A table and the columns of it that a query touches.
#[derive(Debug, Clone)]
pub(crate) struct Touched {
    pub(crate) table: Arc<Table>,
    /// Indices into its columns.
    pub(crate) columns: BTreeSet<usize>,
}

/// What names of a query mean.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) outputs: Vec<Output>,
    pub(crate) tables: BTreeMap<TableName, Touched>,
}

/// Resolves all names of a query that [`check`](crate::check) has passed, in place.
pub(crate) fn resolve(query: &mut Query, schemas: &dyn Schemas) -> Result<Resolved, Error> {
    let mut resolver = Resolver {
        schemas,
        tables: None,
        touched: BTreeMap::new(),
        plan_names: HashSet::new(),
        ctes: vec![],
        views: 0,
    };
    let outputs = resolver.query(query, None)?;
    Ok(Resolved { outputs, tables: resolver.touched })
}

/// Refuses sub-queries, in a query whose names are resolved, of which DataFusion would make joins
/// that have other rows.
pub(crate) fn check_sub_queries(query: &Query) -> Result<(), Error> {
    sub_query::check(query)
}

/// Looks for what DataFusion refuses, in a query whose names are resolved, to say where that is and
/// what would work. The query is of no further use.
pub(crate) fn explain(query: &mut Query) -> Result<(), Error> {
    grouping::explain(query)?;
    sub_query::explain(query)
}

/// The same where it is known to be a sub-query.
pub(crate) fn explain_sub_query(query: &mut Query) -> Result<(), Error> {
    explain(query)?;
    sub_query::explain_any(query)
}

/// A WITH query.
#[derive(Debug, Clone)]
struct Cte {
    name: String,
    plan_name: String,
    outputs: Arc<[Output]>,
}

/// How many views a query may name, those in views too: each is planned as often as it is named.
const VIEWS: usize = 256;

#[derive(Debug)]
struct Resolver<'a> {
    schemas: &'a dyn Schemas,
    /// All tables, asked for when first needed.
    tables: Option<Vec<Arc<Table>>>,
    touched: BTreeMap<TableName, Touched>,
    /// The names of relations that are taken, in small letters.
    plan_names: HashSet<String>,
    ctes: Vec<Cte>,
    /// How many views the query names, those in views too.
    views: usize,
}

impl Resolver<'_> {
    fn query(&mut self, query: &mut Query, outer: Option<&Env<'_>>) -> Result<Vec<Output>, Error> {
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let outputs = self.query(&mut cte.query, None)?.into();
                let name = cte.alias.name.value.clone();
                if self.ctes.iter().any(|other| other.name.eq_ignore_ascii_case(&name)) {
                    return Err(Error::NotAllowed {
                        message: format!("WITH defines {name} twice"),
                        place: place(cte.alias.name.span),
                    });
                }
                let plan_name = self.plan_name(&name);
                cte.alias.name = tree::exact(&plan_name);
                self.ctes.push(Cte { name, plan_name, outputs });
            }
        }
        self.set_expression(&mut query.body, query.order_by.as_mut(), outer)
    }

    /// A SELECT or a set operation, and the ORDER BY that follows it.
    fn set_expression(
        &mut self,
        mut body: &mut SetExpr,
        order_by: Option<&mut OrderBy>,
        outer: Option<&Env<'_>>,
    ) -> Result<Vec<Output>, Error> {
        if let SetExpr::Select(select) = body {
            return self.select(select, order_by, outer);
        }
        let mut operands = vec![];
        while let SetExpr::SetOperation { left, op, right, .. } = body {
            operands.push((op.to_string(), right));
            body = left;
        }
        let first = self.operand(body, outer)?.into_iter();
        let outputs: Vec<Output> = first
            .map(|Output { name, metadata }| Output { name, metadata: metadata.with_others() })
            .collect();
        for (operator, operand) in operands.into_iter().rev() {
            let here = place(operand.span());
            let others = self.operand(operand, outer)?;
            let count = others.len();
            if count != outputs.len() {
                let message = format!(
                    "the operands of {operator} have {} and {count} columns: they need the same \
                     number",
                    outputs.len()
                );
                return Err(Error::NotAllowed { message, place: here });
            }
            kind::check_columns(&operator, [&outputs, &others], here)?;
        }
        if let Some(order_by) = order_by {
            self.order_by_outputs(order_by, &outputs, outer)?;
        }
        Ok(outputs)
    }

    fn operand(
        &mut self,
        operand: &mut SetExpr,
        outer: Option<&Env<'_>>,
    ) -> Result<Vec<Output>, Error> {
        match operand {
            SetExpr::Query(query) => self.query(query, outer),
            other => self.set_expression(other, None, outer),
        }
    }

    /// ORDER BY of a set operation: names, positions and expressions of output columns.
    fn order_by_outputs(
        &mut self,
        order_by: &mut OrderBy,
        outputs: &[Output],
        outer: Option<&Env<'_>>,
    ) -> Result<(), Error> {
        let OrderByKind::Expressions(terms) = &mut order_by.kind else { return Ok(()) };
        let named: Vec<Named> = outputs
            .iter()
            .map(|output| Named {
                name: output.name.clone(),
                expression: Expr::Identifier(tree::exact(&output.name)),
            })
            .collect();
        let env = Env { scope: &Scope::default(), named: &named, outer };
        for term in terms {
            if let Some(position) = select::position(&term.expr, outputs.len(), "ORDER BY")? {
                term.expr = tree::number(position + 1);
                continue;
            }
            self.expression(&mut term.expr, &env)?;
            let term_is = tree::bare(&term.expr);
            if let Some(index) = named.iter().position(|n| n.expression == *term_is) {
                term.expr = tree::number(index + 1);
            }
        }
        Ok(())
    }

    /// A name for a relation of the plan that no other has: letters, digits and underscores.
    fn plan_name(&mut self, wanted: &str) -> String {
        let base: String = wanted
            .chars()
            .take(40)
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let mut name = base.clone();
        let mut count = 1;
        while !self.plan_names.insert(name.to_ascii_lowercase()) {
            count += 1;
            name = format!("{base}_{count}");
        }
        name
    }

    /// The query of a view in the place of its name, and its columns as they are described.
    fn view(&mut self, table: &Table, view: &View) -> Result<(Query, Vec<Output>), Error> {
        self.views += 1;
        if self.views > VIEWS {
            let unit = "views, with those that its views name";
            return Err(Error::TooLarge { unit, limit: VIEWS, actual: self.views });
        }
        let mut query = view.query().clone();
        // A view knows nothing of the query around it.
        let around = std::mem::take(&mut self.ctes);
        let outputs = self.query(&mut query, None);
        self.ctes = around;
        let outputs = outputs.map_err(Error::without_place)?;
        let described = outputs.into_iter().zip(&table.columns);
        let described = described.map(|(output, column)| {
            let Metadata { kind, array, .. } = output.metadata;
            Output {
                name: output.name,
                metadata: Metadata { kind, array, ..Metadata::of_column(column) },
            }
        });
        Ok((query, described.collect()))
    }

    fn tables(&mut self) -> &[Arc<Table>] {
        self.tables.get_or_insert_with(|| self.schemas.tables())
    }

    /// The table of a name with one or two parts (ADQL 2.1, grammar, `<table_name>`).
    fn table(&mut self, name: &ObjectName) -> Result<Arc<Table>, Error> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let matches = |table: &TableName| match parts.as_slice() {
            [last] => fits(last, &table.table) && !table.is_metadata() && !table.is_upload(),
            [schema, last] => fits(schema, &table.schema) && fits(last, &table.table),
            _ => false,
        };
        let exactly = |table: &TableName| match parts.as_slice() {
            [last] => last.value == table.table,
            [schema, last] => schema.value == table.schema && last.value == table.table,
            _ => false,
        };
        let mut found: Vec<Arc<Table>> =
            self.tables().iter().filter(|table| matches(&table.name)).cloned().collect();
        // Of names that differ in case only, the exact one counts.
        if found.len() > 1 && found.iter().filter(|table| exactly(&table.name)).count() == 1 {
            let same = |a: &TableName, b: &TableName| {
                a.schema.eq_ignore_ascii_case(&b.schema) && a.table.eq_ignore_ascii_case(&b.table)
            };
            if found.iter().all(|table| same(&table.name, &found[0].name)) {
                found.retain(|table| exactly(&table.name));
            }
        }
        let here = place(name.span());
        match found.as_slice() {
            [table] => Ok(Arc::clone(table)),
            [] => {
                let written = written(&parts);
                if parts.len() == 2 && parts[0].value.eq_ignore_ascii_case(TAP_UPLOAD) {
                    let name = &parts[1].value;
                    let message = format!(
                        "unknown table {written}: send it with the query, as in \
                         UPLOAD={name},param:file, where file is a part of the request"
                    );
                    return Err(Error::NotAllowed { message, place: here });
                }
                let names = self.tables().iter().map(|table| table.name.to_string());
                let near = nearest(&written, names);
                Err(Error::Unknown { kind: "table", name: written, place: here, near })
            }
            many => Err(Error::Ambiguous {
                kind: "table",
                name: written(&parts),
                place: here,
                candidates: many.iter().map(|table| table.name.to_string()).collect(),
            }),
        }
    }

    /// Notes that the query needs a table.
    fn touch_table(&mut self, table: &Arc<Table>) {
        self.touched.entry(table.name.clone()).or_insert_with(|| Touched {
            table: Arc::clone(table),
            columns: position_columns(table),
        });
    }

    /// Notes that the query needs a column of a table.
    fn touch(&mut self, table: &TableName, column: usize) {
        if let Some(touched) = self.touched.get_mut(table) {
            touched.columns.insert(column);
        }
    }
}

/// The columns that every query of a table touches: those by which the rewrites find rows on the
/// sky.
fn position_columns(table: &Table) -> BTreeSet<usize> {
    let Some(positions) = &table.positions else { return BTreeSet::new() };
    [&positions.ra, &positions.dec, &positions.spatial_index]
        .into_iter()
        .filter_map(|name| table.column_index(name))
        .collect()
}

/// A name as it was written, without quotes.
fn written(parts: &[&Ident]) -> String {
    parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;
