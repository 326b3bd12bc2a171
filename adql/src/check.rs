//! Only what ADQL 2.1 allows, judged on the syntax tree alone: no table is known here.
//!
//! `sqlparser` accepts a large part of all SQLs; what is listed in this module passes and
//! everything else is refused with its place. Beyond ADQL 2.1 are accepted, since they contradict
//! nothing in it:
//!
//! 1. `CASE WHEN … THEN … [ELSE …] END` and `CASE x WHEN … THEN … END`;
//! 2. `a CROSS JOIN b`;
//! 3. a sub-query of one column in parentheses as a value;
//! 4. the names of output columns in GROUP BY, HAVING and in expressions of ORDER BY, and the
//!    position of an output column in GROUP BY;
//! 5. `IS [NOT] NULL` of any expression (the grammar takes a column only);
//! 6. `TRUE` and `FALSE` to compare a boolean column with;
//! 7. `*` beside other items of a select list;
//! 8. an expression in the place of the signed integer of ROUND and TRUNCATE;
//! 9. WITH names that are used by later WITH names;
//! 10. a reserved word that builds no syntax before a period, as in `public.stars`;
//! 11. an element of an array, as `mag[2]` or `mag[jplus::rSDSS]`, which the parser writes as a call.

mod call;
mod expression;

use datafusion::sql::sqlparser::ast::{
    Distinct, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause, ObjectName,
    OrderBy, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    SetOperator, SetQuantifier, Spanned, TableAlias, TableFactor, TableWithJoins, TopQuantity,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::tokenizer::Span;

pub(crate) use call::{at as call_error, function_name, has_coordinate_system};

use crate::Error;
use crate::parser::place;
use crate::parser::words::is_reserved;

/// Checks a query; `declared` are functions beyond those of the registry.
pub(crate) fn check(query: &Query, declared: &[&str]) -> Result<(), Error> {
    Checker { declared, depth: 0 }.query(query, Role::Main)
}

/// How deep sub-queries may stand in conditions and values of each other. DataFusion analyzes the
/// inner ones twice for each level around them: 64 levels would never end.
const SUB_QUERIES: usize = 8;

/// What a query is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The whole text: the only one that may begin with WITH (ADQL 2.1, section 4.5.1).
    Main,
    /// A sub-query, a WITH query or an operand of a set operation.
    Part,
}

#[derive(Debug, Clone, Copy)]
struct Checker<'a> {
    declared: &'a [&'a str],
    /// How many sub-queries in conditions and values are around.
    depth: usize,
}

/// An error for what SQL has and ADQL has not.
fn refuse<T>(message: impl Into<String>, span: Span) -> Result<T, Error> {
    Err(Error::NotAllowed { message: message.into(), place: place(span) })
}

