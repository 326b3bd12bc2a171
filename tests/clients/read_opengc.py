"""What a CSV of OpenNGC itself says: rows with and without a position, and the names around M31.

Python's own csv and math only: `read_opengc.py FILE` prints the two counts and then the names within
one degree of (10.6847, 41.269), the nearest first.
"""

import csv
import gzip
import math
import sys

M31 = (10.6847, 41.269)


def angle(text):
    sign = -1.0 if text.startswith("-") else 1.0
    first, minutes, seconds = (float(part) for part in text.lstrip("+-").split(":"))
    return sign * (first + minutes / 60 + seconds / 3600)


def distance(a, b):
    (ra1, dec1), (ra2, dec2) = ([math.radians(x) for x in place] for place in (a, b))
    h = (
        math.sin((dec2 - dec1) / 2) ** 2
        + math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
    )
    return math.degrees(2 * math.asin(math.sqrt(h)))


with gzip.open(sys.argv[1], "rt", encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file, delimiter=";"))
placed = [
    (row["Name"], (15 * angle(row["RA"]), angle(row["Dec"]))) for row in rows if row["RA"] and row["Dec"]
]
near = sorted((distance(place, M31), name) for name, place in placed)
print(len(placed))
print(len(rows) - len(placed))
for far, name in near:
    if far < 1:
        print(name)
