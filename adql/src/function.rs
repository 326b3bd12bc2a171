//! The functions of ADQL: the registry from which documents and `/capabilities` derive, and the
//! scalar functions that every session (coordinator and worker) registers.
//!
//! Each file below is one family: signature, evaluation on arrays, tests. All functions are
//! stateless and found by their names, so that a plan which names them needs no codec.
//! A geometry in a column is what DALI 1.1 §3.3 writes: POINT is two doubles, CIRCLE three, POLYGON
//! a list of pairs, always in ICRS degrees; BOX (ADQL 2.1 §4.2.9) is the polygon of its corners.

use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::ScalarUDF;

use crate::Error;

pub mod cross_match;
mod distance;
pub(crate) mod epoch_prop;
pub mod geometry;
mod healpix;
pub mod in_region;
pub mod is_among;
mod math;
pub(crate) mod measure;
pub mod nan_to_null;
pub mod nearest;
mod relation;
pub(crate) mod shape;
mod vector;

#[cfg(test)]
mod tests;

/// Name of POINT in a session.
pub(crate) const POINT: &str = "adql_point";
/// Name of CIRCLE in a session.
pub(crate) const CIRCLE: &str = "adql_circle";
/// Name of CONTAINS in a session.
pub(crate) const CONTAINS: &str = "adql_contains";
/// Name of INTERSECTS in a session.
pub(crate) const INTERSECTS: &str = "adql_intersects";
/// Name of DISTANCE in a session.
pub(crate) const DISTANCE: &str = "adql_distance";

/// What an ADQL function becomes in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A scalar function of ours, by its name in the session.
    Ours(&'static str),
    /// A scalar function of DataFusion, by its name.
    Builtin(&'static str),
    /// An aggregate of DataFusion, by its name.
    Aggregate(&'static str),
    /// Syntax with a node of its own, as `CAST(x AS t)`.
    Syntax,
}

/// A function of ADQL as users see it, and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name in capitals.
    pub name: &'static str,
    /// The ways to call it.
    pub signatures: &'static [&'static str],
    /// One line for humans.
    pub description: &'static str,
    /// Section of ADQL 2.1 (or the document that defines it).
    pub section: &'static str,
    /// How many arguments it takes, a coordinate system not counted.
    pub arguments: RangeInclusive<usize>,
    /// Whether a first argument that is a string literal names a coordinate system, which
    /// [`check_coordinate_system`] judges and the lowering drops.
    pub coordinate_system: bool,
    target: Target,
}

impl Function {
    /// What a call with this many arguments (a coordinate system not counted) becomes.
    pub fn lowering(&self, arguments: usize) -> Result<Target, Error> {
        if !self.arguments.contains(&arguments) {
            let (least, most) = (self.arguments.start(), self.arguments.end());
            let wanted = match (least, most) {
                (0, 0) => "no argument".to_owned(),
                (1, 1) => "one argument".to_owned(),
                (_, &usize::MAX) => format!("at least {least} arguments"),
                _ if least == most => format!("{least} arguments"),
                _ => format!("{least} to {most} arguments"),
            };
            let message = format!(
                "{} takes {wanted}, not {arguments}: write {}",
                self.name,
                self.signatures.join(" or ")
            );
            return Err(Error::NotAllowed { message, place: None });
        }
        // RAND() differs from row to row, RAND(x) is a function of x.
        match (self.name, arguments) {
            ("RAND", 0) => Ok(Target::Builtin("random")),
            _ => Ok(self.target),
        }
    }
}

const fn function(
    (name, section): (&'static str, &'static str),
    signatures: &'static [&'static str],
    description: &'static str,
    arguments: RangeInclusive<usize>,
    target: Target,
) -> Function {
    Function { name, signatures, description, section, arguments, coordinate_system: false, target }
}

const fn with_coordinate_system(function: Function) -> Function {
    Function { coordinate_system: true, ..function }
}

const AGGREGATE: &str = "ADQL 2.1 §2.2";
const MATH: &str = "ADQL 2.1 §2.3";