impl Checker<'_> {
    /// ADQL 2.1, grammar, `<query_specification>` and `<select_expression>`.
    fn query(self, query: &Query, role: Role) -> Result<(), Error> {
        if let Some(with) = &query.with {
            if role == Role::Part {
                return refuse(
                    "WITH is allowed at the beginning of the whole query only",
                    with.with_token.0.span,
                );
            }
            for cte in &with.cte_tables {
                alias(&cte.alias)?;
                self.query(&cte.query, Role::Part)?;
            }
        }
        self.set_expression(&query.body)?;
        if let Some(order_by) = &query.order_by {
            self.order_by(order_by)?;
        }
        let foreign = query.fetch.is_some()
            || query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.locks.is_empty()
            || !query.pipe_operators.is_empty();
        match &query.limit_clause {
            None if !foreign => Ok(()),
            // The digits were checked on the tokens.
            Some(LimitClause::LimitOffset { limit: None, offset: Some(_), limit_by })
                if !foreign && limit_by.is_empty() =>
            {
                Ok(())
            }
            _ => refuse("the clause after the query is not part of ADQL", query.span()),
        }
    }

    /// A sub-query in a condition or value.
    fn sub_query(self, query: &Query) -> Result<(), Error> {
        let depth = self.depth + 1;
        if depth > SUB_QUERIES {
            let unit = "levels of sub-queries in conditions";
            return Err(Error::TooLarge { unit, limit: SUB_QUERIES, actual: depth });
        }
        Self { depth, ..self }.query(query, Role::Part)
    }

    /// ADQL 2.1, grammar, `<query_set_expression>`; the left spine is walked in a loop.
    fn set_expression(self, mut body: &SetExpr) -> Result<(), Error> {
        let mut operands = vec![];
        while let SetExpr::SetOperation { left, op, set_quantifier, right } = body {
            let known = match op {
                SetOperator::Union | SetOperator::Except | SetOperator::Intersect => true,
                SetOperator::Minus => false,
            };
            match set_quantifier {
                SetQuantifier::All | SetQuantifier::None if known => {}
                _ => {
                    return refuse(
                        format!(
                            "{op} {set_quantifier} is not part of ADQL: write {op} or {op} ALL"
                        ),
                        right.span(),
                    );
                }
            }
            operands.push(right);
            body = left;
        }
        self.operand(body)?;
        operands.into_iter().rev().try_for_each(|operand| self.operand(operand))
    }

    fn operand(self, operand: &SetExpr) -> Result<(), Error> {
        match operand {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query, Role::Part),
            SetExpr::SetOperation { .. } => self.set_expression(operand),
            other => refuse("expected SELECT: only queries are evaluated", other.span()),
        }
    }

    /// ADQL 2.1, grammar, `<select_query>`.
    fn select(self, select: &Select) -> Result<(), Error> {
        let span = select.select_token.0.span;
        if let Some(top) = &select.top {
            let plain = matches!(top.quantity, Some(TopQuantity::Constant(_)));
            if !plain || top.percent || top.with_ties {
                return refuse("TOP takes an unsigned whole number and nothing else", span);
            }
        }
        if let Some(Distinct::On(_)) = &select.distinct {
            return refuse("DISTINCT ON is not part of ADQL", span);
        }
        if !is_plain(select) {
            return refuse("SELECT has a clause that is not part of ADQL", span);
        }
        if select.from.is_empty() {
            return refuse("SELECT needs a FROM", span);
        }
        select.projection.iter().try_for_each(|item| self.select_item(item))?;
        select.from.iter().try_for_each(|item| self.table_with_joins(item))?;
        if let Some(condition) = &select.selection {
            self.condition(condition, "WHERE")?;
        }
        match &select.group_by {
            GroupByExpr::Expressions(terms, modifiers) if modifiers.is_empty() => {
                terms.iter().try_for_each(|term| self.value(term, Some("GROUP BY")))?;
            }
            _ => return refuse("GROUP BY takes columns and expressions", span),
        }
        match &select.having {
            Some(condition) => self.having(condition),
            None => Ok(()),
        }
    }

    fn select_item(self, item: &SelectItem) -> Result<(), Error> {
        match item {
            SelectItem::UnnamedExpr(expression) => self.value(expression, None),
            SelectItem::ExprWithAlias { expr, alias } => {
                self.value(expr, None)?;
                identifier(alias)
            }
            SelectItem::Wildcard(options) => star(options, item.span()),
            SelectItem::QualifiedWildcard(kind, options) => {
                match kind {
                    SelectItemQualifiedWildcardKind::ObjectName(name) => object_name(name)?,
                    SelectItemQualifiedWildcardKind::Expr(_) => {
                        return refuse("only the name of a table stands before .*", item.span());
                    }
                }
                star(options, item.span())
            }
            SelectItem::ExprWithAliases { .. } => {
                refuse("a column takes one name after AS", item.span())
            }
        }
    }

    fn order_by(self, order_by: &OrderBy) -> Result<(), Error> {
        let OrderByKind::Expressions(terms) = &order_by.kind else {
            return refuse("ORDER BY ALL is not part of ADQL", order_by.span());
        };
        terms.iter().try_for_each(|term| {
            if term.options.nulls_first.is_some() || term.with_fill.is_some() {
                return refuse("ORDER BY takes ASC or DESC only", term.expr.span());
            }
            self.value(&term.expr, None)
        })
    }

    fn table_with_joins(self, item: &TableWithJoins) -> Result<(), Error> {
        self.table_factor(&item.relation)?;
        item.joins.iter().try_for_each(|join| self.join(join))
    }

    /// ADQL 2.1, grammar, `<table_reference>`.
    fn table_factor(self, factor: &TableFactor) -> Result<(), Error> {
        match factor {
            TableFactor::Table { name, alias: name_in_query, args, .. } => {
                if args.is_some() {
                    return refuse(
                        format!("{name}(…) is no table: functions in FROM are not part of ADQL"),
                        name.span(),
                    );
                }
                if !is_bare(factor) {
                    return refuse("only AS and a name may follow a table", name.span());
                }
                object_name(name)?;
                name_in_query.as_ref().map_or(Ok(()), alias)
            }
            TableFactor::Derived { lateral: false, subquery, alias: Some(name), sample: None } => {
                self.query(subquery, Role::Part)?;
                alias(name)
            }
            TableFactor::Derived { subquery, alias: None, .. } => {
                refuse("a sub-query in FROM needs a name: write (SELECT …) AS t", subquery.span())
            }
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                self.table_with_joins(table_with_joins)
            }
            TableFactor::NestedJoin { alias: Some(name), .. } => {
                refuse("a join in parentheses takes no name", name.name.span)
            }
            other => refuse("FROM takes tables, sub-queries and joins only", other.span()),
        }
    }

    /// ADQL 2.1, grammar, `<qualified_join>`.
    fn join(self, join: &Join) -> Result<(), Error> {
        self.table_factor(&join.relation)?;
        let span = join.relation.span();
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            JoinOperator::CrossJoin(JoinConstraint::None) => return Ok(()),
            JoinOperator::CrossJoin(_) => {
                return refuse("CROSS JOIN takes no condition: write JOIN", span);
            }
            _ => return refuse("this kind of JOIN is not part of ADQL", span),
        };
        match constraint {
            JoinConstraint::On(condition) => self.condition(condition, "ON"),
            JoinConstraint::Using(names) => names.iter().try_for_each(|name| {
                object_name(name)?;
                if name.0.len() == 1 {
                    Ok(())
                } else {
                    refuse("USING takes names of columns without a table", name.span())
                }
            }),
            JoinConstraint::Natural => Ok(()),
            JoinConstraint::None => refuse(
                "JOIN needs a condition: write JOIN … ON …, JOIN … USING (…) or NATURAL JOIN",
                span,
            ),
        }
    }
}

