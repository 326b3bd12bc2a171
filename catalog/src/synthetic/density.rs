//! How many objects lie where: more towards the plane of the Galaxy and in the Magellanic Clouds,
//! none in the far north where only the survey's footprint is wanted.

use adql::sky::{Order, Pixel, Position};

/// Order of the pixels that are generated independently: 12,288 of them.
pub(super) const ORDER: u8 = 5;
/// Order of the pixels within which the density is uniform.
const CELL_ORDER: u8 = 8;
/// The part of the sky that has objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// All of it.
    All,
    /// What a survey sees from the south.
    Survey,
}

/// Clouds of stars: right ascension, declination, the density that they add in the middle, and the
/// angle within which it has fallen to 1/√e.
const CLOUDS: [[f64; 4]; 2] = [[80.9, -69.8, 20.0, 2.5], [13.2, -72.8, 12.0, 1.2]];
/// The survey sees cells whose center is south of this.
const NORTHERN_LIMIT_DEG: f64 = 5.0;
/// Beside the halo of density 1: the density that the disk adds in the plane, and the latitude at
/// which it has fallen to 1/e.
const DISK: f64 = 4.0;
const DISK_DEG: f64 = 12.0;
/// The north pole of the Galaxy as a vector of ICRS (Hipparcos, ESA SP-1200, section 1.5.3).
const NORTH_POLE: [f64; 3] =
    [-0.867_666_149_019_004_7, -0.198_076_373_431_201_52, 0.455_983_776_175_066_9];

/// A pixel of the generator's order.
pub(super) fn pixel(number: u64) -> Option<Pixel> {
    Pixel::new(Order::new(ORDER)?, number)
}

/// Galactic latitude.
pub(super) fn latitude_deg(position: [f64; 3]) -> f64 {
    let sine: f64 = position.iter().zip(NORTH_POLE).map(|(a, b)| a * b).sum();
    sine.clamp(-1.0, 1.0).asin().to_degrees()
}

/// The parts of a generator's pixel in which the density is uniform, with their densities.
pub(super) fn cells(pixel: Pixel, footprint: Footprint) -> impl Iterator<Item = (Pixel, f64)> {
    let depth = 2 * (CELL_ORDER - ORDER);
    let first = pixel.index() << depth;
    let cells = (first..first + (1 << depth))
        .filter_map(|index| Pixel::new(Order::new(CELL_ORDER)?, index));
    cells.map(move |cell| {
        let center = cell.center();
        let disk = DISK * (-latitude_deg(center.vector()).abs() / DISK_DEG).exp();
        let clouds: f64 = CLOUDS.iter().map(|cloud| in_cloud(cloud, &center)).sum();
        (cell, if sees(footprint, &center) { 1.0 + disk + clouds } else { 0.0 })
    })
}

/// Whether a place is part of a footprint.
pub(super) fn sees(footprint: Footprint, place: &Position) -> bool {
    footprint == Footprint::All || place.lat_deg() < NORTHERN_LIMIT_DEG
}

fn in_cloud([ra, dec, density, width_deg]: &[f64; 4], place: &Position) -> f64 {
    let middle = Position::from_degrees(*ra, *dec);
    let angle = middle.map_or(180.0, |middle| middle.distance(place).degrees());
    density * (-0.5 * (angle / width_deg).powi(2)).exp()
}

/// How many of `rows` objects lie in each pixel of the generator, in their order.
pub(super) fn counts(rows: u64, footprint: Footprint) -> Vec<u64> {
    let pixels = (0..).map_while(pixel);
    let weights: Vec<f64> =
        pixels.map(|p| cells(p, footprint).map(|(_, weight)| weight).sum()).collect();
    let all: f64 = weights.iter().sum();
    let (mut sum, mut given) = (0.0, 0);
    let counts = weights.iter().map(|weight| {
        sum += weight;
        let until = share(rows, sum / all);
        let count = until - given;
        given = until;
        count
    });
    counts.collect()
}

/// A part of a number of rows, rounded.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of rows, far below 2^53 and not negative"
)]
fn share(rows: u64, part: f64) -> u64 {
    ((rows as f64 * part).round() as u64).min(rows)
}

#[cfg(test)]
mod tests {
    use super::{Footprint, counts, latitude_deg, pixel};

    #[test]
    fn every_row_has_a_pixel_and_the_plane_has_most() {
        for rows in [0, 1, 1000, 1_000_001] {
            assert_eq!(counts(rows, Footprint::Survey).iter().sum::<u64>(), rows);
        }
        let counts = counts(1_000_000, Footprint::Survey);
        assert_eq!(counts.len(), 12_288);
        let (mut plane, mut pole) = (0, 0);
        for (number, count) in (0..).zip(&counts) {
            let center = pixel(number).unwrap().center();
            let b = latitude_deg(center.vector()).abs();
            if center.lat_deg() > 7.0 {
                assert_eq!(*count, 0);
            } else if center.lat_deg() < 3.0 && b < 3.0 {
                plane = plane.max(*count);
            } else if center.lat_deg() < 3.0 && b > 80.0 {
                pole = pole.max(*count);
            }
        }
        assert!(plane > 4 * pole && pole > 0, "{plane} in the plane, {pole} at the pole");
        // Without a limit no part is empty.
        assert!(super::counts(1_000_000, Footprint::All).iter().all(|count| *count > 0));
    }
}
