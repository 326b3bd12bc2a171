//! The tables of the demo: objects with what all surveys have in common, and a few detections each.

pub(super) mod object;
pub(super) mod source;
mod visit;
