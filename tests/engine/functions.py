"""Writes what astropy and astropy_healpix say of frames, pixels, times, angles and units.

Usage: functions.py OUTPUT_FILE
A JSON list of two: [call of ADQL, number in degrees or days] of calls, and [from, to, factor] of units.
"""

import json
import sys

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, BarycentricMeanEcliptic, FK4NoETerms, FK5, Galactic, ICRS, SkyCoord
from astropy.time import Time
from astropy_healpix import HEALPix

FRAMES = {
    "ICRS": ICRS(),
    "FK4": FK4NoETerms(equinox="B1950", obstime="B1950"),
    "FK5": FK5(equinox="J2000"),
    "GALACTIC": Galactic(),
    "ECLIPTIC": BarycentricMeanEcliptic(equinox="J2000"),
}
PLACES = [(0.0, 0.0), (359.99, -0.01), (12.3, 89.5), (200.0, -89.9), (266.4, -28.9), (83.6, 22.0), (123.456, 45.678)]
TIMES = ["2000-01-01T12:00:00", "1858-11-17T00:00:00", "1600-02-29T23:59:59.5", "2026-11-22T16:30:00.123456", "1969-12-31"]


def frames():
    for name, frame in FRAMES.items():
        for other, target in FRAMES.items():
            if name == other:
                continue
            for lon, lat in PLACES:
                there = SkyCoord(lon * u.deg, lat * u.deg, frame=frame).transform_to(target).spherical
                call = f"ivo_geom_transform('{name}', '{other}', POINT({lon}, {lat}))"
                # How far apart two places are says more than their longitudes at a pole.
                yield f"DISTANCE({call}, POINT({float(there.lon.deg)!r}, {float(there.lat.deg)!r}))", 0.0


def pixels():
    random = np.random.default_rng(20261122)
    for order in [0, 1, 5, 13, 29]:
        healpix = HEALPix(nside=2**order, order="nested", frame=ICRS())
        indices = [0, 12 * 4**order - 1, *map(int, random.integers(0, 12 * 4**order, 5))]
        for index in indices:
            place = healpix.healpix_to_skycoord(index)
            call = f"ivo_healpix_center({order}, {index})"
            yield f"DISTANCE({call}, POINT({float(place.ra.deg)!r}, {float(place.dec.deg)!r}))", 0.0


# What the VOUnits of astropy know, by what they measure.
UNITS = [
    "rad deg arcmin arcsec mas uarcsec",
    "sr deg**2 arcsec**2",
    "s min h d yr a ns",
    "m km pc kpc AU lyr Angstrom um solRad",
    "m/s km.s**-1 pc/yr",
    "kg g solMass u",
    "J erg eV keV Ry",
    "W solLum erg/s",
    "Jy nJy mJy W/(m**2.Hz) 10**-29W.m**-2.Hz**-1",
    "erg.s**-1.cm**-2.Angstrom**-1 W.m**-3",
    "mas/yr deg.d**-1 rad/s",
    "T G uT",
    "Hz MHz s**-1 d**-1",
    "Pa N/m**2",
    "V W/A",
    "Ohm V/A S**-1",
    "F C/V",
    "H Wb/A",
    "lm cd.sr",
    "lx lm/m**2",
    "bit byte Mbyte",
    "barn m**2",
    "K mK",
    "ph photon",
    "ct count",
    "pix pixel",
    "D C.m",
    "R ph.m**-2.s**-1.sr**-1",
    "m**(1/2) km**(0.5)",
]


def units():
    for line in UNITS:
        names = line.split()
        parsed = [u.Unit(name, format="vounit") for name in names]
        for name, unit in zip(names, parsed):
            for other, target in zip(names, parsed):
                yield name, other, float(unit.to(target))


def main(output):
    calls = [*frames(), *pixels()]
    for text in TIMES:
        time = Time(text, scale="tt")
        calls.append((f"ivo_to_mjd('{text}')", float(time.mjd)))
        calls.append((f"ivo_to_jd(CAST('{text}' AS TIMESTAMP))", float(time.jd)))
    for text in ["12:34:56.789", "0h0m0.001s", "23 59 59.9"]:
        calls.append((f"ivo_hms_to_degrees('{text}')", float(Angle(text, unit=u.hourangle).deg)))
    for text in ["-12:34:56.789", "+89d59m59.9s", "-0 0 1"]:
        calls.append((f"ivo_dms_to_degrees('{text}')", float(Angle(text, unit=u.deg).deg)))
    with open(output, "w", encoding="utf-8") as file:
        json.dump([calls, list(units())], file)


main(*sys.argv[1:])
