"""Answers every query of the suite with DuckDB, from the Parquet files of the tables themselves.

Usage: oracle.py HATS_FOLDER QUERIES_FOLDER OUTPUT_FOLDER
A CSV file among the queries is a table that they bring.
Writes OUTPUT_FOLDER/<topic>-<number>.csv for each query: what `sql` says, or `full` (the rows that a TOP
without ORDER BY may choose from), or the text of `adql` itself. It shares no line with Armilla: geometry is
the haversine formula, half-spaces, and the gnomonic plane for boxes.
"""

import csv
import glob
import math
import sys
import tomllib
from pathlib import Path

import duckdb

TABLES = {
    "opengc": "opengc",
    "small_sky": "small_sky",
    "small_sky_xmatch": "small_sky_xmatch",
    "small_sky_order1_collection": "small_sky_order1_collection/small_sky_order1",
    "small_sky_order1_source_collection": "small_sky_order1_source_collection/small_sky_order1_source",
}

MACROS = """
CREATE MACRO half(x) AS sin(radians(x) / 2) * sin(radians(x) / 2);
CREATE MACRO dist(ra1, dec1, ra2, dec2) AS degrees(2 * atan2(
    sqrt(half(dec2 - dec1) + cos(radians(dec1)) * cos(radians(dec2)) * half(ra2 - ra1)),
    sqrt(greatest(0, 1 - half(dec2 - dec1) - cos(radians(dec1)) * cos(radians(dec2)) * half(ra2 - ra1)))));
CREATE MACRO vx(ra, dec) AS cos(radians(dec)) * cos(radians(ra));
CREATE MACRO vy(ra, dec) AS cos(radians(dec)) * sin(radians(ra));
CREATE MACRO vz(ra, dec) AS sin(radians(dec));
CREATE MACRO side(ra, dec, a1, d1, a2, d2) AS
    (vy(a1, d1) * vz(a2, d2) - vz(a1, d1) * vy(a2, d2)) * vx(ra, dec)
  + (vz(a1, d1) * vx(a2, d2) - vx(a1, d1) * vz(a2, d2)) * vy(ra, dec)
  + (vx(a1, d1) * vy(a2, d2) - vy(a1, d1) * vx(a2, d2)) * vz(ra, dec);
CREATE MACRO turn(a1, d1, a2, d2, a3, d3) AS sign(side(a3, d3, a1, d1, a2, d2));
CREATE MACRO in_triangle(ra, dec, a1, d1, a2, d2, a3, d3) AS
      turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a1, d1, a2, d2) >= 0
  AND turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a2, d2, a3, d3) >= 0
  AND turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a3, d3, a1, d1) >= 0;
CREATE MACRO in_quadrangle(ra, dec, a1, d1, a2, d2, a3, d3, a4, d4) AS
      turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a1, d1, a2, d2) >= 0
  AND turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a2, d2, a3, d3) >= 0
  AND turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a3, d3, a4, d4) >= 0
  AND turn(a1, d1, a2, d2, a3, d3) * side(ra, dec, a4, d4, a1, d1) >= 0;
CREATE MACRO ahead(ra, dec, a, d) AS
    sin(radians(d)) * sin(radians(dec)) + cos(radians(d)) * cos(radians(dec)) * cos(radians(ra - a));
CREATE MACRO in_box(ra, dec, a, d, w, h) AS
      ahead(ra, dec, a, d) > 0
  AND abs(cos(radians(dec)) * sin(radians(ra - a))) <= tan(radians(w / 2)) * ahead(ra, dec, a, d)
  AND abs(cos(radians(d)) * sin(radians(dec)) - sin(radians(d)) * cos(radians(dec)) * cos(radians(ra - a)))
      <= tan(radians(h / 2)) * ahead(ra, dec, a, d);
"""


def open_tables(hats):
    """A connection with a view per table; NaN in a float column is NULL, as in ADQL."""
    connection = duckdb.connect(config={"threads": "2"})
    connection.execute(MACROS)
    for name, folder in TABLES.items():
        tiles = sorted(glob.glob(f"{hats}/{folder}/dataset/Norder=*/Dir=*/Npix=*.parquet"))
        source = f"read_parquet({tiles!r}, hive_partitioning = false)"
        columns = [
            f'CASE WHEN isnan("{column}") THEN NULL ELSE "{column}" END AS "{column}"'
            if kind in ("DOUBLE", "FLOAT")
            else f'"{column}"'
            for column, kind, *_ in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        ]
        connection.execute(f"CREATE TABLE {name} AS SELECT {', '.join(columns)} FROM {source}")
    return connection


def cell(value):
    """A value as the suite's CSV writes it: NULL and NaN are empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def main():
    hats, queries, output = sys.argv[1:4]
    connection = open_tables(hats)
    connection.execute("CREATE SCHEMA TAP_UPLOAD")
    for brought in Path(queries).glob("*.csv"):
        connection.execute(f"CREATE TABLE TAP_UPLOAD.{brought.stem} AS SELECT * FROM read_csv('{brought}')")
    failed = []
    for topic in sorted(Path(queries).glob("*.toml")):
        for number, query in enumerate(tomllib.loads(topic.read_text())["query"]):
            text = query.get("sql") or query.get("full") or query["adql"]
            try:
                result = connection.execute(text)
                rows = result.fetchall()
            except duckdb.Error as error:
                failed.append(f"{topic.stem}: {query['name']}: {error}")
                continue
            with open(f"{output}/{topic.stem}-{number}.csv", "w", newline="") as out:
                writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
                writer.writerow([column[0] for column in result.description])
                writer.writerows([cell(value) for value in row] for row in rows)
    sys.exit("\n".join(failed) or None)


if __name__ == "__main__":
    main()
