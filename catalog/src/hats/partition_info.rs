//! `partition_info.csv`: which pixels hold rows (HATS 1.0 §3.3).
//!
//! The columns `Norder` and `Npix` are found by name; others (`Dir`) are ignored, and row counts,
//! which old writers gave, are read for checks only.

use std::fmt::Write as _;

use adql::sky::Pixel;

use super::path::pixel;
use crate::Error;

/// Name of the file.
pub(crate) const FILE_NAME: &str = "partition_info.csv";

/// Column of row counts.
const ROWS: &str = "num_rows";

/// Reads the pixels in the text of the file at `path`.
pub(crate) fn parse(path: &str, text: &str) -> Result<Vec<Pixel>, Error> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    let header = lines.next().map(|(_, line)| line).unwrap_or_default();
    let column = |name: &str| {
        header.split(',').position(|c| c.trim().trim_matches('"') == name).ok_or_else(|| {
            Error::malformed(&path, format!("its first line has no column {name}: {header}"))
        })
    };
    let (order, index) = (column("Norder")?, column("Npix")?);
    lines
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            parse_line(line, order, index).ok_or_else(|| {
                let number = number + 1;
                Error::malformed(&path, format!("line {number} names no pixel: {line}"))
            })
        })
        .collect()
}

/// The rows of each pixel, where the file says them.
pub(crate) fn rows(text: &str) -> Option<Vec<u64>> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let at = lines.next()?.split(',').position(|c| c.trim().trim_matches('"') == ROWS)?;
    let lines = lines.filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split(',').nth(at)?.trim().parse().ok()).collect()
}

/// The text of the file that lists these pixels.
pub(crate) fn text(pixels: &[Pixel]) -> String {
    let mut text = String::from("Norder,Npix\n");
    for pixel in pixels {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{},{}", pixel.order(), pixel.index());
    }
    text
}

fn parse_line(line: &str, order: usize, index: usize) -> Option<Pixel> {
    let field = |at: usize| line.split(',').nth(at).map(str::trim);
    pixel(field(order)?.parse().ok()?, field(index)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::{parse, rows, text};

    #[test]
    fn finds_the_columns_by_name() {
        let pixels = parse("p", "Dir,Npix,Norder,num_rows\n0,44,1,7\r\n0,110,2,1\n\n").unwrap();
        let printed: Vec<String> = pixels.iter().map(ToString::to_string).collect();
        assert_eq!(printed, ["1/44", "2/110"]);
        assert_eq!(parse("p", &text(&pixels)).unwrap(), pixels);
        assert_eq!(rows("Norder,Npix,num_rows\n1,44,7\n\n2,110,0\n"), Some(vec![7, 0]));
        assert_eq!(rows("Norder,Npix\n1,44\n"), None);
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        let error = |text| parse("t/partition_info.csv", text).unwrap_err().to_string();
        assert!(error("a,b\n").contains("no column Norder: a,b"));
        assert!(error("Norder,Npix\n1,48\n").contains("line 2 names no pixel: 1,48"));
        assert!(error("Norder,Npix\n1,1\n30,1\n").contains("line 3"));
        assert!(error("").contains("no column Norder"));
    }
}