/// Every function, in the order of the standard's sections.
static FUNCTIONS: &[Function] = &[
    function(
        ("COUNT", AGGREGATE),
        &["COUNT(*)", "COUNT([DISTINCT] x)"],
        "number of rows, or of values that are not NULL",
        1..=1,
        Target::Aggregate("count"),
    ),
    function(
        ("SUM", AGGREGATE),
        &["SUM([DISTINCT] x)"],
        "sum of the values that are not NULL",
        1..=1,
        Target::Aggregate("sum"),
    ),
    function(
        ("AVG", AGGREGATE),
        &["AVG([DISTINCT] x)"],
        "mean of the values that are not NULL",
        1..=1,
        Target::Aggregate("avg"),
    ),
    function(
        ("MIN", AGGREGATE),
        &["MIN(x)"],
        "least of the values that are not NULL",
        1..=1,
        Target::Aggregate("min"),
    ),
    function(
        ("MAX", AGGREGATE),
        &["MAX(x)"],
        "greatest of the values that are not NULL",
        1..=1,
        Target::Aggregate("max"),
    ),
    function(
        ("ABS", MATH),
        &["ABS(x)"],
        "absolute value, of the type of x",
        1..=1,
        Target::Ours("adql_abs"),
    ),
    function(
        ("CEILING", MATH),
        &["CEILING(x)"],
        "least whole number that is not less than x",
        1..=1,
        Target::Ours("adql_ceiling"),
    ),
    function(
        ("DEGREES", MATH),
        &["DEGREES(x)"],
        "x radians in degrees",
        1..=1,
        Target::Ours("adql_degrees"),
    ),
    function(("EXP", MATH), &["EXP(x)"], "e to the power of x", 1..=1, Target::Ours("adql_exp")),
    function(
        ("FLOOR", MATH),
        &["FLOOR(x)"],
        "greatest whole number that is not greater than x",
        1..=1,
        Target::Ours("adql_floor"),
    ),
    function(
        ("LOG", MATH),
        &["LOG(x)"],
        "natural logarithm; NULL unless x > 0",
        1..=1,
        Target::Ours("adql_log"),
    ),
    function(
        ("LOG10", MATH),
        &["LOG10(x)"],
        "logarithm to base 10; NULL unless x > 0",
        1..=1,
        Target::Ours("adql_log10"),
    ),
    function(
        ("MOD", MATH),
        &["MOD(x, y)"],
        "remainder of x / y with the sign of x, exact for integers; NULL for y = 0",
        2..=2,
        Target::Ours("adql_mod"),
    ),
    function(("PI", MATH), &["PI()"], "the number π", 0..=0, Target::Ours("adql_pi")),
    function(
        ("POWER", MATH),
        &["POWER(x, y)"],
        "x to the power of y",
        2..=2,
        Target::Ours("adql_power"),
    ),
    function(
        ("RADIANS", MATH),
        &["RADIANS(x)"],
        "x degrees in radians",
        1..=1,
        Target::Ours("adql_radians"),
    ),
    function(
        ("RAND", MATH),
        &["RAND()", "RAND(x)"],
        "a number from 0 to less than 1: a new one for each row, or the one that belongs to x",
        0..=1,
        Target::Ours("adql_rand"),
    ),
    function(
        ("ROUND", MATH),
        &["ROUND(x)", "ROUND(x, n)"],
        "x rounded to n decimals (default 0), halves away from zero; n < 0 rounds to tens, ...",
        1..=2,
        Target::Ours("adql_round"),
    ),
    function(
        ("SQRT", MATH),
        &["SQRT(x)"],
        "square root; NULL for x < 0",
        1..=1,
        Target::Ours("adql_sqrt"),
    ),
    function(
        ("TRUNCATE", MATH),
        &["TRUNCATE(x)", "TRUNCATE(x, n)"],
        "x cut towards zero after n decimals (default 0); n < 0 cuts to tens, ...",
        1..=2,
        Target::Ours("adql_truncate"),
    ),
    function(
        ("ACOS", MATH),
        &["ACOS(x)"],
        "arc cosine in radians; NULL unless -1 <= x <= 1",
        1..=1,
        Target::Ours("adql_acos"),
    ),
    function(
        ("ASIN", MATH),
        &["ASIN(x)"],
        "arc sine in radians; NULL unless -1 <= x <= 1",
        1..=1,
        Target::Ours("adql_asin"),
    ),
    function(
        ("ATAN", MATH),
        &["ATAN(x)"],
        "arc tangent in radians",
        1..=1,
        Target::Ours("adql_atan"),
    ),
    function(
        ("ATAN2", MATH),
        &["ATAN2(y, x)"],
        "angle of the point (x, y) in radians",
        2..=2,
        Target::Ours("adql_atan2"),
    ),
    function(("COS", MATH), &["COS(x)"], "cosine of x radians", 1..=1, Target::Ours("adql_cos")),
    function(
        ("COT", MATH),
        &["COT(x)"],
        "cotangent of x radians; NULL for x = 0",
        1..=1,
        Target::Ours("adql_cot"),
    ),
    function(("SIN", MATH), &["SIN(x)"], "sine of x radians", 1..=1, Target::Ours("adql_sin")),
    function(("TAN", MATH), &["TAN(x)"], "tangent of x radians", 1..=1, Target::Ours("adql_tan")),
    function(
        ("AREA", "ADQL 2.1 §4.2.8"),
        &["AREA(region)"],
        "area in square degrees; 0 for a point",
        1..=1,
        Target::Ours("adql_area"),
    ),
    with_coordinate_system(function(
        ("BOX", "ADQL 2.1 §4.2.9"),
        &["BOX(lon, lat, width, height)", "BOX(center, width, height)"],
        "the box of these full width and height (degrees) around a center",
        3..=4,
        Target::Ours("adql_box"),
    )),
    function(
        ("CENTROID", "ADQL 2.1 §4.2.10"),
        &["CENTROID(region)"],
        "the point at the center of a region",
        1..=1,
        Target::Ours("adql_centroid"),
    ),
    with_coordinate_system(function(
        ("CIRCLE", "ADQL 2.1 §4.2.11"),
        &["CIRCLE(lon, lat, radius)", "CIRCLE(center, radius)"],
        "the disc of this radius (degrees, 0 to 180) around a center",
        2..=3,
        Target::Ours("adql_circle"),
    )),
    function(
        ("CONTAINS", "ADQL 2.1 §4.2.12"),
        &["CONTAINS(a, b)"],
        "1 if a lies wholly in b or on its boundary, else 0",
        2..=2,
        Target::Ours("adql_contains"),
    ),
    function(
        ("COORD1", "ADQL 2.1 §4.2.13"),
        &["COORD1(point)"],
        "longitude of a point in degrees",
        1..=1,
        Target::Ours("adql_coord1"),
    ),
    function(
        ("COORD2", "ADQL 2.1 §4.2.14"),
        &["COORD2(point)"],
        "latitude of a point in degrees",
        1..=1,
        Target::Ours("adql_coord2"),
    ),
    function(
        ("DISTANCE", "ADQL 2.1 §4.2.16"),
        &["DISTANCE(point, point)", "DISTANCE(lon1, lat1, lon2, lat2)"],
        "angle between two points in degrees",
        2..=4,
        Target::Ours("adql_distance"),
    ),
    function(
        ("INTERSECTS", "ADQL 2.1 §4.2.17"),
        &["INTERSECTS(a, b)"],
        "1 if a and b have a point in common, else 0",
        2..=2,
        Target::Ours("adql_intersects"),
    ),
    with_coordinate_system(function(
        ("POINT", "ADQL 2.1 §4.2.18"),
        &["POINT(lon, lat)"],
        "the point at this longitude and latitude (degrees)",
        2..=2,
        Target::Ours("adql_point"),
    )),
    with_coordinate_system(function(
        ("POLYGON", "ADQL 2.1 §4.2.19"),
        &["POLYGON(lon1, lat1, lon2, lat2, lon3, lat3, ...)", "POLYGON(point, point, point, ...)"],
        "the smaller side of the closed line through three or more points",
        3..=usize::MAX,
        Target::Ours("adql_polygon"),
    )),
    function(
        ("LOWER", "ADQL 2.1 §4.4.2"),
        &["LOWER(text)"],
        "text in small letters",
        1..=1,
        Target::Builtin("lower"),
    ),
    function(
        ("UPPER", "ADQL 2.1 §4.4.3"),
        &["UPPER(text)"],
        "text in capital letters",
        1..=1,
        Target::Builtin("upper"),
    ),
    function(
        ("COALESCE", "ADQL 2.1 §4.8.1"),
        &["COALESCE(x, ...)"],
        "the first argument that is not NULL",
        1..=usize::MAX,
        Target::Builtin("coalesce"),
    ),
    function(
        ("CAST", "ADQL 2.1 §4.7.1"),
        &["CAST(x AS type)"],
        "x as a value of another type",
        1..=1,
        Target::Syntax,
    ),
    function(
        ("IVO_HEALPIX_INDEX", "UDF catalogue 1.2 §2"),
        &["ivo_healpix_index(order, lon, lat)", "ivo_healpix_index(order, point)"],
        "index of the HEALPix pixel (NESTED) of this order that holds a point",
        2..=3,
        Target::Ours("adql_healpix_index"),
    ),
    function(
        ("IVO_EPOCH_PROP_POS", "UDF catalogue 1.2 §2.2"),
        &[
            "ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, radial_velocity, ref_epoch, out_epoch)",
        ],
        "the place at out_epoch of a star that at ref_epoch (Julian years) is at ra, dec (degrees) \
         and moves uniformly: parallax in mas (NULL: infinitely far), pmra (with cos dec) and pmdec \
         in mas/yr, radial_velocity in km/s (NULL: 0); NULL for a row without place or epoch",
        8..=8,
        Target::Ours("adql_epoch_prop_pos"),
    ),
];

