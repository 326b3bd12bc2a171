//! What names mean at a place of a query: the relations of its FROM, and of the queries around it.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, Ident};

use super::{Metadata, Output};
use crate::Table;
use crate::parser::tree;

/// How well a written name fits an exact one (ADQL 2.1, section 2.1.7): delimited names exactly,
/// regular ones in any case.
pub(super) fn fits(written: &Ident, exact: &str) -> bool {
    match written.quote_style {
        Some(_) => written.value == exact,
        None => written.value.eq_ignore_ascii_case(exact),
    }
}

/// The columns of a relation.
#[derive(Debug, Clone)]
pub(super) enum Columns {
    Table(Arc<Table>),
    Query(Arc<[Output]>),
}

impl Columns {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Table(table) => table.columns.len(),
            Self::Query(outputs) => outputs.len(),
        }
    }

    pub(super) fn name(&self, index: usize) -> &str {
        match self {
            Self::Table(table) => &table.columns[index].name,
            Self::Query(outputs) => &outputs[index].name,
        }
    }

    pub(super) fn is_hidden(&self, index: usize) -> bool {
        match self {
            Self::Table(table) => table.columns[index].hidden,
            Self::Query(_) => false,
        }
    }

    pub(super) fn metadata(&self, index: usize) -> Metadata {
        match self {
            Self::Table(table) => Metadata::of_column(&table.columns[index]),
            Self::Query(outputs) => outputs[index].metadata.clone(),
        }
    }

    /// The columns that a name fits; an exact fit excludes others.
    fn find(&self, written: &Ident) -> Vec<usize> {
        let fitting: Vec<usize> =
            (0..self.len()).filter(|&index| fits(written, self.name(index))).collect();
        match fitting.iter().find(|&&index| self.name(index) == written.value) {
            Some(&exact) => vec![exact],
            None => fitting,
        }
    }
}

/// A table, WITH query or derived table in a FROM.
#[derive(Debug, Clone)]
pub(super) struct Relation {
    /// Its name in the plan, unique in the whole query.
    pub(super) plan_name: String,
    /// Its schema, if it is a table without a name of its own in the query.
    pub(super) schema: Option<String>,
    /// Its name in the query.
    pub(super) name: String,
    pub(super) columns: Columns,
}

impl Relation {
    /// A column as an expression of the plan.
    pub(super) fn expression(&self, column: usize) -> Expr {
        tree::column(&self.plan_name, self.columns.name(column))
    }

    /// The name of a column that is written without doubt.
    fn qualified(&self, column: usize) -> String {
        let schema = self.schema.as_ref().map_or_else(String::new, |schema| format!("{schema}."));
        format!("{schema}{}.{}", self.name, self.columns.name(column))
    }

    fn fits(&self, qualifier: &[Ident]) -> bool {
        match qualifier {
            [name] => fits(name, &self.name),
            [schema, name] => {
                fits(name, &self.name) && self.schema.as_ref().is_some_and(|s| fits(schema, s))
            }
            _ => false,
        }
    }

    /// Whether no name can tell two relations apart.
    fn collides(&self, other: &Self) -> bool {
        let same_schema = match (&self.schema, &other.schema) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        };
        same_schema && self.name.eq_ignore_ascii_case(&other.name)
    }
}

/// A column that is visible without the name of its relation.
#[derive(Debug, Clone)]
pub(super) enum Visible {
    Column {
        relation: usize,
        column: usize,
    },
    /// A column that USING or NATURAL has made of two.
    Merged {
        name: String,
        expression: Box<Expr>,
        metadata: Box<Metadata>,
    },
}

/// The relations of one FROM, or of a part of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) relations: Vec<Relation>,
    pub(super) visible: Vec<Visible>,
}

/// What a search for a name found.
#[derive(Debug)]
pub(super) enum Found<T> {
    None,
    One(T),
    /// The qualified names of all.
    Many(Vec<String>),
}

impl Scope {
    pub(super) fn of(relation: Relation) -> Self {
        let visible =
            (0..relation.columns.len()).map(|column| Visible::Column { relation: 0, column });
        Self { visible: visible.collect(), relations: vec![relation] }
    }

    /// Adds the relations of another scope; hands back the name that both have, if any.
    pub(super) fn append(&mut self, other: Self) -> Result<(), String> {
        for relation in &other.relations {
            if self.relations.iter().any(|mine| mine.collides(relation)) {
                return Err(relation.name.clone());
            }
        }
        let offset = self.relations.len();
        self.relations.extend(other.relations);
        self.visible.extend(other.visible.into_iter().map(|visible| shifted(visible, offset)));
        Ok(())
    }

    pub(super) fn visible_name(&self, visible: &Visible) -> String {
        match visible {
            Visible::Column { relation, column } => {
                self.relations[*relation].columns.name(*column).to_owned()
            }
            Visible::Merged { name, .. } => name.clone(),
        }
    }

