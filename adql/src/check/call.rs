//! Calls of functions: which exist, and with which arguments (ADQL 2.1, sections 2.3 and 4.2).

use datafusion::sql::sqlparser::ast::{
    Expr, Function as Call, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
    UnaryOperator, Value,
};

use super::expression::shown;
use super::{Checker, refuse};
use crate::Error;
use crate::function;
use crate::parser::place;
use crate::resolve::nearest;

/// An argument that is left to check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Argument<'a> {
    pub(super) expression: &'a Expr,
}

/// The arguments of a call, with the clause in which no aggregate may stand.
type Arguments<'a> = (Vec<Argument<'a>>, Option<&'static str>);

impl Checker<'_> {
    /// Checks name and form of a call and hands back the arguments.
    pub(super) fn call<'a>(
        self,
        call: &'a Call,
        clause: Option<&'static str>,
    ) -> Result<Arguments<'a>, Error> {
        let name = function_name(call)?;
        let upper = name.to_ascii_uppercase();
        let Some(function) = function::lookup(&name) else {
            let arguments = plain_arguments(call)?;
            if self.declared.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                return Ok((arguments, clause));
            }
            return Err(unknown(call, &name));
        };
        if function.is_aggregate() {
            return aggregate(call, function, clause);
        }
        let arguments = plain_arguments(call)?;
        let arguments = without_coordinate_system(function, arguments);
        function.lowering(arguments.len()).map_err(|error| at(error, call))?;
        if upper == "IN_UNIT" && !arguments.last().is_some_and(|a| is_text(a.expression)) {
            let message = "IN_UNIT takes its unit as a text, as in IN_UNIT(x, 'arcsec')";
            return refuse(message, call.name.span());
        }
        if matches!((upper.as_str(), arguments.len()), ("REGION" | "MOC", 1))
            && !arguments.iter().all(|a| is_text(a.expression))
        {
            let examples = if upper == "MOC" { "3/5 7-9" } else { "CIRCLE ICRS 10 20 1" };
            return refuse(
                format!("{upper} takes a text in quotes, as in {upper}('{examples}')"),
                call.name.span(),
            );
        }
        check_form(&upper, &arguments, call)?;
        Ok((arguments, clause))
    }
}

/// Gives an error without a place that of a call.
pub(crate) fn at(error: Error, call: &Call) -> Error {
    let here = place(call.name.span());
    match error {
        Error::NotAllowed { message, place: None } => Error::NotAllowed { message, place: here },
        Error::NotEvaluable { construct, reason, place: None } => {
            Error::NotEvaluable { construct, reason, place: here }
        }
        other => other,
    }
}

fn unknown(call: &Call, name: &str) -> Error {
    let near = nearest(name, function::functions().map(|f| f.name.to_owned()));
    Error::Unknown { kind: "function", name: name.to_owned(), place: place(call.name.span()), near }
}

/// The name of a function: one regular identifier.
pub(crate) fn function_name(call: &Call) -> Result<String, Error> {
    match call.name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(name) if name.quote_style.is_none() => Ok(name.value.clone()),
            _ => refuse("the name of a function is not written in quotes", call.name.span()),
        },
        _ => {
            refuse(format!("the name of a function has no parts: {}", call.name), call.name.span())
        }
    }
}

/// Whether nothing but arguments is in and behind the parentheses.
fn is_plain(call: &Call) -> bool {
    !call.uses_odbc_syntax
        && matches!(call.parameters, FunctionArguments::None)
        && call.filter.is_none()
        && call.null_treatment.is_none()
        && call.over.is_none()
        && call.within_group.is_empty()
}

fn foreign<T>(call: &Call) -> Result<T, Error> {
    refuse(format!("{}(…) is used in a way that is not part of ADQL", call.name), call.name.span())
}

fn plain_arguments(call: &Call) -> Result<Vec<Argument<'_>>, Error> {
    let FunctionArguments::List(list) = &call.args else { return foreign(call) };
    if !is_plain(call) || !list.clauses.is_empty() {
        return foreign(call);
    }
    if list.duplicate_treatment.is_some() {
        return refuse(
            format!("{} takes no DISTINCT or ALL: it is not an aggregate", call.name),
            call.name.span(),
        );
    }
    list.args.iter().map(|argument| expression_of(argument, call)).collect()
}

fn expression_of<'a>(argument: &'a FunctionArg, call: &Call) -> Result<Argument<'a>, Error> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(Argument { expression }),
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => refuse(
            format!("{}(*) is not part of ADQL: only COUNT(*) is", call.name),
            call.name.span(),
        ),
        _ => foreign(call),
    }
}

