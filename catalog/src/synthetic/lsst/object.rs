//! Objects in all images together: 1,296 columns, most of them the same list for each band.

use std::sync::LazyLock;

use adql::sky::Pixel;

use super::Columns;
use super::drawn::{Keyed, covariance, double, flag, float, int, spot_in_patch};
use super::families::{FAMILIES, SERSIC, SERSIC_ERROR, column};
use crate::synthetic::Sky;
use crate::synthetic::column::Column;
use crate::synthetic::object::{self, BANDS, Object, single};
use crate::synthetic::random::{hash, noise};
use crate::synthetic::rows::{Rows, RowsOf};
use crate::synthetic::visit::visits_near;
use crate::{Error, SPATIAL_INDEX};

/// Numbers of the bands in the order of the public schema, and in that of what it has at its end.
const BLOCKS: [usize; 6] = [4, 0, 1, 2, 3, 5];
const TAIL_BLOCKS: [usize; 6] = [1, 3, 2, 0, 5, 4];
/// What any choice of columns has.
const MUST: [&str; 3] = ["objectId", "coord_ra", "coord_dec"];
/// What comes next where columns are counted: what most queries ask for.
const FIRST: [&str; 21] = [
    "coord_raErr",
    "coord_decErr",
    "u_psfFlux",
    "u_psfFluxErr",
    "g_psfFlux",
    "g_psfFluxErr",
    "r_psfFlux",
    "r_psfFluxErr",
    "i_psfFlux",
    "i_psfFluxErr",
    "z_psfFlux",
    "z_psfFluxErr",
    "y_psfFlux",
    "y_psfFluxErr",
    "refExtendedness",
    "refBand",
    "ebv",
    "tract",
    "patch",
    "detect_isIsolated",
    "shape_xx",
];

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) it: Object,
    /// Visits that show it, by band; 0 where no column tells of them.
    pub(super) inputs: [i32; 6],
}

impl Keyed for Row {
    fn key(&self) -> u64 {
        self.it.key
    }
}

impl Row {
    fn covariance(&self) -> f64 {
        covariance(self.it.error_deg(), self.it.key)
    }

    fn shape(&self, mean: f64, salt: u64) -> Option<f32> {
        let size = if self.it.extended { 2.0 } else { 1.0 };
        let value = size * (mean + 0.4 * noise(self.it.key, salt));
        (!self.it.shape_failed()).then(|| single(value))
    }

    fn pixels(&self, axis: usize) -> f64 {
        let spot = spot_in_patch(hash(self.it.key, 83));
        [spot.x, spot.y][axis]
    }
}

/// How the rows are made; visits are counted where a column tells of them only.
pub(super) fn rows(
    columns: &'static [Column<Row>],
    wanted: &Columns,
) -> Result<Box<dyn Rows>, Error> {
    let rows = RowsOf::chosen(columns, wanted, &[&MUST, &FIRST], plain)?;
    let counts = rows.names().any(|name| name.ends_with("_inputCount"));
    Ok(Box::new(if counts { rows.made_by(counted) } else { rows }))
}

fn plain(sky: &Sky, pixel: Pixel, rows: &mut Vec<Row>) {
    let objects = object::objects(sky, pixel).into_iter();
    rows.extend(objects.map(|it| Row { it, inputs: [0; 6] }));
}

fn counted(sky: &Sky, pixel: Pixel, rows: &mut Vec<Row>) {
    let objects = object::objects(sky, pixel);
    if objects.is_empty() {
        return;
    }
    let visits = visits_near(sky, pixel);
    rows.extend(objects.into_iter().map(|it| {
        let mut inputs = [0; 6];
        for visit in &visits {
            if visit.pointing.spot(it.position.vector()).is_some() {
                inputs[visit.band] += 1;
            }
        }
        Row { it, inputs }
    }));
}

