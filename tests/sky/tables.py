"""Writes small HATS tables of hard positions and hard values, and what queries on them must answer.

Usage: tables.py OUTPUT_FOLDER SEED
Positions lie at poles, on RA 0, on corners and edges of pixels, and some are NaN or NULL; float columns hold NaN,
NULL and, in whole row groups, one value beside NaN. OUTPUT_FOLDER/tables holds the tables, OUTPUT_FOLDER/expected.json
a list of {name, adql, rows, order}. Verdicts are computed here by astropy and numpy from the very arrays that
were written: NaN is NULL, and NULL is neither inside nor outside.
"""

import json
import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy import units as u
from astropy_healpix import HEALPix

import cases

ROWS = 3000
REGIONS = 40
TILE_ROWS_MAX = 300
ROW_GROUP = 64


def pixels_of(lon, lat, order):
    healpix = HEALPix(2**order, order="nested")
    return np.asarray(healpix.lonlat_to_healpix(lon * u.deg, lat * u.deg), dtype=np.int64)


class Rows:
    """The arrays of a table; `placed` says which rows have a position."""

    def __init__(self, generator):
        self.id = np.arange(ROWS, dtype=np.int64)
        self.ra, self.dec = cases.random_places(generator, ROWS)
        self.lost = generator.choice(ROWS, 40, replace=False)  # NaN or NULL positions
        self.ra_null, self.dec_null = self.lost[:10], self.lost[5:15]
        self.ra[self.lost[15:30]] = np.nan
        self.dec[self.lost[25:]] = np.nan
        self.placed = np.ones(ROWS, dtype=bool)
        self.placed[self.lost] = False
        self.flux = generator.integers(0, 80, ROWS) / 2.0
        kind = generator.integers(0, 10, ROWS)
        self.flux_null = kind == 0
        self.flux[kind == 1] = np.nan
        self.mag = (generator.integers(0, 64, ROWS) / 4.0).astype(np.float32)
        self.mag[generator.integers(0, 3, ROWS) == 0] = np.nan
        # Half of the sky has but one value beside NaN: statistics say that the column is constant.
        half = self.placed & (self.ra < 180)
        self.flux[half & (kind != 1)] = 7.0
        self.flux_null &= ~half
        self.index = np.full(ROWS, -1, dtype=np.int64)
        self.index[self.placed] = pixels_of(self.ra[self.placed], self.dec[self.placed], 29)

    def column(self, name):
        """The column as it is written, NaN and NULL apart."""
        nowhere = np.zeros(ROWS, dtype=bool)
        masks = {"ra": nowhere.copy(), "dec": nowhere.copy(), "flux": self.flux_null, "index": ~self.placed}
        masks["ra"][self.ra_null] = True
        masks["dec"][self.dec_null] = True
        return pa.array(getattr(self, name), mask=masks.get(name, nowhere))

    def values(self, name):
        """The column as ADQL sees it: NaN where there is no value."""
        values = np.asarray(getattr(self, name), dtype=float).copy()
        if name in ("ra", "dec"):
            values[getattr(self, f"{name}_null")] = np.nan
        if name == "flux":
            values[self.flux_null] = np.nan
        return values


def tiles(rows):
    """Pixels of mixed order with their rows, ordered by spatial index; rows without a position lie in the first."""
    found = []
    pending = [(0, pixel) for pixel in range(12)]
    while pending:
        order, pixel = pending.pop()
        inside = np.flatnonzero(rows.placed & (rows.index >> (2 * (29 - order)) == pixel))
        if len(inside) > TILE_ROWS_MAX and order < 6:
            pending += [(order + 1, 4 * pixel + child) for child in range(4)]
        elif len(inside):
            found.append((order, pixel, inside[np.argsort(rows.index[inside], kind="stable")]))
    found.sort(key=lambda tile: tile[1] << (2 * (29 - tile[0])))
    order, pixel, inside = found[0]
    found[0] = (order, pixel, np.concatenate([inside, rows.lost]))
    return found


