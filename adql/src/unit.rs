//! `VOUnits` 1.1: whether a text is a unit as the IVOA writes it, and how many of one are another.
//!
//! ```text
//! [scale] product [ / factor ]      product: factor . factor …
//! factor: unit [ ** power ] | ( … ) [ ** power ] | log(…) ln(…) exp(…) sqrt(…)
//! ```

mod symbols;

use std::collections::BTreeMap;

use symbols::{known, near, prefix};

/// A unit is no longer: users write some, and parentheses are read by calls of calls.
const BYTES_MAX: usize = 256;

/// Beyond any number.
const TENS_MAX: i32 = 10_000;

const FUNCTIONS: [&str; 4] = ["log", "ln", "exp", "sqrt"];

/// Says what is wrong with a unit. No text, and `unknown`, are right.
///
/// # Errors
/// When it is not of the grammar, or has a symbol that `VOUnits` does not know.
pub fn check(unit: &str) -> Result<(), String> {
    let unit = unit.trim();
    if unit.is_empty() || unit.eq_ignore_ascii_case("unknown") {
        return Ok(());
    }
    Unit::parse(unit).map(drop)
}

/// A factor from one unit to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Factor {
    /// Values are multiplied.
    Times(f64),
    /// Values are divided, by a whole number.
    By(f64),
}

/// How values of a unit become those of another.
///
/// # Errors
/// When one is no unit, or they measure different things.
pub fn factor(from: &str, to: &str) -> Result<Factor, String> {
    let (source, target) = (Unit::parse(from.trim())?, Unit::parse(to.trim())?);
    if source.powers != target.powers {
        return Err(format!("{from} cannot be converted to {to}: they measure different things"));
    }
    let tens = source.tens - target.tens;
    let number = |above: f64, below: f64, tens: i32| {
        let power = 10_f64.powi(tens.abs());
        if tens < 0 { above / (below * power) } else { above * power / below }
    };
    let times = number(source.number, target.number, tens);
    let by = number(target.number, source.number, -tens);
    // What is right to the last digit, where one of them is.
    let is_whole = |number: f64| (1.0..1e22).contains(&number) && number.fract() == 0.0;
    if !(times.is_finite() && times > 0.0) {
        return Err(format!("{from} cannot be converted to {to}: the factor is no number"));
    }
    Ok(if !is_whole(times) && is_whole(by) { Factor::By(by) } else { Factor::Times(times) })
}

/// What a unit measures, and how much of it.
#[derive(Debug, Clone, PartialEq)]
struct Unit {
    number: f64,
    tens: i32,
    /// The powers of bases, none of them 0.
    powers: BTreeMap<String, f64>,
}

impl Unit {
    const fn one() -> Self {
        Self { number: 1.0, tens: 0, powers: BTreeMap::new() }
    }

    /// One that is like no other.
    fn named(name: &str) -> Self {
        Self { powers: [(name.to_owned(), 1.0)].into(), ..Self::one() }
    }

    fn parse(unit: &str) -> Result<Self, String> {
        if unit.len() > BYTES_MAX {
            let (bytes, most) = (unit.len(), BYTES_MAX);
            return Err(format!("a text of {bytes} bytes is no unit: {most} are the most"));
        }
        let mut parser = Parser { rest: unit };
        let scale = parser.scale();
        let parsed = match scale {
            Some(scale) if parser.rest.is_empty() => scale,
            scale => {
                let quotient = parser.quotient().map_err(|reason| wrong(unit, &reason))?;
                quotient.times(&scale.unwrap_or(Self::one()), 1.0)
            }
        };
        match parser.rest.chars().next() {
            None => Ok(parsed),
            Some(' ') => Err(wrong(unit, "factors are joined by a dot, not by a blank")),
            Some('*') => Err(wrong(unit, "factors are joined by a dot, and ** is a power")),
            Some('^') => Err(wrong(unit, "a power is written as **")),
            Some('/') => Err(wrong(unit, "only one / is allowed: group what is below it in ( )")),
            Some('.') => Err(wrong(unit, "what is below / is one factor: group it in ( )")),
            Some(letter) if letter.is_ascii_digit() || matches!(letter, '+' | '-') => {
                Err(wrong(unit, "a power is written as **"))
            }
            Some(letter) => Err(wrong(unit, &format!("{letter} cannot stand there"))),
        }
    }

