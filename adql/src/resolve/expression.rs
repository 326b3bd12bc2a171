//! Names in conditions and values.

use datafusion::sql::sqlparser::ast::{
    Expr, Function as Call, Ident, Query, Select, SelectItem, SetExpr, Spanned,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::in_unit::IN_UNIT;
use super::scope::{Columns, Env, Found, Relation, Scope, Visible, fits};
use super::{Metadata, Output, Resolver, nearest, written};
use super::{element, in_unit, kind};
use crate::Error;
use crate::function::ELEMENT;
use crate::parser::{place, tree};

pub(super) fn is_call(expression: &Expr, name: &str) -> bool {
    matches!(expression, Expr::Function(call) if call.name.to_string().eq_ignore_ascii_case(name))
}

/// Visits the calls of a function in an expression, but for those in its sub-queries, which were
/// visited with their names.
fn each_call(
    expression: &mut Expr,
    name: &str,
    visit: impl Fn(&mut Call) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut left = vec![expression];
    while let Some(expression) = left.pop() {
        let is_call = is_call(expression, name);
        match expression {
            Expr::InSubquery { expr, .. } => left.push(expr),
            Expr::Subquery(_) | Expr::Exists { .. } => {}
            other => {
                if let Expr::Function(call) = other
                    && is_call
                {
                    visit(call)?;
                }
                tree::push_children(other, &mut left);
            }
        }
    }
    Ok(())
}

impl Resolver<'_> {
    /// Resolves all names of an expression in place. The tree is walked with a list of what is
    /// left to do, so that its depth costs no stack.
    pub(super) fn expression(&mut self, expression: &mut Expr, env: &Env<'_>) -> Result<(), Error> {
        let mut left = vec![&mut *expression];
        let (mut has_units, mut has_elements) = (false, false);
        while let Some(expression) = left.pop() {
            let first = left.len();
            has_units |= is_call(expression, IN_UNIT);
            has_elements |= is_call(expression, ELEMENT);
            match expression {
                Expr::Identifier(name) => {
                    let span = name.span;
                    *expression = placed(self.column(std::slice::from_ref(name), env)?, span);
                }
                Expr::CompoundIdentifier(parts) => {
                    let span = parts.iter().fold(Span::empty(), |all, part| all.union(&part.span));
                    *expression = placed(self.column(parts, env)?, span);
                }
                Expr::InSubquery { expr, subquery, .. } => {
                    self.expression(expr, env)?;
                    let Output { name, metadata } = self.one_column(subquery, env)?;
                    if let Some(kind) = Metadata::of(expr, env).kind {
                        let column = Expr::Identifier(Ident::new(name));
                        kind::unlike(expr, kind, &column, metadata.kind)?;
                    }
                }
                Expr::Subquery(subquery) => {
                    self.one_column(subquery, env)?;
                }
                Expr::Exists { subquery, .. } => {
                    without_star(subquery);
                    self.query(subquery, Some(env))?;
                }
                other => tree::push_children(other, &mut left),
            }
            left[first..].reverse();
        }
        if has_elements {
            each_call(expression, ELEMENT, |call| element::number(call, env))?;
        }
        kind::check(expression, env)?;
        if has_units {
            each_call(expression, IN_UNIT, |call| in_unit::add_factor(call, env))?;
        }
        Ok(())
    }

    /// A sub-query that is a value or a list of values.
    fn one_column(&mut self, subquery: &mut Query, env: &Env<'_>) -> Result<Output, Error> {
        let here = place(subquery.span());
        let mut outputs = self.query(subquery, Some(env))?;
        match (outputs.len(), outputs.pop()) {
            (1, Some(output)) => Ok(output),
            (count, _) => Err(Error::NotAllowed {
                message: format!("a sub-query that is compared has one column, not {count}"),
                place: here,
            }),
        }
    }

    /// A column by its name with up to four parts, as an expression of the plan.
    fn column(&mut self, parts: &[Ident], env: &Env<'_>) -> Result<Expr, Error> {
        for place in env.chain() {
            let found = match parts {
                [name] => self.unqualified(name, &place)?,
                [qualifier @ .., name] => self.qualified(qualifier, name, &place)?,
                [] => None,
            };
            if let Some(expression) = found {
                return Ok(expression);
            }
        }
        Err(unknown(parts, env))
    }

    fn unqualified(&mut self, name: &Ident, env: &Env<'_>) -> Result<Option<Expr>, Error> {
        match env.scope.find(name) {
            Found::One(index) => {
                let visible = &env.scope.visible[index];
                self.touch_visible(env.scope, visible);
                return Ok(Some(env.scope.visible_expression(visible)));
            }
            Found::Many(candidates) => return Err(ambiguous("column", &[name], candidates)),
            Found::None => {}
        }
        let mut named = env.named.iter().filter(|named| fits(name, &named.name));
        let Some(first) = named.next() else { return Ok(None) };
        if named.any(|other| other.expression != first.expression) {
            let candidates = vec![format!("another name after AS for each {}", name.value)];
            return Err(ambiguous("output column", &[name], candidates));
        }
        Ok(Some(Expr::Nested(Box::new(first.expression.clone()))))
    }

    fn qualified(
        &mut self,
        qualifier: &[Ident],
        name: &Ident,
        env: &Env<'_>,
    ) -> Result<Option<Expr>, Error> {
        let relation = match env.scope.find_relation(qualifier) {
            Found::None => return Ok(None),
            Found::One(relation) => relation,
            Found::Many(candidates) => {
                let parts: Vec<&Ident> = qualifier.iter().collect();
                return Err(ambiguous("table", &parts, candidates));
            }
        };
        let parts: Vec<&Ident> = qualifier.iter().chain([name]).collect();
        match env.scope.find_in(relation, name) {
            Found::One(column) => {
                self.touch_visible(env.scope, &Visible::Column { relation, column });
                Ok(Some(env.scope.relations[relation].expression(column)))
            }
            Found::Many(candidates) => Err(ambiguous("column", &parts, candidates)),
            Found::None => {
                let columns = &env.scope.relations[relation].columns;
                let names = (0..columns.len()).map(|index| columns.name(index).to_owned());
                Err(Error::Unknown {
                    kind: "column",
                    name: written(&parts),
                    place: place(qualifier[0].span.union(&name.span)),
                    near: nearest(&name.value, names),
                })
            }
        }
    }

    /// Notes that a visible column is needed; the parts of a merged one were noted at the join.
    pub(super) fn touch_visible(&mut self, scope: &Scope, visible: &Visible) {
        if let Visible::Column { relation, column } = visible
            && let Columns::Table(table) = &scope.relations[*relation].columns
        {
            self.touch(&table.name, *column);
        }
    }
}

