//! Why there is no such region.

use super::position::Position;

/// Why numbers or bytes do not make a region.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegionError {
    /// The radius of a circle is NaN or out of range.
    #[error("radius {0} of a circle is not within 0 to 180 degrees")]
    Radius(f64),
    /// A side of a box is NaN or out of range.
    #[error("{side} {value} of a box is not within 0 to 180 degrees, 180 excluded")]
    BoxSide {
        /// `width` or `height`.
        side: &'static str,
        /// What was given.
        value: f64,
    },
    /// A range of longitudes or latitudes that holds nothing.
    #[error("{axis} from {from} to {to} holds no place")]
    EmptyRange {
        /// `longitude` or `latitude`.
        axis: &'static str,
        /// Its lower bound.
        from: f64,
        /// Its upper bound.
        to: f64,
    },
    /// Fewer than three different vertices.
    #[error("a polygon of {0} different vertices has no area, give at least 3")]
    TooFewVertices(usize),
    /// More vertices than [`super::Polygon::MAX_VERTICES`].
    #[error("a polygon of {actual} vertices is more than the limit of {limit} vertices")]
    TooManyVertices {
        /// How many there are.
        actual: usize,
        /// The limit.
        limit: usize,
    },
    /// Two neighboring vertices are opposite, so that no shortest edge joins them.
    #[error("the vertices {first} and {second} of a polygon are opposite, give one between them")]
    AntipodalEdge {
        /// Where the edge starts.
        first: Box<Position>,
        /// Where it ends.
        second: Box<Position>,
    },
    /// Two edges cross, so that the polygon has no one inside.
    #[error(
        "the edges of a polygon from {first} and from {second} cross, give its vertices in order"
    )]
    CrossingEdges {
        /// Where one of them starts.
        first: Box<Position>,
        /// Where the other starts.
        second: Box<Position>,
    },
    /// A text that is no region.
    #[error("cannot read '{at}' in the text of a region: {wanted}")]
    Text {
        /// Where it ends to be one.
        at: String,
        /// What was expected there.
        wanted: &'static str,
    },
    /// Two regions that are not compared.
    #[error("{0}")]
    NotCompared(&'static str),
    /// Bytes that [`super::Region::to_bytes`] and its like did not write.
    #[error("cannot read {what} from its bytes: {reason}")]
    Encoding {
        /// `region`, `cover` or `region test`.
        what: &'static str,
        /// What is wrong with them.
        reason: &'static str,
    },
}
