//! The tables of the shared folder: their columns, and what is in them.

use super::dice::Dice;
use super::phrase::{Domain, Phrase, Value};
use super::source::{Position, Sky, Source};

const TYPES: &[&str] = &["G", "OCl", "PN", "**", "*", "GCl", "Neb", "HII", "Dup", "GPair", "none"];
const CONSTELLATIONS: &[&str] =
    &["And", "Vir", "UMa", "Cyg", "Ori", "Sgr", "Cet", "Dor", "Leo", "Hya", "Peg"];
const NAMES: &[&str] = &["NGC0224", "NGC5128", "IC0001", "NGC7000", "IC4000", "NGC2070", "IC2118"];
const COMMON: &[&str] = &["Andromeda Galaxy", "Crab Nebula", "Rosette Nebula", "Whirlpool Galaxy"];
const BANDS: &[&str] = &["g", "r", "i", "u", "y", "z"];

/// The identifiers of the small sky's objects.
const OBJECTS: Domain = Domain::Integer(700, 830);

/// A table as it lies in the folder.
#[derive(Debug)]
pub(crate) struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Domain, f64)],
    positions: &'static [(&'static str, &'static str)],
    key: &'static str,
    sky: Sky,
    pub(crate) rows: f64,
}

/// The name of the table that queries bring.
pub(crate) const UPLOAD: &str = "mine";

/// The table that queries bring, as CSV: places of their own among those of the small sky, some of
/// them at its edge, some rows without a value, and one without a place.
pub(crate) fn upload() -> String {
    let mut dice = Dice::new(7);
    let mut text = "line,id,ra,dec,weight,note\n".to_owned();
    for row in 0..UPLOADED {
        let id = dice.integer(700, 830);
        let [ra, dec] = [(281, 350), (-69, -26)].map(|(least, most)| {
            format!("{}.{:03}", dice.integer(least, most), dice.integer(0, 999))
        });
        let place = if row == 11 { ",".to_owned() } else { format!("{ra},{dec}") };
        let weight =
            if row % 7 == 3 { String::new() } else { format!("{}.5", dice.integer(0, 40)) };
        text += &format!("{},{id},{place},{weight},{}\n", row + 1, BANDS[row % BANDS.len()]);
    }
    text
}

const UPLOADED: usize = 60;

const RA: Domain = Domain::Float(280.0, 351.0);
const DEC: Domain = Domain::Float(-70.0, -25.0);

pub(crate) const TABLES: &[Table] = &[
    Table {
        name: "opengc",
        columns: &[
            ("name", Domain::Text(NAMES), 13_962.0),
            ("type", Domain::Text(TYPES), 5.0),
            ("ra", Domain::Float(0.0, 360.0), 0.0),
            ("dec", Domain::Float(-90.0, 90.0), 0.0),
            ("const", Domain::Text(CONSTELLATIONS), 60.0),
            ("maj_ax", Domain::Float(0.0, 6.0), 0.0),
            ("min_ax", Domain::Float(0.0, 3.0), 0.0),
            ("pos_ang", Domain::Float(0.0, 180.0), 0.0),
            ("b_mag", Domain::Float(8.0, 18.0), 0.0),
            ("v_mag", Domain::Float(6.0, 16.0), 0.0),
            ("redshift", Domain::Float(0.0, 0.04), 0.0),
            ("messier", Domain::Integer(1, 110), 0.0),
            ("common_names", Domain::Text(COMMON), 0.0),
        ],
        positions: &[("ra", "dec")],
        key: "name",
        sky: Sky::Whole,
        rows: 13_962.0,
    },
    Table {
        name: "small_sky",
        columns: &[
            ("id", OBJECTS, 131.0),
            ("ra", RA, 0.0),
            ("dec", DEC, 0.0),
            ("ra_error", Domain::Integer(0, 1), 0.0),
        ],
        positions: &[("ra", "dec")],
        key: "id",
        sky: Sky::Patch,
        rows: 131.0,
    },
    Table {
        name: "small_sky_order1_collection",
        columns: &[
            ("id", OBJECTS, 131.0),
            ("ra", RA, 0.0),
            ("dec", DEC, 0.0),
            ("dec_error", Domain::Integer(0, 1), 0.0),
        ],
        positions: &[("ra", "dec")],
        key: "id",
        sky: Sky::Patch,
        rows: 131.0,
    },
    Table {
        name: "small_sky_xmatch",
        columns: &[
            ("id", OBJECTS, 131.0),
            ("ra", RA, 0.0),
            ("dec", DEC, 0.0),
            ("calculated_dist", Domain::Float(0.0, 0.012), 0.0),
        ],
        positions: &[("ra", "dec")],
        key: "id",
        sky: Sky::Patch,
        rows: 111.0,
    },
    Table {
        name: "small_sky_order1_source_collection",
        columns: &[
            ("source_id", Domain::Integer(70_000, 87_160), 17_161.0),
            ("source_ra", RA, 0.0),
            ("source_dec", DEC, 0.0),
            ("mjd", Domain::Float(58_363.0, 59_563.0), 0.0),
            ("mag", Domain::Float(15.0, 21.0), 0.0),
            ("band", Domain::Text(BANDS), 6.0),
            ("object_id", OBJECTS, 131.0),
            ("object_ra", RA, 0.0),
            ("object_dec", DEC, 0.0),
        ],
        positions: &[("source_ra", "source_dec"), ("object_ra", "object_dec")],
        key: "source_id",
        sky: Sky::Patch,
        rows: 17_161.0,
    },
    Table {
        name: "TAP_UPLOAD.mine",
        columns: &[
            ("line", Domain::Integer(1, 60), 60.0),
            ("id", OBJECTS, 40.0),
            ("ra", RA, 0.0),
            ("dec", DEC, 0.0),
            ("weight", Domain::Float(0.0, 41.0), 0.0),
            ("note", Domain::Text(BANDS), 6.0),
        ],
        positions: &[("ra", "dec")],
        key: "line",
        sky: Sky::Patch,
        rows: 60.0,
    },
];

impl Table {
    /// The table under an alias, in FROM.
    pub(crate) fn under(&self, alias: &str) -> Source {
        let column = |name: &str| Phrase::same(format!("{alias}.{name}"));
        let value = |(name, domain, distinct): &(&str, Domain, f64)| Value {
            distinct: *distinct,
            ..Value::exact(column(name), *domain)
        };
        let position = |(lon, lat): &(&str, &str)| Position {
            lon: column(lon),
            lat: column(lat),
            sky: self.sky,
        };
        Source {
            from: Phrase::same(format!("{} AS {alias}", self.name)),
            columns: self.columns.iter().map(value).collect(),
            positions: self.positions.iter().map(position).collect(),
            key: vec![column(self.key)],
            rows: self.rows,
        }
    }
}