    pub(super) fn visible_metadata(&self, visible: &Visible) -> Metadata {
        match visible {
            Visible::Column { relation, column } => {
                self.relations[*relation].columns.metadata(*column)
            }
            Visible::Merged { metadata, .. } => metadata.as_ref().clone(),
        }
    }

    pub(super) fn visible_expression(&self, visible: &Visible) -> Expr {
        match visible {
            Visible::Column { relation, column } => self.relations[*relation].expression(*column),
            Visible::Merged { expression, .. } => expression.as_ref().clone(),
        }
    }

    pub(super) fn is_hidden(&self, visible: &Visible) -> bool {
        match visible {
            Visible::Column { relation, column } => {
                self.relations[*relation].columns.is_hidden(*column)
            }
            Visible::Merged { .. } => false,
        }
    }

    /// The visible column of a name without qualifier, as index into `visible`.
    pub(super) fn find(&self, written: &Ident) -> Found<usize> {
        let mut found: Vec<usize> = vec![];
        for (index, visible) in self.visible.iter().enumerate() {
            let name = match visible {
                Visible::Column { relation, column } => {
                    self.relations[*relation].columns.name(*column)
                }
                Visible::Merged { name, .. } => name,
            };
            if fits(written, name) {
                found.push(index);
            }
        }
        if found.len() > 1 {
            self.prefer_exact(written, &mut found);
        }
        match found.as_slice() {
            [] => Found::None,
            [one] => Found::One(*one),
            many => Found::Many(many.iter().map(|&index| self.qualified(index)).collect()),
        }
    }

    /// Of several columns of one relation that differ in case only, the exact one counts.
    fn prefer_exact(&self, written: &Ident, found: &mut Vec<usize>) {
        let key = |index: usize| match &self.visible[index] {
            Visible::Column { relation, column } => {
                (Some(*relation), self.relations[*relation].columns.name(*column) == written.value)
            }
            Visible::Merged { name, .. } => (None, *name == written.value),
        };
        let exact: Vec<Option<usize>> =
            found.iter().filter(|&&index| key(index).1).map(|&index| key(index).0).collect();
        found.retain(|&index| {
            let (relation, is_exact) = key(index);
            is_exact || !exact.contains(&relation)
        });
    }

    fn qualified(&self, index: usize) -> String {
        match &self.visible[index] {
            Visible::Column { relation, column } => self.relations[*relation].qualified(*column),
            Visible::Merged { name, .. } => name.clone(),
        }
    }

    /// The relation that a qualifier names.
    pub(super) fn find_relation(&self, qualifier: &[Ident]) -> Found<usize> {
        let mut found: Vec<usize> = (0..self.relations.len())
            .filter(|&index| self.relations[index].fits(qualifier))
            .collect();
        if let (true, Some(name)) = (found.len() > 1, qualifier.last())
            && let Some(&exact) =
                found.iter().find(|&&index| self.relations[index].name == name.value)
            && found.iter().filter(|&&i| self.relations[i].name == name.value).count() == 1
        {
            found = vec![exact];
        }
        match found.as_slice() {
            [] => Found::None,
            [one] => Found::One(*one),
            many => Found::Many(
                many.iter()
                    .map(|&index| {
                        let relation = &self.relations[index];
                        let schema = relation.schema.clone().unwrap_or_default();
                        format!("{schema}.{}", relation.name)
                    })
                    .collect(),
            ),
        }
    }

    /// The column of one relation.
    pub(super) fn find_in(&self, relation: usize, written: &Ident) -> Found<usize> {
        let relation = &self.relations[relation];
        match relation.columns.find(written).as_slice() {
            [] => Found::None,
            [one] => Found::One(*one),
            many => Found::Many(many.iter().map(|&column| relation.qualified(column)).collect()),
        }
    }
}

fn shifted(visible: Visible, offset: usize) -> Visible {
    match visible {
        Visible::Column { relation, column } => {
            Visible::Column { relation: relation + offset, column }
        }
        merged @ Visible::Merged { .. } => merged,
    }
}

/// An output column as far as other clauses of its query may name it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// The name that was written or derived, before it was made unique.
    pub(super) name: String,
    pub(super) expression: Expr,
}

/// Where a name is looked up: in a scope, among the output columns of its query, then in the
/// query around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Env<'a> {
    pub(super) scope: &'a Scope,
    pub(super) named: &'a [Named],
    pub(super) outer: Option<&'a Env<'a>>,
}

impl<'a> Env<'a> {
    pub(super) fn new(scope: &'a Scope, outer: Option<&'a Env<'a>>) -> Self {
        Self { scope, named: &[], outer }
    }

    /// This place and those around it, from the inside.
    pub(super) fn chain(self) -> impl Iterator<Item = Env<'a>> {
        std::iter::successors(Some(self), |env| env.outer.copied())
    }
}