/// ADQL 2.1, grammar, `<set_function_specification>`.
fn aggregate<'a>(
    call: &'a Call,
    function: &function::Function,
    clause: Option<&'static str>,
) -> Result<Arguments<'a>, Error> {
    let name = function.name;
    if let Some(clause) = clause {
        let advice = if clause == "WHERE" { ": write HAVING" } else { "" };
        return refuse(
            format!("the aggregate {name} cannot stand in {clause}{advice}"),
            call.name.span(),
        );
    }
    let FunctionArguments::List(list) = &call.args else { return foreign(call) };
    if !is_plain(call) || !list.clauses.is_empty() {
        return foreign(call);
    }
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
            if name == "COUNT" && list.duplicate_treatment.is_none() =>
        {
            Ok((vec![], None))
        }
        [argument] if *function.arguments.end() == 1 => {
            Ok((vec![expression_of(argument, call)?], Some("another aggregate")))
        }
        arguments => {
            if *function.arguments.end() > 1 && list.duplicate_treatment.is_some() {
                return refuse(format!("{name} takes no DISTINCT or ALL"), call.name.span());
            }
            function.lowering(arguments.len()).map_err(|error| at(error, call))?;
            let arguments = arguments.iter().map(|argument| expression_of(argument, call));
            Ok((arguments.collect::<Result<_, _>>()?, Some("another aggregate")))
        }
    }
}

fn is_text(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::SingleQuotedString(_)))
}

fn is_null(expression: &Expr) -> bool {
    matches!(expression, Expr::Value(value) if matches!(value.value, Value::Null))
}

/// Drops the deprecated first argument that names a coordinate system (ADQL 2.1, section 4.2.5):
/// a text, or the NULL that old clients write where an argument more than expected is given.
fn without_coordinate_system<'a>(
    function: &function::Function,
    mut arguments: Vec<Argument<'a>>,
) -> Vec<Argument<'a>> {
    let expressions: Vec<&Expr> = arguments.iter().map(|a| a.expression).collect();
    if has_coordinate_system(function, &expressions) {
        arguments.remove(0);
    }
    arguments
}

/// Whether the first argument of a call names a coordinate system.
pub(crate) fn has_coordinate_system(function: &function::Function, arguments: &[&Expr]) -> bool {
    if !function.coordinate_system {
        return false;
    }
    let most = *function.arguments.end();
    match arguments.first() {
        Some(first) if is_text(first) => true,
        Some(first) if is_null(first) => {
            arguments.len() > most || (most == usize::MAX && arguments.len() % 2 == 1)
        }
        _ => false,
    }
}

/// Whether a call makes a geometry (ADQL 2.1, grammar, `<geometry_value_function>`).
pub(super) fn is_geometry(call: &Call) -> bool {
    function::lookup(&call.name.to_string()).is_some_and(function::Function::makes_geometry)
}

/// Whether an expression can only be a number or a text.
fn is_scalar(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) => is_scalar(inner),
        Expr::Value(value) => !matches!(value.value, Value::Null),
        Expr::UnaryOp { op, .. } => matches!(op, UnaryOperator::Minus | UnaryOperator::Plus),
        Expr::BinaryOp { .. } => true,
        Expr::Function(call) => {
            !is_geometry(call)
                && function::lookup(&call.name.to_string()).is_some_and(|function| {
                    function.name != "COALESCE"
                        && !function.coordinate_system
                        && !function.is_aggregate()
                })
        }
        _ => false,
    }
}

/// What kinds of arguments the geometry functions take (ADQL 2.1, sections 4.2.7 to 4.2.20).
fn check_form(name: &str, arguments: &[Argument<'_>], call: &Call) -> Result<(), Error> {
    let count = arguments.len();
    let (geometries, numbers) = match (name, count) {
        ("CIRCLE", 2) if is_scalar(arguments[0].expression) => {
            return refuse(
                "CIRCLE takes three numbers, or a center and a radius: write CIRCLE(lon, lat, \
                 radius) or CIRCLE(center, radius)",
                call.name.span(),
            );
        }
        ("BOX", 3) if is_scalar(arguments[0].expression) => {
            return refuse(
                "BOX takes four numbers, or a center and two numbers: write BOX(lon, lat, width, \
                 height) or BOX(center, width, height)",
                call.name.span(),
            );
        }
        ("CIRCLE", 2) | ("BOX", 3) => (0..1, 1..count),
        ("POINT" | "CIRCLE" | "BOX", _) | ("DISTANCE", 4) => (0..0, 0..count),
        ("CONTAINS" | "INTERSECTS" | "DISTANCE", 2)
        | ("AREA" | "CENTROID" | "COORD1" | "COORD2" | "COORDSYS", 1) => (0..count, 0..0),
        ("DISTANCE", _) => {
            return refuse(
                "DISTANCE takes two points or four numbers: write DISTANCE(p, q) or \
                 DISTANCE(lon1, lat1, lon2, lat2)",
                call.name.span(),
            );
        }
        ("POLYGON", _) if arguments.iter().any(|a| is_scalar(a.expression)) => {
            if count < 6 || count % 2 == 1 {
                return refuse(
                    format!(
                        "POLYGON takes three or more pairs of coordinates, not {count} numbers"
                    ),
                    call.name.span(),
                );
            }
            (0..0, 0..count)
        }
        _ => return Ok(()),
    };
    for argument in &arguments[geometries] {
        if is_scalar(argument.expression) {
            return refuse(
                format!("{name} takes a geometry here, not {}", shown(argument.expression)),
                argument.expression.span(),
            );
        }
    }
    for argument in &arguments[numbers] {
        let text = is_text(argument.expression);
        if text || matches!(argument.expression, Expr::Function(inner) if is_geometry(inner)) {
            return refuse(
                format!("{name} takes a number here, not {}", shown(argument.expression)),
                argument.expression.span(),
            );
        }
    }
    Ok(())
}
