//! The functions of ADQL 2.1, in the order of its sections.

use std::ops::RangeInclusive;

use super::{Function, Gives, Target};

pub(super) const fn function(
    (name, section): (&'static str, &'static str),
    signatures: &'static [&'static str],
    description: &'static str,
    arguments: RangeInclusive<usize>,
    target: Target,
) -> Function {
    Function {
        name,
        signatures,
        description,
        section,
        arguments,
        coordinate_system: false,
        forms: &[],
        aliases: &[],
        gives: Gives::Value,
        target,
    }
}

const fn with_coordinate_system(function: Function) -> Function {
    Function { coordinate_system: true, ..function }
}

/// A function of whose values more is known than their type.
pub(super) const fn giving(gives: Gives, function: Function) -> Function {
    Function { gives, ..function }
}

const AGGREGATE: &str = "ADQL 2.1 §2.2";
const MATH: &str = "ADQL 2.1 §2.3";

/// Every function, in the order of the standard's sections.
pub(super) static STANDARD: &[Function] = &[
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
    giving(
        Gives::Unit("deg"),
        function(
            ("DEGREES", MATH),
            &["DEGREES(x)"],
            "x radians in degrees",
            1..=1,
            Target::Ours("adql_degrees"),
        ),
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
    giving(
        Gives::Unit("rad"),
        function(
            ("RADIANS", MATH),
            &["RADIANS(x)"],
            "x degrees in radians",
            1..=1,
            Target::Ours("adql_radians"),
        ),
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
    giving(
        Gives::Unit("rad"),
        function(
            ("ACOS", MATH),
            &["ACOS(x)"],
            "arc cosine in radians; NULL unless -1 <= x <= 1",
            1..=1,
            Target::Ours("adql_acos"),
        ),
    ),
    giving(
        Gives::Unit("rad"),
        function(
            ("ASIN", MATH),
            &["ASIN(x)"],
            "arc sine in radians; NULL unless -1 <= x <= 1",
            1..=1,
            Target::Ours("adql_asin"),
        ),
    ),
    giving(
        Gives::Unit("rad"),
        function(
            ("ATAN", MATH),
            &["ATAN(x)"],
            "arc tangent in radians",
            1..=1,
            Target::Ours("adql_atan"),
        ),
    ),
    giving(
        Gives::Unit("rad"),
        function(
            ("ATAN2", MATH),
            &["ATAN2(y, x)"],
            "angle of the point (x, y) in radians",
            2..=2,
            Target::Ours("adql_atan2"),
        ),
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
    giving(
        Gives::Unit("deg**2"),
        function(
            ("AREA", "ADQL 2.1 §4.2.8"),
            &["AREA(region)"],
            "area in square degrees; 0 for a point",
            1..=1,
            Target::Ours("adql_area"),
        ),
    ),
    giving(
        Gives::Geometry("polygon"),
        with_coordinate_system(function(
            ("BOX", "ADQL 2.1 §4.2.9"),
            &["BOX(lon, lat, width, height)", "BOX(center, width, height)"],
            "the box of these full width and height (degrees) around a center",
            3..=4,
            Target::Ours("adql_box"),
        )),
    ),
    giving(
        Gives::Geometry("point"),
        function(
            ("CENTROID", "ADQL 2.1 §4.2.10"),
            &["CENTROID(region)"],
            "the point at the center of a region",
            1..=1,
            Target::Ours("adql_centroid"),
        ),
    ),
    giving(
        Gives::Geometry("circle"),
        with_coordinate_system(function(
            ("CIRCLE", "ADQL 2.1 §4.2.11"),
            &["CIRCLE(lon, lat, radius)", "CIRCLE(center, radius)"],
            "the disc of this radius (degrees, 0 to 180) around a center",
            2..=3,
            Target::Ours("adql_circle"),
        )),
    ),
    function(
        ("CONTAINS", "ADQL 2.1 §4.2.12"),
        &["CONTAINS(a, b)"],
        "1 if a lies wholly in b or on its boundary, else 0",
        2..=2,
        Target::Ours("adql_contains"),
    ),
    giving(
        Gives::Unit("deg"),
        function(
            ("COORD1", "ADQL 2.1 §4.2.13"),
            &["COORD1(point)"],
            "longitude of a point in degrees",
            1..=1,
            Target::Ours("adql_coord1"),
        ),
    ),
    giving(
        Gives::Unit("deg"),
        function(
            ("COORD2", "ADQL 2.1 §4.2.14"),
            &["COORD2(point)"],
            "latitude of a point in degrees",
            1..=1,
            Target::Ours("adql_coord2"),
        ),
    ),
    giving(
        Gives::Unit("deg"),
        function(
            ("DISTANCE", "ADQL 2.1 §4.2.16"),
            &["DISTANCE(point, point)", "DISTANCE(lon1, lat1, lon2, lat2)"],
            "angle between two points in degrees",
            2..=4,
            Target::Ours("adql_distance"),
        ),
    ),
    function(
        ("INTERSECTS", "ADQL 2.1 §4.2.17"),
        &["INTERSECTS(a, b)"],
        "1 if a and b have a point in common, else 0",
        2..=2,
        Target::Ours("adql_intersects"),
    ),
    giving(
        Gives::Geometry("point"),
        with_coordinate_system(function(
            ("POINT", "ADQL 2.1 §4.2.18"),
            &["POINT(lon, lat)"],
            "the point at this longitude and latitude (degrees)",
            2..=2,
            Target::Ours("adql_point"),
        )),
    ),
    giving(
        Gives::Geometry("polygon"),
        with_coordinate_system(function(
            ("POLYGON", "ADQL 2.1 §4.2.19"),
            &[
                "POLYGON(lon1, lat1, lon2, lat2, lon3, lat3, ...)",
                "POLYGON(point, point, point, ...)",
            ],
            "the smaller side of the closed line through three or more points",
            3..=usize::MAX,
            Target::Ours("adql_polygon"),
        )),
    ),
    function(
        ("COORDSYS", "ADQL 2.1 §4.2.15"),
        &["COORDSYS(region)"],
        "the coordinate system of a region: ICRS",
        1..=1,
        Target::Ours("adql_coordsys"),
    ),
    giving(
        Gives::Geometry("adql:REGION"),
        function(
            ("REGION", "ADQL 2.1 §4.2.20"),
            &["REGION('text')"],
            "the region that a text in STC-S says: POSITION, CIRCLE, BOX, POLYGON or a UNION of such, in \
             ICRS, FK5, FK4, GALACTIC or ECLIPTIC degrees; or a MOC",
            1..=1,
            Target::Syntax,
        ),
    ),
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
        "x as a value of another type; a text, as '10 20 1' or 'Circle ICRS 10 20 1', as a POINT, CIRCLE or POLYGON",
        1..=1,
        Target::Syntax,
    ),
    function(
        ("IN_UNIT", "ADQL 2.1 §4.9.1"),
        &["IN_UNIT(x, 'unit')"],
        "x in another unit (VOUnits 1.1); x has to have one: that of a column, or that its functions give",
        2..=2,
        Target::Syntax,
    ),
];
