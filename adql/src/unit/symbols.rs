//! The symbols of `VOUnits` 1.1 with what they measure, and their prefixes.

use std::f64::consts::PI;

use super::Unit;
use crate::resolve::nearest;

/// A symbol: how many of its bases it is, as a number and a power of ten, and those with powers.
type Symbol = (&'static str, f64, i32, &'static [(&'static str, i32)]);

/// Seconds of a Julian year, and of the years of the Sun.
const JULIAN_YEAR: f64 = 31_557_600.0;
const TROPICAL_YEAR: f64 = 31_556_925.445;
const BESSELIAN_YEAR: f64 = 31_556_925.974_7;
/// Milliarcseconds of a radian: angles are counted in them, so that degrees, minutes and seconds
/// are whole numbers.
const RADIAN: f64 = 648e6 / PI;

/// Units that take the prefixes of SI, in terms of m, g, s, A, K, mol, cd, mas and of what is only
/// counted.
const PREFIXED: [Symbol; 61] = [
    ("A", 1.0, 0, &[("A", 1)]),
    ("a", JULIAN_YEAR, 0, &[("s", 1)]),
    ("adu", 1.0, 0, &[("adu", 1)]),
    ("arcmin", 6.0, 4, &[("mas", 1)]),
    ("arcsec", 1.0, 3, &[("mas", 1)]),
    ("barn", 1.0, -28, &[("m", 2)]),
    ("beam", 1.0, 0, &[("beam", 1)]),
    ("bin", 1.0, 0, &[("bin", 1)]),
    ("C", 1.0, 0, &[("A", 1), ("s", 1)]),
    ("cd", 1.0, 0, &[("cd", 1)]),
    ("chan", 1.0, 0, &[("chan", 1)]),
    ("count", 1.0, 0, &[("count", 1)]),
    ("ct", 1.0, 0, &[("count", 1)]),
    ("d", 86_400.0, 0, &[("s", 1)]),
    ("D", 1.0 / 3.0, -29, &[("A", 1), ("s", 1), ("m", 1)]),
    ("deg", 36.0, 5, &[("mas", 1)]),
    ("erg", 1.0, -4, &[("g", 1), ("m", 2), ("s", -2)]),
    ("eV", 1.602_176_634, -16, &[("g", 1), ("m", 2), ("s", -2)]),
    ("F", 1.0, -3, &[("A", 2), ("s", 4), ("g", -1), ("m", -2)]),
    ("g", 1.0, 0, &[("g", 1)]),
    ("G", 1.0, -1, &[("g", 1), ("s", -2), ("A", -1)]),
    ("H", 1.0, 3, &[("g", 1), ("m", 2), ("s", -2), ("A", -2)]),
    ("h", 3_600.0, 0, &[("s", 1)]),
    ("Hz", 1.0, 0, &[("s", -1)]),
    ("J", 1.0, 3, &[("g", 1), ("m", 2), ("s", -2)]),
    ("Jy", 1.0, -23, &[("g", 1), ("s", -2)]),
    ("K", 1.0, 0, &[("K", 1)]),
    ("lm", RADIAN * RADIAN, 0, &[("cd", 1), ("mas", 2)]),
    ("lx", RADIAN * RADIAN, 0, &[("cd", 1), ("mas", 2), ("m", -2)]),
    ("lyr", 9_460_730_472_580_800.0, 0, &[("m", 1)]),
    ("m", 1.0, 0, &[("m", 1)]),
    ("mag", 1.0, 0, &[("mag", 1)]),
    ("min", 60.0, 0, &[("s", 1)]),
    ("mol", 1.0, 0, &[("mol", 1)]),
    ("N", 1.0, 3, &[("g", 1), ("m", 1), ("s", -2)]),
    ("Ohm", 1.0, 3, &[("g", 1), ("m", 2), ("s", -3), ("A", -2)]),
    ("Pa", 1.0, 3, &[("g", 1), ("m", -1), ("s", -2)]),
    ("pc", 3.085_677_581_491_367_3, 16, &[("m", 1)]),
    ("ph", 1.0, 0, &[("photon", 1)]),
    ("photon", 1.0, 0, &[("photon", 1)]),
    ("pix", 1.0, 0, &[("pixel", 1)]),
    ("pixel", 1.0, 0, &[("pixel", 1)]),
    (
        "R",
        1.0 / (4.0 * PI * RADIAN * RADIAN),
        10,
        &[("photon", 1), ("m", -2), ("s", -1), ("mas", -2)],
    ),
    ("rad", RADIAN, 0, &[("mas", 1)]),
    ("Ry", 13.605_693_122_994 * 1.602_176_634, -16, &[("g", 1), ("m", 2), ("s", -2)]),
    ("s", 1.0, 0, &[("s", 1)]),
    ("S", 1.0, -3, &[("A", 2), ("s", 3), ("g", -1), ("m", -2)]),
    ("sr", RADIAN * RADIAN, 0, &[("mas", 2)]),
    ("T", 1.0, 3, &[("g", 1), ("s", -2), ("A", -1)]),
    ("u", 1.660_539_066_60, -24, &[("g", 1)]),
    ("V", 1.0, 3, &[("g", 1), ("m", 2), ("s", -3), ("A", -1)]),
    ("voxel", 1.0, 0, &[("voxel", 1)]),
    ("W", 1.0, 3, &[("g", 1), ("m", 2), ("s", -3)]),
    ("Wb", 1.0, 3, &[("g", 1), ("m", 2), ("s", -2), ("A", -1)]),
    ("yr", JULIAN_YEAR, 0, &[("s", 1)]),
    ("solLum", 3.828, 29, &[("g", 1), ("m", 2), ("s", -3)]),
    ("solMass", 1.988_409_870_698_051, 33, &[("g", 1)]),
    ("solRad", 6.957, 8, &[("m", 1)]),
    ("bit", 1.0, 0, &[("bit", 1)]),
    ("byte", 8.0, 0, &[("bit", 1)]),
    ("B", 8.0, 0, &[("bit", 1)]),
];
/// Units that stand alone.
const PLAIN: [Symbol; 10] = [
    ("Angstrom", 1.0, -10, &[("m", 1)]),
    ("angstrom", 1.0, -10, &[("m", 1)]),
    ("AU", 1.495_978_707, 11, &[("m", 1)]),
    ("au", 1.495_978_707, 11, &[("m", 1)]),
    ("Ba", BESSELIAN_YEAR, 0, &[("s", 1)]),
    ("dB", 1.0, 0, &[("dB", 1)]),
    ("mas", 1.0, 0, &[("mas", 1)]),
    ("Sun", 1.0, 0, &[("Sun", 1)]),
    ("ta", TROPICAL_YEAR, 0, &[("s", 1)]),
    ("%", 1.0, -2, &[]),
];
/// With their powers of ten.
const PREFIXES: [(&str, i32); 20] = [
    ("da", 1),
    ("y", -24),
    ("z", -21),
    ("a", -18),
    ("f", -15),
    ("p", -12),
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("c", -2),
    ("d", -1),
    ("h", 2),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
    ("Z", 21),
    ("Y", 24),
];
/// Of bits and bytes: powers of 1024, from 1.
const BINARY_PREFIXES: [&str; 8] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
/// The power of ten that a prefix is.
pub(super) fn prefix(name: &str) -> Option<i32> {
    PREFIXES.iter().find(|(prefix, _)| *prefix == name).map(|(_, tens)| *tens)
}

/// A symbol and more powers of ten.
fn of_symbol((_, number, tens, powers): &Symbol, more: i32) -> Unit {
    let powers = powers.iter().map(|(base, power)| ((*base).to_owned(), f64::from(*power)));
    Unit { number: *number, tens: tens + more, powers: powers.collect() }
}

/// A symbol, with a prefix or none.
pub(super) fn known(name: &str) -> Option<Unit> {
    let symbol =
        |wanted: &str, of: &[Symbol]| of.iter().find(|(name, ..)| *name == wanted).copied();
    if let Some(plain) = symbol(name, &PLAIN).or_else(|| symbol(name, &PREFIXED)) {
        return Some(of_symbol(&plain, 0));
    }
    let mut prefixed = PREFIXES.iter().filter_map(|(prefix, tens)| {
        let of = symbol(name.strip_prefix(prefix)?, &PREFIXED)?;
        Some(of_symbol(&of, *tens))
    });
    prefixed.next().or_else(|| {
        let (at, rest) = BINARY_PREFIXES
            .iter()
            .enumerate()
            .find_map(|(at, prefix)| Some((at, name.strip_prefix(prefix)?)))?;
        let of =
            symbol(rest, &PREFIXED).filter(|(name, ..)| ["bit", "byte", "B"].contains(name))?;
        let mut unit = of_symbol(&of, 0);
        unit.number *= 1024_f64.powi(i32::try_from(at).ok()? + 1);
        Some(unit)
    })
}

/// What somebody may have meant.
pub(super) fn near(name: &str) -> Option<&'static str> {
    let known = [
        ("degrees", "deg"),
        ("degree", "deg"),
        ("days", "d"),
        ("day", "d"),
        ("sec", "s"),
        ("seconds", "s"),
        ("hours", "h"),
        ("hour", "h"),
        ("year", "yr"),
        ("years", "yr"),
        ("mags", "mag"),
        ("magnitude", "mag"),
        ("microns", "um"),
        ("micron", "um"),
        ("radians", "rad"),
        ("pixels", "pixel"),
        ("counts", "count"),
        ("electron", "'electron'"),
        ("dex", "'dex'"),
        ("percent", "%"),
        ("parsec", "pc"),
        ("parsecs", "pc"),
        ("meter", "m"),
        ("meters", "m"),
        ("second", "s"),
        ("minute", "min"),
        ("minutes", "min"),
    ];
    let exact = known.iter().find(|(wrong, _)| wrong.eq_ignore_ascii_case(name));
    let symbols = || PREFIXED.iter().chain(&PLAIN).map(|(symbol, ..)| *symbol);
    let any_case = || symbols().find(|symbol| symbol.eq_ignore_ascii_case(name));
    // Short symbols are near to everything.
    let misspelled = || {
        let long = symbols().filter(|symbol| symbol.len() > 3).map(str::to_owned);
        let nearest = nearest(name, long).into_iter().next().filter(|_| name.len() > 4)?;
        symbols().find(|symbol| *symbol == nearest)
    };
    exact.map(|(_, right)| *right).or_else(any_case).or_else(misspelled)
}
