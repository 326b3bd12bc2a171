//! `VOUnits` 1.1: whether a text is a unit as the IVOA writes it.
//!
//! ```text
//! [scale] product [ / factor ]      product: factor . factor …
//! factor: unit [ ** power ] | ( … ) [ ** power ] | log(…) ln(…) exp(…) sqrt(…)
//! ```

/// Units that take the prefixes of SI.
const PREFIXED: [&str; 51] = [
    "A", "a", "adu", "arcmin", "arcsec", "barn", "beam", "bin", "C", "cd", "chan", "count", "ct",
    "d", "D", "deg", "erg", "eV", "F", "g", "G", "H", "h", "Hz", "J", "Jy", "K", "lm", "lx", "lyr",
    "m", "mag", "min", "mol", "N", "Ohm", "Pa", "pc", "ph", "photon", "pix", "pixel", "R", "rad",
    "Ry", "s", "S", "sr", "T", "u", "V",
];
/// More of them.
const ALSO_PREFIXED: [&str; 10] =
    ["voxel", "W", "Wb", "yr", "solLum", "solMass", "solRad", "bit", "byte", "B"];
/// Units that stand alone.
const PLAIN: [&str; 10] = ["Angstrom", "angstrom", "AU", "au", "Ba", "dB", "mas", "Sun", "ta", "%"];
const PREFIXES: [&str; 20] = [
    "da", "y", "z", "a", "f", "p", "n", "u", "m", "c", "d", "h", "k", "M", "G", "T", "P", "E", "Z",
    "Y",
];
/// Of bits and bytes.
const BINARY_PREFIXES: [&str; 8] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];
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
    let mut parser = Parser { rest: unit };
    let is_scaled = parser.scale();
    if !(is_scaled && parser.rest.is_empty()) {
        parser.quotient().map_err(|reason| wrong(unit, &reason))?;
    }
    match parser.rest.chars().next() {
        None => Ok(()),
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
    fn scale(&mut self) -> bool {
        let before = self.rest;
        let digits = self.take_while(|letter| letter.is_ascii_digit() || letter == '.');
        if digits.parse::<f64>().is_err() {
            self.rest = before;
            return false;
        }
        if digits == "10" && self.take("**") {
            return self.power().is_ok();
        }
        if let Some(rest) = self.rest.strip_prefix(['e', 'E']) {
            let number = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            if number.starts_with(|letter: char| letter.is_ascii_digit()) {
                self.rest = number;
                self.take_while(|letter| letter.is_ascii_digit());
            }
        }
        true
    }

    fn quotient(&mut self) -> Result<(), String> {
        self.factor()?;
        while self.take(".") {
            self.factor()?;
        }
        if self.take("/") { self.factor() } else { Ok(()) }
    }

    fn factor(&mut self) -> Result<(), String> {
        if self.take("(") {
            self.quotient()?;
            self.close()?;
        } else {
            let before = self.rest;
            let name = self.take_while(char::is_alphabetic);
            if self.rest.starts_with('(') && FUNCTIONS.contains(&name) {
                self.take("(");
                self.quotient()?;
                self.close()?;
            } else {
                self.rest = before;
                self.symbol()?;
            }
        }
        if self.take("**") { self.power() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), String> {
        if self.take(")") { Ok(()) } else { Err("a ) is missing".to_owned()) }
    }

    /// A symbol with its prefix, or one of another's own in quotes.
    fn symbol(&mut self) -> Result<(), String> {
        let name = self.take_while(|letter| letter.is_alphabetic() || letter == '%');
        if self.take("'") {
            let own = self.take_while(|letter| letter.is_alphanumeric() || letter == '_');
            let prefix = name.is_empty() || PREFIXES.contains(&name);
            return if prefix && !own.is_empty() && self.take("'") {
                Ok(())
            } else {
                Err("a unit of one's own is letters in quotes, behind a prefix or none".to_owned())
            };
        }
        if name.is_empty() {
            return Err("a symbol is missing".to_owned());
        }
        if is_known(name) {
            return Ok(());
        }
        Err(match near(name) {
            Some(near) => format!("{name} is not known; did you mean {near}?"),
            None => format!("{name} is not known; write '{name}' in quotes if it is your own"),
        })
    }

    /// `2`, `-1`, `(1/2)` or `(0.5)`.
    fn power(&mut self) -> Result<(), String> {
        let is_grouped = self.take("(");
        let power = self.take_while(|letter| {
            letter.is_ascii_digit()
                || matches!(letter, '+' | '-')
                || is_grouped && matches!(letter, '.' | '/')
        });
        let number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
        let is_good = match (is_grouped, power.split_once('/')) {
            (true, Some((above, below))) => number(above) && number(below),
            (true, None) => number(power),
            (false, _) => power.parse::<i32>().is_ok(),
        };
        if !is_good {
            return Err(format!("{power} is no power: give it as 2, -1, (1/2) or (0.5)"));
        }
        if is_grouped { self.close() } else { Ok(()) }
    }
}

fn takes_prefix(symbol: &str) -> bool {
    PREFIXED.contains(&symbol) || ALSO_PREFIXED.contains(&symbol)
}

fn is_known(name: &str) -> bool {
    if PLAIN.contains(&name) || takes_prefix(name) {
        return true;
    }
    let is_binary = |symbol: &str| ["bit", "byte", "B"].contains(&symbol);
    PREFIXES.iter().filter_map(|prefix| name.strip_prefix(prefix)).any(takes_prefix)
        || BINARY_PREFIXES.iter().filter_map(|prefix| name.strip_prefix(prefix)).any(is_binary)
}

/// What somebody may have meant.
fn near(name: &str) -> Option<&'static str> {
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
    ];
    let exact = known.iter().find(|(wrong, _)| wrong.eq_ignore_ascii_case(name));
    let any_case = || {
        let mut symbols = PREFIXED.iter().chain(&ALSO_PREFIXED).chain(&PLAIN);
        symbols.find(|symbol| symbol.eq_ignore_ascii_case(name)).copied()
    };
    exact.map(|(_, right)| *right).or_else(any_case)
}

#[cfg(test)]
mod tests {
    use super::check;

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
}
