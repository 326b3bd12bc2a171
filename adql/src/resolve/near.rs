//! The names that are nearest to one that is unknown.

/// Names longer than this have no near ones; it bounds the work.
const LONGEST: usize = 64;

/// How many names are offered.
const OFFERED: usize = 3;

/// The candidates that a user may have meant, best first: by edit distance without regard to
/// case, or because they begin with what was written.
pub(crate) fn nearest(name: &str, candidates: impl Iterator<Item = String>) -> Vec<String> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    if length > LONGEST {
        return vec![];
    }
    let tolerated = (length / 3).clamp(1, 4);
    let mut near: Vec<(usize, String)> = candidates
        .filter_map(|candidate| {
            let lower = candidate.to_lowercase();
            // `schema.table` is near to what is near to its table.
            let last = lower.rsplit('.').next().unwrap_or_default();
            [lower.as_str(), last]
                .into_iter()
                .filter_map(|text| distance(&name, text, tolerated))
                .min()
                .map(|distance| (distance, candidate))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(OFFERED).map(|(_, candidate)| candidate).collect()
}

/// The number of edits between two texts, if it is at most `most`; a text that begins with the
/// other counts as `most`.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    let begins = a.len() >= 3 && b.starts_with(a);
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return begins.then_some(most);
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut before = row.clone();
    for (i, x) in a.iter().enumerate() {
        let previous = std::mem::replace(&mut before, row.clone());
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = before[j] + usize::from(x != y);
            row[j + 1] = replaced.min(row[j] + 1).min(before[j + 1] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                row[j + 1] = row[j + 1].min(previous[j - 1] + 1);
            }
        }
    }
    let edits = row[b.len()];
    if edits <= most { Some(edits) } else { begins.then_some(most) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: &[&str]) {
        let names = ["ra", "dec", "name", "type", "public.opengc", "redshift", "v_mag", "b_mag"];
        assert_eq!(nearest(name, names.iter().map(ToString::to_string)), expect, "for {name}");
    }

    #[test]
    fn near_names() {
        check("DE", &["dec"]);
        check("nmae", &["name"]);
        check("openngc", &["public.opengc"]);
        check("public.openngc", &["public.opengc"]);
        check("red", &["redshift"]);
        check("vmag", &["v_mag"]);
        check("completely_different", &[]);
        check(&"x".repeat(10_000), &[]);
    }
}
