//! Rows per pixel of a fine order, and the tiles that follow from them.
//!
//! A tile is the largest pixel that holds no more rows than the limit. Pixels of [`FINEST`] are
//! not divided further: where more rows than the limit lie in one, its tile exceeds the limit.

use adql::sky::{Order, Pixel};

/// Order of the smallest tiles: 3.4 arcminutes, the smallest of the reference implementation too.
pub(super) const FINEST: u8 = 10;
/// Counts are kept in pages of one pixel of this order, so that a small sky takes little memory;
/// the whole sky takes 100 MB.
const PAGE: u8 = 5;
const PIXELS_PER_PAGE: usize = 1 << (2 * (FINEST - PAGE));

/// Rows per pixel of order [`FINEST`].
#[derive(Debug)]
pub(super) struct Histogram {
    pages: Vec<Option<Box<[u64; PIXELS_PER_PAGE]>>>,
}

/// The page and the place in it of a pixel of order [`FINEST`].
fn place(index: u64) -> (usize, usize) {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    (index / PIXELS_PER_PAGE, index % PIXELS_PER_PAGE)
}

impl Histogram {
    pub(super) fn new() -> Self {
        let pages = Pixel::base().count() << (2 * PAGE);
        Self { pages: vec![None; pages] }
    }

    /// Counts a row of this spatial index.
    pub(super) fn add(&mut self, spatial_index: u64) {
        let (page, at) = place(spatial_index >> (2 * (Order::MAX.get() - FINEST)));
        self.pages[page].get_or_insert_with(|| Box::new([0; PIXELS_PER_PAGE]))[at] += 1;
    }

    /// The tiles, in the order of the spatial index.
    pub(super) fn tiles(&self, rows_max: u64) -> Vec<Pixel> {
        let mut tiles = Vec::new();
        for base in Pixel::base() {
            self.divide(base, rows_max, &mut tiles);
        }
        tiles
    }

    /// Appends the tiles in a pixel; its number of rows.
    fn divide(&self, pixel: Pixel, rows_max: u64, tiles: &mut Vec<Pixel>) -> u64 {
        let before = tiles.len();
        let order = pixel.order().get();
        let count = match pixel.children().filter(|_| order < FINEST) {
            _ if order == PAGE && self.pages[place_of_page(pixel)].is_none() => 0,
            Some(children) => {
                children.into_iter().map(|child| self.divide(child, rows_max, tiles)).sum()
            }
            None => {
                let (page, at) = place(pixel.index());
                self.pages[page].as_ref().map_or(0, |page| page[at])
            }
        };
        if count > 0 && (count <= rows_max || order == FINEST) {
            tiles.truncate(before);
            tiles.push(pixel);
        }
        count
    }
}

fn place_of_page(pixel: Pixel) -> usize {
    usize::try_from(pixel.index()).unwrap_or(usize::MAX)
}

/// The largest pixels that together are the sky without these tiles, which are disjoint and
/// ascending.
pub(super) fn sky_without(tiles: &[Pixel]) -> Vec<Pixel> {
    let mut rest = Vec::new();
    for base in Pixel::base() {
        take_rest(base, tiles, &mut rest);
    }
    rest
}

fn take_rest(pixel: Pixel, tiles: &[Pixel], rest: &mut Vec<Pixel>) {
    let range = pixel.range();
    let first = tiles.partition_point(|tile| tile.range().end <= range.start);
    let end = tiles.partition_point(|tile| tile.range().start < range.end);
    let inside = &tiles[first..end];
    if inside.is_empty() {
        rest.push(pixel);
    } else if !inside[0].contains(pixel) {
        for child in pixel.children().into_iter().flatten() {
            take_rest(child, inside, rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use adql::sky::{Order, Pixel};

    use super::{FINEST, Histogram, sky_without};

    fn pixel(order: u8, index: u64) -> Pixel {
        Pixel::new(Order::new(order).unwrap(), index).unwrap()
    }

    #[test]
    fn tiles_are_the_largest_pixels_within_the_limit() {
        let mut histogram = Histogram::new();
        for _ in 0..3 {
            histogram.add(pixel(10, 0).range().start);
        }
        histogram.add(pixel(10, 1).range().start);
        histogram.add(pixel(0, 11).range().end - 1);
        assert_eq!(histogram.tiles(5), [pixel(0, 0), pixel(0, 11)]);
        assert_eq!(histogram.tiles(4), [pixel(0, 0), pixel(0, 11)]);
        assert_eq!(histogram.tiles(3), [pixel(10, 0), pixel(10, 1), pixel(0, 11)]);
        // Three rows in one of the smallest pixels stay together.
        assert_eq!(histogram.tiles(1), [pixel(FINEST, 0), pixel(10, 1), pixel(0, 11)]);
        assert!(Histogram::new().tiles(1).is_empty());
    }

    #[test]
    fn tiles_and_the_rest_are_the_sky() {
        let tiles = [pixel(3, 5), pixel(1, 7), pixel(0, 9)];
        let mut all = sky_without(&tiles);
        all.extend(tiles);
        all.sort_by_key(|p| p.range().start);
        assert_eq!(all[0].range().start, 0);
        assert!(all.windows(2).all(|pair| pair[0].range().end == pair[1].range().start));
        assert_eq!(sky_without(&[]).len(), 12);
    }
}
