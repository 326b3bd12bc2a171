//! `in_region(index, ra, dec, literal)`: whether the place of a row lies in a region.
//!
//! What `crate::rewrite` makes of CONTAINS, INTERSECTS and DISTANCE over the position columns of a
//! table. The literal is a [`RegionTest`]: the region with its cover, as text: plans show their literals
//! each time that the type of a condition is asked for, and bytes one by one. The spatial index of a row
//! decides, and only rows in edge pixels need the exact test. Three-valued as what it replaces:
//! NULL where the row has no place.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
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
        let types = vec![DataType::Int64, DataType::Float64, DataType::Float64, DataType::Utf8];
        Self { signature: Signature::exact(types, Volatility::Immutable) }
    }
}

/// The call with this test.
pub(crate) fn call(index: Expr, ra: Expr, dec: Expr, test: &RegionTest) -> Expr {
    let function = Arc::new(ScalarUDF::from(InRegion::new()));
    let literal = Expr::Literal(ScalarValue::Utf8(Some(written(test))), None);
    Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction::new_udf(
        function,
        vec![index, ra, dec, literal],
    ))
}

fn written(test: &RegionTest) -> String {
    STANDARD_NO_PAD.encode(test.to_bytes())
}

fn read(text: &str) -> Result<RegionTest> {
    let external = |error| DataFusionError::External(error);
    let bytes = STANDARD_NO_PAD.decode(text).map_err(|error| external(Box::new(error)))?;
    RegionTest::from_bytes(&bytes).map_err(|error| external(Box::new(error)))
}

/// The test of a call; none for any other expression.
pub(crate) fn test_of(expr: &Expr) -> Option<RegionTest> {
    let Expr::ScalarFunction(call) = expr else { return None };
    if call.func.name() != NAME {
        return None;
    }
    match call.args.get(3) {
        Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => read(text).ok(),
        _ => None,
    }
}

/// A shorter literal is decoded sooner than it is looked for.
const KEPT_BYTES_MIN: usize = 64 << 10;

/// So many tests are kept: the batches of some queries at a time ask for them in turn.
const KEPT: usize = 4;

/// The tests of long literals that were last decoded, with these. A MOC of 100,000 ranges is read in
/// the time that some batches take, and each batch brings its literal anew.
static DECODED: Decoded = Decoded(Mutex::new(Vec::new()));

/// A literal, and the test that it is.
type Known = Arc<(String, Arc<RegionTest>)>;

struct Decoded(Mutex<Vec<Known>>);

impl Decoded {
    fn test(&self, text: &str) -> Result<Arc<RegionTest>> {
        if text.len() < KEPT_BYTES_MIN {
            return read(text).map(Arc::new);
        }
        // Literals are compared without the lock: that takes a while too.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.iter().find(|known| known.0 == text) {
            return Ok(Arc::clone(&known.1));
        }
        let test = Arc::new(read(text)?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(KEPT - 1);
        known.insert(0, Arc::new((text.to_owned(), Arc::clone(&test))));
        Ok(test)
    }
}

/// The constants of a call: the same for every row of a batch.
fn decode(literal: &ColumnarValue) -> Result<Option<Arc<RegionTest>>> {
    match literal {
        ColumnarValue::Scalar(ScalarValue::Utf8(None)) => Ok(None),
        ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))) => DECODED.test(text).map(Some),
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

    /// With a digest of the literal: the names of all conditions around a call contain its own.
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let named = arguments.iter().map(|argument| match argument {
            Expr::Literal(ScalarValue::Utf8(Some(text)), _) => {
                let mut digest = DefaultHasher::new();
                text.hash(&mut digest);
                format!("{:016x}", digest.finish())
            }
            other => other.schema_name().to_string(),
        });
        Ok(format!("{NAME}({})", named.collect::<Vec<_>>().join(",")))
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

#[cfg(test)]
mod tests {
    use super::{Arc, Decoded, KEPT, KEPT_BYTES_MIN, Mutex, RegionTest, read, written};
    use crate::sky::{Angle, Coverage, Region};

    fn long_literal(from: u64) -> String {
        let ranges = (0..5000).map(|i| from + (i << 36)..from + (i << 36) + (1 << 34));
        let moc = Region::Moc(Coverage::from_ranges(ranges));
        written(&RegionTest::new(moc, Angle::ZERO))
    }

    #[test]
    fn a_long_literal_is_decoded_once_while_few_others_are() {
        let decoded = Decoded(Mutex::default());
        let long = long_literal(0);
        assert!(long.len() > KEPT_BYTES_MIN);
        let first = decoded.test(&long).unwrap();
        assert_eq!(*first, read(&long).unwrap());
        assert!(Arc::ptr_eq(&first, &decoded.test(&long).unwrap()));
        for other in 1..=KEPT as u64 {
            let other = long_literal(other << 34);
            assert_eq!(*decoded.test(&other).unwrap(), read(&other).unwrap());
        }
        let again = decoded.test(&long).unwrap();
        assert!(*first == *again && !Arc::ptr_eq(&first, &again));
        assert!(decoded.test(&long[..long.len() - 4]).is_err());
        assert!(decoded.test("no region").is_err());
    }
}
