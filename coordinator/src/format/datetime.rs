//! Dates and times as the ISO 8601 text of DALI 1.1 §3.3.3, from counts since 1970 (UTC).
//!
//! Written here rather than by a calendar library so that every value of the Arrow types has a
//! text: years beyond 9999 and before 0 take a sign, as ISO 8601 has it.

use std::time::{SystemTime, UNIX_EPOCH};

const SECONDS_PER_DAY: i64 = 86_400;

/// Appends `YYYY-MM-DD`, days counted from 1970-01-01 in the proleptic Gregorian calendar.
pub(crate) fn push_date(out: &mut String, days: i64) {
    let (year, month, day) = civil(days);
    if (0..=9999).contains(&year) {
        push_padded(out, year.unsigned_abs(), 4);
    } else {
        out.push(if year < 0 { '-' } else { '+' });
        push_padded(out, year.unsigned_abs(), 4);
    }
    out.push('-');
    push_padded(out, month, 2);
    out.push('-');
    push_padded(out, day, 2);
}

/// Appends `hh:mm:ss` with as many decimals (0, 3, 6 or 9) as the value needs.
///
/// `ticks` counts parts of a second since midnight, `per_second` of them in each.
pub(crate) fn push_time(out: &mut String, ticks: i64, per_second: i64) {
    let seconds = ticks.div_euclid(per_second);
    let nanos = ticks.rem_euclid(per_second) * (1_000_000_000 / per_second);
    push_padded(out, (seconds / 3600).unsigned_abs(), 2);
    out.push(':');
    push_padded(out, (seconds / 60 % 60).unsigned_abs(), 2);
    out.push(':');
    push_padded(out, (seconds % 60).unsigned_abs(), 2);
    let nanos = nanos.unsigned_abs();
    let (fraction, width) = match nanos {
        0 => return,
        n if n % 1_000_000 == 0 => (n / 1_000_000, 3),
        n if n % 1_000 == 0 => (n / 1_000, 6),
        n => (n, 9),
    };
    out.push('.');
    push_padded(out, fraction, width);
}

/// Appends `YYYY-MM-DDThh:mm:ss[.fraction]`, ticks counted from 1970-01-01T00:00:00.
pub(crate) fn push_timestamp(out: &mut String, ticks: i64, per_second: i64) {
    let per_day = SECONDS_PER_DAY * per_second;
    push_date(out, ticks.div_euclid(per_day));
    out.push('T');
    push_time(out, ticks.rem_euclid(per_day), per_second);
}

/// The present moment in UTC, to the second: `2026-11-20T12:00:00Z`.
pub fn utc_now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = String::with_capacity(20);
    push_timestamp(&mut text, i64::try_from(since.as_secs()).unwrap_or(i64::MAX), 1);
    text.push('Z');
    text
}

fn push_padded(out: &mut String, value: u64, width: usize) {
    let mut digits = itoa::Buffer::new();
    let text = digits.format(value);
    for _ in text.len()..width {
        out.push('0');
    }
    out.push_str(text);
}

/// Year, month and day of a count of days since 1970-01-01.
///
/// The calendar repeats every 400 years (146,097 days); years are counted from March, so that the
/// leap day is the last of its year (Fliegel and Van Flandern's method).
fn civil(days: i64) -> (i64, u64, u64) {
    let shifted = i128::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    (
        i64::try_from(year).unwrap_or(i64::MAX),
        u64::try_from(month).unwrap_or_default(),
        u64::try_from(day).unwrap_or_default(),
    )
}
