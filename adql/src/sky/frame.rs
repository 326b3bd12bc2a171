//! Reference frames by simple rotation (UDF catalogue 1.2 §2.3): no aberration, no motion.

use super::position::Position;

/// A reference frame, by its name in the IVOA vocabulary `refframe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Frame {
    /// The axes of the International Celestial Reference System.
    Icrs,
    /// FK4 of equinox and epoch B1950, without the terms of aberration.
    Fk4,
    /// FK5 of equinox J2000.
    Fk5,
    /// Galactic coordinates (IAU 1958).
    Galactic,
    /// The mean ecliptic of J2000.
    Ecliptic,
}

type Matrix = [[f64; 3]; 3];

/// From each frame to ICRS; numbers of astropy 7 (`FK4NoETerms`, `FK5`, `Galactic`,
/// `BarycentricMeanEcliptic`), which takes them from Murray (1989), Hipparcos and ERFA.
const FK4: Matrix = [
    [0.999_925_680_951_450_3, -0.011_181_372_203_849_847, -0.004_858_959_705_285_337],
    [0.011_181_371_753_884_808, 0.999_937_486_137_345_4, -2.725_853_209_427_312e-5],
    [0.004_858_960_740_738_831, -2.707_332_853_596_652e-5, 0.999_988_194_814_096_3],
];
const FK5: Matrix = [
    [0.999_999_999_999_992_9, 1.110_223_373_847_502_4e-7, 4.411_803_429_929_631e-8],
    [-1.110_223_329_055_109_6e-7, 0.999_999_999_999_989_2, -9.647_792_745_026_092e-8],
    [-4.411_804_498_096_776e-8, 9.647_792_246_010_134e-8, 0.999_999_999_999_994_4],
];
const GALACTIC: Matrix = [
    [-0.054_875_657_712_592_19, 0.494_109_437_192_726_65, -0.867_666_137_559_658_6],
    [-0.873_437_051_955_616_3, -0.444_829_721_223_295_7, -0.198_076_337_273_000_6],
    [-0.483_835_073_616_715_7, 0.746_982_183_986_667_7, 0.455_983_813_687_302_1],
];
const ECLIPTIC: Matrix = [
    [0.999_999_999_999_994_3, 3.289_700_416_258_306e-8, -1.020_704_472_070_512_2e-7],
    [-7.078_369_026_537_747e-8, 0.917_482_129_914_958_5, -0.397_776_999_444_043_16],
    [8.056_213_977_613_189e-8, 0.397_776_999_444_047_93, 0.917_482_129_914_955_6],
];
const ICRS: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

impl Frame {
    /// All, with their names.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("ICRS", Self::Icrs),
        ("FK4", Self::Fk4),
        ("FK5", Self::Fk5),
        ("GALACTIC", Self::Galactic),
        ("ECLIPTIC", Self::Ecliptic),
    ];

    /// The frame of exactly this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, frame)| *frame)
    }

    fn to_icrs(self) -> &'static Matrix {
        match self {
            Self::Icrs => &ICRS,
            Self::Fk4 => &FK4,
            Self::Fk5 => &FK5,
            Self::Galactic => &GALACTIC,
            Self::Ecliptic => &ECLIPTIC,
        }
    }

    /// The same direction in another frame.
    pub fn transformed(self, place: &Position, to: Self) -> Position {
        if self == to {
            return *place;
        }
        let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
        let icrs = self.to_icrs().map(|row| dot(row, place.vector()));
        // The inverse of a rotation is its transpose.
        let back = to.to_icrs();
        let column = |at: usize| [back[0][at], back[1][at], back[2][at]];
        Position::from_vector([0, 1, 2].map(|at| dot(column(at), icrs)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, Position};

    #[test]
    fn rotations_are_rotations_and_go_back() {
        for (name, from) in Frame::NAMES {
            for (_, to) in Frame::NAMES {
                for (lon, lat) in [(0.0, 0.0), (359.9, -89.9), (123.4, 45.6), (0.0, 90.0)] {
                    let place = Position::from_degrees(lon, lat).unwrap();
                    let there = from.transformed(&place, to);
                    let back = to.transformed(&there, from);
                    assert!(place.distance(&back).degrees() < 1e-13, "{name} at {lon}, {lat}");
                }
            }
        }
    }
}
