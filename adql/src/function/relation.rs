//! CONTAINS and INTERSECTS (ADQL 2.1 §4.2.12, §4.2.17): 1, 0, or NULL where an operand is NULL.
//! A boundary belongs to its region. With a point as an operand both ask the same.

use std::sync::Arc;

use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::geometry::{Regions, as_region};
use crate::Error;
use crate::sky::Region;

/// The functions of this file.
pub(super) fn functions() -> Vec<ScalarUDF> {
    [Relation::Contains, Relation::Intersects]
        .map(|relation| {
            let signature = Signature::user_defined(Volatility::Immutable);
            ScalarUDF::from(Predicate { relation, signature })
        })
        .into()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Relation {
    Contains,
    Intersects,
}

impl Relation {
    fn holds(self, a: &Region, b: &Region) -> Result<bool> {
        let holds = match (self, a, b) {
            (Self::Contains, Region::Point(place), region)
            | (Self::Intersects, Region::Point(place), region)
            | (Self::Intersects, region, Region::Point(place)) => Ok(region.contains(place)),
            (Self::Contains, a, b) => b.contains_region(a),
            (Self::Intersects, a, b) => a.intersects(b),
        };
        holds.map_err(|error| {
            let construct = match self {
                Self::Contains => "CONTAINS",
                Self::Intersects => "INTERSECTS",
            };
            let (construct, reason) = (construct.to_owned(), error.to_string());
            DataFusionError::External(Box::new(Error::NotEvaluable {
                construct,
                reason,
                place: None,
            }))
        })
    }
}

/// One of the two functions.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Predicate {
    relation: Relation,
    signature: Signature,
}

impl ScalarUDFImpl for Predicate {
    fn name(&self) -> &str {
        match self.relation {
            Relation::Contains => super::CONTAINS,
            Relation::Intersects => super::INTERSECTS,
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let name = match self.relation {
            Relation::Contains => "CONTAINS",
            Relation::Intersects => "INTERSECTS",
        };
        super::expect_count(name, arguments, 2..=2)?;
        arguments.iter().map(|a| as_region(name, a)).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (a, b) = (Regions::new(&args.args[0])?, Regions::new(&args.args[1])?);
        let holds = |row: usize| -> Result<Option<i32>> {
            let (Some(a), Some(b)) = (a.region(row), b.region(row)) else { return Ok(None) };
            Ok(Some(i32::from(self.relation.holds(&a, &b)?)))
        };
        Ok(match (&args.args[0], &args.args[1]) {
            (ColumnarValue::Scalar(_), ColumnarValue::Scalar(_)) => {
                ColumnarValue::Scalar(ScalarValue::Int32(holds(0)?))
            }
            _ => {
                let rows = (0..args.number_rows).map(holds).collect::<Result<Int32Array>>()?;
                ColumnarValue::Array(Arc::new(rows))
            }
        })
    }
}