/// Every function, in the order of the standard's sections.
pub fn functions() -> &'static [Function] {
    FUNCTIONS
}

/// The function of this name, in any case.
pub fn lookup(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|f| f.name.eq_ignore_ascii_case(name))
}

/// Accepts the names of the coordinate system in which all positions are (ICRS), and the empty
/// name; refuses the others, since a position is never converted silently (ADQL 2.1 §4.2.5).
pub fn check_coordinate_system(text: &str) -> Result<(), Error> {
    let frame = text.split_whitespace().next().unwrap_or_default();
    if frame.is_empty() || frame.eq_ignore_ascii_case("ICRS") {
        return Ok(());
    }
    Err(Error::NotEvaluable {
        construct: format!("coordinate system '{text}'"),
        reason: "positions are ICRS; leave the coordinate system out or write 'ICRS'".to_owned(),
        place: None,
    })
}

/// Every scalar function of ours: what a session on the coordinator and on workers registers.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    [
        math::functions(),
        shape::functions(),
        relation::functions(),
        distance::functions(),
        measure::functions(),
        healpix::functions(),
        epoch_prop::functions(),
        vec![ScalarUDF::from(nan_to_null::NanToNull::new())],
        vec![ScalarUDF::from(in_region::InRegion::new())],
        vec![ScalarUDF::from(is_among::IsAmong::new())],
        vec![ScalarUDF::from(cross_match::CrossMatch::new())],
        vec![ScalarUDF::from(nearest::Nearest::new())],
    ]
    .into_iter()
    .flatten()
    .map(Arc::new)
    .collect()
}

/// The scalar function of ours of this name in a session.
pub(crate) fn lookup_scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    scalar_functions().into_iter().find(|function| function.name() == name)
}

/// The error for an argument that no geometry can have.
fn refuse(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(Error::NotAllowed { message, place: None }))
}

/// Refuses a call with another number of arguments; the planner asks before it casts them.
fn expect_count(
    name: &str,
    arguments: &[DataType],
    counts: RangeInclusive<usize>,
) -> datafusion::common::Result<()> {
    if counts.contains(&arguments.len()) {
        return Ok(());
    }
    plan_err!("{name} does not take {} arguments", arguments.len())
}
