//! Regions as texts: STC-S (as TAP 1.0 §6 has it), the shapes of DALI 1.2 and MOCs.
//!
//! ```text
//! Circle ICRS 10 20 1.5          circle 10 20 1.5          3/5 7-9
//! Union ICRS (Box 10 20 2 2 Position 5 6)
//! ```
//! Places in other frames are rotated to ICRS.

use std::fmt::Write as _;

use super::circle::Circle;
use super::coverage::Coverage;
use super::error::RegionError;
use super::frame::Frame;
use super::polygon::Polygon;
use super::position::Position;
use super::range::Range;
use super::region::Region;

const SHAPES: &str = "write POSITION, CIRCLE, BOX, POLYGON, or UNION of such, with degrees";

/// Names of frames beside those of [`Frame::NAMES`].
const OTHER_FRAMES: [(&str, Frame); 3] =
    [("J2000", Frame::Fk5), ("B1950", Frame::Fk4), ("GALACTIC_II", Frame::Galactic)];

/// Positions from which one looks make no difference to directions.
const REFERENCES: [&str; 12] = [
    "GEOCENTER",
    "BARYCENTER",
    "HELIOCENTER",
    "TOPOCENTER",
    "LSR",
    "LSRK",
    "LSRD",
    "GALACTIC_CENTER",
    "LOCAL_GROUP_CENTER",
    "RELOCATABLE",
    "UNKNOWNREFPOS",
    "SPHERICAL2",
];

/// The words of a text, of which a parenthesis is one.
struct Words<'a>(std::iter::Peekable<std::vec::IntoIter<&'a str>>);

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let mut words = Vec::new();
        for word in text.split([' ', '\t', '\n', '\r', ',']) {
            let mut rest = word;
            while let Some(at) = rest.find(['(', ')']) {
                words.extend([&rest[..at], &rest[at..=at]]);
                rest = &rest[at + 1..];
            }
            words.push(rest);
        }
        words.retain(|word| !word.is_empty());
        Self(words.into_iter().peekable())
    }

    fn error<T>(&mut self, wanted: &'static str) -> Result<T, RegionError> {
        let at = self.0.peek().map_or_else(|| "its end".to_owned(), |word| (*word).to_owned());
        Err(RegionError::Text { at, wanted })
    }

    fn is_next(&mut self, wanted: &str) -> bool {
        self.0.next_if(|word| word.eq_ignore_ascii_case(wanted)).is_some()
    }

    /// The frame that stands here, or the one of what is around; and passes what means nothing.
    fn frame(&mut self, around: Frame) -> Frame {
        let mut named = around;
        let known = || Frame::NAMES.into_iter().chain(OTHER_FRAMES);
        while let Some(word) = self.0.peek() {
            if let Some((_, frame)) = known().find(|(name, _)| word.eq_ignore_ascii_case(name)) {
                named = frame;
            } else if !REFERENCES.iter().any(|name| word.eq_ignore_ascii_case(name)) {
                break;
            }
            self.0.next();
        }
        named
    }

    fn numbers(&mut self) -> Vec<f64> {
        let number = |word: &&str| word.parse().ok().filter(|n: &f64| n.is_finite());
        let mut numbers = Vec::new();
        while let Some(value) = self.0.peek().and_then(number) {
            numbers.push(value);
            self.0.next();
        }
        numbers
    }

    fn region(&mut self, around: Frame) -> Result<Region, RegionError> {
        let Some(kind) = self.0.next_if(|word| word.starts_with(|c: char| c.is_alphabetic()))
        else {
            return self.error(SHAPES);
        };
        let kind = kind.to_ascii_uppercase();
        let frame = self.frame(around);
        if kind == "UNION" {
            return self.union(frame);
        }
        let numbers = self.numbers();
        let region = match (kind.as_str(), numbers.as_slice()) {
            ("POSITION" | "POINT", &[lon, lat]) => self.place(frame, lon, lat)?.into(),
            ("CIRCLE", &[lon, lat, radius]) => {
                Circle::new(self.place(frame, lon, lat)?, radius)?.into()
            }
            ("BOX", &[lon, lat, width, height]) => {
                let center = self.place(Frame::Icrs, lon, lat)?;
                let corners = Polygon::from_box(center, width, height)?;
                let corners = corners.vertices().iter().map(|v| frame.transformed(v, Frame::Icrs));
                Polygon::assemble(corners.collect())?.into()
            }
            ("POLYGON", corners) if corners.len() >= 6 && corners.len() % 2 == 0 => {
                let (pairs, _) = corners.as_chunks::<2>();
                let corners = pairs.iter().map(|[lon, lat]| self.place(frame, *lon, *lat));
                Polygon::new(corners.collect::<Result<_, _>>()?)?.into()
            }
            ("RANGE", &[west, east, south, north]) if frame == Frame::Icrs => {
                Range::new(west, east, south, north)?.into()
            }
            ("POSITION" | "POINT", _) => return self.error("a position has two numbers"),
            ("CIRCLE", _) => return self.error("a circle has three numbers"),
            ("BOX", _) => return self.error("a box has four numbers"),
            ("POLYGON", _) => return self.error("a polygon has three or more pairs of numbers"),
            ("RANGE", _) => return self.error("a range has four numbers, and is ICRS"),
            _ => return Err(RegionError::Text { at: kind, wanted: SHAPES }),
        };
        if self.is_next("unit") && !self.is_next("deg") {
            return self.error("numbers are degrees");
        }
        Ok(region)
    }

    fn union(&mut self, frame: Frame) -> Result<Region, RegionError> {
        if !self.is_next("(") {
            return self.error("regions in parentheses");
        }
        let mut parts = Vec::new();
        while !self.is_next(")") {
            match self.region(frame)? {
                Region::Union(more) => parts.extend(more),
                part => parts.push(part),
            }
        }
        match (parts.pop(), parts.is_empty()) {
            (None, _) => self.error("one region at least"),
            (Some(alone), true) => Ok(alone),
            (Some(last), false) => {
                parts.push(last);
                Ok(Region::Union(parts))
            }
        }
    }

    fn place(&self, frame: Frame, lon: f64, lat: f64) -> Result<Position, RegionError> {
        let place = Position::from_degrees(lon, lat);
        let place = place.ok_or_else(|| RegionError::Text {
            at: lat.to_string(),
            wanted: "latitudes are within -90 to 90 degrees",
        })?;
        Ok(if frame == Frame::Icrs { place } else { frame.transformed(&place, Frame::Icrs) })
    }
}

