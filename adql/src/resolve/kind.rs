//! Kinds of values: numbers are compared with numbers, and functions get what they take.
//!
//! The engine would cast one kind to the other row by row, and fail at the first that does not fit,
//! or refuse in words of its own and without a place. A kind that is not known goes with any.

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, DataType, Expr, Function as Call, Ident, Spanned, Subscript,
    UnaryOperator, Value,
};

use super::Output;
use super::cast;
use super::expression::is_call;
use super::metadata::{Metadata, text_of};
use super::scope::Env;
use crate::Error;
use crate::Place;
use crate::check::has_coordinate_system;
use crate::function::{self, ELEMENT, Function};
use crate::parser::{place, tree};

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Text,
    Moment,
    Geometry,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Moment => "a time",
            Self::Geometry => "a geometry",
        }
    }

    /// Of the values of a column.
    pub(super) fn of_type(data_type: &ArrowType) -> Option<Self> {
        match data_type {
            ArrowType::Timestamp(..) | ArrowType::Date32 | ArrowType::Date64 => Some(Self::Moment),
            number if number.is_numeric() => Some(Self::Number),
            text if text.is_string() => Some(Self::Text),
            _ => None,
        }
    }

    /// Of a type as declared signatures name it.
    fn declared(name: &str) -> Option<Self> {
        match name {
            "INTEGER" | "BIGINT" | "REAL" | "DOUBLE" => Some(Self::Number),
            "VARCHAR" => Some(Self::Text),
            "TIMESTAMP" => Some(Self::Moment),
            "POINT" | "CIRCLE" | "POLYGON" | "REGION" | "MOC" => Some(Self::Geometry),
            _ => None,
        }
    }

    /// Of what is no column and hands no other value on. Operands are not looked into: a chain of
    /// them may be long.
    pub(super) fn of_computed(expression: &Expr, env: &Env<'_>) -> Option<Self> {
        match expression {
            Expr::Nested(inner) => Metadata::of(inner, env).kind,
            Expr::Value(value) => match value.value {
                Value::Number(..) => Some(Self::Number),
                Value::SingleQuotedString(_) => Some(Self::Text),
                _ => None,
            },
            Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, .. } => {
                Some(Self::Number)
            }
            Expr::BinaryOp { op: BinaryOperator::StringConcat, .. } => Some(Self::Text),
            Expr::BinaryOp { op, .. } if is_arithmetic(op) => Some(Self::Number),
            Expr::Cast { data_type, .. } => Some(match data_type {
                DataType::Char(_) | DataType::Varchar(_) => Self::Text,
                DataType::Timestamp(..) => Self::Moment,
                DataType::Custom(..) => Self::Geometry,
                _ => Self::Number,
            }),
            Expr::Function(call) => Self::of_call(call, env),
            _ => None,
        }
    }

    fn of_call(call: &Call, env: &Env<'_>) -> Option<Self> {
        let function = function::lookup(&call.name.to_string())?;
        if let Some(form) = function.forms.first() {
            let (_, result) = form.rsplit_once("-> ")?;
            return Self::declared(result);
        }
        match function.name {
            "MIN" | "MAX" | "CAST" | ELEMENT => None,
            "COALESCE" => {
                let kinds = tree::arguments(call).into_iter().map(|a| Metadata::of(a, env).kind);
                kinds.flatten().next()
            }
            "LOWER" | "UPPER" | "COORDSYS" => Some(Self::Text),
            _ if function.makes_geometry() => Some(Self::Geometry),
            _ => Some(Self::Number),
        }
    }
}

fn is_arithmetic(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Minus, Multiply, Plus};
    matches!(op, Plus | Minus | Multiply | Divide)
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

/// Refuses an expression, whose names are resolved, in which kinds do not fit.
pub(super) fn check(expression: &mut Expr, env: &Env<'_>) -> Result<(), Error> {
    let mut left = vec![expression];
    while let Some(expression) = left.pop() {
        match &*expression {
            Expr::BinaryOp { left: a, op, right: b } if is_comparison(op) => compared(a, b, env)?,
            Expr::BinaryOp { left: a, op, right: b } if is_arithmetic(op) => {
                for operand in [a, b] {
                    is_number(operand, &op.to_string(), env)?;
                }
            }
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => is_number(expr, "-", env)?,
            Expr::Between { expr, low, high, .. } => {
                compared(expr, low, env)?;
                compared(expr, high, env)?;
            }
            Expr::InList { expr, list, .. } => {
                // The kind of what is compared is looked for once; lists may be long.
                if let Some(kind) = Metadata::of(expr, env).kind {
                    list.iter().try_for_each(|item| compared_as(expr, kind, item, env))?;
                }
            }
            Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
                for text in [expr, pattern] {
                    if Metadata::of(text, env).kind == Some(Kind::Number) {
                        let shown = shown(text);
                        let message = format!(
                            "LIKE takes texts, and {shown} is a number: write CAST({shown} AS VARCHAR)"
                        );
                        return refused(message, text);
                    }
                }
            }
            Expr::Function(call) => arguments(call, env)?,
            Expr::Cast { expr, data_type, .. } => {
                cast::check(expr, data_type)?;
                cast_of_geometry(expr, data_type, env)?;
            }
            _ => {}
        }
        match expression {
            Expr::InSubquery { expr, .. } => left.push(expr),
            // They were checked with their names.
            Expr::Subquery(_) | Expr::Exists { .. } => {}
            other => tree::push_children(other, &mut left),
        }
    }
    Ok(())
}

