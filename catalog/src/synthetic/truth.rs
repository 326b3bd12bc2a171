//! Known answers: what a query over the tables of a sky must find, told without reading them.
//!
//! Only the pixels of the generator that an answer depends on are made again; a pixel that lies
//! wholly within a region is counted without.

use std::collections::HashMap;

use adql::sky::{Angle, Circle, Cover, Pixel, Position, Region};

use super::exposure::{Exposure, exposures};
use super::object::{LightCurve, Object, objects, pixel_of_id};
use super::place::{Place, places};
use super::visit::visits_near;
use super::{Sky, density};
use crate::Error;
use crate::write::parallel;

/// Pairs are counted within this much at most: pixels are made once, and only what is near their
/// border is kept.
pub const PAIR_ARCSEC_MAX: f64 = 60.0;
/// Edge pixels of a cover: it only has to tell pixels of the generator apart.
const EDGE_CELLS: usize = 4_096;
/// The least width of a pixel of order 0, in radians; that of a higher order is no smaller than
/// its power of two, within the part by which this is less than the smallest one in fact.
const LEAST_WIDTH: f64 = 0.6;

/// What is known of an object and its children.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownObject {
    /// Its id.
    pub id: i64,
    /// Right ascension and declination, in degrees.
    pub position: (f64, f64),
    /// How its light changes, if it does.
    pub light_curve: Option<LightCurve>,
    /// Its rows in `forcedSource`, with the sums of `visit` and of `psfFlux`.
    pub forced_sources: Children,
    /// Its rows in `source`.
    pub sources: Children,
    /// Its rows in `diaSource`.
    pub dia_sources: Children,
}

/// Rows that belong to an object.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Children {
    /// How many.
    pub count: u64,
    /// Sum of the ids of their visits.
    pub visit_sum: i64,
    /// Sum of `psfFlux`, without NULLs.
    pub flux_sum: f64,
}

impl Children {
    fn add(&mut self, seen: &Exposure, flux: Option<f32>) {
        self.count += 1;
        self.visit_sum += seen.visit.id;
        self.flux_sum += flux.map_or(0.0, f64::from);
    }
}

/// A place that may be one of a pair; the number says which pixel it belongs to.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    pixel: u64,
    position: Position,
}

impl Sky {
    /// How many objects lie in a region; those on its boundary count.
    pub fn count_in(&self, region: &Region) -> u64 {
        let pixels = self.counts.iter().zip(self.touched(region));
        let counts = pixels.map(|(count, touched)| match touched {
            Touched::Outside => 0,
            Touched::Inside => *count,
            Touched::Edge(pixel) => {
                let places = places(self, pixel);
                let inside = places.iter().filter(|place| region.contains(&place.position));
                u64::try_from(inside.count()).unwrap_or(u64::MAX)
            }
        });
        counts.sum()
    }

    /// How many objects lie in a cone of degrees, as [`Sky::count_in`].
    ///
    /// # Errors
    /// When it is no cone.
    pub fn count_in_cone(&self, ra: f64, dec: f64, radius: f64) -> Result<u64, Error> {
        Ok(self.count_in(&cone([ra, dec, radius])?))
    }

    /// How many pairs there are, as [`Sky::pairs`], with both in a cone of degrees (right
    /// ascension, declination, radius) where there is one.
    ///
    /// # Errors
    /// When it is no cone, or the angle is too large.
    pub fn pairs_in_cone(
        &self,
        arcsec: f64,
        within: Option<[f64; 3]>,
        threads: usize,
    ) -> Result<u64, Error> {
        let region = within.map(cone).transpose()?;
        self.pairs(Angle::from_degrees(arcsec / 3600.0), region.as_ref(), threads)
    }

    /// How many pairs of different objects are within an angle of each other, each pair once, on
    /// the whole sky or with both in a region.
    ///
    /// # Errors
    /// When the angle is more than [`PAIR_ARCSEC_MAX`].
    pub fn pairs(
        &self,
        angle: Angle,
        region: Option<&Region>,
        threads: usize,
    ) -> Result<u64, Error> {
        let arcsec = angle.degrees() * 3600.0;
        if !(arcsec > 0.0 && arcsec <= PAIR_ARCSEC_MAX) {
            return Err(wrong(format!(
                "pairs are known within more than 0 to {PAIR_ARCSEC_MAX} arcsec, not {arcsec}"
            )));
        }
        let pixels: Vec<Pixel> = match region {
            Some(region) => (0..)
                .zip(self.touched(region))
                .filter(|(_, touched)| !matches!(touched, Touched::Outside))
                .filter_map(|(number, _)| density::pixel(number))
                .collect(),
            None => (0..).map_while(density::pixel).collect(),
        };
        let found = parallel::run(pixels.len(), threads, |at| {
            let pixel = pixels[at];
            let chosen = |place: &Place| region.is_none_or(|r| r.contains(&place.position));
            let places: Vec<Place> = places(self, pixel).into_iter().filter(chosen).collect();
            let candidate =
                |place: &Place| Candidate { pixel: pixel.index(), position: place.position };
            let all: Vec<Candidate> = places.iter().map(candidate).collect();
            let near = places.iter().filter(|place| is_near_border(pixel, place, angle));
            Ok((count_pairs(&all, angle, |_, _| true), near.map(candidate).collect::<Vec<_>>()))
        })?;
        let (counts, near): (Vec<u64>, Vec<Vec<Candidate>>) = found.into_iter().unzip();
        let across = count_pairs(&near.concat(), angle, |a, b| a.pixel != b.pixel);
        Ok(counts.iter().sum::<u64>() + across)
    }

