//! Conditions and values (ADQL 2.1, grammar, `<search_condition>` and `<value_expression>`).
//!
//! ADQL has no boolean values: a condition is never a value, and a value never a condition. The
//! tree is walked with a list of what is left to do, so that its depth costs no stack.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType, Expr, Spanned, UnaryOperator, Value,
};

use super::call::{Argument, is_geometry};
use super::{Checker, identifier, qualified, refuse};
use crate::Error;
use crate::parser::words::type_advice;

/// What an expression has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Condition,
    Value,
    /// A number or a text, not a geometry.
    Operand,
}

/// An expression, what it has to be, and where aggregates are out of place in it.
#[derive(Debug, Clone, Copy)]
struct Work<'a> {
    expression: &'a Expr,
    kind: Kind,
    /// The clause (or aggregate) in which no aggregate may stand.
    without_aggregates: Option<&'static str>,
}

impl<'a> Work<'a> {
    fn child(self, expression: &'a Expr, kind: Kind) -> Self {
        Self { expression, kind, ..self }
    }
}

/// At most this much of an expression is shown in a message.
const SHOWN: usize = 60;

/// An expression as text, shortened.
pub(super) fn shown(expression: &Expr) -> String {
    // The text of a chain is as long as the query: look at its first leaf only.
    let mut first = expression;
    while let Expr::BinaryOp { left, .. } = first {
        first = left;
    }
    let chain = !std::ptr::eq(first, expression);
    let mut text = first.to_string();
    if let Some((cut, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(cut);
        text.push('…');
    } else if chain {
        text.push_str(" …");
    }
    text
}

impl Checker<'_> {
    /// A condition of WHERE or ON: no aggregates.
    pub(super) fn condition(self, expression: &Expr, clause: &'static str) -> Result<(), Error> {
        let without_aggregates = Some(clause);
        self.walk(Work { expression, kind: Kind::Condition, without_aggregates })
    }

    /// A condition of HAVING.
    pub(super) fn having(self, expression: &Expr) -> Result<(), Error> {
        self.walk(Work { expression, kind: Kind::Condition, without_aggregates: None })
    }

    /// A value; `clause` names a clause without aggregates.
    pub(super) fn value(
        self,
        expression: &Expr,
        clause: Option<&'static str>,
    ) -> Result<(), Error> {
        self.walk(Work { expression, kind: Kind::Value, without_aggregates: clause })
    }

    fn walk(self, work: Work<'_>) -> Result<(), Error> {
        let mut left = vec![work];
        while let Some(work) = left.pop() {
            let first = left.len();
            match work.kind {
                Kind::Condition => self.visit_condition(work, &mut left)?,
                Kind::Value | Kind::Operand => self.visit_value(work, &mut left)?,
            }
            left[first..].reverse();
        }
        Ok(())
    }

    /// ADQL 2.1, grammar, `<boolean_primary>` and `<predicate>`.
    fn visit_condition<'a>(self, work: Work<'a>, left: &mut Vec<Work<'a>>) -> Result<(), Error> {
        match work.expression {
            Expr::Nested(inner) | Expr::UnaryOp { op: UnaryOperator::Not, expr: inner } => {
                left.push(work.child(inner, Kind::Condition));
            }
            Expr::BinaryOp { left: a, op, right: b } if is_connective(op) => {
                left.extend([a, b].map(|e| work.child(e, Kind::Condition)));
            }
            Expr::BinaryOp { left: a, op, right: b } if is_comparison(op) => {
                if let Expr::BinaryOp { left: low, op: first, right: middle } = a.as_ref()
                    && is_comparison(first)
                {
                    let (low, middle, high) = (shown(low), shown(middle), shown(b));
                    return refuse(
                        format!(
                            "{low} {first} {middle} {op} {high} are two comparisons: write {low} \
                             {first} {middle} AND {middle} {op} {high}"
                        ),
                        work.expression.span(),
                    );
                }
                left.extend([a, b].map(|e| work.child(e, Kind::Value)));
            }
            Expr::Between { expr, low, high, .. } => {
                left.extend([expr, low, high].map(|e| work.child(e, Kind::Operand)));
            }
            Expr::InList { expr, list, .. } => {
                left.push(work.child(expr, Kind::Value));
                left.extend(list.iter().map(|e| work.child(e, Kind::Value)));
            }
            Expr::InSubquery { expr, subquery, .. } => {
                left.push(work.child(expr, Kind::Value));
                self.sub_query(subquery)?;
            }
            Expr::Exists { subquery, .. } => self.sub_query(subquery)?,
            Expr::Like { any: false, expr, pattern, escape_char: None, .. }
            | Expr::ILike { any: false, expr, pattern, escape_char: None, .. } => {
                left.extend([expr, pattern].map(|e| work.child(e, Kind::Operand)));
            }
            Expr::IsNull(inner) | Expr::IsNotNull(inner) => {
                left.push(work.child(inner, Kind::Value));
            }
            other => return not_a_condition(other),
        }
        Ok(())
    }

    /// ADQL 2.1, grammar, `<value_expression>`.
    fn visit_value<'a>(self, work: Work<'a>, left: &mut Vec<Work<'a>>) -> Result<(), Error> {
        match work.expression {
            Expr::Identifier(name) => identifier(name)?,
            Expr::CompoundIdentifier(parts) => {
                if parts.len() > 4 {
                    return refuse(
                        format!(
                            "{} has too many parts: a column is catalog.schema.table.column at most",
                            work.expression
                        ),
                        work.expression.span(),
                    );
                }
                qualified(&parts.iter().collect::<Vec<_>>())?;
            }
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) if digits.parse().is_ok_and(f64::is_infinite) => {
                    let message = format!("{digits} is beyond the range of DOUBLE PRECISION");
                    return refuse(message, value.span);
                }
                Value::Number(..)
                | Value::SingleQuotedString(_)
                | Value::Null
                | Value::Boolean(_) => {}
                other => return refuse(format!("unexpected {other}"), value.span),
            },
            Expr::Nested(inner) => left.push(work.child(inner, work.kind)),
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
                left.push(work.child(expr, Kind::Operand));
            }
            Expr::BinaryOp { left: a, op, right: b } if is_arithmetic(op) => {
                left.extend([a, b].map(|e| work.child(e, Kind::Operand)));
            }
            Expr::Function(call) => {
                if work.kind == Kind::Operand && is_geometry(call) {
                    return refuse(
                        format!("{} is a geometry, not a number or text", shown(work.expression)),
                        work.expression.span(),
                    );
                }
                let clause = work.without_aggregates;
                let (arguments, without_aggregates) = self.call(call, clause)?;
                left.extend(arguments.into_iter().map(|Argument { expression }| Work {
                    expression,
                    kind: Kind::Value,
                    without_aggregates,
                }));
            }
            Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None } => {
                cast_target(data_type, work.expression)?;
                left.push(work.child(expr, Kind::Operand));
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let kind = if operand.is_some() { Kind::Value } else { Kind::Condition };
                left.extend(operand.iter().map(|e| work.child(e, Kind::Value)));
                for when in conditions {
                    left.push(work.child(&when.condition, kind));
                    left.push(work.child(&when.result, Kind::Value));
                }
                left.extend(else_result.iter().map(|e| work.child(e, Kind::Value)));
            }
            Expr::Subquery(query) => self.sub_query(query)?,
            other => return not_a_value(other),
        }
        Ok(())
    }
}