fn refused<T>(message: String, at: &Expr) -> Result<T, Error> {
    Err(Error::NotAllowed { message, place: place(at.span()) })
}

/// Refuses columns of a set operation that are numbers on one side and texts on the other.
pub(super) fn check_columns(
    operator: &str,
    [left, right]: [&[Output]; 2],
    place: Option<Place>,
) -> Result<(), Error> {
    for (at, (a, b)) in left.iter().zip(right).enumerate() {
        let (Some(kind), Some(other)) = (a.metadata.kind, b.metadata.kind) else { continue };
        if kind == other || [kind, other].contains(&Kind::Moment) {
            continue;
        }
        let advice = match (kind, other) {
            (Kind::Text, Kind::Number) => format!(": write CAST({} AS VARCHAR)", b.name),
            (Kind::Number, Kind::Text) => format!(": write CAST({} AS VARCHAR)", a.name),
            _ => String::new(),
        };
        let message = format!(
            "column {} of {operator} is {} ({}) and {} ({}){advice}",
            at + 1,
            kind.word(),
            a.name,
            other.word(),
            b.name
        );
        return Err(Error::NotAllowed { message, place });
    }
    Ok(())
}

fn is_number(operand: &Expr, op: &str, env: &Env<'_>) -> Result<(), Error> {
    let advice = if op == "+" { ": texts are joined by ||" } else { "" };
    match Metadata::of(operand, env).kind {
        Some(kind @ (Kind::Text | Kind::Geometry)) => {
            let (shown, word) = (shown(operand), kind.word());
            refused(format!("{op} takes numbers, and {shown} is {word}{advice}"), operand)
        }
        _ => Ok(()),
    }
}

fn compared(a: &Expr, b: &Expr, env: &Env<'_>) -> Result<(), Error> {
    match Metadata::of(a, env).kind {
        Some(kind) => compared_as(a, kind, b, env),
        None => Ok(()),
    }
}

fn compared_as(a: &Expr, kind: Kind, b: &Expr, env: &Env<'_>) -> Result<(), Error> {
    let truth = |e: &Expr| match tree::bare(e) {
        Expr::Function(call) => {
            let name = call.name.to_string().to_ascii_uppercase();
            matches!(name.as_str(), "CONTAINS" | "INTERSECTS").then_some((name, place(e.span())))
        }
        _ => None,
    };
    if let Some(((name, place), number)) =
        truth(a).zip(number_of(b)).or_else(|| truth(b).zip(number_of(a)))
        && number != 0.0
        && number != 1.0
    {
        let message = format!("{name} is 1 or 0, and never {number}");
        return Err(Error::NotAllowed { message, place });
    }
    unlike(a, kind, b, Metadata::of(b, env).kind)
}

/// The number that a literal is.
fn number_of(expression: &Expr) -> Option<f64> {
    match tree::bare(expression) {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number_of(expr).map(|x| -x),
        _ => None,
    }
}

/// Refuses to compare values of two kinds that are not of one.
pub(super) fn unlike(a: &Expr, kind: Kind, b: &Expr, other: Option<Kind>) -> Result<(), Error> {
    let Some(other) = other.filter(|other| *other != kind) else {
        if kind == Kind::Geometry {
            let message = "geometries are not compared: write DISTANCE, CONTAINS or INTERSECTS";
            return refused(message.to_owned(), a);
        }
        return Ok(());
    };
    // The text of a number is one, and times are written as texts.
    let is_number = |text: &Expr| text_of(text).is_some_and(|t| t.trim().parse::<f64>().is_ok());
    let (text, number) = match (kind, other) {
        (Kind::Text, Kind::Moment) | (Kind::Moment, Kind::Text) => return Ok(()),
        (Kind::Text, Kind::Number) => (a, b),
        (Kind::Number, Kind::Text) => (b, a),
        _ => {
            let (a_shown, b_shown) = (shown(a), shown(b));
            let (kind, other) = (kind.word(), other.word());
            return refused(format!("{a_shown} is {kind}, and {b_shown} {other}"), a);
        }
    };
    if is_number(text) {
        return Ok(());
    }
    let (text_shown, number_shown) = (shown(text), shown(number));
    if text_of(text).is_some() {
        let message = format!("{number_shown} is a number, and {text_shown} a text that is none");
        return refused(message, if place(number.span()).is_some() { number } else { text });
    }
    let advice = match tree::bare(number) {
        Expr::Value(_) => format!("'{number_shown}'"),
        _ => format!("CAST({number_shown} AS VARCHAR)"),
    };
    let message =
        format!("{text_shown} is a text, and {number_shown} a number: write {advice} for it");
    refused(message, if place(text.span()).is_some() { text } else { number })
}

