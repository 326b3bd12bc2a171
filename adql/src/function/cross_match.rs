//! `cross_match(ra1, dec1, ra2, dec2, radius, bound)`: whether two places are near each other.
//!
//! What `crate::rewrite` makes of a condition on the places of two tables, in whichever form it was
//! written, so that one operator recognizes all of them. As a function it is that condition, pair
//! by pair and to the last bit: a plan without the operator has the same rows, only later.

use std::sync::Arc;

use datafusion::arrow::array::{Array, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::vector::doubles;
use crate::sky::{Circle, Position};

/// Name of the function in a session.
pub const NAME: &str = "cross_match";

/// How a condition compares a distance with a radius.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bound {
    /// `DISTANCE(…) < r`.
    Less,
    /// `DISTANCE(…) <= r`.
    AtMost,
    /// `CONTAINS(POINT(…), CIRCLE(…, r)) = 1`: as `<=`, but NULL where no circle has such a radius.
    Circle,
}

impl Bound {
    const ALL: [Self; 3] = [Self::Less, Self::AtMost, Self::Circle];

    /// As the last argument spells it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Circle => "in circle of",
        }
    }

    /// The bound that a last argument spells.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bound| bound.text() == text)
    }

    /// Which pairs a radius allows; none: no pair.
    pub fn reach(self, radius_deg: f64) -> Option<Reach> {
        let center = Position::ORIGIN;
        match self {
            // NaN is greater than all numbers to the comparison, unless its sign is set.
            Self::Less | Self::AtMost if radius_deg.is_nan() => {
                radius_deg.is_sign_positive().then_some(Reach(None))
            }
            Self::Less | Self::AtMost if radius_deg > 180.0 => Some(Reach(None)),
            Self::Less => Circle::open(center, radius_deg)
                .ok()
                .filter(|circle| circle.radius().degrees() > 0.0)
                .map(|circle| Reach(Some(circle))),
            Self::AtMost | Self::Circle => {
                Circle::new(center, radius_deg).ok().map(|circle| Reach(Some(circle)))
            }
        }
    }
}

/// Which pairs of places are near enough: those whose distance is in a bound, or all pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach(Option<Circle>);

impl Reach {
    /// No pair is farther apart than this.
    pub fn degrees(&self) -> f64 {
        self.0.map_or(180.0, |circle| circle.radius().degrees())
    }

    /// Whether two places are near enough; symmetric.
    pub fn holds(&self, a: &Position, b: &Position) -> bool {
        self.0.is_none_or(|circle| circle.around(*a).contains(b))
    }
}

/// The call for these places.
pub(crate) fn call(a: [Expr; 2], b: [Expr; 2], radius: Expr, bound: Bound) -> Expr {
    let function = Arc::new(ScalarUDF::from(CrossMatch::new()));
    let bound = Expr::Literal(ScalarValue::Utf8(Some(bound.text().to_owned())), None);
    let arguments = a.into_iter().chain(b).chain([radius, bound]).collect();
    Expr::ScalarFunction(ScalarFunction::new_udf(function, arguments))
}

/// Whether an expression is a call.
pub(crate) fn is_call(expr: &Expr) -> bool {
    matches!(expr, Expr::ScalarFunction(call) if call.func.name() == NAME)
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CrossMatch {
    signature: Signature,
}

impl CrossMatch {
    pub(super) fn new() -> Self {
        let mut types = vec![DataType::Float64; 5];
        types.push(DataType::Utf8);
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for CrossMatch {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bound = match &args.args[5] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => Bound::from_text(text),
            _ => None,
        };
        let Some(bound) = bound else {
            return exec_err!("{NAME} takes as its last argument one of <, <= and 'in circle of'");
        };
        let rows = args.number_rows;
        let columns =
            args.args[..5].iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let number = |column: usize, row: usize| {
            let column = doubles(&columns[column]);
            column.is_valid(row).then(|| column.value(row))
        };
        let place =
            |lon: usize, row| Position::from_degrees(number(lon, row)?, number(lon + 1, row)?);
        let near = |row: usize| {
            let (a, b, radius) = (place(0, row)?, place(2, row)?, number(4, row)?);
            match bound.reach(radius) {
                Some(reach) => Some(reach.holds(&a, &b)),
                None if bound == Bound::Circle => None,
                None => Some(false),
            }
        };
        let near = (0..rows).map(near).collect::<BooleanArray>();
        Ok(ColumnarValue::Array(Arc::new(near)))
    }
}
