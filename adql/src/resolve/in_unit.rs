//! `IN_UNIT` (ADQL 2.1 §4.9.1): the factor between the unit that a value has and the one that is asked
//! for.
//!
//! ```text
//! IN_UNIT(x, 'arcsec')   ->   IN_UNIT(x, 'arcsec', NULL * 3600.0)
//! ```
//! The lowering puts the value in the place of the NULL.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
};

use super::kind::shown;
use super::metadata::{Metadata, text_of};
use super::scope::Env;
use crate::Error;
use crate::parser::{place, tree};
use crate::unit::{Factor, factor};

/// Name of the function.
pub(super) const IN_UNIT: &str = "IN_UNIT";

/// Gives a call, whose names are resolved, its factor.
pub(super) fn add_factor(call: &mut Function, env: &Env<'_>) -> Result<(), Error> {
    let here = place(call.name.span());
    let refused = |message: String| Err(Error::NotAllowed { message, place: here });
    let arguments = tree::arguments(call);
    // What is named elsewhere in the query comes with its factor.
    let [value, target] = arguments.as_slice() else { return Ok(()) };
    let target = text_of(target).unwrap_or_default();
    let Some(unit) = Metadata::of(value, env).unit.filter(|unit| !unit.trim().is_empty()) else {
        let advice = "multiply it by a factor instead";
        return refused(format!("IN_UNIT: {} has no unit that is known: {advice}", shown(value)));
    };
    let factor = match factor(&unit, &target) {
        Ok(Factor::Times(factor)) => (BinaryOperator::Multiply, factor),
        Ok(Factor::By(factor)) => (BinaryOperator::Divide, factor),
        Err(reason) => {
            return refused(format!("IN_UNIT({}, '{target}'): {reason}", shown(value)));
        }
    };
    let factor = tree::binary(tree::null(), factor.0, tree::number(format!("{:?}", factor.1)));
    if let FunctionArguments::List(list) = &mut call.args {
        list.args.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(factor)));
    }
    Ok(())
}
