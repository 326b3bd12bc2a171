//! Geometry of the sky: places, regions, HEALPix pixels, and the cover that turns a region into
//! ranges of the spatial index.
//!
//! Inside or on the boundary counts as contained (ADQL 2.1 §4.2.12). A [`Region`] answers exactly;
//! a [`Cover`] of it loses no place of the region and its *inner* pixels hold no other place, so
//! that a [`RegionTest`] needs trigonometry for the rows of *edge* pixels only.
//! Degrees at the edges, unit vectors inside, by type. Nothing here knows of DataFusion or Arrow.

mod angle;
mod arc;
mod circle;
mod cover;
mod coverage;
mod encoding;
mod error;
mod frame;
mod moc_text;
mod motion;
mod outline;
mod pixel;
mod polygon;
mod position;
mod range;
mod region;
mod region_test;
mod region_text;
mod relation;
pub mod sexagesimal;
mod surroundings;
mod vector;
mod widened;
mod zones;

#[cfg(test)]
mod tests;

pub use angle::Angle;
pub use circle::Circle;
pub use cover::{Cover, Run, Side};
pub use coverage::Coverage;
pub use error::RegionError;
pub use frame::Frame;
pub use motion::Motion;
pub use pixel::{Order, Pixel};
pub use polygon::Polygon;
pub use position::Position;
pub use range::Range;
pub use region::Region;
pub use region_test::RegionTest;
pub use surroundings::Surroundings;
pub use zones::{ROUNDING_DEG, Span, Zones};

/// The order-29 NESTED index of a place, the column `_healpix_29` of HATS; `None` where
/// [`Position::from_degrees`] knows no place.
pub fn spatial_index(lon_deg: f64, lat_deg: f64) -> Option<i64> {
    let position = Position::from_degrees(lon_deg, lat_deg)?;
    i64::try_from(Pixel::of(Order::MAX, &position).index()).ok()
}
