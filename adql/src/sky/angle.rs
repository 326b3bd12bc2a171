//! An angle that keeps the degrees it was given in, so that what a user wrote compares and prints
//! as written.

use std::fmt;

/// An angle. Distances are 0 to 180 degrees.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Angle {
    degrees: f64,
}

impl Angle {
    /// No angle at all.
    pub const ZERO: Self = Self { degrees: 0.0 };

    /// Takes degrees.
    pub const fn from_degrees(degrees: f64) -> Self {
        Self { degrees }
    }

    /// Takes radians.
    pub const fn from_radians(radians: f64) -> Self {
        Self { degrees: radians.to_degrees() }
    }

    /// Gives degrees.
    pub const fn degrees(self) -> f64 {
        self.degrees
    }

    /// Gives radians.
    pub const fn radians(self) -> f64 {
        self.degrees.to_radians()
    }
}

impl fmt::Display for Angle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}°", self.degrees)
    }
}