/// Whether a SELECT has only the clauses of ADQL.
fn is_plain(select: &Select) -> bool {
    select.optimizer_hints.is_empty()
        && select.select_modifiers.is_none()
        && !select.top_before_distinct
        && select.exclude.is_none()
        && select.into.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.named_window.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
}

/// Whether a table in FROM is nothing but a name and perhaps an alias.
fn is_bare(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table {
        name: _,
        alias: _,
        args: None,
        with_hints,
        version: None,
        with_ordinality: false,
        partitions,
        json_path: None,
        sample: None,
        index_hints,
    } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty())
}

fn star(options: &WildcardAdditionalOptions, span: Span) -> Result<(), Error> {
    let plain = options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none();
    if plain { Ok(()) } else { refuse("nothing may follow *", span) }
}

fn alias(alias: &TableAlias) -> Result<(), Error> {
    identifier(&alias.name)?;
    if !alias.columns.is_empty() || alias.at.is_some() {
        return refuse(
            "names of columns after the name of a table are not part of ADQL",
            alias.name.span,
        );
    }
    Ok(())
}

/// ADQL 2.1, grammar, `<table_name>`.
fn object_name(name: &ObjectName) -> Result<(), Error> {
    if name.0.len() > 3 {
        return refuse(
            format!("{name} has too many parts: a table is catalog.schema.table at most"),
            name.span(),
        );
    }
    let parts: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
    if parts.len() != name.0.len() {
        return refuse("expected the name of a table", name.span());
    }
    qualified(&parts)
}

/// A name with its qualifiers; among these a reserved word cannot be mistaken.
fn qualified(parts: &[&Ident]) -> Result<(), Error> {
    let Some((last, qualifiers)) = parts.split_last() else { return Ok(()) };
    qualifiers.iter().filter(|part| part.quote_style.is_some()).try_for_each(|n| identifier(n))?;
    identifier(last)
}

/// ADQL 2.1, section 2.1.3.
fn identifier(name: &Ident) -> Result<(), Error> {
    match name.quote_style {
        None if is_reserved(&name.value) => refuse(
            format!("{} is a reserved word of ADQL: write \"{}\"", name.value, name.value),
            name.span,
        ),
        None | Some('"') => Ok(()),
        Some(_) => {
            refuse(format!("{name} is a string: names are written \"{}\"", name.value), name.span)
        }
    }
}

#[cfg(test)]
mod tests;
