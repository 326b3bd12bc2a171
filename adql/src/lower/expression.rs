//! Constructs of ADQL in conditions and values to those of DataFusion's SQL.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CharacterLength, DataType, Expr, Function as Call, FunctionArg,
    FunctionArgExpr, FunctionArguments, Ident, ObjectName, Spanned, TimezoneInfo, UnaryOperator,
    Value,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use super::casts;
use crate::Error;
use crate::check::{call_error, function_name, has_coordinate_system};
use crate::function::text_as_shape::TextAs;
use crate::function::{self, Target, check_coordinate_system};
use crate::parser::{place, tree};
use crate::sky::{Coverage, Region, RegionError};

/// Lowers an expression in place. The tree is walked with a list of what is left to do; only
/// chains of AND and OR are taken apart, by a call for each level of parentheses.
pub(super) fn lower(expression: &mut Expr) -> Result<(), Error> {
    let mut left = vec![expression];
    while let Some(expression) = left.pop() {
        match expression {
            Expr::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. } => {
                balance(expression)?;
            }
            Expr::Cast { .. } => left.extend(cast(expression)?),
            Expr::InSubquery { expr, subquery, .. } => {
                left.push(expr);
                super::query(subquery)?;
            }
            Expr::Subquery(subquery) | Expr::Exists { subquery, .. } => super::query(subquery)?,
            other => {
                match other {
                    Expr::Like { pattern, .. } | Expr::ILike { pattern, .. } => {
                        without_escapes(pattern);
                    }
                    Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
                        if let Some(difference) = from_zero(expr) {
                            *other = difference;
                        }
                    }
                    Expr::Function(call) => match converted(call).or(written_region(call)?) {
                        Some(value) => *other = value,
                        None => lower_call(call)?,
                    },
                    _ => {}
                }
                tree::push_children(other, &mut left);
            }
        }
    }
    Ok(())
}

/// `0 - x` for `-x`: the least SMALLINT has a negative then, an unsigned integer too, and 0 no sign.
fn from_zero(value: &mut Expr) -> Option<Expr> {
    if matches!(tree::bare(value), Expr::Value(_)) {
        return None;
    }
    let value = Expr::Nested(Box::new(std::mem::replace(value, tree::null())));
    let difference = tree::binary(tree::number(0), BinaryOperator::Minus, value);
    Some(Expr::Nested(Box::new(difference)))
}

/// The value times a factor that a call of `IN_UNIT` is.
fn converted(call: &mut Call) -> Option<Expr> {
    if !call.name.to_string().eq_ignore_ascii_case("IN_UNIT") {
        return None;
    }
    let mut arguments = tree::arguments_mut(call).into_iter();
    let value = std::mem::replace(arguments.next()?, tree::null());
    let factor = std::mem::replace(arguments.nth(1)?, tree::null());
    let Expr::BinaryOp { op, right, .. } = factor else { return None };
    let value = tree::binary(Expr::Nested(Box::new(value)), op, *right);
    Some(Expr::Nested(Box::new(value)))
}

/// What the text of a call of `REGION` or `MOC` is: a geometry of numbers, or the text in a form that
/// the functions read without doubt.
fn written_region(call: &Call) -> Result<Option<Expr>, Error> {
    let name = call.name.to_string().to_ascii_uppercase();
    let arguments = tree::arguments(call);
    let [Expr::Value(value)] = arguments.as_slice() else { return Ok(None) };
    let Value::SingleQuotedString(text) = &value.value else { return Ok(None) };
    let refused = |error: RegionError| {
        call_error(Error::NotAllowed { message: format!("{name}: {error}"), place: None }, call)
    };
    if name == "MOC" {
        let moc = text.trim();
        let (moc, order) = Coverage::from_ascii(moc).map_err(refused)?;
        return Ok(Some(tree::text(moc.ascii(order))));
    }
    if name != "REGION" {
        return Ok(None);
    }
    let degrees = |numbers: &[f64]| numbers.iter().copied().map(tree::degrees).collect();
    Ok(Some(match Region::from_text(text).map_err(refused)? {
        Region::Point(place) => {
            tree::call(function::POINT, degrees(&[place.lon_deg(), place.lat_deg()]))
        }
        Region::Circle(circle) => {
            let (center, radius) = (circle.center(), circle.radius().degrees());
            tree::call(function::CIRCLE, degrees(&[center.lon_deg(), center.lat_deg(), radius]))
        }
        Region::Polygon(polygon) if polygon.vertices().len() >= 3 => {
            let corners = polygon.vertices().iter().flat_map(|at| [at.lon_deg(), at.lat_deg()]);
            tree::call(function::POLYGON, degrees(&corners.collect::<Vec<_>>()))
        }
        region => tree::text(region.to_text()),
    }))
}