/// The columns of the table: the spatial index, and those of the public schema in its order.
pub(super) static COLUMNS: LazyLock<Vec<Column<Row>>> = LazyLock::new(|| {
    let mut columns = vec![
        Column::long(
            SPATIAL_INDEX,
            "",
            "pos.healpix",
            "HEALPix index (NESTED, order 29) of the position",
            |o: &Row| o.it.spatial_index,
        ),
        Column::long("tract", "", "", "part of the sky: a HEALPix pixel of order 4", |o: &Row| {
            o.it.tract()
        })
        .principal(),
        Column::long(
            "patch",
            "",
            "",
            "part of the tract: one of its 256 pixels of order 8",
            |o: &Row| o.it.patch(),
        )
        .principal(),
    ];
    for band in BLOCKS {
        columns.extend(FAMILIES.map(|family| column(family, band)));
    }
    columns.extend(TAIL_BLOCKS.map(epoch));
    columns.extend(measured());
    columns.extend(deblended());
    columns.extend(TAIL_BLOCKS.map(|band| column(SERSIC, band)));
    columns.extend(sersic_errors());
    columns.extend(TAIL_BLOCKS.map(|band| column(SERSIC_ERROR, band)));
    columns.extend(last());
    columns
});

/// The mean time of the images of a band.
fn epoch(band: usize) -> Column<Row> {
    let letter = BANDS[band];
    let salt = 90 + u64::try_from(band).unwrap_or(0);
    Column::double_or_null(
        format!("{letter}_epoch"),
        "d",
        "",
        format!("mean time of the images in {letter} (MJD, TAI)"),
        move |o: &Row| {
            (!o.it.is_lost(band))
                .then(|| object::EPOCH_MJD + 1_826.0 + 90.0 * noise(o.it.key, salt))
        },
    )
}

#[expect(clippy::too_many_lines, reason = "a list of columns")]
fn measured() -> Vec<Column<Row>> {
    vec![
        Column::long(
            "parentObjectId",
            "",
            "",
            "id of the object that it was parted from; 0 if none",
            |_: &Row| 0,
        )
        .principal(),
        Column::double(
            "coord_ra",
            "deg",
            "pos.eq.ra;meta.main",
            "right ascension (ICRS)",
            |o: &Row| o.it.ra,
        )
        .principal()
        .indexed(),
        Column::double(
            "coord_dec",
            "deg",
            "pos.eq.dec;meta.main",
            "declination (ICRS)",
            |o: &Row| o.it.dec,
        )
        .principal()
        .indexed(),
        Column::float(
            "coord_raErr",
            "deg",
            "stat.error;pos.eq.ra;meta.main",
            "error of coord_ra",
            |o: &Row| Some(single(o.it.error_deg()[0])),
        ),
        Column::float(
            "coord_decErr",
            "deg",
            "stat.error;pos.eq.dec;meta.main",
            "error of coord_dec",
            |o: &Row| Some(single(o.it.error_deg()[1])),
        ),
        Column::float(
            "coord_ra_dec_Cov",
            "deg**2",
            "stat.covariance;pos.eq.ra;pos.eq.dec;meta.main",
            "covariance of coord_ra and coord_dec",
            |o: &Row| Some(single(o.covariance())),
        ),
        Column::text("refBand", "", "", "band in which shapes were measured", |o: &Row| {
            BANDS[o.it.reference_band()]
        })
        .principal(),
        Column::float(
            "refExtendedness",
            "",
            "",
            "1 if extended, 0 if a point source, in the reference band",
            |o: &Row| Some(f32::from(u8::from(o.it.extended))),
        )
        .principal(),
        float(
            "refSizeExtendedness",
            "",
            [0.5, 0.14],
            "extendedness by its size, in the reference band",
        )
        .principal(),
        Column::double("x", "pixel", "", "column of its place in the image", |o: &Row| o.pixels(0)),
        Column::double("y", "pixel", "", "row of its place in the image", |o: &Row| o.pixels(1)),
        float("xErr", "pixel", [1.8, 0.1], "error of x"),
        float("yErr", "pixel", [1.8, 0.1], "error of y"),
        flag("xy_flag", 5, "whether the place in the image could not be measured"),
        int("footprintArea", "pixel", [1, 40], "pixels of its footprint"),
        Column::float("ebv", "mag", "", "reddening by dust at the position", |o: &Row| {
            Some(single(o.it.ebv()))
        }),
    ]
}

