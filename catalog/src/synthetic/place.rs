//! Where the objects of a pixel lie: uniform within each cell of the density, a known share of
//! them beside another.

use adql::sky::{Order, Pixel, Position, spatial_index};

use super::Sky;
use super::density::cells;
use super::random::Random;

/// So many of the objects are placed beside another.
pub(super) const PAIRED: f64 = 0.02;
/// At angles from and to.
const PAIR_ARCSEC: [f64; 2] = [0.1, 3.0];
/// How often a place near another object is drawn until it is in the same pixel.
const TRIALS: usize = 16;

/// A place with its spatial index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) spatial_index: i64,
    pub(super) position: Position,
}

impl Place {
    fn at(index: u64) -> Option<Self> {
        let position = Pixel::new(Order::MAX, index)?.center();
        Some(Self { spatial_index: index.cast_signed(), position })
    }
}

/// The place at an angle and a direction (north through east) from another.
pub(super) fn offset(from: &Position, north_deg: f64, east_deg: f64) -> Option<Position> {
    let dec = from.lat_deg() + north_deg;
    let ra = from.lon_deg() + east_deg / from.lat_deg().to_radians().cos().max(1e-6);
    Position::from_degrees(ra, dec)
}

/// The places of a pixel's objects, in the order of their numbers.
pub(super) fn places(sky: &Sky, pixel: Pixel) -> Vec<Place> {
    let count = sky.objects_of(pixel);
    let mut sum = 0.0;
    let steps: Vec<(f64, Pixel)> = cells(pixel, sky.footprint)
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(cell, weight)| {
            sum += weight;
            (sum, cell)
        })
        .collect();
    let mut random = Random::new(sky.seed, &[0, pixel.index()]);
    let uniform = |random: &mut Random| {
        let drawn = random.uniform() * sum;
        let at = steps.partition_point(|(until, _)| *until <= drawn).min(steps.len() - 1);
        let range = steps[at].1.range();
        Place::at(range.start + random.below(range.end - range.start))
    };
    let mut places: Vec<Place> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let paired = random.uniform() < PAIRED;
        let beside = paired.then(|| beside(pixel, &places, &mut random)).flatten();
        // Each index of a cell has a center: as many places as objects.
        places.extend(beside.or_else(|| uniform(&mut random)));
    }
    places
}

/// A place near one of these, in the same pixel.
fn beside(pixel: Pixel, places: &[Place], random: &mut Random) -> Option<Place> {
    let range = pixel.range();
    let count = u64::try_from(places.len()).ok().filter(|count| *count > 0)?;
    (0..TRIALS).find_map(|_| {
        let other = usize::try_from(random.below(count)).ok()?;
        let angle = random.between(PAIR_ARCSEC[0], PAIR_ARCSEC[1]) / 3600.0;
        let (sine, cosine) = (std::f64::consts::TAU * random.uniform()).sin_cos();
        let position = offset(&places[other].position, angle * cosine, angle * sine)?;
        let spatial_index = spatial_index(position.lon_deg(), position.lat_deg())?;
        let inside = range.contains(&spatial_index.cast_unsigned());
        inside.then_some(Place { spatial_index, position })
    })
}
