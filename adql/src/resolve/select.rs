//! One SELECT: its output columns, then the clauses that may name them.

use std::collections::{HashMap, HashSet};

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Select, SelectItem,
    SelectItemQualifiedWildcardKind, Spanned, Value,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::expression::placed;
use super::kind::shown;
use super::scope::{Env, Found, Named, Scope, Visible, fits};
use super::{Metadata, Output, Resolver, grouping, nearest, written};
use crate::Error;
use crate::parser::{place, tree};

/// The position that a term names, counted from 0, if it is a whole number; an error if there is
/// no such column.
pub(super) fn position(term: &Expr, columns: usize, clause: &str) -> Result<Option<usize>, Error> {
    let Expr::Value(value) = term else { return Ok(None) };
    let Value::Number(digits, _) = &value.value else { return Ok(None) };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match digits.parse::<usize>().ok().and_then(|n| n.checked_sub(1)) {
        Some(index) if index < columns => Ok(Some(index)),
        _ => Err(Error::NotAllowed {
            message: format!("{clause} {digits} names no column: there are {columns}"),
            place: place(value.span),
        }),
    }
}

/// An output column in the making.
#[derive(Debug)]
struct Item {
    named: Named,
    metadata: Metadata,
}

impl Resolver<'_> {
    pub(super) fn select(
        &mut self,
        select: &mut Select,
        order_by: Option<&mut OrderBy>,
        outer: Option<&Env<'_>>,
    ) -> Result<Vec<Output>, Error> {
        let scope = self.from(&mut select.from, outer)?;
        let env = Env::new(&scope, outer);
        let aliases = aliases(&select.projection);
        let items = self
            .items(&mut select.projection, &env)
            .map_err(|error| about_alias(error, &aliases, "SELECT"))?;
        let (outputs, named) = uniquely_named(items);
        select.projection = outputs
            .iter()
            .zip(&named)
            .map(|(output, named)| SelectItem::ExprWithAlias {
                expr: named.expression.clone(),
                alias: tree::exact(&output.name),
            })
            .collect();
        if let Some(condition) = &mut select.selection {
            self.expression(condition, &env)
                .map_err(|error| about_alias(error, &aliases, "WHERE"))?;
        }
        let with_names = Env { named: &named, ..env };
        if let GroupByExpr::Expressions(terms, _) = &mut select.group_by {
            for term in terms {
                let (written, here) = (shown(term), place(term.span()));
                match position(term, named.len(), "GROUP BY")? {
                    Some(index) => *term = named[index].expression.clone(),
                    None => self.expression(term, &with_names)?,
                }
                grouping::check_term(term, &written, here)?;
            }
        }
        if let Some(condition) = &mut select.having {
            self.expression(condition, &with_names)?;
        }
        if let Some(order_by) = order_by {
            let distinct = matches!(select.distinct, Some(Distinct::Distinct));
            self.order_by(order_by, distinct, &with_names)?;
        }
        Ok(outputs)
    }

    /// The select list with `*` expanded and all names resolved.
    fn items(
        &mut self,
        projection: &mut Vec<SelectItem>,
        env: &Env<'_>,
    ) -> Result<Vec<Item>, Error> {
        let mut items: Vec<Item> = vec![];
        for item in std::mem::take(projection) {
            match item {
                SelectItem::Wildcard(ref star) => {
                    self.star(env.scope, star.wildcard_token.0.span, &mut items);
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let parts: Vec<Ident> =
                        name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
                    self.qualified_star(&parts, env.scope, &mut items)?;
                }
                SelectItem::UnnamedExpr(expression) => {
                    let number = items.len() + 1;
                    items.push(self.item(expression, None, number, env)?);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let number = items.len() + 1;
                    items.push(self.item(expr, Some(alias.value), number, env)?);
                }
                _ => {}
            }
        }
        Ok(items)
    }

    fn item(
        &mut self,
        mut expression: Expr,
        name: Option<String>,
        number: usize,
        env: &Env<'_>,
    ) -> Result<Item, Error> {
        let written = match tree::bare(&expression) {
            Expr::Identifier(name) => Some(name.clone()),
            Expr::CompoundIdentifier(parts) => parts.last().cloned(),
            _ => None,
        };
        self.expression(&mut expression, env)?;
        let name = name.unwrap_or_else(|| match (written, tree::bare(&expression)) {
            (Some(_), Expr::CompoundIdentifier(parts)) if parts.len() == 2 => {
                parts[1].value.clone()
            }
            (Some(written), _) => written.value,
            (None, Expr::Function(call)) => {
                format!("{}_{number}", call.name.to_string().to_ascii_lowercase())
            }
            (None, _) => format!("column_{number}"),
        });
        let metadata = Metadata::of(&expression, env);
        Ok(Item { named: Named { name, expression }, metadata })
    }

    /// `*`: all visible columns but the hidden ones.
    fn star(&mut self, scope: &Scope, span: Span, items: &mut Vec<Item>) {
        for visible in scope.visible.iter().filter(|visible| !scope.is_hidden(visible)) {
            self.star_column(scope, visible, span, items);
        }
    }

    fn star_column(&mut self, scope: &Scope, visible: &Visible, span: Span, items: &mut Vec<Item>) {
        self.touch_visible(scope, visible);
        let name = scope.visible_name(visible);
        let expression = placed(scope.visible_expression(visible), span);
        let metadata = scope.visible_metadata(visible);
        items.push(Item { named: Named { name, expression }, metadata });
    }

    /// `t.*`: all columns of one relation but the hidden ones.
    fn qualified_star(
        &mut self,
        qualifier: &[Ident],
        scope: &Scope,
        items: &mut Vec<Item>,
    ) -> Result<(), Error> {
        let name = written(&qualifier.iter().collect::<Vec<_>>());
        let here = qualifier.first().and_then(|part| place(part.span));
        match scope.find_relation(qualifier) {
            Found::One(relation) => {
                for column in 0..scope.relations[relation].columns.len() {
                    let visible = Visible::Column { relation, column };
                    if !scope.is_hidden(&visible) {
                        self.star_column(scope, &visible, qualifier[0].span, items);
                    }
                }
                Ok(())
            }
            Found::None => {
                let names = scope.relations.iter().map(|relation| relation.name.clone());
                let near = nearest(&name, names);
                Err(Error::Unknown { kind: "table", name, place: here, near })
            }
            Found::Many(candidates) => {
                Err(Error::Ambiguous { kind: "table", name, place: here, candidates })
            }
        }
    }

    /// ORDER BY of a SELECT: a term that is an output column becomes its position.
    fn order_by(
        &mut self,
        order_by: &mut OrderBy,
        distinct: bool,
        env: &Env<'_>,
    ) -> Result<(), Error> {
        let OrderByKind::Expressions(terms) = &mut order_by.kind else { return Ok(()) };
        let mut positions: HashMap<&Expr, usize> = HashMap::new();
        for (index, named) in env.named.iter().enumerate() {
            positions.entry(tree::bare(&named.expression)).or_insert(index);
        }
        for term in terms {
            let here = place(term.expr.span());
            let index = match position(&term.expr, env.named.len(), "ORDER BY")? {
                Some(index) => Some(index),
                None => match output_column(&term.expr, env.named)? {
                    Some(index) => Some(index),
                    None => {
                        self.expression(&mut term.expr, env)?;
                        positions.get(tree::bare(&term.expr)).copied()
                    }
                },
            };
            match index {
                Some(index) => term.expr = tree::number(index + 1),
                None if distinct => {
                    let message = "with SELECT DISTINCT, ORDER BY takes selected columns only";
                    return Err(Error::NotAllowed { message: message.to_owned(), place: here });
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// The names after AS of a select list.
fn aliases(projection: &[SelectItem]) -> Vec<String> {
    let alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    };
    projection.iter().filter_map(alias).collect()
}

/// The error about an unknown column that is one of these names, in a clause that does not know
/// them.
fn about_alias(error: Error, aliases: &[String], clause: &str) -> Error {
    match error {
        Error::Unknown { kind: "column", name, place, .. }
            if aliases.iter().any(|alias| alias.eq_ignore_ascii_case(&name)) =>
        {
            let message = format!(
                "unknown column {name}: a name after AS is not known in {clause}, write its \
                 expression there"
            );
            Error::NotAllowed { message, place }
        }
        other => other,
    }
}

/// The output column that a term of ORDER BY names; it goes before a column of FROM.
fn output_column(term: &Expr, named: &[Named]) -> Result<Option<usize>, Error> {
    let Expr::Identifier(name) = tree::bare(term) else { return Ok(None) };
    let mut found = named.iter().enumerate().filter(|(_, named)| fits(name, &named.name));
    let Some((index, first)) = found.next() else { return Ok(None) };
    let others: Vec<usize> = found
        .filter(|(_, other)| other.expression != first.expression)
        .map(|(index, _)| index)
        .collect();
    if others.is_empty() {
        return Ok(Some(index));
    }
    let candidates =
        std::iter::once(index).chain(others).map(|index| format!("{}", index + 1)).collect();
    Err(Error::Ambiguous {
        kind: "output column",
        name: name.value.clone(),
        place: place(name.span),
        candidates,
    })
}

/// Makes the names of output columns unique in any case: `description`, `description_1`, ….
fn uniquely_named(items: Vec<Item>) -> (Vec<Output>, Vec<Named>) {
    let wanted: HashSet<String> =
        items.iter().map(|item| item.named.name.to_ascii_lowercase()).collect();
    let mut taken = HashSet::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    items
        .into_iter()
        .map(|Item { named, metadata }| {
            let mut name = named.name.clone();
            if !taken.insert(name.to_ascii_lowercase()) {
                let count = counts.entry(name.to_ascii_lowercase()).or_insert(0);
                loop {
                    *count += 1;
                    name = format!("{}_{count}", named.name);
                    let lower = name.to_ascii_lowercase();
                    if !wanted.contains(&lower) && taken.insert(lower) {
                        break;
                    }
                }
            }
            (Output { name, metadata }, named)
        })
        .unzip()
}
