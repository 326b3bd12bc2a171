//! Where the rows of a table are: a bit for each pixel of a fine order, from which the MOC of the
//! table follows.
//!
//! The bits of the whole sky take 6 MB. The order of the MOC is the finest at which it has no more
//! cells than the limit: coarse for rows strewn over the sky, fine for a survey with an edge.

use std::sync::atomic::{AtomicU64, Ordering};

use adql::sky::{Coverage, Order, Pixel, spatial_index};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Schema};

use crate::Error;
use crate::metadata::TableMetadata;
use crate::write::runs;

/// Order of the finest cells: 1.7 arcminutes, that of most catalogs' MOCs.
const FINEST: u8 = 11;
/// Cells of a MOC, of 8 bytes each. Any sky has fewer at order 6.
const CELLS_MAX: u64 = 50_000;
const BITS: usize = 64;

/// The cells of the finest order that hold rows.
#[derive(Debug)]
pub(super) struct Covered {
    cells: Vec<AtomicU64>,
    /// The columns of the rows' own positions, where they are tiled by others.
    own: Option<(usize, usize)>,
}

impl Covered {
    pub(super) fn new(metadata: &TableMetadata, schema: &Schema) -> Self {
        let own = metadata.position.as_ref().and_then(|own| {
            Some((schema.index_of(&own.ra).ok()?, schema.index_of(&own.dec).ok()?))
        });
        let words = words(FINEST);
        Self { cells: (0..words).map(|_| AtomicU64::new(0)).collect(), own }
    }

    /// Adds the places of rows, by their own positions where they have such.
    pub(super) fn add(&self, batch: &RecordBatch) -> Result<(), Error> {
        let Some((ra, dec)) = self.own else {
            runs::spatial_index(batch).iter().for_each(|at| self.set(at.cast_unsigned()));
            return Ok(());
        };
        let degrees = |column: usize| {
            cast(batch.column(column), &DataType::Float64)
                .map_err(|e| Error::compute("find where rows are", e))
        };
        let (ra, dec) = (degrees(ra)?, degrees(dec)?);
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        for (ra, dec) in ra.iter().zip(dec) {
            if let Some(at) = ra.zip(dec).and_then(|(ra, dec)| spatial_index(ra, dec)) {
                self.set(at.cast_unsigned());
            }
        }
        Ok(())
    }

    fn set(&self, spatial_index: u64) {
        let cell = spatial_index >> (2 * (Order::MAX.get() - FINEST));
        let cell = usize::try_from(cell).unwrap_or(usize::MAX);
        let (word, bit) = (&self.cells[cell / BITS], 1_u64 << (cell % BITS));
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// The coverage of all rows, and its order.
    pub(super) fn coverage(&self) -> (Coverage, Order) {
        let words = self.cells.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let mut bits = Bits { order: FINEST, words };
        while bits.order > 0 && bits.cells() > CELLS_MAX {
            bits = bits.coarser(|four| four != 0);
        }
        let order = Order::new(bits.order).unwrap_or(Order::MAX);
        let pixels = bits.set().filter_map(|index| Pixel::new(order, index));
        (Coverage::from_ranges(pixels.map(Pixel::range)), order)
    }
}

fn words(order: u8) -> usize {
    (12_usize << (2 * order)).div_ceil(BITS)
}

/// A bit for each pixel of an order.
struct Bits {
    order: u8,
    words: Vec<u64>,
}

impl Bits {
    /// The bits of the next coarser order, each made of four.
    fn coarser(&self, joined: fn(u64) -> bool) -> Self {
        let order = self.order - 1;
        let mut words = vec![0; words(order)];
        for (at, word) in self.words.iter().enumerate().filter(|(_, word)| **word != 0) {
            let sixteen = (0..16).filter(|four| joined(word >> (4 * four) & 0xf));
            let sixteen: u64 = sixteen.map(|four| 1 << four).sum();
            words[at / 4] |= sixteen << (16 * (at % 4));
        }
        Self { order, words }
    }

    fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The cells of a MOC of them: four that are all there are one of the next coarser order.
    fn cells(&self) -> u64 {
        let mut cells = self.count();
        let mut full = Self { order: self.order, words: self.words.clone() };
        while full.order > 0 {
            full = full.coarser(|four| four == 0xf);
            cells -= 3 * full.count();
        }
        cells
    }

    /// The pixels whose bits are set, ascending.
    fn set(&self) -> impl Iterator<Item = u64> {
        let words = (0_u64..).zip(&self.words).filter(|(_, word)| **word != 0);
        words.flat_map(|(at, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| 64 * at + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use adql::sky::{Coverage, Order, Pixel};
    use datafusion::arrow::datatypes::Schema;

    use super::{CELLS_MAX, Covered, FINEST};
    use crate::metadata::TableMetadata;

    fn covered(places: impl Iterator<Item = u64>) -> (Coverage, Order) {
        let covered = Covered::new(&TableMetadata::default(), &Schema::empty());
        places.for_each(|at| covered.set(at));
        covered.coverage()
    }

    #[test]
    fn a_small_sky_is_covered_finely() {
        let pixel = |order: u8, index| Pixel::new(Order::new(order).unwrap(), index).unwrap();
        // All of a pixel of order 8, and one place at the end of the sky.
        let (first, last) = (pixel(8, 1_000), pixel(FINEST, (12 << (2 * FINEST)) - 1));
        let inside = first.range().step_by(1 << 36);
        let (coverage, order) = covered(inside.chain([last.range().end - 1]));
        assert_eq!(order.get(), FINEST);
        assert_eq!(coverage.cells(), [first, last]);
        assert_eq!(covered(std::iter::empty()).0, Coverage::empty());
    }

    #[test]
    fn a_strewn_sky_is_covered_coarsely_and_wholly() {
        let place = |k: u64| k.wrapping_mul(0x9e37_79b9_7f4a_7c15) % Order::MAX.pixels();
        let (coverage, order) = covered((0..200_000).map(place));
        assert!((0..200_000).all(|k| coverage.contains(place(k))));
        let cells = u64::try_from(coverage.cells().len()).unwrap();
        assert!(cells <= CELLS_MAX && (6..FINEST).contains(&order.get()), "{cells} of {order}");
        let finer = Order::new(order.get() + 1).unwrap();
        let strewn = Coverage::from_ranges((0..200_000).map(|k| place(k)..place(k) + 1));
        assert!(strewn.at_order(finer).cells().len() > 50_000, "the finest that is small");
        assert_eq!(strewn.at_order(order), coverage);
    }
}
