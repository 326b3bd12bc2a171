//! Angles as people write them: `00 42 44.3`, `+41:16:09`, `-00 30 15`, `0h42m44.3s`, `41°16′9″`.
//!
//! The sign is that of the text, not of its first number: minus zero degrees and some minutes lie
//! south of the equator.

/// What the first number of a text counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leading {
    /// Hours of 15 degrees.
    Hours,
    /// Degrees.
    Degrees,
}

/// A text that is an angle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    /// Of the unit of the first number.
    pub value: f64,
    /// What the first number counts, where a letter says so.
    pub leading: Option<Leading>,
    /// Whether it is one number and nothing says what it counts.
    pub is_plain: bool,
}

/// The angle that a text is, if it is one.
pub fn parse(text: &str) -> Option<Written> {
    let text = text.trim();
    let (negative, text) = match text.chars().next()? {
        '-' | '\u{2212}' | '\u{2013}' => (true, &text[text.chars().next()?.len_utf8()..]),
        '+' => (false, &text[1..]),
        _ => (false, text),
    };
    let text = text.trim_start();
    let (mut numbers, mut leading): (Vec<&str>, _) = (Vec::new(), None);
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if end == 0 {
            return None;
        }
        numbers.push(&rest[..end]);
        let gap = &rest[end..];
        rest = gap.trim_start_matches(|c: char| !c.is_ascii_digit() && c != '.');
        let mark = gap[..gap.len() - rest.len()].trim();
        match (numbers.len(), mark) {
            (1, "h" | "H") => leading = Some(Leading::Hours),
            (1, "d" | "D" | "°" | "º") => leading = Some(Leading::Degrees),
            (1, "" | ":") | (2, "" | ":" | "m" | "M" | "'" | "′" | "’") => {}
            (3, "" | "s" | "S" | "\"" | "″" | "”" | "''") => {}
            _ => return None,
        }
        if mark == ":" && rest.is_empty() {
            return None;
        }
    }
    let value = value(&numbers)?;
    let is_plain = numbers.len() == 1 && leading.is_none();
    Some(Written { value: if negative { -value } else { value }, leading, is_plain })
}

/// The angle of one to three numbers, of which only the last may have a fraction.
fn value(numbers: &[&str]) -> Option<f64> {
    let (last, whole) = numbers.split_last()?;
    if numbers.len() > 3 || whole.iter().any(|number| number.contains('.')) {
        return None;
    }
    let mut parts = [0.0; 3];
    for (part, number) in parts.iter_mut().zip(whole.iter().chain([last])) {
        *part = number.parse::<f64>().ok()?;
    }
    let [first, minutes, seconds] = parts;
    // Seconds are 60 where a program has rounded them.
    let fits = minutes < 60.0 && seconds <= 60.0;
    fits.then(|| first + (minutes * 60.0 + seconds) / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::{Leading, parse};

    fn value(text: &str) -> Option<f64> {
        parse(text).map(|written| written.value)
    }

    #[test]
    fn reads_what_catalogs_write() {
        let near = |text: &str, expected: f64| {
            let value = value(text).unwrap_or_else(|| panic!("{text} is no angle"));
            assert!((value - expected).abs() < 1e-12, "{text}: {value}, not {expected}");
        };
        near("00 30 15", 0.504_166_666_666_666_7);
        near("-00 30 15", -0.504_166_666_666_666_7);
        near("-00:30:15", -0.504_166_666_666_666_7);
        near("\u{2212}00 30 15", -0.504_166_666_666_666_7);
        near(" +41:16:09.0 ", 41.269_166_666_666_67);
        near("00:42:44.35", 0.712_319_444_444_444_4);
        near("0h42m44.35s", 0.712_319_444_444_444_4);
        near("41d16m09s", 41.269_166_666_666_67);
        near("-41° 16′ 09″", -41.269_166_666_666_67);
        near("12 30.5", 12.508_333_333_333_333);
        near("23 59 60.0", 24.0);
        near("90:00:00", 90.0);
        near("- 5 00 00", -5.0);
    }

    #[test]
    fn tells_hours_degrees_and_plain_numbers() {
        assert_eq!(parse("1h00m").unwrap().leading, Some(Leading::Hours));
        assert_eq!(parse("1d00m").unwrap().leading, Some(Leading::Degrees));
        assert_eq!(parse("1:00").unwrap().leading, None);
        assert!(parse("10.5").unwrap().is_plain && !parse("10h").unwrap().is_plain);
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "", " ", "-", "+", "M31", "1:60:00", "1:00:61", "1.5:30", "1:2:3:4", "1::2", "1:2:",
            "--1 2 3", "1 -2 3", "1m2s", "h1", "nan", "1e2",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
