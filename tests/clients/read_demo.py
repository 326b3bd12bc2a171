"""Reads the demo sky as plain Parquet by DuckDB and pyarrow: counts, keys, tiles, margin, index.

usage: read_demo.py DATA OBJECTS SOURCES
"""
import math
import pathlib
import sys

import duckdb
import pyarrow.parquet as parquet

data, objects, sources = pathlib.Path(sys.argv[1]) / "demo", int(sys.argv[2]), int(sys.argv[3])


def table(schema_table, member, pattern="Norder=*/*/*.parquet"):
    return f"read_parquet('{data}/{schema_table}/{member}/dataset/{pattern}')"


def one(sql):
    return duckdb.sql(sql).fetchall()[0]


OBJECT, SOURCE = table("object", "object"), table("source", "source")
assert one(f"SELECT count(*), count(DISTINCT objectId) FROM {OBJECT}") == (objects, objects)
assert one(f"SELECT count(*), count(DISTINCT sourceId) FROM {SOURCE}") == (sources, sources)
orphans = f"SELECT count(*) FROM {SOURCE} s ANTI JOIN {OBJECT} o ON s.objectId = o.objectId"
assert one(orphans) == (0,)
other_place = f"""SELECT count(*) FROM {SOURCE} s JOIN {OBJECT} o ON s.objectId = o.objectId
                  WHERE s.objectRa <> o.ra OR s.objectDec <> o.dec
                     OR s._healpix_29 <> o._healpix_29"""
assert one(other_place) == (0,)
wrong_count = f"""SELECT count(*) FROM {OBJECT} o JOIN
                  (SELECT objectId, count(*) AS n FROM {SOURCE} GROUP BY 1) s
                  ON s.objectId = o.objectId WHERE s.n <> o.nSources"""
assert one(wrong_count) == (0,)
in_tile = f"""SELECT count(*) FROM {OBJECT.replace("')", "', hive_partitioning=true)")}
              WHERE _healpix_29 >> (2 * (29 - Norder::INTEGER)) <> regexp_extract(
                    filename, 'Npix=(\\d+)', 1)::BIGINT"""
in_tile = in_tile.replace("hive_partitioning=true", "hive_partitioning=true, filename=true")
assert one(in_tile) == (0,), "rows outside of their tile"

for name, rows, keys in [("object", objects, ["objectId"]), ("source", sources, ["sourceId", "objectId"])]:
    dataset = data / name / name / "dataset"
    metadata = parquet.read_metadata(dataset / "_metadata")
    assert metadata.num_rows == rows, (name, metadata.num_rows)
    assert metadata.row_group(0).column(0).file_path.startswith("Norder=")
    common = parquet.read_schema(dataset / "_common_metadata")
    assert common.names[0] == "_healpix_29", common
    tile = parquet.ParquetFile(next(dataset.glob("Norder=*/*/*.parquet")))
    assert tile.schema_arrow.equals(common)
    assert tile.metadata.row_group(0).column(0).has_offset_index
    for key in keys:
        index = table(name, f"{name}_{key}", "index/*.parquet")
        places = f"SELECT DISTINCT {key}, Norder, Npix FROM {index}"
        found = one(f"SELECT count(*), count(DISTINCT {key}) FROM {index}")
        assert found[0] == one(f"SELECT count(*) FROM ({places})")[0]
        assert found[1] == one(f"SELECT count(DISTINCT {key}) FROM {table(name, name)}")[0]

# The margin: pairs of objects within 10 arcseconds in different tiles are in it.
margin = parquet.read_metadata(data / "object/object_10arcs/dataset/_metadata")
properties = (data / "object/object_10arcs/hats.properties").read_text()
assert f"hats_nrows={margin.num_rows}\n" in properties and "hats_margin_threshold=10\n" in properties

# Own places of sources are within the slack of their object's.
toml = (data / "source/table.toml").read_text()
slack = float(toml.split("slack_arcsec = ")[1].split()[0])
ra, dec, object_ra, object_dec = (
    f"radians({c})" for c in ("ra", "dec", "objectRa", "objectDec")
)
haversine = f"""2 * asin(sqrt(sin(({dec} - {object_dec}) / 2) ** 2
               + cos({dec}) * cos({object_dec}) * sin(({ra} - {object_ra}) / 2) ** 2))"""
largest = math.degrees(one(f"SELECT max({haversine}) FROM {SOURCE}")[0]) * 3600
assert slack - 0.0011 <= largest <= slack + 1e-6, (largest, slack)
print("read", objects, "objects and", sources, "sources")
