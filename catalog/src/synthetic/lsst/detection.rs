//! What a visit detects, in its image or in the difference to the average: the rows of both tables,
//! and the columns that they share.

use adql::sky::{Angle, Pixel, Position};

use super::drawn::{Keyed, covariance, float, within};
use crate::SPATIAL_INDEX;
use crate::synthetic::Sky;
use crate::synthetic::camera::PIXEL_ARCSEC;
use crate::synthetic::column::Column;
use crate::synthetic::exposure::{Exposure, exposures};
use crate::synthetic::object::{objects, single};
use crate::synthetic::random::noise;
use crate::synthetic::visit::visits_near;

/// Rows of a pixel are numbered within so many bits.
const ID_BITS: u32 = 40;

/// A detection, in an image or in a difference of images.
#[derive(Debug, Clone, Copy)]
pub(in crate::synthetic) struct Row {
    pub(in crate::synthetic) seen: Exposure,
    pub(super) id: i64,
    /// Its own position.
    pub(super) place: Position,
}

impl Keyed for Row {
    fn key(&self) -> u64 {
        self.seen.key
    }
}

impl Exposure {
    pub(super) fn covariance(&self) -> f64 {
        covariance(self.error_deg(), self.key)
    }
}

impl Row {
    /// How far it is from its object.
    pub(super) fn slack(&self) -> Angle {
        self.place.distance(&self.seen.object.position)
    }

    /// The flux within so many pixels, which has noise of its own.
    pub(super) fn light(&self, radius: f64, salt: u64) -> Option<f64> {
        let width = self.seen.visit.seeing_arcsec / 2.355 / PIXEL_ARCSEC;
        let own = self.light_error(radius)? * 0.5 * noise(self.seen.key, salt);
        Some(f64::from(self.seen.flux) * within(radius, width) + own)
    }

    pub(super) fn light_error(&self, radius: f64) -> Option<f64> {
        self.seen.is_measured.then(|| f64::from(self.seen.flux_error) * (0.6 + radius / 10.0))
    }

    /// Around a mean.
    pub(super) fn factor(&self, mean: f64, spread: f64, salt: u64) -> f32 {
        single(mean + spread * noise(self.seen.key, salt))
    }
}

/// What the visits saw of the objects of a pixel, where it is chosen.
pub(super) fn detections(
    sky: &Sky,
    pixel: Pixel,
    rows: &mut Vec<Row>,
    chosen: fn(&Exposure) -> bool,
) {
    let objects = objects(sky, pixel);
    if objects.is_empty() {
        return;
    }
    let visits = visits_near(sky, pixel);
    let mut next = (pixel.index() + 1) << ID_BITS;
    for object in objects {
        for seen in exposures(object, &visits).filter(chosen) {
            rows.push(Row { seen, id: next.cast_signed(), place: seen.position() });
            next += 1;
        }
    }
}

/// The spatial index of the object of a row, by which it is tiled.
pub(super) fn spatial_index() -> Column<Row> {
    Column::long(
        SPATIAL_INDEX,
        "",
        "pos.healpix",
        "HEALPix index (NESTED, order 29) of the position of its object",
        |r: &Row| r.seen.object.spatial_index,
    )
}

/// The position of the object of a row, by which it is tiled.
pub(super) fn object_position() -> [Column<Row>; 2] {
    [
        Column::double(
            "objectRa",
            "deg",
            "pos.eq.ra",
            "right ascension of its object (ICRS)",
            |r: &Row| r.seen.object.ra,
        ),
        Column::double(
            "objectDec",
            "deg",
            "pos.eq.dec",
            "declination of its object (ICRS)",
            |r: &Row| r.seen.object.dec,
        ),
    ]
}

/// The position by which a detection is searched.
pub(super) fn main_position() -> [Column<Row>; 2] {
    [
        Column::double(
            "coord_ra",
            "deg",
            "pos.eq.ra;meta.main",
            "right ascension in this visit (ICRS)",
            |r: &Row| r.place.lon_deg(),
        ),
        Column::double(
            "coord_dec",
            "deg",
            "pos.eq.dec;meta.main",
            "declination in this visit (ICRS)",
            |r: &Row| r.place.lat_deg(),
        ),
    ]
}

/// The same position with its errors.
pub(super) fn position() -> [Column<Row>; 5] {
    [
        Column::double(
            "ra",
            "deg",
            "pos.eq.ra",
            "right ascension in this visit (ICRS)",
            |r: &Row| r.place.lon_deg(),
        )
        .indexed(),
        Column::double(
            "dec",
            "deg",
            "pos.eq.dec",
            "declination in this visit (ICRS)",
            |r: &Row| r.place.lat_deg(),
        )
        .indexed(),
        Column::float("raErr", "deg", "stat.error;pos.eq.ra", "error of ra", |r: &Row| {
            Some(single(r.seen.error_deg()[0]))
        }),
        Column::float("decErr", "deg", "stat.error;pos.eq.dec", "error of dec", |r: &Row| {
            Some(single(r.seen.error_deg()[1]))
        }),
        Column::float(
            "ra_dec_Cov",
            "deg**2",
            "stat.covariance;pos.eq.ra;pos.eq.dec",
            "covariance of ra and dec",
            |r: &Row| Some(single(r.seen.covariance())),
        ),
    ]
}

/// The place in the image, with its errors.
pub(super) fn spot() -> [Column<Row>; 4] {
    [
        Column::double("x", "pixel", "", "column of its place in the image", |r: &Row| {
            r.seen.spot.x
        }),
        Column::double("y", "pixel", "", "row of its place in the image", |r: &Row| r.seen.spot.y),
        float("xErr", "pixel", [1.8, 0.1], "error of x"),
        float("yErr", "pixel", [1.8, 0.1], "error of y"),
    ]
}
