//! A coverage with what is around it.
//!
//! A descent of the quad-tree. Each pixel is compared with those of its own order that hold some of
//! the coverage: where none is near it is left out, where all of it is near it is taken, and else
//! it is split.

use std::collections::HashMap;

use super::angle::Angle;
use super::coverage::{Coverage, find};
use super::pixel::{Order, Pixel};
use super::vector::{Vector, angle};

/// Pixels whose radius is less than this part of the angle are not split.
const FINER_THAN_ANGLE: f64 = 0.25;

/// By how much the angle is widened, in radians (2 mas): a spatial index computed by others may
/// be that of the next cell of order 29.
const SLACK: f64 = 1e-8;

impl Coverage {
    /// All places within an angle of it, and few more: as pixels of no finer order than this one,
    /// beside those that it has itself.
    pub fn widened(&self, angle: Angle, finest: Order) -> Self {
        let mut descent = Descent {
            coverage: self,
            angle: angle.radians().max(0.0) + SLACK,
            finest,
            cones: HashMap::new(),
            taken: self.ranges().to_vec(),
        };
        let base: Vec<Pixel> = Pixel::base().filter(|base| self.overlaps(&base.range())).collect();
        for pixel in Pixel::base() {
            descent.descend(pixel, &base);
        }
        Self::from_ranges(descent.taken)
    }

    /// Whether it holds all of a pixel.
    fn contains_pixel(&self, pixel: Pixel) -> bool {
        let range = pixel.range();
        find(self.ranges(), range.start).is_some_and(|found| range.end <= found.end)
    }
}

struct Descent<'a> {
    coverage: &'a Coverage,
    angle: f64,
    finest: Order,
    /// Center and radius of the pixels that were looked at.
    cones: HashMap<Pixel, (Vector, f64)>,
    taken: Vec<std::ops::Range<u64>>,
}

impl Descent<'_> {
    /// Looks for near places in a pixel; `others` are pixels of its order, all that hold some of
    /// the coverage near to its parent.
    fn descend(&mut self, pixel: Pixel, others: &[Pixel]) {
        if self.coverage.contains_pixel(pixel) {
            return;
        }
        let (center, radius) = self.cone(pixel);
        let mut near = Vec::new();
        for other in others {
            let (other_center, other_radius) = self.cone(*other);
            let distance = angle(center, other_center);
            if distance > self.angle + radius + other_radius {
                continue;
            }
            near.push(*other);
            if distance + radius <= self.angle && self.coverage.contains_pixel(*other) {
                self.taken.push(pixel.range());
                return;
            }
        }
        if near.is_empty() {
            return;
        }
        let is_fine = pixel.order() >= self.finest || radius < FINER_THAN_ANGLE * self.angle;
        match pixel.children() {
            Some(children) if !is_fine => {
                let others = near.into_iter().filter_map(Pixel::children).flatten();
                let others: Vec<Pixel> =
                    others.filter(|other| self.coverage.overlaps(&other.range())).collect();
                children.into_iter().for_each(|child| self.descend(child, &others));
            }
            Some(_) | None => self.taken.push(pixel.range()),
        }
    }

    fn cone(&mut self, pixel: Pixel) -> (Vector, f64) {
        *self.cones.entry(pixel).or_insert_with(|| {
            let center = pixel.center_vector();
            (center, pixel.radius(center))
        })
    }
}
