"""Uses the service as an astronomer does, with pyvo; every surprise is an exception.

Usage: use_pyvo.py TAP_URL HATS_FOLDER
The rows that pyvo reads are compared with the Parquet files of the table, read by pyarrow.
"""

import glob
import io
import sys

import numpy as np
import pyarrow.parquet as pq
import pyvo
from astropy.io.votable import parse
from pyvo.dal.exceptions import DALQueryError

M31 = (
    "SELECT name, type, DISTANCE(ra, dec, 10.6847, 41.269) AS d FROM opengc "
    "WHERE DISTANCE(ra, dec, 10.6847, 41.269) < 1 ORDER BY d"
)
SERIALIZATIONS = (
    "votable", "application/x-votable+xml;serialization=BINARY2", "application/x-votable+xml;serialization=BINARY",
    "application/x-votable+xml;serialization=TABLEDATA")


def andromeda(service):
    """M31, then its companions M32 and M110, by distance."""
    result = service.run_sync(M31)
    names = [str(name) for name in result["name"]]
    assert names[0] == "NGC0224", names
    assert {"NGC0221", "NGC0205"} <= set(names), names
    distances = np.asarray(result["d"], dtype=float)
    assert np.all(np.diff(distances) >= 0) and distances[0] < 0.01 and distances[-1] < 1, distances
    assert list(result.fieldnames) == ["name", "type", "d"], result.fieldnames
    assert result.query_status == "OK", result.query_status
    assert str(result.fielddescs[2].unit or "deg") == "deg", result.fielddescs[2].unit


def same_rows(service, hats):
    """The whole of a table in every serialization, against its files."""
    tiles = sorted(glob.glob(f"{hats}/opengc/dataset/Norder=*/Dir=*/Npix=*.parquet"))
    right = {}
    for tile in tiles:
        for row in pq.ParquetFile(tile).read().to_pylist():
            right[row["name"], row["ra"], row["dec"]] = row
    for serialization in SERIALIZATIONS:
        query = service.create_query("SELECT * FROM opengc", maxrec=20000)
        query["RESPONSEFORMAT"] = serialization
        table = parse(io.BytesIO(query.execute_raw())).get_first_table()
        assert len(table.array) == len(right), (serialization, len(table.array), len(right))
        columns = [field.name for field in table.fields]
        assert columns[:4] == ["name", "type", "ra", "dec"] and "_healpix_29" not in columns, columns
        for row in table.array:
            cells = dict(zip(columns, row))
            wanted = right[str(cells["name"]), float(cells["ra"]), float(cells["dec"])]
            for column, cell in cells.items():
                assert same(cell, wanted[column]), (serialization, column, cell, wanted)


def same_parquet(service, hats):
    """The rows of a Parquet answer, which is one file whatever the client, against the files."""
    tiles = sorted(glob.glob(f"{hats}/opengc/dataset/Norder=*/Dir=*/Npix=*.parquet"))
    right = sorted((row["name"], row["ra"], row["dec"]) for tile in tiles for row in pq.ParquetFile(tile).read().to_pylist())
    for name in ("parquet", "application/vnd.apache.parquet"):
        query = service.create_query("SELECT name, ra, dec FROM opengc", maxrec=20000)
        query["RESPONSEFORMAT"] = name
        document = query.execute_raw()
        table = pq.read_table(io.BytesIO(document))
        assert table.column_names == ["name", "ra", "dec"], table.column_names
        assert sorted(tuple(row.values()) for row in table.to_pylist()) == right
        assert b"IVOA.VOTable-Parquet.content" in pq.read_metadata(io.BytesIO(document)).metadata


def same(cell, wanted):
    """A missing value is a masked cell, a NaN, or an empty text."""
    if wanted is None or wanted != wanted:
        return cell is np.ma.masked or str(cell) in ("", "nan", "--")
    if isinstance(wanted, str):
        return str(cell) == wanted
    return cell == wanted


def limits(service):
    # pyvo warns of an overflow only where it has not asked for it by maxrec.
    few = service.run_sync("SELECT name FROM opengc", maxrec=5)
    assert len(few) == 5 and few.query_status == "OVERFLOW", (len(few), few.query_status)
    exact = service.run_sync("SELECT id FROM small_sky", maxrec=131)
    assert len(exact) == 131 and exact.query_status == "OK", (len(exact), exact.query_status)
    nothing = service.run_sync("SELECT id FROM small_sky WHERE id < 0")
    assert len(nothing) == 0 and nothing.fieldnames == ("id",), nothing.fieldnames
    million = service.run_sync(
        "SELECT a.id FROM small_sky AS a JOIN small_sky_order1_source_collection AS b ON a.id > b.object_id")
    assert len(million) > 1_000_000 and million.query_status == "OK", len(million)


def errors(service):
    for adql, part in (
        ("SELECT name FROM opengc WHERE", "line 1"),
        ("SELECT nme FROM opengc", "name"),
        ("SELECT name FROM opengcc", "opengc"),
    ):
        try:
            service.run_sync(adql)
        except DALQueryError as error:
            assert part in str(error), (adql, str(error))
        else:
            raise AssertionError(f"{adql} was answered")


def description(service):
    """What the service says of itself, as far as pyvo reads it."""
    assert service.available, "not available"
    access = service.get_tap_capability()
    assert {"ADQL"} == {language.name for language in access.languages}, access.languages
    features = {form.form.split("(")[0] for form in access.get_adql().get_feature_list(
        "ivo://ivoa.net/std/TAPRegExt#features-adqlgeo")}
    assert {"POINT", "CIRCLE", "BOX", "POLYGON", "CONTAINS", "INTERSECTS", "DISTANCE"} <= features, features


def main():
    url, hats = sys.argv[1:3]
    service = pyvo.dal.TAPService(url)
    andromeda(service)
    same_rows(service, hats)
    same_parquet(service, hats)
    limits(service)
    errors(service)
    description(service)


if __name__ == "__main__":
    main()
