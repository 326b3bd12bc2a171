"""Writes stars that move fast, places where some of them once were, and what queries on both must answer.

Usage: moving.py OUTPUT_FOLDER SEED
OUTPUT_FOLDER/stars.parquet and targets.parquet hold the rows, expected.json the places of all stars at EPOCH by mpmath
with 40 digits from the definition ("places"), those of some by astropy ("astropy"), and queries with their rows.
Stars lie at poles, on RA 0 and all over the sky; those of a few spots move by 10 arcseconds a year, as Barnard's star
does, others by a tenth of that or not at all; parallaxes and velocities are NULL, zero and negative too.
"""

import json
import os
import sys

import mpmath as mp
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astropy_healpix import HEALPix

EPOCH = 1916.0
STARS = 2400
# Spots of fast stars: poles, the seam, a corner of base pixels.
SPOTS = [(0.0, 90.0), (0.0, -90.0), (0.0, 0.0), (45.0, 41.810314895778596), (180.0, 30.0)]
CALL = (
    "ivo_epoch_prop_pos({0}.ra, {0}.dec, {0}.parallax, {0}.pmra, {0}.pmdec, {0}.radial_velocity, {0}.ref_epoch, {1})"
)


def vectors(ra, dec):
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def distances(a, b):
    """Degrees between each of the one and each of the other."""
    chord = np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(axis=-1))
    return np.degrees(2 * np.arcsin(np.minimum(chord / 2, 1)))


def propagated(star, epoch):
    """From the definition: Hipparcos volume 1, section 1.5.5."""
    number = lambda name: mp.mpf(0 if star[name] is None else star[name])
    mas = mp.pi / (180 * 3600000)
    ra, dec = mp.radians(mp.mpf(star["ra"])), mp.radians(mp.mpf(star["dec"]))
    years = mp.mpf(epoch) - mp.mpf(star["ref_epoch"])
    au_per_year = mp.mpf("149597870.7") / (mp.mpf("365.25") * 86400)
    grows = 1 + number("radial_velocity") * number("parallax") / au_per_year * mas * years
    east, north = number("pmra") * mas * years, number("pmdec") * mas * years
    p = [-mp.sin(ra), mp.cos(ra), 0]
    q = [-mp.sin(dec) * mp.cos(ra), -mp.sin(dec) * mp.sin(ra), mp.cos(dec)]
    r = [mp.cos(dec) * mp.cos(ra), mp.cos(dec) * mp.sin(ra), mp.sin(dec)]
    x, y, z = (grows * r[i] + east * p[i] + north * q[i] for i in range(3))
    lon = mp.degrees(mp.atan2(y, x))
    return float(lon + 360 if lon < 0 else lon), float(mp.degrees(mp.atan2(z, mp.hypot(x, y))))


