//! UCD1+: whether a descriptor is made of the words that the IVOA has (EN-UCDlist 1.6, 2024-12-18).
//!
//! The list gives each word where it may stand: `P` first only, `S` behind only, the others (`Q`,
//! and `E`, `C`, `V` for photometry, colours and vectors) anywhere.

use adql::schema::is_ucd;

const WORDS: &str = include_str!("ucd_words.txt");

/// The list's flag of a word, which is written in any case.
fn flag(word: &str) -> Option<char> {
    let mut words = WORDS.lines().filter_map(|line| line.split_once(' '));
    let (flag, _) = words.find(|(_, known)| known.eq_ignore_ascii_case(word))?;
    flag.chars().next()
}

/// Says what is wrong with a UCD.
///
/// # Errors
/// When it is not of the form of a UCD, a word is not in the list or stands where it may not.
pub fn check(ucd: &str) -> Result<(), String> {
    let ucd = ucd.trim();
    if ucd.is_empty() || !is_ucd(ucd) {
        return Err(format!("\"{ucd}\" is no UCD: words of letters, digits and dots, joined by ;"));
    }
    for (at, word) in ucd.split(';').enumerate() {
        if word.contains(':') {
            // Of another name space than the IVOA's.
            continue;
        }
        let Some(flag) = flag(word) else {
            return Err(unknown(word));
        };
        match (at, flag) {
            (0, 'S') => {
                return Err(format!("{word} cannot be the first word of a UCD (list of UCD1+)"));
            }
            (1.., 'P') => {
                return Err(format!("{word} can only be the first word of a UCD (list of UCD1+)"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// That there is no such word, and what is there above it.
fn unknown(word: &str) -> String {
    let mut above = word;
    while let Some((shorter, _)) = above.rsplit_once('.') {
        above = shorter;
        let below = |known: &&str| {
            known.get(..above.len()).is_some_and(|start| start.eq_ignore_ascii_case(above))
        };
        let words = WORDS.lines().filter_map(|line| line.split_once(' ')).map(|(_, word)| word);
        let known: Vec<&str> = words.filter(below).take(6).collect();
        if !known.is_empty() {
            return format!("{word} is no word of UCD1+; there are {}", known.join(", "));
        }
    }
    format!("{word} is no word of UCD1+ (https://www.ivoa.net/documents/UCD1+)")
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn words_and_their_places_are_checked() {
        for good in
            ["pos.eq.ra;meta.main", "phot.mag;em.opt.V", "META.ID", "stat.error;phot.mag;em.opt"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let wrong = [
            ("", "is no UCD"),
            ("pos eq", "is no UCD"),
            ("meta.main;pos.eq.ra", "meta.main cannot be the first word"),
            ("pos.eq.ra;arith.factor", "arith.factor can only be the first word"),
            ("pos.eq.alpha", "no word of UCD1+; there are pos.eq, pos.eq.dec"),
            ("brightness", "brightness is no word of UCD1+"),
        ];
        for (ucd, expected) in wrong {
            let error = check(ucd).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