fn deblended() -> Vec<Column<Row>> {
    vec![
        Column::float("shape_xx", "pixel**2", "", "second moment xx of the shape", |o: &Row| {
            o.shape(4.0, 70)
        })
        .principal(),
        Column::float("shape_yy", "pixel**2", "", "second moment yy of the shape", |o: &Row| {
            o.shape(4.0, 71)
        })
        .principal(),
        Column::float("shape_xy", "pixel**2", "", "second moment xy of the shape", |o: &Row| {
            o.shape(0.0, 72)
        })
        .principal(),
        Column::flag(
            "detect_isIsolated",
            "",
            "",
            "whether it was detected apart from others",
            |o: &Row| o.it.is_isolated(),
        )
        .principal(),
        Column::flag(
            "detect_fromBlend",
            "",
            "",
            "whether it was parted from a blend",
            |o: &Row| !o.it.is_isolated(),
        )
        .principal(),
        flag("detect_isDeblendedModelSource", 5, "whether its light is the model of the deblender"),
        int("deblend_nChild", "", [0, 3], "objects parted from it").principal(),
        int("deblend_nPeaks", "", [1, 40], "peaks of its blend"),
        flag("deblend_failed", 5, "whether deblending failed"),
        flag("deblend_skipped", 5, "whether deblending was left out"),
        flag("deblend_isolatedParent", 5, "whether it is the only one in its blend"),
        flag("deblend_parentTooBig", 5, "whether the blend was too large"),
        flag("deblend_tooManyPeaks", 5, "whether the blend has too many peaks"),
        flag("deblend_masked", 5, "whether the blend was masked"),
        flag("deblend_incompleteData", 5, "whether bands were missing in deblending"),
        int("deblend_iterations", "", [1, 40], "steps of the deblender"),
        int("deblend_peak_center_x", "pixel", [1, 40], "column of its peak"),
        int("deblend_peak_center_y", "pixel", [1, 40], "row of its peak"),
        float("deblend_logL", "", [0.0, 0.1], "logarithm of the likelihood of the deblender"),
        Column::flag("shape_flag", "", "", "whether the shape could not be measured", |o: &Row| {
            o.it.shape_failed()
        }),
        double("sersic_x", "pixel", [1.8, 0.1], "column of the Sersic model"),
        double("sersic_y", "pixel", [1.8, 0.1], "row of the Sersic model"),
        Column::double("sersic_ra", "deg", "", "right ascension of the Sersic model", |o: &Row| {
            o.it.ra
        }),
        Column::double("sersic_dec", "deg", "", "declination of the Sersic model", |o: &Row| {
            o.it.dec
        }),
        float("sersic_reff_x", "pixel", [1.8, 0.1], "effective radius in x of the Sersic model"),
        float("sersic_reff_y", "pixel", [1.8, 0.1], "effective radius in y of the Sersic model"),
        float("sersic_rho", "", [0.0, 0.1], "correlation of x and y of the Sersic model"),
    ]
}

fn sersic_errors() -> Vec<Column<Row>> {
    vec![
        float("sersic_index", "", [2.0, 0.5], "Sersic index"),
        float("sersic_xErr", "pixel", [1.8, 0.1], "error of the column of the Sersic model"),
        float("sersic_yErr", "pixel", [1.8, 0.1], "error of the row of the Sersic model"),
        float(
            "sersic_raErr",
            "deg",
            [1e-5, 1e-6],
            "error of the right ascension of the Sersic model",
        ),
        float("sersic_decErr", "deg", [1e-5, 1e-6], "error of the declination of the Sersic model"),
        float(
            "sersic_reff_xErr",
            "pixel",
            [1.8, 0.1],
            "error of the effective radius in x of the Sersic model",
        ),
        float(
            "sersic_reff_yErr",
            "pixel",
            [1.8, 0.1],
            "error of the effective radius in y of the Sersic model",
        ),
        float(
            "sersic_rhoErr",
            "",
            [0.0, 0.1],
            "error of the correlation of x and y of the Sersic model",
        ),
    ]
}

fn last() -> Vec<Column<Row>> {
    vec![
        float("sersic_indexErr", "", [0.0, 0.1], "error of the Sersic index"),
        int("sersic_n_eval_jac", "", [1, 40], "number of derivatives of the Sersic model"),
        int("sersic_n_iter", "", [1, 40], "number of steps of the Sersic model"),
        float("sersic_chisq_reduced", "", [1.0, 0.1], "reduced chi squared of the Sersic model"),
        flag(
            "sersic_unknown_flag",
            5,
            "whether the Sersic model could not be fitted: the reason is unknown",
        ),
        flag(
            "sersic_no_data_flag",
            5,
            "whether the Sersic model could not be fitted: there are no data",
        ),
        Column::long("objectId", "", "meta.id;src", "unique id", |o: &Row| o.it.id)
            .principal()
            .indexed(),
    ]
}
