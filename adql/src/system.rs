//! Frames of coordinates and scales of times: what the values of a column are counted from.

/// What the values of a column are given in; a result names it beside the column.
#[derive(Debug, Clone, PartialEq)]
pub enum System {
    /// Coordinates, proper motions and the like.
    Space(CoordinateSystem),
    /// Times.
    Time(TimeSystem),
}

/// A frame of coordinates (COOSYS, VOTable 1.5 §3.1). Its words are those of IVOA vocabularies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinateSystem {
    /// Term of the vocabulary `refframe`, as `ICRS`.
    pub frame: String,
    /// For which equinox the axes are, as `J2000`, where the frame needs one.
    pub equinox: Option<String>,
    /// For when the positions hold, as `J2016.0`.
    pub epoch: Option<String>,
    /// From where, by the vocabulary `refposition`.
    pub refposition: Option<String>,
}

/// Terms of the IVOA vocabulary `refframe`.
pub const FRAMES: [&str; 12] = [
    ICRS,
    "FK5",
    "FK4",
    "EQUATORIAL",
    "ECLIPTIC",
    "GALACTIC",
    "GALACTIC_I",
    "GENERIC_GALACTIC",
    "SUPER_GALACTIC",
    "AZ_EL",
    "BODY",
    "UNKNOWN",
];

/// Terms of the vocabulary that are deprecated: what VOTable 1.4 §3.1 knew beside [`ICRS`].
pub const OLD_FRAMES: [&str; 9] = [
    "geo_app",
    "eq_FK4",
    "eq_FK5",
    "ecl_FK4",
    "ecl_FK5",
    "galactic",
    "supergalactic",
    "xy",
    "barycentric",
];

/// The frame by which tables are searched.
pub const ICRS: &str = "ICRS";

impl CoordinateSystem {
    /// A frame of which no more is said.
    pub fn new(frame: impl Into<String>) -> Self {
        Self { frame: frame.into(), equinox: None, epoch: None, refposition: None }
    }

    /// Whether only VOTable 1.5 can say it.
    pub fn needs_votable_1_5(&self) -> bool {
        let frame = self.frame.as_str();
        self.refposition.is_some() || frame != ICRS && !OLD_FRAMES.contains(&frame)
    }
}

/// A scale of times (TIMESYS, VOTable 1.4 §3.2). Its words are those of IVOA vocabularies.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeSystem {
    /// Term of the vocabulary `timescale`, as `TCB`.
    pub scale: String,
    /// Where the times hold, by the vocabulary `refposition`.
    pub refposition: String,
    /// The Julian date that is zero, for times that are numbers; 2400000.5 for MJD.
    pub origin: Option<f64>,
}
