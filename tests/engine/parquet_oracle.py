"""Compares a Parquet file with an Arrow file, both as pyarrow reads them, and reads it by others.

Usage: parquet_oracle.py ROWS.arrow ROWS.parquet STATUS
STATUS is what the VOTable in the footer must say last: OK or OVERFLOW.
"""

import io
import math
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.io.votable import parse

NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def values(column):
    """Python values; moments as nanoseconds, which every unit fits into."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return values(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        return [None if c is None else (kind.tz, c * NANOS[kind.unit]) for c in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_date(kind):
        # Days: Python has no years before 1 and after 9999.
        return column.cast(pa.date32()).cast(pa.int32()).to_pylist()
    return column.to_pylist()


def same(want, got):
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(map(same, want, got))
    if isinstance(want, float) and isinstance(got, float):
        return math.isnan(want) and math.isnan(got) or want == got and math.copysign(1, want) == math.copysign(1, got)
    return want == got


def main(arrow, parquet, status):
    rows = pa.ipc.open_stream(arrow).read_all()
    table = pq.read_table(parquet)
    assert table.column_names == rows.column_names, table.column_names
    if status == "OVERFLOW":
        rows = rows.slice(0, len(table))
    assert len(table) == len(rows), (len(table), len(rows))
    for name in rows.column_names:
        kind = table[name].type
        assert not any(part in str(kind) for part in ("view", "dictionary")), (name, kind)
        for row, (want, got) in enumerate(zip(values(rows[name].combine_chunks()), values(table[name]))):
            assert same(want, got), f"{name} row {row}: {repr(want)[:100]} came as {repr(got)[:100]}"
    metadata = pq.read_metadata(parquet).metadata
    assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0"
    votable = parse(io.BytesIO(metadata[b"IVOA.VOTable-Parquet.content"]), verify="exception")
    described = votable.get_first_table()
    assert [field.name for field in described.fields] == rows.column_names
    text = metadata[b"IVOA.VOTable-Parquet.content"].decode()
    assert "<DATA>" not in text and f'value="{status}"' in text.rsplit("QUERY_STATUS", 1)[1][:40], text
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{parquet}')").fetchall() == [(len(rows),)]
    assert duckdb.sql(f"SELECT * FROM read_parquet('{parquet}')").to_arrow_table().num_rows == len(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
