"""A small survey as CSV, and what DuckDB answers of it.

survey.py make FOLDER                object.csv, source.csv, visit.csv
survey.py ask FOLDER QUERIES OUT     answers of the queries (a file, one a line), as OUT/0.csv, ...
"""

import csv
import sys
from pathlib import Path

import duckdb
import numpy as np


def make(folder):
    rng = np.random.default_rng(20261122)
    n = 6000
    ra = rng.uniform(0, 360, n)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    # Some at the poles and on the seam.
    dec[:20], dec[20:40] = rng.uniform(89.9, 90, 20), rng.uniform(-90, -89.9, 20)
    ra[40:80] = (rng.uniform(-1e-3, 1e-3, 40)) % 360
    ids = np.arange(n) * 7 + 1000
    with open(folder / "object.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["objectId", "ra", "dec", "class"])
        for row in zip(ids, ra, dec, rng.integers(0, 5, n)):
            out.writerow([row[0], repr(float(row[1])), repr(float(row[2])), row[3]])
    visits = 40
    with open(folder / "visit.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["visit", "band", "mjd"])
        for visit in range(visits):
            out.writerow([visit, "ugrizy"[visit % 6], 60000 + visit * 0.5])
    with open(folder / "source.csv", "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["sourceId", "objectId", "ra", "dec", "visit", "flux"])
        number = 0

        def seen(parent, lon, lat):
            nonlocal number
            number += 1
            lat = float(np.clip(lat + rng.normal(0, 3) / 3600, -90, 90))
            lon = float((lon + rng.normal(0, 3) / 3600 / max(np.cos(np.radians(lat)), 1e-3)) % 360)
            # Two visits are not in their table.
            visit = int(rng.integers(0, visits + 2))
            out.writerow([number, parent, repr(lon), repr(lat), visit, repr(float(rng.normal(10, 3)))])

        for at in rng.permutation(n):
            for _ in range(0 if at % 8 == 0 else rng.integers(1, 8)):
                seen(ids[at], ra[at], dec[at])
        # Without a parent: one that is not there, several far apart with the same, and none.
        for orphan in range(60):
            lon, lat = rng.uniform(0, 360), np.degrees(np.arcsin(rng.uniform(-1, 1)))
            seen(["", 3, 5 + orphan][orphan % 3], lon, lat)


def ask(folder, queries, out):
    connection = duckdb.connect()
    for table in ("object", "source", "visit"):
        connection.execute(f"CREATE TABLE {table} AS FROM read_csv('{folder / table}.csv')")
    for number, query in enumerate(Path(queries).read_text().splitlines()):
        path = Path(out) / f"{number}.csv"
        connection.execute(f"COPY ({query}) TO '{path}' (HEADER, DELIMITER ',')")


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    make(Path(folder)) if command == "make" else ask(Path(folder), *rest)