fn is_connective(op: &BinaryOperator) -> bool {
    matches!(op, BinaryOperator::And | BinaryOperator::Or)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Multiply, Plus, StringConcat};
    matches!(op, Plus | Minus | Multiply | Divide | StringConcat)
}

/// Whether an expression would be a condition.
fn is_condition(expression: &Expr) -> bool {
    match expression {
        Expr::BinaryOp { op, .. } => is_connective(op) || is_comparison(op),
        Expr::UnaryOp { op, .. } => *op == UnaryOperator::Not,
        Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Exists { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::IsNull(_)
        | Expr::IsNotNull(_) => true,
        _ => false,
    }
}

fn not_a_condition<T>(expression: &Expr) -> Result<T, Error> {
    let text = shown(expression);
    let advice = match expression {
        Expr::Function(_) => format!("compare it, as in 1 = {text}"),
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => {
            format!("compare it, as in {text} = 1")
        }
        _ => "compare it with something".to_owned(),
    };
    refuse(format!("expected a condition, found {text}: {advice}"), expression.span())
}

fn not_a_value<T>(expression: &Expr) -> Result<T, Error> {
    let text = shown(expression);
    if is_condition(expression) {
        return refuse(
            format!(
                "expected a value, found the condition {text}: write CASE WHEN … THEN 1 ELSE 0 END"
            ),
            expression.span(),
        );
    }
    refuse(format!("{text} is not part of ADQL"), expression.span())
}

/// ADQL 2.1, grammar, `<cast_target>`.
fn cast_target(target: &DataType, cast: &Expr) -> Result<(), Error> {
    let known = match target {
        DataType::SmallInt(None)
        | DataType::Integer(None)
        | DataType::BigInt(None)
        | DataType::Real
        | DataType::DoublePrecision
        | DataType::Char(_)
        | DataType::Varchar(_)
        | DataType::Timestamp(None, _) => true,
        DataType::Custom(name, modifiers) => {
            modifiers.is_empty()
                && ["POINT", "CIRCLE", "POLYGON"]
                    .iter()
                    .any(|known| name.to_string().eq_ignore_ascii_case(known))
        }
        _ => false,
    };
    if known {
        return Ok(());
    }
    let (name, span) = match target {
        DataType::Custom(name, _) => (name.to_string(), name.span()),
        other => (other.to_string(), cast.span()),
    };
    refuse(format!("unknown type {target}: write {}", type_advice(&name)), span)
}
