//! Vectors of three floats; places on the sphere are those of length one.

pub(super) type Vector = [f64; 3];

pub(super) fn dot(a: Vector, b: Vector) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(super) fn cross(a: Vector, b: Vector) -> Vector {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(super) fn add(a: Vector, b: Vector) -> Vector {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(super) fn subtract(a: Vector, b: Vector) -> Vector {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(super) fn scale(a: Vector, by: f64) -> Vector {
    [a[0] * by, a[1] * by, a[2] * by]
}

pub(super) fn negate(a: Vector) -> Vector {
    scale(a, -1.0)
}

pub(super) fn length(a: Vector) -> f64 {
    dot(a, a).sqrt()
}

/// The vector of length one in the direction of `a`, which is not zero.
pub(super) fn unit(a: Vector) -> Vector {
    scale(a, 1.0 / length(a))
}

/// The square of the straight distance between two places: exact to rounding for near places,
/// and growing with the angle between them.
pub(super) fn chord_squared(a: Vector, b: Vector) -> f64 {
    let d = subtract(a, b);
    dot(d, d)
}

/// The angle between two places in radians, as good at 0 as at π.
pub(super) fn angle(a: Vector, b: Vector) -> f64 {
    2.0 * length(subtract(a, b)).atan2(length(add(a, b)))
}

/// Twice `a × b`, without the cancellation that a plain product of near or opposite vectors has.
pub(super) fn stable_cross(a: Vector, b: Vector) -> Vector {
    cross(subtract(a, b), add(a, b))
}

/// A vector of length one at right angles to `a`.
pub(super) fn any_perpendicular(a: Vector) -> Vector {
    let axis = if a[0].abs() < 0.6 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
    unit(cross(a, axis))
}

/// The vector of a longitude and latitude in radians.
pub(super) fn from_radians(lon: f64, lat: f64) -> Vector {
    let (sin_lon, cos_lon) = lon.sin_cos();
    let (sin_lat, cos_lat) = lat.sin_cos();
    [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat]
}
