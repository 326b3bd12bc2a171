//! Geometry of the sky (skeleton).