def write(folder, columns, found, properties, leaf_folders):
    table = pa.table(columns)
    for order, pixel, inside in found:
        directory = f"{folder}/dataset/Norder={order}/Dir={pixel // 10000 * 10000}"
        parts = [(f"{directory}/Npix={pixel}.parquet", inside)]
        if leaf_folders:
            directory = f"{directory}/Npix={pixel}"
            parts = [(f"{directory}/part{n}.parquet", part) for n, part in enumerate(np.array_split(inside, 2))]
        os.makedirs(directory, exist_ok=True)
        for path, part in parts:
            pq.write_table(
                table.take(pa.array(part)), path, row_group_size=ROW_GROUP, data_page_size=256,
                write_page_index=True, use_dictionary=False)
    with open(f"{folder}/partition_info.csv", "w") as out:
        out.write("Norder,Npix\n" + "".join(f"{order},{pixel}\n" for order, pixel, _ in found))
    with open(f"{folder}/{'properties' if leaf_folders else 'hats.properties'}", "w") as out:
        out.write("#HATS catalog\n" + "".join(f"{key}={value}\n" for key, value in properties.items()))


def write_tables(folder, rows):
    found = tiles(rows)
    properties = {
        "obs_collection": "hard", "dataproduct_type": "object", "hats_nrows": ROWS, "hats_col_ra": "ra",
        "hats_col_dec": "dec", "hats_order": max(order for order, _, _ in found)}
    columns = {"_healpix_29": rows.column("index")}
    columns |= {name: rows.column(name) for name in ("id", "ra", "dec", "flux", "mag")}
    healpix = {"hats_col_healpix": "_healpix_29", "hats_col_healpix_order": 29}
    write(f"{folder}/hard", columns, found, properties | healpix, leaf_folders=False)
    # The same rows as an older writer could have left them: no index, other names and order, leaf folders.
    columns = {
        "mag": columns["mag"], "DEJ2000": columns["dec"], "id": columns["id"], "RAJ2000": columns["ra"],
        "flux": columns["flux"]}
    plain = {"obs_collection": "plain", "hats_col_ra": "RAJ2000", "hats_col_dec": "DEJ2000", "hats_npix_suffix": "/"}
    write(f"{folder}/plain", columns, found, properties | plain, leaf_folders=True)


def in_circle(rows, lon, lat, radius):
    separation = np.full(ROWS, np.nan)
    at = rows.placed
    separation[at] = np.degrees(
        cases.angular_separation(*(np.radians(v) for v in (lon, lat, rows.ra[at], rows.dec[at]))))
    close = np.nanmin(np.abs(separation - radius)) < cases.TOO_CLOSE if 0 < radius < 180 else False
    # Of radius 0 and 180 the boundary is meant: the place itself (a pole under any longitude), and all places.
    return separation <= max(radius, 1e-12), close


def in_polygon(rows, numbers):
    lon, lat = np.array(numbers[::2]), np.array(numbers[1::2])
    center = cases.vector(lon, lat).sum(0)
    center_lon = np.degrees(np.arctan2(center[1], center[0]))
    center_lat = np.degrees(np.arctan2(center[2], np.hypot(center[0], center[1])))
    x, y, ahead = cases.projected(lon, lat, center_lon, center_lat)
    inside, close = np.zeros(ROWS, dtype=bool), bool(np.any(ahead < 0.05))
    px, py, p_ahead = cases.projected(rows.ra, rows.dec, center_lon, center_lat)
    for at in np.flatnonzero(rows.placed & (p_ahead > 1e-3)):
        turned, near = cases.winding(x, y, px[at], py[at])
        close |= near < cases.TOO_CLOSE
        inside[at] = turned != 0
    return inside, close


def in_box(rows, lon, lat, width, height):
    half = np.tan(np.radians([width / 2, height / 2]))
    x, y, ahead = cases.projected(rows.ra, rows.dec, lon, lat)
    with np.errstate(invalid="ignore"):
        inside = rows.placed & (ahead > 0) & (np.abs(x) <= half[0]) & (np.abs(y) <= half[1])
        close = np.any(rows.placed & (np.abs(np.abs(x) / half[0] - 1) < 1e-9))
        close |= np.any(rows.placed & (np.abs(np.abs(y) / half[1] - 1) < 1e-9))
    return inside, bool(close)


