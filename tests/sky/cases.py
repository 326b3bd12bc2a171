"""Writes cases of membership on the sphere with their verdict, from formulas that share no line with Armilla.

Usage: cases.py NUMBER SEED
One case per line: KIND, its numbers in degrees, the point, 1 inside or 0 outside. Circles are judged by
astropy's separation, polygons and boxes by planar winding in the gnomonic projection about a centre that sees
every vertex (great circles are straight lines there). A case closer to its boundary than 1e-9 degrees is left
out, except those that lie exactly on it by construction (centres, radius 0 and 180).
"""

import sys

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord, angular_separation
from astropy_healpix import HEALPix

TOO_CLOSE = 1e-9


def random_places(generator, number):
    """Places over the whole sky, a third of them near the poles, near RA 0, or on corners and edges of pixels."""
    lon = generator.uniform(0, 360, number)
    lat = np.degrees(np.arcsin(generator.uniform(-1, 1, number)))
    kind = generator.integers(0, 12, number)
    near = generator.uniform(0, 2, number) ** 3
    lat = np.where(kind == 0, 90 - near, np.where(kind == 1, near - 90, lat))
    lat = np.where(kind == 2, 90.0, np.where(kind == 3, -90.0, lat))
    lon = np.where(kind == 4, near / 100, np.where(kind == 5, 360 - near / 100, lon))
    lon = np.where(kind == 6, 0.0, lon)
    for at in np.flatnonzero(kind == 7):
        order = int(generator.integers(0, 12))
        healpix = HEALPix(2**order, order="nested")
        pixel = int(generator.integers(0, healpix.npix))
        corner_lon, corner_lat = healpix.boundaries_lonlat(pixel, step=2)
        which = int(generator.integers(0, 8))
        lon[at] = corner_lon[0, which].to_value(u.deg)
        lat[at] = corner_lat[0, which].to_value(u.deg)
    return lon % 360, lat


def vector(lon, lat):
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)


def moved(lon, lat, angle, distance):
    """The place at a distance in a direction, by astropy."""
    start = SkyCoord(lon * u.deg, lat * u.deg)
    place = start.directional_offset_by(angle * u.deg, distance * u.deg)
    return place.ra.deg, place.dec.deg


def projected(lon, lat, center_lon, center_lat):
    """Gnomonic plane about a centre; the last number is positive on the centre's side."""
    dlon, lat, at = np.radians(lon - center_lon), np.radians(lat), np.radians(center_lat)
    ahead = np.sin(at) * np.sin(lat) + np.cos(at) * np.cos(lat) * np.cos(dlon)
    x = np.cos(lat) * np.sin(dlon)
    y = np.cos(at) * np.sin(lat) - np.sin(at) * np.cos(lat) * np.cos(dlon)
    return x / ahead, y / ahead, ahead