    /// The product with a power of another.
    fn times(mut self, other: &Self, power: f64) -> Self {
        self.number *= if power == 1.0 { other.number } else { other.number.powf(power) };
        let tens = f64::from(other.tens) * power;
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
        if tens.fract() == 0.0 && tens.abs() < 1e6 {
            self.tens += tens as i32;
        } else {
            self.number *= 10_f64.powf(tens);
        }
        for (base, of_base) in &other.powers {
            let sum = self.powers.entry(base.clone()).or_default();
            *sum += of_base * power;
        }
        self.powers.retain(|_, power| power.abs() > 1e-9);
        self
    }
}

fn wrong(unit: &str, reason: &str) -> String {
    format!("\"{unit}\" is no unit of VOUnits: {reason}")
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn take(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest;
        true
    }

    /// What begins the rest and fits.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|letter| !fits(letter)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    /// A number before the unit: `10**-7`, `1.5` or `1e3`.
    fn scale(&mut self) -> Option<Unit> {
        let before = self.rest;
        let digits = self.take_while(|letter| letter.is_ascii_digit() || letter == '.');
        let Ok(number) = digits.parse::<f64>() else {
            self.rest = before;
            return None;
        };
        if digits == "10" && self.take("**") {
            return Some(Unit::one().times(&Unit { tens: 1, ..Unit::one() }, self.power().ok()?));
        }
        let mut tens = 0;
        if let Some(rest) = self.rest.strip_prefix(['e', 'E']) {
            let sign = rest.starts_with('-');
            let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            if digits.starts_with(|letter: char| letter.is_ascii_digit()) {
                self.rest = digits;
                let power: i32 = self
                    .take_while(|letter| letter.is_ascii_digit())
                    .parse()
                    .map_or(TENS_MAX, |power: i32| power.min(TENS_MAX));
                tens = if sign { -power } else { power };
            }
        }
        Some(Unit { number, tens, ..Unit::one() })
    }

    fn quotient(&mut self) -> Result<Unit, String> {
        let mut product = self.factor()?;
        while self.take(".") {
            product = product.times(&self.factor()?, 1.0);
        }
        Ok(if self.take("/") { product.times(&self.factor()?, -1.0) } else { product })
    }

    fn factor(&mut self) -> Result<Unit, String> {
        let factor = if self.take("(") {
            let inner = self.quotient()?;
            self.close()?;
            inner
        } else {
            let before = self.rest;
            let name = self.take_while(char::is_alphabetic);
            if self.rest.starts_with('(') && FUNCTIONS.contains(&name) {
                self.take("(");
                let inner = self.quotient()?;
                self.close()?;
                if name == "sqrt" {
                    Unit::one().times(&inner, 0.5)
                } else {
                    // A logarithm is comparable with nothing but the same.
                    Unit::named(&before[..before.len() - self.rest.len()])
                }
            } else {
                self.rest = before;
                self.symbol()?
            }
        };
        Ok(if self.take("**") { Unit::one().times(&factor, self.power()?) } else { factor })
    }

    fn close(&mut self) -> Result<(), String> {
        if self.take(")") { Ok(()) } else { Err("a ) is missing".to_owned()) }
    }

    /// A symbol with its prefix, or one of another's own in quotes.
    fn symbol(&mut self) -> Result<Unit, String> {
        let name = self.take_while(|letter| letter.is_alphabetic() || letter == '%');
        if self.take("'") {
            let own = self.take_while(|letter| letter.is_alphanumeric() || letter == '_');
            let tens = if name.is_empty() { Some(0) } else { prefix(name) };
            return match tens {
                Some(tens) if !own.is_empty() && self.take("'") => {
                    Ok(Unit { tens, ..Unit::named(&format!("'{own}'")) })
                }
                _ => {
                    let what = "letters in quotes, behind a prefix or none";
                    Err(format!("a unit of one's own is {what}"))
                }
            };
        }
        if name.is_empty() {
            return Err("a symbol is missing".to_owned());
        }
        known(name).ok_or_else(|| match near(name) {
            Some(near) => format!("{name} is not known; did you mean {near}?"),
            None => format!("{name} is not known; write '{name}' in quotes if it is your own"),
        })
    }

    /// `2`, `-1`, `(1/2)` or `(0.5)`.
    fn power(&mut self) -> Result<f64, String> {
        let is_grouped = self.take("(");
        let power = self.take_while(|letter| {
            letter.is_ascii_digit()
                || matches!(letter, '+' | '-')
                || is_grouped && matches!(letter, '.' | '/')
        });
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let value = match (is_grouped, power.split_once('/')) {
            (true, Some((above, below))) => number(above).zip(number(below)).map(|(a, b)| a / b),
            (true, None) => number(power),
            (false, _) => power.parse::<i32>().ok().map(f64::from),
        };
        let Some(value) = value.filter(|value| value.abs() <= 1e3) else {
            return Err(format!("{power} is no power: give it as 2, -1, (1/2) or (0.5)"));
        };
        if is_grouped {
            self.close()?;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Factor, check, factor};

    #[test]
    fn units_are_judged() {
        let good = [
            "",
            "deg",
            "mag",
            "mas.yr**-1",
            "km/s",
            "erg.s**-1.cm**-2",
            "W/(m**2.Hz)",
            "nJy",
            "10**-17erg.cm**-2.s**-1",
            "1e3m",
            "10",
            "log(Hz)",
            "deg**2",
            "arcsec**(1/2)",
            "%",
            "'electron'",
            "k'foo'",
            "Mibyte",
            "sqrt(s)",
            "solMass",
            "mas",
            "UNKNOWN",
            "dam",
        ];
        for unit in good {
            assert_eq!(check(unit), Ok(()), "{unit}");
        }
        let wrong = [
            ("degrees", "did you mean deg?"),
            ("km/s/Mpc", "only one / is allowed"),
            ("erg s", "joined by a dot"),
            ("m^2", "a power is written as **"),
            ("cm-2", "a power is written as **"),
            ("s.", "a symbol is missing"),
            ("(s", "a ) is missing"),
            ("m/s.kg", "group it in ( )"),
            ("electron", "did you mean 'electron'?"),
            ("m**x", "is no power"),
            ("kmas", "kmas is not known"),
        ];
        for (unit, expected) in wrong {
            let error = check(unit).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn factors_are_exact_where_they_can_be() {
        let cases = [
            ("deg", "arcsec", Factor::Times(3600.0)),
            ("arcsec", "deg", Factor::By(3600.0)),
            ("mas", "deg", Factor::By(3.6e6)),
            ("nJy", "Jy", Factor::By(1e9)),
            ("Jy", "nJy", Factor::Times(1e9)),
            ("km/s", "m.s**-1", Factor::Times(1e3)),
            ("deg**2", "arcmin**2", Factor::Times(3600.0)),
            ("10**-17erg", "10**-7J", Factor::By(1e17)),
            ("yr", "d", Factor::Times(365.25)),
            ("Mibyte", "bit", Factor::Times(8_388_608.0)),
            ("%", "%", Factor::Times(1.0)),
            ("mas.yr**-1", "mas/yr", Factor::Times(1.0)),
            ("k'foo'", "'foo'", Factor::Times(1e3)),
            ("log(Hz)", "log(Hz)", Factor::Times(1.0)),
            ("sqrt(m**2)", "cm", Factor::Times(100.0)),
        ];
        for (from, to, expected) in cases {
            assert_eq!(factor(from, to), Ok(expected), "{from} to {to}");
        }
        for (from, to, said) in [
            ("deg", "m", "deg cannot be converted to m"),
            ("log(Hz)", "Hz", "cannot be converted"),
            ("'foo'", "'bar'", "cannot be converted"),
            ("count", "photon", "cannot be converted"),
            ("deg", "degrees", "did you mean deg?"),
            ("mag", "Jy", "cannot be converted"),
            ("deg", &"(".repeat(1_000_000), "256 are the most"),
            ("1e2147483647", "1e-2147483647", "the factor is no number"),
        ] {
            assert!(factor(from, to).unwrap_err().contains(said), "{from} to {to}");
        }
    }
}