    /// What is known of an object and its children; none where no object has the id.
    pub fn object(&self, id: i64) -> Option<KnownObject> {
        let pixel = density::pixel(pixel_of_id(id)?)?;
        let object = objects(self, pixel).into_iter().find(|object| object.id == id)?;
        Some(self.known(object, pixel))
    }

    /// The ids of the objects in a region, ascending.
    pub fn ids_in(&self, region: &Region) -> Vec<i64> {
        let pixels = self.touched(region).zip(0..).filter_map(|(touched, number)| match touched {
            Touched::Outside => None,
            Touched::Inside | Touched::Edge(_) => density::pixel(number),
        });
        let objects = pixels.flat_map(|pixel| objects(self, pixel));
        let mut ids: Vec<i64> = objects
            .filter(|object| region.contains(&object.position))
            .map(|object| object.id)
            .collect();
        ids.sort_unstable();
        ids
    }

    fn known(&self, object: Object, pixel: Pixel) -> KnownObject {
        let mut known = KnownObject {
            id: object.id,
            position: (object.ra, object.dec),
            light_curve: object.light_curve(),
            forced_sources: Children::default(),
            sources: Children::default(),
            dia_sources: Children::default(),
        };
        for seen in exposures(object, &visits_near(self, pixel)) {
            known.forced_sources.add(&seen, seen.flux());
            if seen.is_detected() {
                known.sources.add(&seen, seen.flux());
            }
            if seen.is_changed() {
                known.dia_sources.add(&seen, seen.difference());
            }
        }
        known
    }

    /// For each pixel of the generator, how a region touches it.
    fn touched(&self, region: &Region) -> impl Iterator<Item = Touched> {
        let cover = Cover::of(region, Angle::ZERO, EDGE_CELLS);
        let (all, inner) = (cover.coverage(), cover.inner_coverage());
        (0..).map_while(density::pixel).map(move |pixel| {
            let range = pixel.range();
            if !all.overlaps(&range) {
                return Touched::Outside;
            }
            let inside = inner.ranges().iter();
            let mut inside = inside.filter(|r| r.start <= range.start && range.end <= r.end);
            if inside.next().is_some() { Touched::Inside } else { Touched::Edge(pixel) }
        })
    }
}

fn wrong(reason: String) -> Error {
    Error::Input { table: "the synthetic sky".to_owned(), reason }
}

fn cone([ra, dec, radius]: [f64; 3]) -> Result<Region, Error> {
    let center = Position::from_degrees(ra, dec);
    let center = center.ok_or_else(|| wrong(format!("{ra} {dec} is no place")))?;
    let circle = Circle::new(center, radius).map_err(|e| wrong(e.to_string()))?;
    Ok(Region::Circle(circle))
}

/// How a region touches a pixel.
#[derive(Debug, Clone, Copy)]
enum Touched {
    Outside,
    Inside,
    Edge(Pixel),
}

/// Whether a place may be within an angle of what is outside of its pixel: it lies in a cell along
/// the pixel's sides, and no such cell is narrower than the angle.
fn is_near_border(pixel: Pixel, place: &Place, angle: Angle) -> bool {
    let mut levels = 0;
    let order = pixel.order().get();
    while levels + order < 29 {
        let width = LEAST_WIDTH / f64::from(1_u32 << (order + levels + 1));
        if width < angle.radians() {
            break;
        }
        levels += 1;
    }
    let shift = 2 * (29 - order - levels);
    let inside = (place.spatial_index.cast_unsigned() - pixel.range().start) >> shift;
    let last = (1_u64 << levels) - 1;
    // Of a NESTED index, every other bit is one coordinate.
    let coordinate = |first: u8| {
        (0..levels).fold(0, |sum, level| sum | (((inside >> (2 * level + first)) & 1) << level))
    };
    [coordinate(0), coordinate(1)].iter().any(|at| *at == 0 || *at == last)
}

/// Counts the pairs within an angle that are chosen, by a grid in space: only what lies in
/// neighboring cells is compared.
fn count_pairs(
    candidates: &[Candidate],
    angle: Angle,
    chosen: impl Fn(&Candidate, &Candidate) -> bool,
) -> u64 {
    // A chord is shorter than its arc.
    let side = angle.radians() * 1.001;
    #[expect(clippy::cast_possible_truncation, reason = "cells of more than a milliarcsecond")]
    let cell = |position: &Position| position.vector().map(|at| (at / side).floor() as i64);
    let mut cells: HashMap<[i64; 3], Vec<usize>> = HashMap::with_capacity(candidates.len());
    for (number, candidate) in candidates.iter().enumerate() {
        cells.entry(cell(&candidate.position)).or_default().push(number);
    }
    let mut pairs = 0;
    for (at, candidate) in candidates.iter().enumerate() {
        let [x, y, z] = cell(&candidate.position);
        let around = (0..27).map(|n| [x + n / 9 - 1, y + n / 3 % 3 - 1, z + n % 3 - 1]);
        for other in around.filter_map(|cell| cells.get(&cell)).flatten().filter(|n| **n > at) {
            let other = &candidates[*other];
            if chosen(candidate, other)
                && candidate.position.distance(&other.position).degrees() <= angle.degrees()
            {
                pairs += 1;
            }
        }
    }
    pairs
}