/// Makes a balanced tree of a chain of ANDs or ORs, so that a plan is as deep as the logarithm of
/// its length.
fn balance(expression: &mut Expr) -> Result<(), Error> {
    let mut leaves = vec![];
    let mut rest = std::mem::replace(expression, tree::null());
    let Expr::BinaryOp { op: connective, .. } = &rest else { return Ok(()) };
    let connective = connective.clone();
    loop {
        match rest {
            Expr::BinaryOp { left, op, right } if op == connective => {
                leaves.push(*right);
                rest = *left;
            }
            first => {
                leaves.push(first);
                break;
            }
        }
    }
    leaves.reverse();
    leaves.iter_mut().try_for_each(lower)?;
    while leaves.len() > 1 {
        let mut pairs = Vec::with_capacity(leaves.len().div_ceil(2));
        let mut level = leaves.into_iter();
        while let Some(first) = level.next() {
            pairs.push(match level.next() {
                Some(second) => tree::binary(first, connective.clone(), second),
                None => first,
            });
        }
        leaves = pairs;
    }
    if let Some(balanced) = leaves.pop() {
        *expression = balanced;
    }
    Ok(())
}

/// `\` means itself in a pattern of ADQL, and quotes the next character in one of DataFusion.
fn without_escapes(pattern: &mut Expr) {
    if let Expr::Value(value) = pattern
        && let Value::SingleQuotedString(text) = &mut value.value
    {
        *text = text.replace('\\', "\\\\");
        return;
    }
    let inner = std::mem::replace(pattern, tree::null());
    *pattern = tree::call("replace", vec![inner, tree::text("\\"), tree::text("\\\\")]);
}

/// ADQL 2.1, section 4.7.1. Hands back what is left to lower.
fn cast(expression: &mut Expr) -> Result<Option<&mut Expr>, Error> {
    let span = expression.span();
    let length = match expression {
        Expr::Cast { data_type: DataType::Custom(name, _), expr, .. }
            if let Some(shape) = TextAs::of_type(&name.to_string()) =>
        {
            let inner = std::mem::replace(&mut **expr, tree::null());
            *expression = as_shape(inner, shape, span)?;
            return Ok(match expression {
                Expr::Function(call) if call.name.to_string() == shape.function() => {
                    tree::arguments_mut(call).pop()
                }
                _ => None,
            });
        }
        Expr::Cast { data_type, .. } => lower_type(data_type),
        _ => None,
    };
    let cast = match length {
        None => expression,
        Some(length) => {
            let inner = std::mem::replace(expression, tree::null());
            *expression = tree::call("substr", vec![inner, tree::number(1), tree::number(length)]);
            let Expr::Function(call) = expression else { return Ok(None) };
            let Some(inner) = tree::arguments_mut(call).into_iter().next() else { return Ok(None) };
            inner
        }
    };
    match casts::name(cast) {
        Some(Expr::Cast { expr, .. }) => Ok(Some(expr)),
        _ => Ok(None),
    }
}

