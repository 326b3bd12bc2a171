"""Compares a VOTable as astropy reads it with an Arrow file as pyarrow reads it.

Usage: votable_oracle.py ROWS.arrow ROWS.vot
NULL and NaN are one in VOTable; so are NULL and the empty text or list in TABLEDATA.
"""

import datetime
import decimal
import math
import re
import sys
import warnings

import numpy as np
import pyarrow as pa
from astropy.io.votable import parse
from astropy.io.votable.exceptions import VOTableSpecWarning

UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

# A warning of astropy about the document is a failure.
warnings.simplefilter("error", VOTableSpecWarning)


def moment(text, unit):
    """ISO text as a count since 1970, by numpy."""
    return np.datetime64(text.removesuffix("Z"), unit).astype("int64")


def expected(column):
    """The values of an Arrow column in the terms of VOTable."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return expected(column.cast(kind.value_type))
    if pa.types.is_timestamp(kind):
        zone = "Z" if kind.tz else ""
        counts = column.cast(pa.int64()).to_pylist()
        return [None if c is None else ("moment", c, kind.unit, zone) for c in counts]
    if pa.types.is_date(kind):
        counts = column.cast(pa.date32()).cast(pa.int32()).to_pylist()
        return [None if c is None else ("moment", c, "D", "") for c in counts]
    if pa.types.is_time(kind):
        counts = column.cast(pa.int64()).to_pylist()
        assert kind.unit == "us"
        return [
            None if c is None else (datetime.datetime.min + datetime.timedelta(microseconds=c)).time()
            for c in counts
        ]
    return column.to_pylist()


def same_scalar(want, got):
    if isinstance(want, decimal.Decimal):
        want = int(want) if isinstance(got, np.integer) else float(want)
    if isinstance(want, float) and not math.isnan(want):
        narrow = isinstance(got, np.float32)
        if narrow:
            return np.float32(want) == got
        return want == float(got) and math.copysign(1, want) == math.copysign(1, float(got))
    if isinstance(want, bool):
        return bool(got) is want
    if isinstance(want, int):
        return int(got) == want
    return str(got) == str(want)


def missing(value):
    return value is None or value is np.ma.masked or (isinstance(value, float) and math.isnan(value))


def flat(value):
    """Elements of a nested list; NULL pairs count as pairs of NULL."""
    for element in value:
        if isinstance(element, list):
            yield from flat(element)
        else:
            yield element


def same(want, got, mask, binary):
    masked = bool(np.all(mask)) if np.size(mask) else False
    if isinstance(want, tuple):
        _, count, unit, zone = want
        return str(got).endswith(zone) and moment(str(got), unit) == count
    if isinstance(want, datetime.time):
        return datetime.time.fromisoformat(str(got)) == want
    if isinstance(want, (bytes, list)):
        elements = list(flat(list(want)))
        # A NULL pair has no elements in Python, but two in VOTable.
        if any(w is None for w in want) and any(isinstance(w, list) for w in want):
            elements = list(flat([[None, None] if w is None else w for w in want]))
        values = np.ma.filled(np.ma.asarray(got).astype(object), None).ravel().tolist()
        masks = np.broadcast_to(np.asarray(np.ma.getmaskarray(got)), np.shape(got)).ravel()
        if not elements:
            return masked or len(values) == 0
        if len(values) != len(elements):
            return False
        for w, v, m in zip(elements, values, masks):
            if missing(w):
                if not (m or missing(v)):
                    return False
            elif m or not same_scalar(w, v):
                return False
        return True
    if missing(want):
        return masked or missing(got) or (isinstance(got, (float, np.floating)) and np.isnan(got)) \
            or (got is None) or str(got) == "" or np.size(got) == 0
    if isinstance(want, str) and not binary:
        # XML has no such characters, and astropy strips a TD.
        want = UNWRITABLE.sub("", want).strip()
    if want == "":
        return str(got) == ""
    return not masked and same_scalar(want, got)


def main(arrow, votable):
    rows = pa.ipc.open_stream(arrow).read_all()
    table = parse(votable, verify="exception").get_first_table()
    assert len(table.array) == len(rows), (len(table.array), len(rows))
    assert [f.name for f in table.fields] == rows.column_names
    with open(votable, encoding="utf-8") as document:
        binary = "<TABLEDATA>" not in document.read()
    for name, field in zip(rows.column_names, table.fields):
        wants = expected(rows[name].combine_chunks() if rows[name].num_chunks else rows[name])
        gots, masks = table.array.data[field.ID], table.array.mask[field.ID]
        for row, (want, got, mask) in enumerate(zip(wants, gots, masks)):
            if field.datatype not in ("char", "unicodeChar") and want is None and field.arraysize is None:
                assert bool(mask) or np.isnan(got), f"{name} row {row}: NULL came as {got!r}"
                continue
            assert same(want, got, mask, binary), f"{name} row {row}: {want!r} came as {got!r} ({mask!r})"


if __name__ == "__main__":
    main(*sys.argv[1:])