def circles(generator, number):
    lon, lat = random_places(generator, number)
    radius = np.concatenate([
        10 ** generator.uniform(-6, 0, number // 2), generator.uniform(0, 180, number - number // 2)])
    at_lon, at_lat = random_places(generator, number)
    # Two thirds of the points lie about as far as the radius reaches.
    near = generator.integers(0, 3, number) > 0
    factor = 1 + generator.choice([-1, 1], number) * 10 ** generator.uniform(-9, -0.5, number)
    near_lon, near_lat = moved(lon, lat, generator.uniform(0, 360, number), np.minimum(radius * factor, 180))
    at_lon, at_lat = np.where(near, near_lon, at_lon), np.where(near, near_lat, at_lat)
    separation = SkyCoord(lon * u.deg, lat * u.deg).separation(SkyCoord(at_lon * u.deg, at_lat * u.deg)).deg
    for i in np.flatnonzero(np.abs(separation - radius) > TOO_CLOSE):
        yield "circle", [lon[i], lat[i], radius[i]], at_lon[i], at_lat[i], separation[i] <= radius[i]
    for i in range(number // 20):  # exactly on the boundary by construction
        yield "circle", [lon[i], lat[i], 0.0], lon[i], lat[i], True
        yield "circle", [lon[i], lat[i], 180.0], at_lon[i], at_lat[i], True
        yield "circle", [lon[i], lat[i], 180.0], (lon[i] + 180) % 360, -lat[i], True
        yield "circle", [lon[i], lat[i], 0.0], (lon[i] + 1) % 360, lat[i] * 0.9, bool(
            angular_separation(*np.radians([lon[i], lat[i], lon[i] + 1, lat[i] * 0.9])) == 0)
    for at in (90.0, -90.0):  # a pole is one place whatever its longitude
        yield "circle", [12.0, at, 0.0], 250.0, at, True
    yield "circle", [0.0, 10.0, 0.0], 360.0, 10.0, True


def winding(x, y, px, py):
    """How often a closed line runs round a point, and how near it comes."""
    number, near = 0, np.inf
    for i in range(len(x)):
        ax, ay, bx, by = x[i - 1] - px, y[i - 1] - py, x[i] - px, y[i] - py
        cross = ax * by - ay * bx
        length = np.hypot(bx - ax, by - ay)
        along = np.clip(-(ax * (bx - ax) + ay * (by - ay)) / length**2, 0, 1)
        near = min(near, np.hypot(ax + along * (bx - ax), ay + along * (by - ay)))
        if ay <= 0 < by and cross > 0:
            number += 1
        elif by <= 0 < ay and cross < 0:
            number -= 1
    return number, near


def polygons(generator, number):
    """Stars of 3 to 12 corners about a centre, convex or not, either way round, of 1e-4 to 70 degrees."""
    for center_lon, center_lat in zip(*random_places(generator, number)):
        corners = int(generator.integers(3, 13))
        size = 10 ** generator.uniform(-4, np.log10(70))
        turns = np.sort((np.arange(corners) + generator.uniform(0.1, 0.9, corners)) * 360 / corners)
        reach = size * generator.uniform(0.2, 1, corners)
        lon, lat = moved(np.full(corners, center_lon), np.full(corners, center_lat), turns, reach)
        if generator.integers(0, 2):
            lon, lat = lon[::-1], lat[::-1]
        place = generator.uniform(0, 1.3) * size
        p_lon, p_lat = (float(v[0]) for v in moved(
            np.array([center_lon]), np.array([center_lat]), generator.uniform(0, 360, 1), np.array([place])))
        if generator.integers(0, 8) == 0:
            p_lon, p_lat = (float(v[0]) for v in random_places(generator, 1))
        x, y, ahead = projected(lon, lat, center_lon, center_lat)
        px, py, p_ahead = projected(p_lon, p_lat, center_lon, center_lat)
        if np.any(ahead < 0.05) or abs(p_ahead) < 1e-6:
            continue
        turned, near = winding(x, y, px, py)
        if p_ahead > 0 and near < max(TOO_CLOSE, 1e-9 * abs(px) + 1e-9 * abs(py)):
            continue
        sides = np.stack([lon, lat], -1).ravel().tolist()
        yield "polygon", sides, p_lon, p_lat, p_ahead > 0 and turned != 0


def boxes(generator, number):
    for center_lon, center_lat in zip(*random_places(generator, number)):
        width, height = 10 ** generator.uniform(-4, np.log10(170), 2)
        half = np.tan(np.radians([width / 2, height / 2]))
        if generator.integers(0, 4):  # a place near the box, in its plane
            x, y = half * generator.uniform(-1.4, 1.4, 2)
            away = np.degrees(np.arctan(np.hypot(x, y)))
            p_lon, p_lat = (float(v[0]) for v in moved(
                np.array([center_lon]), np.array([center_lat]),
                np.degrees(np.arctan2([x], [y])), np.array([away])))
        else:
            p_lon, p_lat = (float(v[0]) for v in random_places(generator, 1))
        px, py, ahead = projected(p_lon, p_lat, center_lon, center_lat)
        near = min(abs(abs(px) / half[0] - 1), abs(abs(py) / half[1] - 1))
        if near < 1e-7 or abs(ahead) < 1e-6 or min(np.hypot(px, py), 1) == 0:
            continue
        inside = bool(ahead > 0 and abs(px) <= half[0] and abs(py) <= half[1])
        yield "box", [center_lon, center_lat, width, height], p_lon, p_lat, inside
    for center_lon, center_lat in zip(*random_places(generator, number // 20)):
        yield "box", [center_lon, center_lat, 5.0, 3.0], center_lon, center_lat, True


def main():
    number, seed = int(sys.argv[1]), int(sys.argv[2])
    generator = np.random.default_rng(seed)
    share = number // 3 + number // 10
    lines = []
    for cases in (circles, polygons, boxes):
        for kind, numbers, lon, lat, inside in cases(generator, share):
            values = " ".join(repr(float(value)) for value in [*numbers, lon, lat])
            lines.append(f"{kind} {values} {int(inside)}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
