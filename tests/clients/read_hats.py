"""Makes rows for two imports, and reads what came of them by other programs: hats, LSDB, DuckDB, Polars.

`read_hats.py make FOLDER` writes objects.parquet and others.parquet: rows all over the sky, also at poles, on
the seam and on borders of tiles, each with a partner a few arcseconds away in the other file; and both in two
parts, objects_1.parquet, ….
`read_hats.py read FOLDER OBJECTS OTHERS` compares the collections OBJECTS and OTHERS with those files; the
expected rows and pairs are computed by astropy. It prints what it compared, or fails.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.coordinates import SkyCoord

ROWS = 20_000
RADIUS_ARCSEC = 8.0
CONES = [(10.0, 20.0, 3.0), (0.0, 0.0, 2.0), (359.9, -41.8, 1.5), (123.0, 89.5, 1.0), (45.0, -90.0, 2.0)]


def make(folder):
    rng = np.random.default_rng(20)
    ra = rng.uniform(0, 360, ROWS)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, ROWS)))
    # On borders of tiles: multiples of 45 degrees, the equator and the rim of the polar caps.
    ra[:600], dec[:600] = rng.choice(np.arange(0, 360, 45), 600) + rng.normal(0, 1e-3, 600), rng.uniform(-80, 80, 600)
    dec[600:900] = rng.normal(0, 1e-3, 300)
    dec[900:1200] = np.degrees(np.arcsin(2 / 3)) + rng.normal(0, 1e-3, 300)
    dec[1200:1300], dec[1300:1400] = 90 - rng.uniform(0, 0.3, 100), -90 + rng.uniform(0, 0.3, 100)
    dec[1400], dec[1401] = 90, -90
    flux = rng.lognormal(3, 1, ROWS)
    flux[::7] = np.nan
    names = np.array([f"object {i}" for i in range(ROWS)], dtype=object)
    names[::11] = None
    write(folder / "objects.parquet", ra % 360, dec, flux, names)
    # The partner of each lies up to twice the radius away.
    step, angle = rng.uniform(0, 2 * RADIUS_ARCSEC, ROWS) / 3600, rng.uniform(0, 2 * np.pi, ROWS)
    near_dec = dec + step * np.cos(angle)
    near_ra = ra + step * np.sin(angle) / np.maximum(np.cos(np.radians(dec)), 1e-9)
    write(folder / "others.parquet", near_ra % 360, np.clip(near_dec, -90, 90), flux, names)


def write(path, ra, dec, flux, names):
    ids = np.arange(len(ra), dtype=np.int64) * 31 + 10**15
    table = pa.table({"id": ids, "ra": ra, "dec": dec, "flux": flux.astype(np.float32), "name": pa.array(names)})
    table = table.take(np.random.default_rng(1).permutation(len(ra)))
    pq.write_table(table, path)
    for number, part in [(1, table[: ROWS // 3]), (2, table[ROWS // 3 :])]:
        pq.write_table(part, path.with_stem(f"{path.stem}_{number}"))


def sky(table):
    return SkyCoord(table["ra"].to_numpy(), table["dec"].to_numpy(), unit="deg")


def same(what, found, expected):
    found, expected = sorted(found), sorted(expected)
    assert found == expected, f"{what}: {len(found)} rows, expected {len(expected)}"
    print(f"{what}: {len(found)}")


def values(rows):
    """Rows as comparable values; NULL and NaN are the same to readers of Parquet."""
    missing = "missing"
    return [
        (int(i), float(ra), float(dec), missing if flux is None or flux != flux else float(flux), name or missing)
        for i, ra, dec, flux, name in rows
    ]


def read(folder, objects, others):
    import duckdb
    import hats
    import lsdb
    import pandas
    import polars
    from hats.io.validation import is_valid_catalog, is_valid_collection

    columns = ["id", "ra", "dec", "flux", "name"]
    table = pq.read_table(folder / "objects.parquet")
    expected = values(zip(*(table[c].to_pylist() for c in columns)))
    positions = sky(table)
    ids = table["id"].to_numpy()

    with open(objects / "collection.properties") as lines:
        said = dict(line.strip().split("=", 1) for line in lines if "=" in line)
    name = said["hats_primary_table_url"]
    assert is_valid_collection(objects, strict=True), "the collection is not valid"
    assert is_valid_catalog(objects / name, strict=True), "the table is not valid"
    catalog = hats.read_hats(objects / name)
    assert catalog.catalog_info.total_rows == len(ids), catalog.catalog_info
    print(f"hats: valid, {len(catalog.get_healpix_pixels())} tiles")

    tiles = f"{objects}/{name}/dataset/Norder=*/Dir=*/Npix=*.parquet"
    query = f"SELECT {', '.join(columns)} FROM read_parquet('{tiles}', hive_partitioning = false)"
    same("DuckDB", values(duckdb.sql(query).fetchall()), expected)
    frame = polars.scan_parquet(tiles, hive_partitioning=False).select(columns).collect()
    same("Polars", values(frame.iter_rows()), expected)

    sky_of = lsdb.open_catalog(objects)
    frame = sky_of[columns].compute()
    rows = zip(*([None if pandas.isna(value) else value for value in frame[c]] for c in columns))
    same("LSDB", values(rows), expected)
    for ra, dec, radius in CONES:
        inside = ids[positions.separation(SkyCoord(ra, dec, unit="deg")).deg < radius]
        found = sky_of.cone_search(ra, dec, radius * 3600).compute()["id"]
        same(f"LSDB cone at {ra} {dec}", found.tolist(), inside.tolist())
    wanted = ids[5]
    found = sky_of.id_search({"id": int(wanted)}).compute()["id"]
    same("LSDB id", found.tolist(), [wanted])

    partners = pq.read_table(folder / "others.parquet")
    other = lsdb.open_catalog(others)
    pairs = sky_of.crossmatch(other, radius_arcsec=RADIUS_ARCSEC, n_neighbors=1, suffixes=("_a", "_b")).compute()
    nearest, distance, _ = positions.match_to_catalog_sky(sky(partners))
    near = distance.arcsec < RADIUS_ARCSEC
    other_ids = partners["id"].to_numpy()[nearest]
    same("LSDB pairs", zip(pairs["id_a"].tolist(), pairs["id_b"].tolist()), zip(ids[near].tolist(), other_ids[near].tolist()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    command, *paths = sys.argv[1:]
    {"make": make, "read": read}[command](*map(Path, paths))