/// Gives a resolved column the place in the text at which it is named.
pub(super) fn placed(mut expression: Expr, span: Span) -> Expr {
    if let Expr::CompoundIdentifier(parts) = &mut expression {
        for part in parts {
            part.span = span;
        }
    }
    expression
}

fn ambiguous(kind: &'static str, parts: &[&Ident], candidates: Vec<String>) -> Error {
    let here = parts.first().and_then(|part| place(part.span));
    Error::Ambiguous { kind, name: written(parts), place: here, candidates }
}

fn unknown(parts: &[Ident], env: &Env<'_>) -> Error {
    let all: Vec<&Ident> = parts.iter().collect();
    let here = parts.first().and_then(|part| place(part.span));
    let [qualifier @ .., name] = parts else {
        return Error::Unknown { kind: "column", name: String::new(), place: None, near: vec![] };
    };
    if let Some(last) = qualifier.last() {
        let relations = || env.chain().flat_map(|env| &env.scope.relations);
        let is_named_otherwise = |relation: &&Relation| match &relation.columns {
            Columns::Table(table) => fits(last, &table.name.table) && !fits(last, &relation.name),
            Columns::Query(_) => false,
        };
        if let Some(relation) = relations().find(is_named_otherwise) {
            let (written, name) = (written(&all[..all.len() - 1]), &relation.name);
            let message = format!("unknown table {written}: in this query it is named {name}");
            return Error::NotAllowed { message, place: here };
        }
        let near = nearest(&last.value, relations().map(|relation| relation.name.clone()));
        let name = written(&all[..all.len() - 1]);
        return Error::Unknown { kind: "table", name, place: here, near };
    }
    let names = env.chain().flat_map(|env| {
        let scope = env.scope;
        scope
            .visible
            .iter()
            .filter(move |visible| !scope.is_hidden(visible))
            .map(move |visible| scope.visible_name(visible))
            .chain(env.named.iter().map(|named| named.name.clone()))
    });
    let near = nearest(&name.value, names);
    if near.is_empty() && name.quote_style.is_some() {
        let message = format!(
            "unknown column {0}: double quotes are for names; a text is written '{0}'",
            name.value
        );
        return Error::NotAllowed { message, place: here };
    }
    Error::Unknown { kind: "column", name: written(&all), place: here, near }
}

/// `EXISTS (SELECT * …)` needs no column: a wide table is not read for it.
fn without_star(subquery: &mut Query) {
    let SetExpr::Select(select) = subquery.body.as_mut() else { return };
    let Select { projection, distinct: None, .. } = select.as_mut() else { return };
    if let [SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)] = projection.as_slice() {
        *projection = vec![SelectItem::UnnamedExpr(tree::number(1))];
    }
}