def make_stars(generator):
    stars = []
    for i in range(STARS):
        if i % 3 == 0:
            lon, lat = SPOTS[(i // 3) % len(SPOTS)]
            near = 0.3 * generator.random() ** 0.5
            angle = 2 * np.pi * generator.random()
            # In the plane that touches the sphere at the spot.
            place = vectors(lon, lat)
            east = np.array([-np.sin(np.radians(lon)), np.cos(np.radians(lon)), 0.0])
            north = np.cross(place, east)
            place = place + np.radians(near) * (np.cos(angle) * east + np.sin(angle) * north)
            ra = np.degrees(np.arctan2(place[1], place[0])) % 360
            dec = np.degrees(np.arctan2(place[2], np.hypot(place[0], place[1])))
            speed = 10000.0 if i % 9 == 0 else 0.5
        else:
            ra, dec = 360 * generator.random(), np.degrees(np.arcsin(2 * generator.random() - 1))
            speed = 50.0
        towards = 2 * np.pi * generator.random()
        maybe = lambda value, part: None if generator.random() < part else float(value)
        stars.append({
            "id": i,
            "ra": float(ra),
            "dec": float(dec),
            "parallax": maybe(generator.choice([547.0, 10.0, 0.1, 0.0, -1.5]), 0.1),
            "pmra": maybe(speed * np.cos(towards), 0.02),
            "pmdec": maybe(speed * np.sin(towards), 0.02),
            "radial_velocity": maybe(generator.normal(0, 100), 0.3),
            "ref_epoch": float(generator.choice([2015.5, 2016.0])),
        })
    # On the poles themselves, where the longitude says which way is east.
    stars[0].update(ra=77.0, dec=90.0)
    stars[3].update(ra=200.0, dec=-90.0)
    stars[6].update(ra=0.0, dec=0.0)
    # Without a place, and without an epoch.
    stars[1].update(ra=None)
    stars[2].update(dec=None)
    stars[4].update(ref_epoch=None)
    return stars


def make_targets(generator, stars, then):
    """Near where every other star with a place was at EPOCH, and a few elsewhere."""
    targets = []
    for star in stars[::2]:
        if star["id"] not in then:
            continue
        ra, dec = then[star["id"]]
        step = 0.8 / 3600 * generator.random()
        dec_near = min(max(dec + step * (1 if dec < 0 else -1), -90), 90)
        targets.append({"id": 100000 + star["id"], "ra": ra, "dec": float(dec_near)})
    return targets


def table(rows, names):
    types = {name: pa.int64() if name == "id" else pa.float64() for name in names}
    return pa.table({name: pa.array([row[name] for row in rows], types[name]) for name in names})


def astropy_places(stars):
    """Straight motion as astropy's representations have it: for stars with a distance, without light-time."""
    some = [s for s in stars if None not in s.values() and s["parallax"] > 0 and abs(s["dec"]) < 89.99]
    column = lambda name: np.array([s[name] for s in some])
    sky = SkyCoord(
        ra=column("ra") * u.deg, dec=column("dec") * u.deg, distance=(1000 / column("parallax")) * u.pc,
        pm_ra_cosdec=column("pmra") * u.mas / u.yr, pm_dec=column("pmdec") * u.mas / u.yr,
        radial_velocity=column("radial_velocity") * u.km / u.s,
    )
    years = (EPOCH - column("ref_epoch")) * u.yr
    moved = SkyCoord(sky.cartesian.without_differentials() + sky.velocity * years)
    return [[int(s["id"]), m.ra.deg, m.dec.deg] for s, m in zip(some, moved)]


def apply_space_motion():
    """What apply_space_motion gives for stars that move slowly across and not along the line of sight: then neither
    light-time nor relativity, which the function has not, reaches 1e-9 degrees."""
    cases = []
    for ra, dec, parallax, pmra, pmdec in [
        (0.001, 89.9, 100.0, 300.0, -200.0), (359.9999, 0.0, 500.0, -900.0, 100.0), (120.0, -75.0, 50.0, 10.0, 150.0),
        (45.0, 41.8, 20.0, -60.0, -10.0), (200.0, -0.0001, 10.0, 3.0, 30.0),
    ]:
        star = SkyCoord(
            ra=ra * u.deg, dec=dec * u.deg, distance=(1000 / parallax) * u.pc, pm_ra_cosdec=pmra * u.mas / u.yr,
            pm_dec=pmdec * u.mas / u.yr, radial_velocity=0 * u.km / u.s, obstime=Time(2016.0, format="jyear", scale="tdb"),
        )
        moved = star.apply_space_motion(new_obstime=Time(EPOCH, format="jyear", scale="tdb"))
        cases.append([[ra, dec, parallax, pmra, pmdec], [moved.ra.deg, moved.dec.deg]])
    return cases


def is_in(place, lon, lat, radius):
    return distances(vectors(*np.array([place]).T), vectors(*np.array([(lon, lat)]).T))[0, 0] <= radius


def make_queries(stars, targets, then):
    placed = {s["id"]: (s["ra"], s["dec"]) for s in stars if s["ra"] is not None and s["dec"] is not None}
    ids = sorted(then)
    away = distances(
        vectors(*np.array([then[i] for i in ids]).T), vectors(*np.array([(t["ra"], t["dec"]) for t in targets]).T)
    )
    call = CALL.format("s", EPOCH)
    place = "POINT(t.ra, t.dec)"
    queries = []

    def ask(name, adql, rows, few=False):
        queries.append({"name": name, "adql": adql, "rows": sorted(" | ".join(map(str, r)) for r in rows), "few": few})

    def pairs(radius, keep=lambda star, target: True):
        assert np.abs(away - radius).min() > 1e-11, "a pair is on the limit"
        found = zip(*np.nonzero(away <= radius))
        return [(ids[i], targets[j]["id"]) for i, j in found if keep(ids[i], targets[j])]

    select = "SELECT s.id, t.id AS tid FROM stars AS s JOIN targets AS t ON "
    arcsec = 0.5 / 3600
    near = f"DISTANCE({place}, {call}) < {arcsec!r}"
    for radius in [arcsec, 1 / 3600, 0.02]:
        ask(f"join {radius}", f"{select}DISTANCE({place}, {call}) < {radius!r}", pairs(radius))
    ask("join contains", f"{select}1 = CONTAINS({place}, CIRCLE({call}, {arcsec!r}))", pairs(arcsec))
    ask("join mirror", f"{select}CONTAINS({call}, CIRCLE({place}, {arcsec!r})) = 1", pairs(arcsec))
    numbers = f"DISTANCE(t.ra, t.dec, COORD1({call}), COORD2({call})) < {arcsec!r}"
    ask("join numbers", select + numbers, pairs(arcsec))
    for lon, lat in SPOTS + [(300.0, -50.0)]:
        radius = 0.2 if (lon, lat) in SPOTS else 20.0
        circle = f"CIRCLE({lon!r}, {lat!r}, {radius!r})"
        of_target = lambda star, t: is_in((t["ra"], t["dec"]), lon, lat, radius)
        of_star = lambda star, t: is_in(placed[star], lon, lat, radius)
        then_there = lambda star, t: is_in(then[star], lon, lat, radius)
        where = lambda point: f"{select}{near} WHERE 1 = CONTAINS({point}, {circle})"
        ask(f"join, targets in {circle}", where(place), pairs(arcsec, of_target), True)
        ask(f"join, stars in {circle}", where("POINT(s.ra, s.dec)"), pairs(arcsec, of_star), True)
        ask(f"join, stars then in {circle}", where(call), pairs(arcsec, then_there), True)
        inside = [i for i in ids if is_in(then[i], lon, lat, radius)]
        one = lambda condition: f"SELECT s.id FROM stars AS s WHERE {condition}"
        contains = f"1 = CONTAINS({call}, {circle})"
        ask(f"then in {circle}", one(contains), [(i,) for i in inside], True)
        distance = f"DISTANCE({call}, POINT({lon!r}, {lat!r})) <= {radius!r}"
        ask(f"then within {circle}", one(distance), [(i,) for i in inside], True)
        either = f"({contains} AND s.id < 1200) OR {distance} AND s.pmra > 0"
        moves_east = {s["id"] for s in stars if s["pmra"] is not None and s["pmra"] > 0}
        ask(f"either {circle}", one(either), [(i,) for i in inside if i < 1200 or i in moves_east], True)
        ask(f"not {circle}", one(f"NOT ({contains})"), [(i,) for i in ids if i not in inside])
    left = f"SELECT t.id, s.id AS sid FROM targets AS t LEFT JOIN stars AS s ON {near}"
    matched = pairs(arcsec)
    alone = [(t["id"], "") for t in targets if t["id"] not in {m[1] for m in matched}]
    ask("left join", left, [(b, a) for a, b in matched] + alone)
    anti = f"SELECT t.id FROM targets AS t WHERE NOT EXISTS (SELECT 1 FROM stars AS s WHERE {near})"
    ask("not exists", anti, [(t,) for t, _ in alone])
    renamed = (
        "SELECT s.id, t.id AS tid FROM (SELECT id, ra AS a, dec AS d, parallax AS p, pmra AS e, pmdec AS n, "
        "radial_velocity AS v, ref_epoch AS y FROM stars) AS s JOIN targets AS t ON "
        f"DISTANCE({place}, ivo_epoch_prop_pos(s.a, s.d, s.p, s.e, s.n, s.v, s.y, {EPOCH})) < {arcsec!r} "
        "WHERE 1 = CONTAINS(POINT(t.ra, t.dec), CIRCLE(0.0, 0.0, 0.2))"
    )
    seam = pairs(arcsec, lambda star, t: is_in((t["ra"], t["dec"]), 0.0, 0.0, 0.2))
    ask("renamed", renamed, seam, True)
    return queries


def main():
    folder, seed = sys.argv[1], int(sys.argv[2])
    mp.mp.dps = 40
    generator = np.random.default_rng(seed)
    stars = make_stars(generator)
    placed = [s for s in stars if None not in (s["ra"], s["dec"], s["ref_epoch"])]
    then = {s["id"]: propagated(s, EPOCH) for s in placed}
    targets = make_targets(generator, stars, then)
    names = ["id", "ra", "dec", "parallax", "pmra", "pmdec", "radial_velocity", "ref_epoch"]
    pq.write_table(table(stars, names), os.path.join(folder, "stars.parquet"))
    pq.write_table(table(targets, names[:3]), os.path.join(folder, "targets.parquet"))
    healpix = HEALPix(64, order="nested")
    pixel = lambda places: healpix.lonlat_to_healpix(*(np.array(places).T * u.deg))
    left = pixel([(s["ra"], s["dec"]) for s in placed]) != pixel([then[s["id"]] for s in placed])
    expected = {
        "places": [[i, *then[i]] for i in sorted(then)],
        "astropy": astropy_places(stars),
        "space_motion": apply_space_motion(),
        "left_their_pixel": int(left.sum()),
        "queries": make_queries(stars, targets, then),
    }
    with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file)


main()