def regions(rows, generator):
    """ADQL texts of regions and who is inside."""
    for at in generator.choice(np.flatnonzero(rows.placed), 12, replace=False):
        lon, lat = float(rows.ra[at]), float(rows.dec[at])
        yield f"CIRCLE({lon!r}, {lat!r}, 0)", *in_circle(rows, lon, lat, 0)
        yield f"CIRCLE({lon!r}, {lat!r}, 180)", *in_circle(rows, lon, lat, 180)
    for lon, lat in ((0, 90), (77, -90), (0, 0), (360, 0), (180, 0)):
        for radius in (0.01, 1.5, 30, 91, 150, 179):
            yield f"CIRCLE({lon}, {lat}, {radius})", *in_circle(rows, lon, lat, radius)
    for kinds in (cases.circles, cases.polygons, cases.boxes):
        empty, taken = 0, 0
        for kind, numbers, *_ in kinds(generator, 6 * REGIONS):
            numbers = [float(number) for number in numbers]
            text = f"{kind.upper()}({', '.join(repr(number) for number in numbers)})"
            judges = {"circle": in_circle, "box": in_box}
            judge = judges.get(kind, lambda rows, *numbers: in_polygon(rows, numbers))
            inside, close = judge(rows, *numbers)
            empty += not inside.any()
            if close or taken >= REGIONS or (not inside.any() and empty > REGIONS // 5):
                continue
            taken += 1
            yield text, inside, close


def cell(value):
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return repr(value) if isinstance(value, float) else str(value)


def geometry(rows, generator):
    for number, (region, inside, close) in enumerate(regions(rows, generator)):
        if close:
            continue
        yield f"in {region}", f"SELECT id FROM hard WHERE CONTAINS(POINT(ra, dec), {region}) = 1", inside
        if number % 3 == 0:
            outside = rows.placed & ~inside
            yield f"outside {region}", f"SELECT id FROM hard WHERE CONTAINS(POINT(ra, dec), {region}) = 0", outside
            yield f"not in {region}", f"SELECT id FROM hard WHERE NOT (1 = CONTAINS(POINT(ra, dec), {region}))", outside
        if number % 3 == 1:
            where = f"CONTAINS(POINT(RAJ2000, DEJ2000), {region}) = 1"
            yield f"plain, in {region}", f"SELECT id FROM plain WHERE {where}", inside
        if number % 3 == 2:
            flux = rows.values("flux")
            where = f"CONTAINS(POINT(ra, dec), {region}) = 1 AND flux > 20"
            yield f"bright in {region}", f"SELECT id FROM hard WHERE {where}", inside & (flux > 20)
            where = f"CONTAINS(POINT(ra, dec), {region}) = 1 OR mag < 2"
            yield f"{region} or faint", f"SELECT id FROM hard WHERE {where}", inside | (rows.values("mag") < 2)


def predicates(rows):
    ra, dec, flux, mag = (rows.values(name) for name in ("ra", "dec", "flux", "mag"))
    known = ~np.isnan(flux)
    yield "flux > 20", flux > 20
    yield "NOT (flux > 20)", known & ~(flux > 20)
    yield "flux < 20", flux < 20
    yield "flux = 7", flux == 7
    yield "flux <> 7", known & (flux != 7)
    yield "flux BETWEEN 7 AND 9", (flux >= 7) & (flux <= 9)
    yield "flux NOT BETWEEN 7 AND 9", known & ~((flux >= 7) & (flux <= 9))
    yield "flux IN (7, 8.5, 30)", np.isin(flux, [7, 8.5, 30])
    yield "flux NOT IN (7, 8.5)", known & ~np.isin(flux, [7, 8.5])
    yield "flux IS NULL", ~known
    yield "flux IS NOT NULL", known
    yield "flux + 1 > 21 OR mag IS NULL", (flux + 1 > 21) | np.isnan(mag)
    yield "flux > 39 AND mag > 8", (flux > 39) & (mag > 8)
    yield "flux > mag", flux > mag
    yield "mag >= 15.5", mag >= 15.5
    yield "NOT (mag < 15.5 OR flux < 7)", ~np.isnan(mag) & known & ~((mag < 15.5) | (flux < 7))
    yield "ra IS NULL", np.isnan(ra)
    yield "dec IS NULL AND ra IS NOT NULL", np.isnan(dec) & ~np.isnan(ra)
    yield "ra > 350", ra > 350
    yield "NOT (ra < 350)", ra >= 350
    yield "ra BETWEEN 0 AND 0.001 AND dec > -91", (ra >= 0) & (ra <= 0.001) & (dec > -91)
    yield "ra = 0", ra == 0
    yield "dec = 90", dec == 90
    yield "dec >= 89 OR dec <= -89.5", (dec >= 89) | (dec <= -89.5)
    yield "ra BETWEEN 100 AND 120 AND dec BETWEEN -30 AND 10", (ra >= 100) & (ra <= 120) & (dec >= -30) & (dec <= 10)


def summaries(rows):
    """Queries whose rows are values."""
    flux, mag = rows.values("flux"), rows.values("mag")
    known = flux[~np.isnan(flux)]
    half = (rows.values("ra") < 180) & rows.placed
    yield "aggregates", "SELECT COUNT(*) AS n, COUNT(flux) AS f, MIN(flux) AS lo, MAX(flux) AS hi, SUM(flux) AS s FROM hard", [
        [ROWS, len(known), known.min(), known.max(), known.sum()]]
    yield "mean of a column of one value and NaN", "SELECT AVG(flux) AS a, MIN(flux) AS lo, MAX(flux) AS hi FROM hard WHERE ra < 180 AND dec BETWEEN -90 AND 90", [
        [float(np.nanmean(flux[half])), 7.0, 7.0]]
    yield "largest value of the other type", "SELECT MAX(mag) AS hi, COUNT(mag) AS n FROM hard", [
        [float(np.nanmax(mag)), int((~np.isnan(mag)).sum())]]
    values, counts = np.unique(known, return_counts=True)
    groups = [[float(v), int(c)] for v, c in zip(values, counts)] + [["", ROWS - len(known)]]
    yield "NaN and NULL are one group", "SELECT flux, COUNT(*) AS n FROM hard GROUP BY flux", groups
    yield "NaN and NULL are one value", "SELECT DISTINCT flux FROM hard", [[group[0]] for group in groups]
    yield "number of values", "SELECT COUNT(DISTINCT flux) AS n FROM hard", [[len(values)]]
    pairs = int((counts.astype(np.int64) ** 2).sum())
    yield "NaN joins nothing", "SELECT COUNT(*) AS n FROM hard AS a JOIN plain AS b ON a.flux = b.flux", [[pairs]]
    yield "NaN is nothing that NOT IN could meet", "SELECT COUNT(*) AS n FROM hard WHERE id < 2000 AND flux NOT IN (SELECT flux FROM plain)", [[0]]


def orders(rows):
    flux = rows.values("flux")
    known = np.flatnonzero(~np.isnan(flux))
    down = sorted(known, key=lambda i: (-flux[i], i))[:9]
    up = sorted(known, key=lambda i: (flux[i], i))[:9]
    top = "SELECT TOP 9 id, flux FROM hard WHERE flux IS NOT NULL"
    yield "largest first", f"{top} ORDER BY flux DESC, id", [[int(i), float(flux[i])] for i in down]
    yield "smallest first", f"{top} ORDER BY flux, id", [[int(i), float(flux[i])] for i in up]


def main():
    folder, seed = sys.argv[1], int(sys.argv[2])
    generator = np.random.default_rng(seed)
    rows = Rows(generator)
    write_tables(f"{folder}/tables", rows)
    expected = []

    def expect(name, adql, answer, order="any"):
        texts = [[cell(float(v) if isinstance(v, np.floating) else v) for v in row] for row in answer]
        expected.append({"name": name, "adql": adql, "rows": texts, "order": order})

    for name, adql, mask in geometry(rows, generator):
        expect(name, adql, [[int(i)] for i in np.flatnonzero(mask)])
    for predicate, mask in predicates(rows):
        ids = [[int(i)] for i in np.flatnonzero(mask)]
        expect(predicate, f"SELECT id FROM hard WHERE {predicate}", ids)
        expect(f"TOP 4, {predicate}", f"SELECT TOP 4 id FROM hard WHERE {predicate}", ids, "choose 4")
        if "ra" not in predicate and "dec" not in predicate:
            expect(f"plain, {predicate}", f"SELECT id FROM plain WHERE {predicate}", ids)
    for name, adql, answer in summaries(rows):
        expect(name, adql, answer)
    for name, adql, answer in orders(rows):
        expect(name, adql, answer, "exact")
    with open(f"{folder}/expected.json", "w") as out:
        json.dump(expected, out)


if __name__ == "__main__":
    main()