impl Region {
    /// Unions may stand in unions, each a call deeper.
    const TEXT_DEPTH_MAX: usize = 64;

    /// Reads a region.
    pub fn from_text(text: &str) -> Result<Self, RegionError> {
        let bare = text.trim();
        let is_moc = bare.trim_start_matches(['s', 'S']).starts_with(|c: char| c.is_ascii_digit());
        if is_moc {
            return Coverage::from_ascii(bare).map(|(moc, _)| Self::Moc(moc));
        }
        let open = bare.bytes().filter(|byte| *byte == b'(').count();
        let mut words = Words::of(bare);
        if open > Self::TEXT_DEPTH_MAX {
            return words.error("it has too many parentheses");
        }
        if words.is_next("moc") {
            return Coverage::from_ascii(&bare["moc".len()..]).map(|(moc, _)| Self::Moc(moc));
        }
        let region = words.region(Frame::Icrs)?;
        match words.0.peek() {
            None => Ok(region),
            Some(_) => words.error("nothing more; UNION joins regions"),
        }
    }

    /// A text that [`Self::from_text`] reads as the same region; but for circles that are open.
    pub fn to_text(&self) -> String {
        let places = |places: &[Position]| {
            places.iter().fold(String::new(), |mut text, place| {
                let _ = write!(text, " {:?} {:?}", place.lon_deg(), place.lat_deg());
                text
            })
        };
        match self {
            Self::Point(place) => format!("Position ICRS{}", places(&[*place])),
            Self::Circle(circle) => {
                let radius = circle.radius().degrees();
                format!("Circle ICRS{} {radius:?}", places(&[circle.center()]))
            }
            Self::Polygon(polygon) => format!("Polygon ICRS{}", places(polygon.vertices())),
            Self::Range(range) => {
                let ((west, east), (south, north)) = (range.longitudes(), range.latitudes());
                format!("Range ICRS {west:?} {east:?} {south:?} {north:?}")
            }
            Self::Moc(moc) => moc.ascii(moc.finest_order()),
            Self::Union(parts) => {
                let parts: Vec<String> = parts.iter().map(Self::to_text).collect();
                format!("Union ICRS ({})", parts.join(" "))
            }
        }
    }
}
