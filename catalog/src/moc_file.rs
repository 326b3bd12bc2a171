//! The coverage of a table's rows as files beside its properties: a MOC (MOC 2.0) in FITS, for
//! clients and catalogs, and in ASCII, for people.
//!
//! HATS names no such file: its reference implementation makes a MOC of the tiles, or of a map of
//! counts (`point_map.fits`) of a coarse order.

use std::fmt::Write as _;
use std::fs;
use std::path::Path as FilePath;

use adql::sky::{Coverage, Order, Pixel};

use crate::Error;

/// Name of the file in FITS.
pub(crate) const FITS: &str = "moc.fits";
/// Name of the file in ASCII.
pub(crate) const ASCII: &str = "moc.txt";

const BLOCK_BYTES: usize = 2_880;

/// Writes both into the folder of a table.
pub(crate) fn write(folder: &FilePath, coverage: &Coverage, order: Order) -> Result<(), Error> {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).map_err(|e| Error::write(&path, e))
    };
    write(FITS, &fits(coverage, order))?;
    write(ASCII, &ascii(coverage, order))
}

/// The bytes of the file in ASCII.
pub(crate) fn ascii(coverage: &Coverage, order: Order) -> Vec<u8> {
    let mut text = coverage.ascii(order);
    text.push('\n');
    text.into_bytes()
}

/// The bytes of the file in FITS: a binary table of the cells' numbers, ascending, which readers of
/// MOC 1.1 know too.
fn fits(coverage: &Coverage, order: Order) -> Vec<u8> {
    let mut cells: Vec<u64> =
        coverage.at_order(order).cells().into_iter().map(Pixel::uniq).collect();
    cells.sort_unstable();
    let primary: [(&str, &str, &str); 4] = [
        ("SIMPLE", "T", "a file of FITS"),
        ("BITPIX", "8", ""),
        ("NAXIS", "0", "no data here"),
        ("EXTEND", "T", ""),
    ];
    let (rows, order) = (cells.len().to_string(), order.to_string());
    let software = format!("'{}'", crate::write::SOFTWARE);
    let table: [(&str, &str, &str); 18] = [
        ("XTENSION", "'BINTABLE'", "MOC 2.0"),
        ("BITPIX", "8", ""),
        ("NAXIS", "2", ""),
        ("NAXIS1", "8", "bytes of a cell"),
        ("NAXIS2", &rows, "cells"),
        ("PCOUNT", "0", ""),
        ("GCOUNT", "1", ""),
        ("TFIELDS", "1", ""),
        ("TTYPE1", "'UNIQ    '", "4 * 4^order + index"),
        ("TFORM1", "'1K      '", ""),
        ("MOCVERS", "'2.0     '", ""),
        ("MOCDIM", "'SPACE   '", ""),
        ("ORDERING", "'NUNIQ   '", ""),
        ("COORDSYS", "'C       '", "ICRS"),
        ("MOCORD_S", &order, "order of the smallest cells"),
        ("MOCORDER", &order, "the same, for MOC 1.1"),
        ("PIXTYPE", "'HEALPIX '", ""),
        ("MOCTOOL", &software, ""),
    ];
    let mut bytes = header(&primary);
    bytes.extend(header(&table));
    bytes.extend(cells.iter().flat_map(|cell| cell.to_be_bytes()));
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

/// Cards of 80 characters, END, and blanks up to the end of a block (FITS 4.0 §4).
fn header(cards: &[(&str, &str, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (keyword, value, comment) in cards {
        let value =
            if value.starts_with('\'') { format!("{value:<20}") } else { format!("{value:>20}") };
        let separator = if comment.is_empty() { "" } else { " / " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{:<80}", format!("{keyword:<8}= {value}{separator}{comment}"));
    }
    text.push_str("END");
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), b' ');
    bytes
}

#[cfg(test)]
mod tests {
    use adql::sky::{Coverage, Order};

    use super::fits;
    use crate::read::read_coverage;

    #[test]
    fn what_is_written_reads_back() {
        let order = Order::new(11).unwrap();
        let cell = 1_u64 << (2 * 18);
        for coverage in [
            Coverage::empty(),
            Coverage::all(),
            Coverage::from_ranges([0..cell, 5 * cell..64 * cell, 70 * cell..71 * cell]),
        ] {
            let bytes = fits(&coverage, order);
            assert_eq!(bytes.len() % 2_880, 0);
            assert_eq!(read_coverage(&bytes), Ok((coverage, order)));
        }
    }

    #[test]
    fn what_is_damaged_is_told() {
        let bytes = fits(&Coverage::all(), Order::new(3).unwrap());
        let error = |bytes: &[u8]| read_coverage(bytes).unwrap_err();
        assert!(error(&bytes[..2_880]).contains("no binary table"));
        assert!(error(&bytes[..2_880 * 2]).contains("the file ends early"));
        let mut zero = bytes.clone();
        zero[2_880 * 2..].fill(0);
        assert!(error(&zero).contains("0 is no number of a cell"), "{}", error(&zero));
    }
}
