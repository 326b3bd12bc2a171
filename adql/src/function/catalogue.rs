//! The functions of users that the IVOA's catalogue of them defines (UDF catalogue 1.2), in the order
//! of its sections, and those for coverages and arrays. `ivo_simbadpoint` is not among them: it asks a service beyond this one.

use super::standard::{function, giving};
use super::{ELEMENT, Function, Gives, Target, element, histogram, moc, string_agg};

const SPHERE: &str = "UDF catalogue 1.2 §2";
const TIME: &str = "UDF catalogue 1.2 §3";
const TEXT: &str = "UDF catalogue 1.2 §4";
const NUMBERS: &str = "UDF catalogue 1.2 §5";
const COVERAGES: &str = "MOC 2.0; a proposal of the IVOA's for ADQL";
const ARRAYS: &str = "an extension";
const ANGLES: &str = "UDF catalogue 1.2 §6";

/// A function that clients are told of, by these typed signatures.
const fn declared(forms: &'static [&'static str], function: Function) -> Function {
    Function { forms, ..function }
}

const fn also(aliases: &'static [&'static str], function: Function) -> Function {
    Function { aliases, ..function }
}

pub(super) static CATALOGUE: &[Function] = &[
    declared(
        &[
            "ivo_healpix_index(hpxOrder INTEGER, long DOUBLE, lat DOUBLE) -> BIGINT",
            "ivo_healpix_index(hpxOrder INTEGER, p POINT) -> BIGINT",
        ],
        function(
            ("IVO_HEALPIX_INDEX", SPHERE),
            &["ivo_healpix_index(order, lon, lat)", "ivo_healpix_index(order, point)"],
            "index of the HEALPix pixel (NESTED) of this order that holds a point",
            2..=3,
            Target::Ours("adql_healpix_index"),
        ),
    ),
    declared(
        &["ivo_healpix_center(hpxOrder INTEGER, hpxIndex BIGINT) -> POINT"],
        giving(
            Gives::Geometry("point"),
            function(
                ("IVO_HEALPIX_CENTER", SPHERE),
                &["ivo_healpix_center(order, index)"],
                "center of the HEALPix pixel (NESTED) of this order and index; NULL where there is none",
                2..=2,
                Target::Ours("adql_healpix_center"),
            ),
        ),
    ),
    declared(
        &["ivo_epoch_prop_pos(ra DOUBLE, dec DOUBLE, parallax DOUBLE, pmra DOUBLE, pmdec DOUBLE, \
           radial_velocity DOUBLE, ref_epoch DOUBLE, out_epoch DOUBLE) -> POINT"],
        giving(
            Gives::Geometry("point"),
            function(
                ("IVO_EPOCH_PROP_POS", SPHERE),
                &[
                    "ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, radial_velocity, ref_epoch, out_epoch)",
                ],
                "the place at out_epoch of a star that at ref_epoch (Julian years) is at ra, dec (degrees) \
             and moves uniformly: parallax in mas (NULL: infinitely far), pmra (with cos dec) and pmdec \
             in mas/yr, radial_velocity in km/s (NULL: 0); NULL for a row without place or epoch",
                8..=8,
                Target::Ours("adql_epoch_prop_pos"),
            ),
        ),
    ),
    also(
        &["GAVO_TRANSFORM"],
        declared(
            &[
                "ivo_geom_transform(from_sys VARCHAR, to_sys VARCHAR, geo POINT) -> POINT",
                "ivo_geom_transform(from_sys VARCHAR, to_sys VARCHAR, geo CIRCLE) -> CIRCLE",
                "ivo_geom_transform(from_sys VARCHAR, to_sys VARCHAR, geo POLYGON) -> POLYGON",
            ],
            giving(
                Gives::GeometryOf(2),
                function(
                    ("IVO_GEOM_TRANSFORM", SPHERE),
                    &["ivo_geom_transform('from', 'to', geometry)"],
                    "a geometry with its coordinates in another frame, by simple rotation; frames are ICRS, \
                 FK4 (B1950), FK5 (J2000), GALACTIC and ECLIPTIC (J2000), written as texts",
                    3..=3,
                    Target::Ours("adql_geom_transform"),
                ),
            ),
        ),
    ),
    also(
        &["GAVO_TO_JD"],
        declared(
            &["ivo_to_jd(d TIMESTAMP) -> DOUBLE"],
            giving(
                Gives::Unit("d"),
                function(
                    ("IVO_TO_JD", TIME),
                    &["ivo_to_jd(time)"],
                    "Julian date of a time, or of a text that is one (else NULL), whatever its scale",
                    1..=1,
                    Target::Ours("adql_to_jd"),
                ),
            ),
        ),
    ),
    also(
        &["GAVO_TO_MJD"],
        declared(
            &["ivo_to_mjd(d TIMESTAMP) -> DOUBLE"],
            giving(
                Gives::Unit("d"),
                function(
                    ("IVO_TO_MJD", TIME),
                    &["ivo_to_mjd(time)"],
                    "modified Julian date of a time, or of a text that is one (else NULL), whatever its scale",
                    1..=1,
                    Target::Ours("adql_to_mjd"),
                ),
            ),
        ),
    ),
    declared(
        &["ivo_string_agg(expression VARCHAR, delimiter VARCHAR) -> VARCHAR"],
        function(
            ("IVO_STRING_AGG", TEXT),
            &["ivo_string_agg(text, 'delimiter')"],
            "the texts of a group that are not NULL, in their order, with a delimiter between them",
            2..=2,
            Target::Aggregate(string_agg::NAME),
        ),
    ),
    declared(
        &["ivo_nocasematch(value VARCHAR, pattern VARCHAR) -> INTEGER"],
        function(
            ("IVO_NOCASEMATCH", TEXT),
            &["ivo_nocasematch(text, pattern)"],
            "1 if text ILIKE pattern, else 0",
            2..=2,
            Target::Ours("adql_nocasematch"),
        ),
    ),
    declared(
        &["ivo_hasword(haystack VARCHAR, needle VARCHAR) -> INTEGER"],
        function(
            ("IVO_HASWORD", TEXT),
            &["ivo_hasword(text, words)"],
            "1 if all words are words of the text, in any case, else 0",
            2..=2,
            Target::Ours("adql_hasword"),
        ),
    ),
    declared(
        &["ivo_hashlist_has(hashlist VARCHAR, item VARCHAR) -> INTEGER"],
        function(
            ("IVO_HASHLIST_HAS", TEXT),
            &["ivo_hashlist_has(list, item)"],
            "1 if the item is one of a list that has # between its items, in any case, else 0",
            2..=2,
            Target::Ours("adql_hashlist_has"),
        ),
    ),
    also(
        &["GAVO_HISTOGRAM"],
        declared(
            &["ivo_histogram(val DOUBLE, lower DOUBLE, upper DOUBLE, nbins INTEGER) -> BIGINT"],
            function(
                ("IVO_HISTOGRAM", NUMBERS),
                &["ivo_histogram(x, lower, upper, nbins)"],
                "how many values of a group lie below lower or are NULL, in each of nbins equal bins from \
                 lower to before upper, and beyond: an array of nbins + 2; the last three are numbers",
                4..=4,
                Target::Aggregate(histogram::NAME),
            ),
        ),
    ),
    also(
        &["GAVO_NORMAL_RANDOM"],
        declared(
            &["ivo_normal_random(mu DOUBLE, sigma DOUBLE) -> DOUBLE"],
            function(
                ("IVO_NORMAL_RANDOM", NUMBERS),
                &["ivo_normal_random(mu, sigma)"],
                "a number for each row, normally distributed about mu with deviation sigma",
                2..=2,
                Target::Ours("adql_normal_random"),
            ),
        ),
    ),
    declared(
        &["ivo_interval_overlaps(l1 DOUBLE, h1 DOUBLE, l2 DOUBLE, h2 DOUBLE) -> INTEGER"],
        function(
            ("IVO_INTERVAL_OVERLAPS", NUMBERS),
            &["ivo_interval_overlaps(low1, high1, low2, high2)"],
            "1 if two intervals have a number in common, bounds included, else 0; one whose low is beyond \
             its high has none",
            4..=4,
            Target::Ours("adql_interval_overlaps"),
        ),
    ),
    declared(
        &["ivo_hms_to_degrees(hms VARCHAR) -> DOUBLE"],
        giving(
            Gives::Unit("deg"),
            function(
                ("IVO_HMS_TO_DEGREES", ANGLES),
                &["ivo_hms_to_degrees(text)"],
                "degrees of hours as h:m:s, hhmmss or hHmMsS; NULL for other texts",
                1..=1,
                Target::Ours("adql_hms_to_degrees"),
            ),
        ),
    ),
    declared(
        &["ivo_dms_to_degrees(dms VARCHAR) -> DOUBLE"],
        giving(
            Gives::Unit("deg"),
            function(
                ("IVO_DMS_TO_DEGREES", ANGLES),
                &["ivo_dms_to_degrees(text)"],
                "degrees of a text as d:m:s, ddmmss or dDmMsS, with or without a sign; NULL for other texts",
                1..=1,
                Target::Ours("adql_dms_to_degrees"),
            ),
        ),
    ),
    declared(
        &["MOC(moc VARCHAR) -> MOC", "MOC(mocOrder INTEGER, region REGION) -> MOC"],
        giving(
            Gives::Moc,
            function(
                ("MOC", COVERAGES),
                &["MOC('text')", "MOC(order, region)"],
                "a coverage, for CONTAINS and INTERSECTS: that of a text (MOC 2.0), or the pixels of an \
                 order that hold a region",
                1..=2,
                Target::Ours("adql_moc"),
            ),
        ),
    ),
    declared(
        &[
            "armilla_coverage(mocOrder INTEGER, lon DOUBLE, lat DOUBLE) -> MOC",
            "armilla_coverage(mocOrder INTEGER, p POINT) -> MOC",
        ],
        giving(
            Gives::Moc,
            function(
                ("ARMILLA_COVERAGE", COVERAGES),
                &["armilla_coverage(order, lon, lat)", "armilla_coverage(order, point)"],
                "aggregate: the pixels of an order that have some of the places of a group",
                2..=3,
                Target::Aggregate(moc::COVERAGE),
            ),
        ),
    ),
    function(
        (ELEMENT, ARRAYS),
        &["array[index]", "array[names::name]", "armilla_element(array, index)"],
        "one value of an array: the first is 1, what is beyond the last is NULL; some tables give \
         their positions names",
        2..=2,
        Target::Ours(element::NAME),
    ),
];