/// A text as a geometry: of one that is written here, the geometry of its numbers.
fn as_shape(inner: Expr, shape: TextAs, span: Span) -> Result<Expr, Error> {
    if let Expr::Value(value) = tree::bare(&inner)
        && let Value::SingleQuotedString(text) = &value.value
    {
        let numbers = shape.numbers(text).map_err(|reason| Error::NotAllowed {
            message: format!("CAST: {reason}"),
            place: place(span),
        })?;
        let numbers = numbers.into_iter().map(tree::degrees).collect();
        return Ok(tree::call(shape.constructor(), numbers));
    }
    Ok(tree::call(shape.function(), vec![inner]))
}

/// Gives the type that the planner knows; hands back the length that a text is cut to.
fn lower_type(data_type: &mut DataType) -> Option<u64> {
    match data_type {
        DataType::Char(length) | DataType::Varchar(length) => {
            let cut = match length {
                Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
                _ => None,
            };
            *data_type = DataType::Varchar(None);
            cut
        }
        DataType::Timestamp(..) => {
            // Nanoseconds would end in the year 2262.
            *data_type = DataType::Timestamp(Some(6), TimezoneInfo::None);
            None
        }
        _ => None,
    }
}

fn rename(call: &mut Call, name: &str) {
    call.name = ObjectName::from(vec![Ident::new(name)]);
}

/// The function of a session that evaluates a function of ADQL.
fn lower_call(call: &mut Call) -> Result<(), Error> {
    let name = function_name(call)?;
    let Some(function) = function::lookup(&name) else {
        return lower_unregistered(call, name);
    };
    drop_coordinate_system(function, call)?;
    if function.name == "DISTANCE" {
        spread_points(call)?;
    }
    let count = tree::arguments(call).len().max(*function.arguments.start());
    match function.lowering(count).map_err(|error| call_error(error, call))? {
        Target::Ours(name) | Target::Builtin(name) | Target::Aggregate(name) => rename(call, name),
        Target::Syntax => {}
    }
    Ok(())
}

/// Functions that only the lowering itself writes pass; the others are ADQL that is not
/// evaluated here.
fn lower_unregistered(call: &Call, name: String) -> Result<(), Error> {
    if matches!(name.as_str(), "replace" | "substr") {
        return Ok(());
    }
    let reason = "the function is declared, but not evaluated here".to_owned();
    Err(Error::NotEvaluable { construct: name, reason, place: place(call.name.span()) })
}

/// Drops the deprecated first argument of a geometry (ADQL 2.1, section 4.2.5).
fn drop_coordinate_system(function: &function::Function, call: &mut Call) -> Result<(), Error> {
    let arguments = tree::arguments(call);
    if !has_coordinate_system(function, &arguments) {
        return Ok(());
    }
    if let Some(Expr::Value(value)) = arguments.first()
        && let Value::SingleQuotedString(text) = &value.value
    {
        check_coordinate_system(text).map_err(|error| call_error(error, call))?;
    }
    if let FunctionArguments::List(list) = &mut call.args {
        list.args.remove(0);
    }
    Ok(())
}

/// `DISTANCE(POINT(a, b), POINT(c, d))` is `DISTANCE(a, b, c, d)`: no points are made.
fn spread_points(call: &mut Call) -> Result<(), Error> {
    let FunctionArguments::List(list) = &mut call.args else { return Ok(()) };
    let is_point = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => match tree::bare(expression) {
            Expr::Function(point) => point.name.to_string().eq_ignore_ascii_case("POINT"),
            _ => false,
        },
        _ => false,
    };
    if list.args.len() != 2 || !list.args.iter().all(is_point) {
        return Ok(());
    }
    let mut coordinates = vec![];
    for argument in std::mem::take(&mut list.args) {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(mut expression)) = argument else {
            continue;
        };
        while let Expr::Nested(inner) = expression {
            expression = *inner;
        }
        let Expr::Function(mut point) = expression else { continue };
        if let Some(function) = function::lookup("POINT") {
            drop_coordinate_system(function, &mut point)?;
        }
        if let FunctionArguments::List(inner) = point.args {
            coordinates.extend(inner.args);
        }
    }
    list.args = coordinates;
    Ok(())
}
