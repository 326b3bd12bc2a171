"""DuckDB on the tiles of a table: prints the seconds of each run after some that do not count.

duckdb_peer.py WARM_UP RUNS scan SQL
duckdb_peer.py WARM_UP RUNS cone TILES COLUMNS RA DEC RADIUS   (degrees; all columns; COLUMNS as ra,dec)
"""

import math
import sys
import time

import duckdb


def cone(tiles, position, ra, dec, radius):
    """The ranges of the spatial index are made here, outside of the time."""
    import astropy.units as u
    import numpy as np
    from astropy.coordinates import ICRS, SkyCoord
    from astropy_healpix import HEALPix

    order = max(0, min(12, int(math.log2(60 / radius)) + 1))
    grid = HEALPix(nside=2**order, order="nested", frame=ICRS())
    center = SkyCoord(ra * u.deg, dec * u.deg)
    # Pixels that the cone touches: those whose center is within the radius and a pixel more.
    reach = radius * u.deg + 1.1 * grid.pixel_resolution
    pixels = np.sort(grid.cone_search_skycoord(center, radius=reach))
    shift = 2 * (29 - order)
    breaks = np.flatnonzero(np.diff(pixels) != 1)
    first, last = np.r_[0, breaks + 1], np.r_[breaks, len(pixels) - 1]
    ranges = [(int(pixels[a]) << shift, (int(pixels[b]) + 1) << shift) for a, b in zip(first, last)]
    low, high = ranges[0][0], ranges[-1][1]
    parts = " OR ".join(f"(_healpix_29 >= {a} AND _healpix_29 < {b})" for a, b in ranges)
    lon, lat = position.split(",")
    near = math.sin(math.radians(radius) / 2) ** 2
    distance = (
        f"pow(sin(radians({lat} - ({dec})) / 2), 2) + cos(radians({lat})) * cos(radians({dec}))"
        f" * pow(sin(radians({lon} - ({ra})) / 2), 2) < {near!r}"
    )
    where = f"_healpix_29 >= {low} AND _healpix_29 < {high} AND ({parts}) AND {distance}"
    return f"SELECT * FROM '{tiles}' WHERE {where}"


warm_up, runs, kind, *rest = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET integer_division = true")
sql = rest[0] if kind == "scan" else cone(*rest[:2], *map(float, rest[2:]))
for run in range(int(warm_up) + int(runs)):
    start = time.perf_counter()
    connection.execute(sql).to_arrow_table()
    if run >= int(warm_up):
        print(time.perf_counter() - start)
