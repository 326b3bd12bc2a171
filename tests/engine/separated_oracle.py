"""Compares CSV or TSV, as pyarrow reads it, with an Arrow file as pyarrow reads it.

Usage: separated_oracle.py ROWS.arrow ROWS.csv (csv|tsv|stilts)
With `stilts`, the file is what STILTS wrote from a VOTable: NULL, NaN and the empty text are one.
"""

import datetime
import decimal
import math
import sys

import numpy as np
import pyarrow as pa
from pyarrow import csv

from votable_oracle import UNWRITABLE, expected, flat, moment


def read(path, kind):
    names = open(path, encoding="utf-8", newline="").readline().rstrip("\r\n").split("\t" if kind == "tsv" else ",")
    tabs = kind == "tsv"
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(block_size=1 << 27),
        parse_options=csv.ParseOptions(
            delimiter="\t" if tabs else ",", quote_char=False if tabs else '"', newlines_in_values=not tabs),
        convert_options=csv.ConvertOptions(
            column_types={name: pa.string() for name in names}, strings_can_be_null=True,
            quoted_strings_can_be_null=False, null_values=[""]),
    )


def same_number(want, got, narrow):
    if isinstance(want, bool):
        return got == ("true" if want else "false")
    if isinstance(want, int):
        return int(got) == want
    if isinstance(want, decimal.Decimal):
        return float(got) == float(want)
    if math.isnan(want):
        return got == "NaN"
    if narrow:
        return np.float32(got) == np.float32(want)
    return float(got) == want and math.copysign(1, float(got)) == math.copysign(1, want)


def same(want, got, kind, narrow):
    if want is None or want == []:
        return got is None or (kind != "csv" and got == "")
    if isinstance(want, str):
        if kind == "tsv":
            want = want.translate(str.maketrans("\t\n\r", "   "))
        elif kind == "stilts":
            want, got = (UNWRITABLE.sub("", text or "").strip() for text in (want, got))
        return got == want or (kind != "csv" and want == "" and got is None)
    if isinstance(want, tuple):
        _, count, unit, zone = want
        return got.endswith(zone) and moment(got, unit) == count
    if isinstance(want, datetime.time):
        return datetime.time.fromisoformat(got) == want
    if isinstance(want, bytes):
        return (bytes.fromhex(got) if " " not in got else bytes(int(part) for part in got.split())) == want \
            if got is not None else want == b""
    if isinstance(want, list):
        wants = list(flat([[None, None] if w is None and any(isinstance(x, list) for x in want) else w for w in want]))
        gots = got.split(" ")
        return len(wants) == len(gots) and all(
            g == "NULL" if w is None else same_number(w, g, narrow) for w, g in zip(wants, gots))
    if kind == "stilts" and isinstance(want, float) and math.isnan(want):
        return got is None
    return same_number(want, got, narrow)


def main(arrow, document, kind):
    rows = pa.ipc.open_stream(arrow).read_all()
    table = read(document, kind)
    assert table.column_names == rows.column_names, (table.column_names, rows.column_names)
    assert len(table) == len(rows), (len(table), len(rows))
    for name in rows.column_names:
        if kind == "stilts" and (pa.types.is_nested(rows[name].type) or "binary" in name):
            continue  # STILTS has a notation of its own for arrays
        narrow = "float" in str(rows[name].type)
        wants = expected(rows[name].combine_chunks() if rows[name].num_chunks else rows[name])
        for row, (want, got) in enumerate(zip(wants, table[name].to_pylist())):
            shown = repr(got)[:100]
            assert same(want, got, kind, narrow), f"{name} row {row}: {repr(want)[:100]} came as {shown}"


if __name__ == "__main__":
    main(*sys.argv[1:])