/// Texts are cast to geometries, and geometries to nothing (ADQL 2.1 §4.7.1).
fn cast_of_geometry(value: &Expr, target: &DataType, env: &Env<'_>) -> Result<(), Error> {
    let shown = || shown(value);
    let message = match (Metadata::of(value, env).kind, target) {
        (Some(kind @ (Kind::Number | Kind::Moment)), DataType::Custom(..)) => {
            format!("CAST AS {target} takes a text, and {} is {}", shown(), kind.word())
        }
        (Some(Kind::Geometry), _) => {
            format!(
                "{} is a geometry, which is not cast: select it as it is, or its COORD1 and COORD2",
                shown()
            )
        }
        _ => return Ok(()),
    };
    refused(message, value)
}

/// Whether a call gets what its function takes.
fn arguments(call: &Call, env: &Env<'_>) -> Result<(), Error> {
    let Some(function) = function::lookup(&call.name.to_string()) else { return Ok(()) };
    let mut arguments = tree::arguments(call);
    if has_coordinate_system(function, &arguments) {
        arguments.remove(0);
    }
    for (at, argument) in arguments.iter().enumerate() {
        let Some(wanted) = wanted(function, at, arguments.len()) else { continue };
        let Some(kind) = Metadata::of(argument, env).kind.filter(|kind| *kind != wanted) else {
            continue;
        };
        // Texts may be times and regions.
        if kind == Kind::Text && matches!(wanted, Kind::Moment | Kind::Geometry) {
            continue;
        }
        let shown = shown(argument);
        let advice = match (wanted, kind) {
            (Kind::Text, Kind::Number) => format!(": write CAST({shown} AS VARCHAR)"),
            (Kind::Geometry, Kind::Number) => ": write POINT(lon, lat)".to_owned(),
            _ => String::new(),
        };
        let name = call.name.to_string();
        let message =
            format!("{name} takes {} here, and {shown} is {}{advice}", wanted.word(), kind.word());
        return refused(message, argument);
    }
    Ok(())
}

/// What a function takes at a place among so many arguments, where that is one kind.
fn wanted(function: &Function, at: usize, count: usize) -> Option<Kind> {
    if !function.forms.is_empty() {
        return function.forms.iter().find_map(|form| {
            let (_, rest) = form.split_once('(')?;
            let (parameters, _) = rest.rsplit_once(") ->")?;
            let types: Vec<&str> =
                parameters.split(',').filter_map(|p| p.split_whitespace().last()).collect();
            (types.len() == count).then(|| Kind::declared(types[at]))?
        });
    }
    match (function.name, count) {
        ("COUNT" | "MIN" | "MAX" | "COALESCE" | "CAST" | "POLYGON" | "REGION", _) => None,
        (ELEMENT, _) => (at == 1).then_some(Kind::Number),
        ("IN_UNIT", _) => (at == 0).then_some(Kind::Number),
        ("LOWER" | "UPPER", _) => Some(Kind::Text),
        ("CONTAINS" | "INTERSECTS" | "AREA" | "CENTROID" | "COORD1" | "COORD2" | "COORDSYS", _)
        | ("DISTANCE", 2) => Some(Kind::Geometry),
        ("CIRCLE", 2) | ("BOX", 3) if at == 0 => Some(Kind::Geometry),
        _ => Some(Kind::Number),
    }
}

/// An expression as its user may have written it: columns without their tables.
pub(super) fn shown(expression: &Expr) -> String {
    let mut shown = expression.clone();
    let mut left = vec![&mut shown];
    while let Some(expression) = left.pop() {
        if let Expr::CompoundIdentifier(parts) = expression
            && let Some(name) = parts.pop()
        {
            let is_regular = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let quote_style = name.quote_style.filter(|_| !is_regular);
            *expression = Expr::Identifier(Ident { quote_style, ..name });
        }
        if is_call(expression, ELEMENT) {
            as_written(expression);
        }
        match expression {
            Expr::CompoundFieldAccess { root, access_chain } => {
                left.push(root);
                left.extend(access_chain.iter_mut().filter_map(|access| match access {
                    AccessExpr::Subscript(Subscript::Index { index }) => Some(index),
                    _ => None,
                }));
            }
            other => tree::push_children(other, &mut left),
        }
    }
    shown.to_string()
}

/// Makes the call that an element is `array[index]` again.
fn as_written(element: &mut Expr) {
    let Expr::Function(call) = &mut *element else { return };
    let mut arguments = tree::arguments_mut(call).into_iter();
    if let (Some(array), Some(index)) = (arguments.next(), arguments.next()) {
        let (array, index) =
            (std::mem::replace(array, tree::null()), std::mem::replace(index, tree::null()));
        *element = Expr::CompoundFieldAccess {
            root: Box::new(array),
            access_chain: vec![AccessExpr::Subscript(Subscript::Index { index })],
        };
    }
}
