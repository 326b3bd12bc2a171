//! `in_region(index, ra, dec, literal)`: whether the place of a row lies in a region.
//!
//! What `crate::rewrite` makes of CONTAINS, INTERSECTS and DISTANCE over the position columns of a
//! table. The literal is a [`RegionTest`]: the region with its cover. The spatial index of a row
//! decides, and only rows in edge pixels need the exact test. Three-valued as what it replaces:
//! NULL where the row has no place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, BooleanArray, BooleanBuilder};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::vector::{doubles, integers};
use crate::sky::{RegionTest, Side};

/// Name of the function in a session.
pub(crate) const NAME: &str = "in_region";

static EXACT_TESTS: AtomicU64 = AtomicU64::new(0);

/// How many rows this process has tested by trigonometry since it started.
pub fn exact_tests() -> u64 {
    EXACT_TESTS.load(Ordering::Relaxed)
}

/// The function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct InRegion {
    signature: Signature,
}

impl InRegion {
    pub(super) fn new() -> Self {
        let types = vec![DataType::Int64, DataType::Float64, DataType::Float64, DataType::Binary];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

/// The call with this test.
pub(crate) fn call(index: Expr, ra: Expr, dec: Expr, test: &RegionTest) -> Expr {
    let function = Arc::new(ScalarUDF::from(InRegion::new()));
    let literal = Expr::Literal(ScalarValue::Binary(Some(test.to_bytes())), None);
    Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(
        function,
        vec![index, ra, dec, literal],
    ))
}

/// The test of a call; none for any other expression.
pub(crate) fn test_of(expr: &Expr) -> Option<RegionTest> {
    let Expr::ScalarFunction(call) = expr else { return None };
    if call.func.name() != NAME {
        return None;
    }
    match call.args.get(3) {
        Some(Expr::Literal(ScalarValue::Binary(Some(bytes)), _)) => {
            RegionTest::from_bytes(bytes).ok()
        }
        _ => None,
    }
}

/// The constants of a call: the same for every row of a batch.
fn decode(literal: &ColumnarValue) -> Result<Option<RegionTest>> {
    match literal {
        ColumnarValue::Scalar(ScalarValue::Binary(None)) => Ok(None),
        ColumnarValue::Scalar(ScalarValue::Binary(Some(bytes))) => RegionTest::from_bytes(bytes)
            .map(Some)
            .map_err(|source| DataFusionError::External(Box::new(source))),
        other => exec_err!("in_region takes a constant region, not {}", other.data_type()),
    }
}

impl ScalarUDFImpl for InRegion {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let Some(test) = decode(&args.args[3])? else {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        };
        let columns =
            args.args[..3].iter().map(|a| a.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let (index, ra, dec) = (integers(&columns[0]), doubles(&columns[1]), doubles(&columns[2]));
        let mut result = BooleanBuilder::with_capacity(rows);
        let mut exact_tests = 0;
        // Rows are sorted by their index, more or less: one search serves many of them.
        let mut run = (Side::Edge, 0..0);
        for row in 0..rows {
            let (lon, lat) = (ra.value(row), dec.value(row));
            let is_place = ra.is_valid(row) && dec.is_valid(row) && lon.is_finite();
            if !is_place || !(-90.0..=90.0).contains(&lat) {
                result.append_null();
                continue;
            }
            if index.is_valid(row) && !run.1.contains(&index.value(row)) {
                run = test.run(index.value(row));
            }
            // A row without an index has a place all the same.
            let side = if index.is_valid(row) { run.0 } else { Side::Edge };
            exact_tests += u64::from(side == Side::Edge);
            result.append_value(match side {
                Side::Inner => true,
                Side::Edge => test.refine(lon, lat),
                Side::Outside => false,
            });
        }
        EXACT_TESTS.fetch_add(exact_tests, Ordering::Relaxed);
        let result: BooleanArray = result.finish();
        Ok(ColumnarValue::Array(Arc::new(result)))
    }
}
