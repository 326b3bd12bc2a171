//! A coverage in FITS: the MOC of a table (MOC 2.0 §3.3), in either packing that is in use.

use std::io::Read;

use adql::sky::{Coverage, Order, Pixel};

use super::header::{Header, HeaderError, padded};

/// The coverage that a file holds, and its order; what is wrong with it, if it holds none.
pub(crate) fn read(mut bytes: &[u8]) -> Result<(Coverage, Order), String> {
    let header = loop {
        let header = Header::read(&mut bytes).map_err(|error| match error {
            HeaderError::Io(error) => error.to_string(),
            HeaderError::Wrong(reason) => reason,
        })?;
        let header = header.ok_or("it has no binary table")?;
        if header.text("XTENSION") == Some("BINTABLE") {
            break header;
        }
        let skipped = std::io::copy(
            &mut Read::by_ref(&mut bytes).take(padded(header.data_bytes()?)),
            &mut std::io::sink(),
        );
        skipped.map_err(|e| e.to_string())?;
    };
    let (width, rows) = (header.count("NAXIS1")?, header.count("NAXIS2")?);
    let numbers = numbers(bytes, width, rows, header.text("TFORM1").unwrap_or_default())?;
    let cells = || numbers.iter().map(|number| Pixel::from_uniq(*number).ok_or(*number));
    let (coverage, finest) = match header.text("ORDERING") {
        Some("NUNIQ" | "NUNIQUE") => {
            let cells: Result<Vec<Pixel>, u64> = cells().collect();
            let cells = cells.map_err(|number| format!("{number} is no number of a cell"))?;
            let finest = cells.iter().map(|cell| cell.order()).max();
            (Coverage::from_ranges(cells.iter().map(|cell| cell.range())), finest)
        }
        Some("RANGE") => {
            let ends = numbers.chunks_exact(2).map(|pair| pair[0]..pair[1]);
            (Coverage::from_ranges(ends), None)
        }
        other => {
            let other = other.unwrap_or_default();
            return Err(format!("ORDERING = '{other}' is neither NUNIQ nor RANGE"));
        }
    };
    let stated = ["MOCORD_S", "MOCORDER"].into_iter().find_map(|key| header.integer(key));
    let stated = stated.and_then(|order| Order::new(u8::try_from(order).ok()?));
    let order = stated.or(finest).ok_or("it states no order (MOCORD_S)")?;
    match finest.filter(|finest| *finest > order) {
        Some(finest) => Err(format!("it has cells of order {finest}, but MOCORD_S = {order}")),
        None => Ok((coverage, order)),
    }
}

/// The values of the one column.
fn numbers(mut bytes: &[u8], width: u64, rows: u64, form: &str) -> Result<Vec<u64>, String> {
    let size = match form.trim_start_matches('1') {
        "J" if width == 4 => 4,
        "K" if width == 8 => 8,
        _ => return Err(format!("rows of {width} bytes of TFORM1 = '{form}' are no cells")),
    };
    let end = usize::try_from(rows).ok().and_then(|rows| rows.checked_mul(size));
    bytes = end
        .and_then(|end| bytes.get(..end))
        .ok_or_else(|| format!("the file ends early, in a table of {rows} rows"))?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Ok(bytes.chunks_exact(size).map(number).collect())
}
