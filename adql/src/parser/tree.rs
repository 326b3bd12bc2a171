//! Makes nodes of the syntax tree.

use std::fmt::Display;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, UnaryOperator, Value,
};

/// An exact name.
pub(crate) fn exact(name: impl Into<String>) -> Ident {
    Ident::with_quote('"', name)
}

/// A column of a relation, both by their exact names.
pub(crate) fn column(relation: &str, name: &str) -> Expr {
    Expr::CompoundIdentifier(vec![exact(relation), exact(name)])
}

/// A number without sign.
pub(crate) fn number(value: impl Display) -> Expr {
    Expr::value(Value::Number(format!("{value}"), false))
}

/// A number of degrees, as exactly as it is.
pub(crate) fn degrees(value: f64) -> Expr {
    let size = number(format!("{:?}", value.abs()));
    if value < 0.0 {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(size) }
    } else {
        size
    }
}

/// A text.
pub(crate) fn text(value: impl Into<String>) -> Expr {
    Expr::value(Value::SingleQuotedString(value.into()))
}

/// `a AND b`, or another operator.
pub(crate) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// Nothing of interest, to take an expression out of its place.
pub(crate) fn null() -> Expr {
    Expr::value(Value::Null)
}

/// A call of a function.
pub(crate) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments
        .into_iter()
        .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// The arguments of a call that are expressions.
pub(crate) fn arguments_mut(call: &mut Function) -> Vec<&mut Expr> {
    let FunctionArguments::List(list) = &mut call.args else { return vec![] };
    list.args
        .iter_mut()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
            _ => None,
        })
        .collect()
}

/// The arguments of a call that are expressions.
pub(crate) fn arguments(call: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &call.args else { return vec![] };
    list.args
        .iter()
        .filter_map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Some(expression),
            _ => None,
        })
        .collect()
}

/// An expression without the parentheses around it.
pub(crate) fn bare(mut expression: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expression {
        expression = inner;
    }
    expression
}

/// Pushes the expressions directly below one that is no name and holds no sub-query.
pub(crate) fn push_children<'a>(expression: &'a mut Expr, left: &mut Vec<&'a mut Expr>) {
    match expression {
        Expr::BinaryOp { left: a, right: b, .. }
        | Expr::Like { expr: a, pattern: b, .. }
        | Expr::ILike { expr: a, pattern: b, .. } => {
            left.push(a);
            left.push(b);
        }
        Expr::Between { expr, low, high, .. } => {
            left.push(expr);
            left.push(low);
            left.push(high);
        }
        Expr::InList { expr, list, .. } => {
            left.push(expr);
            left.extend(list);
        }
        Expr::Nested(inner)
        | Expr::UnaryOp { expr: inner, .. }
        | Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::Cast { expr: inner, .. } => left.push(inner),
        Expr::Function(call) => {
            let FunctionArguments::List(list) = &mut call.args else { return };
            for argument in &mut list.args {
                if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) = argument {
                    left.push(expression);
                }
            }
            for clause in &mut list.clauses {
                if let FunctionArgumentClause::OrderBy(terms) = clause {
                    left.extend(terms.iter_mut().map(|term| &mut term.expr));
                }
            }
        }
        Expr::Case { operand, conditions, else_result, .. } => {
            left.extend(operand.as_deref_mut());
            for when in conditions {
                left.push(&mut when.condition);
                left.push(&mut when.result);
            }
            left.extend(else_result.as_deref_mut());
        }
        _ => {}
    }
}
