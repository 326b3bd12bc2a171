//! The text of a MOC (MOC 2.0 §4.3.2): `3/5 7-9 4/100 8/`, pixels by orders and the order of all.

use super::coverage::Coverage;
use super::error::RegionError;
use super::pixel::{Order, Pixel};

impl Coverage {
    /// The text of a MOC of this order of the sky, which holds the coverage.
    pub fn ascii(&self, order: Order) -> String {
        let mut cells = self.at_order(order).cells();
        cells.sort_by_key(|cell| (cell.order(), cell.index()));
        let mut text = String::new();
        let mut of_order = None;
        for run in cells
            .chunk_by(|a, b| a.order() == b.order() && a.index() + 1 == b.index())
            .filter_map(|run| Some((run.first()?, run.last()?)))
        {
            let (first, last) = run;
            if of_order != Some(first.order()) {
                let space = if text.is_empty() { "" } else { " " };
                text.push_str(&format!("{space}{}/", first.order()));
                of_order = Some(first.order());
            } else {
                text.push(' ');
            }
            text.push_str(&first.index().to_string());
            if last != first {
                text.push_str(&format!("-{}", last.index()));
            }
        }
        if of_order != Some(order) {
            let space = if text.is_empty() { "" } else { " " };
            text.push_str(&format!("{space}{order}/"));
        }
        text
    }

    /// Reads the text of a MOC, and its order; a leading `s`, for space, may be there.
    pub fn from_ascii(text: &str) -> Result<(Self, Order), RegionError> {
        let wrong = |at: &str, wanted| RegionError::Text { at: at.to_owned(), wanted };
        let (mut ranges, mut order, mut finest) = (Vec::new(), None, Order::MIN);
        let items = text.trim().trim_start_matches(['s', 'S']);
        for item in items.split(|c: char| c.is_whitespace() || c == ',').filter(|i| !i.is_empty()) {
            let pixels = match item.split_once('/') {
                Some((name, pixels)) => {
                    let named = name.parse().ok().and_then(Order::new);
                    let of =
                        named.ok_or_else(|| wrong(item, "an order of 0 to 29 before the /"))?;
                    finest = finest.max(of);
                    order = Some(of);
                    pixels
                }
                None => item,
            };
            let Some(order) = order else {
                return Err(wrong(item, "an order first, as in 3/5 7-9"));
            };
            if pixels.is_empty() {
                continue;
            }
            let pixel = |index: &str| index.parse().ok().and_then(|index| Pixel::new(order, index));
            let (first, last) = pixels.split_once('-').unwrap_or((pixels, pixels));
            match (pixel(first), pixel(last)) {
                (Some(first), Some(last)) if first.index() <= last.index() => {
                    ranges.push(first.range().start..last.range().end);
                }
                _ => return Err(wrong(item, "a pixel of its order, or two as in 7-9")),
            }
        }
        if order.is_none() {
            return Err(wrong(text, "orders and pixels, as in 3/5 7-9"));
        }
        Ok((Self::from_ranges(ranges), finest))
    }
}
