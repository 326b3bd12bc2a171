"""Writes one table with every type into a folder, by astropy and by STILTS, in every serialization.

Prints JSON: for each file the cells of its columns, as they were put in, and what is said of them.
Numbers are text, floats the bits of their double, NULL is null.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
from astropy.io import fits
from astropy.io.votable import tree
from astropy.table import MaskedColumn, Table
from pyarrow import parquet

FOLDER, STILTS = Path(sys.argv[1]), sys.argv[2]
NAN, INF = float("nan"), float("inf")
TEXTS = ["Röntgen & <x>", "日本 \"q\"", " padded ", None]

# Name: datatype, arraysize, the value that means NULL, cells.
VOTABLE = {
    "flag": ("boolean", None, None, [True, False, True, None]),
    "byte": ("unsignedByte", None, 99, [0, 255, 7, None]),
    "short": ("short", None, -(2**15), [-(2**15) + 1, 2**15 - 1, 0, None]),
    "int": ("int", None, -(2**31), [-(2**31) + 1, 2**31 - 1, -1, None]),
    "long": ("long", None, -(2**63), [-(2**63) + 1, 2**63 - 1, 9007199254740993, None]),
    "float": ("float", None, None, [1.1, 3.4028235e38, 1e-45, NAN]),
    "double": ("double", None, None, [0.1, -1.7976931348623157e308, 5e-324, NAN]),
    "limits": ("double", None, None, [INF, -INF, -0.0, 1e23]),
    "text": ("unicodeChar", "*", None, TEXTS),
    "ascii": ("char", "*", None, ["a", "two words", "<&>", None]),
    "fixed": ("char", "6", None, ["sixsix", "x", "three", None]),
    "wide": ("unicodeChar", "4", None, ["ßßßß", "é", "日本", None]),
    "array": ("double", "3", None, [[1.5, NAN, -2.0], [0.0, 1e300, 3.0], [1.0, 2.0, 3.0], [7.0, 8.0, 9.0]]),
    "matrix": ("short", "2x3", None, [list(range(n, n + 6)) for n in (0, 10, -20, 300)]),
    "list": ("int", "*", None, [[1], [2, -3], [2**31 - 1] * 5, [0, 0]]),
    "bits": ("bit", "10", None, [[n >> k & 1 == 1 for k in range(10)] for n in (1, 512, 1023, 0)]),
    "complex": ("floatComplex", None, None, [1 + 2j, -0.5j, 1e10 + 0j, 3 - 4j]),
    "wave": ("doubleComplex", None, None, [0.1 + 0.2j, -1j, 5e-324 + 0j, 2 + 2j]),
}
# Unit, UCD, utype, description.
SAID = {
    "double": ["deg", "pos.eq.ra;meta.main", "a:b.c", "Right & ascension"],
    "array": ["mag", None, None, None],
}


def spelled(value, single=False):
    """A cell as the test spells it."""
    if value is None:
        return None
    if isinstance(value, (list, np.ndarray)):
        return [spelled(v, single) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, complex):
        return [spelled(value.real, single), spelled(value.imag, single)]
    if isinstance(value, (float, np.floating)):
        value = float(np.float32(value)) if single else float(value)
        return "NaN" if value != value else struct.pack(">d", value).hex()
    return str(value)


def expected(columns, said=SAID):
    return {"columns": columns, "said": said}


def votable_cells(names=VOTABLE):
    single = {"float", "floatComplex"}
    return {
        name: [spelled(v, VOTABLE[name][0] in single) for v in VOTABLE[name][3]] for name in names
    }


def write_votable(path, how, version):
    document = tree.VOTableFile(version=version)
    resource = tree.Resource()
    document.resources.append(resource)
    table = tree.TableElement(document, name="every_type")
    resource.tables.append(table)
    for name, (datatype, size, null, _) in VOTABLE.items():
        unit, ucd, utype, description = SAID.get(name, [None] * 4)
        field = tree.Field(document, name=name, datatype=datatype, arraysize=size)
        field.unit, field.ucd, field.utype, field.description = unit, ucd, utype, description
        if null is not None:
            field.values.null = null
        table.fields.append(field)
    table.create_arrays(4)
    for name, (_, size, null, cells) in VOTABLE.items():
        for row, cell in enumerate(cells):
            if cell is None:
                table.array[name].mask[row] = True
                empty = "" if name in ("text", "ascii", "fixed", "wide") else null or False
                table.array[name].data[row] = empty
            elif name == "matrix":
                table.array[name][row] = np.reshape(cell, (3, 2))
            elif name == "list":
                table.array.data[name][row] = np.ma.array(cell, dtype="int32", mask=[False] * len(cell))
            else:
                table.array[name][row] = cell
    table.format = how
    document.to_xml(str(path), tabledata_format=how)


def write_fits(path):
    """Every TFORM, with scaling, offsets and undefined values."""
    unsigned = {16: [0, 65535, 32768, 1], 32: [0, 2**32 - 1, 5, 6], 64: [0, 2**64 - 1, 2**63, 1]}
    text = ["ascii", "trailing  ", "  lead", ""]
    lists = [np.array(v, dtype="float32") for v in ([1.5], [2, 3], [NAN, -1, 0], [7.0] * 9)]
    longs = [np.array(v, dtype="int64") for v in ([1], [2, -(2**63)], [5] * 3, [0])]
    matrix = np.arange(24, dtype="int32").reshape(4, 2, 3)
    bits = np.array([[n >> k & 1 == 1 for k in range(11)] for n in (1, 1024, 2047, 0)])
    waves = np.array([1 + 2j, -3j, 0, 1e-300 + 1e300j])
    scaled = np.array([0.5, -12.25, 100.0, 3.0])
    columns = [
        fits.Column("flag", "L", array=np.array([True, False, False, True])),
        fits.Column("bits", "11X", array=bits),
        fits.Column("byte", "B", array=np.array([0, 255, 1, 2], "u1")),
        fits.Column("sbyte", "B", bzero=-128, array=np.array([-128, 127, 0, -1], "i1")),
        fits.Column("short", "I", null=-5, array=np.array([-32768, 32767, -5, 0], "i2")),
        fits.Column("int", "J", null=7, unit="s", array=np.array([-(2**31), 2**31 - 1, 7, 0], "i4")),
        fits.Column("long", "K", array=np.array([-(2**63), 2**63 - 1, 9007199254740993, 0], "i8")),
        fits.Column("u16", "I", bzero=2**15, array=np.array(unsigned[16], "u2")),
        fits.Column("u32", "J", bzero=2**31, array=np.array(unsigned[32], "u4")),
        fits.Column("u64", "K", bzero=2**63, array=np.array(unsigned[64], "u8")),
        fits.Column("float", "E", array=np.array([1.1, NAN, -INF, 1e-45], "f4")),
        fits.Column("double", "D", unit="deg", array=np.array([0.1, NAN, INF, 5e-324])),
        fits.Column("scaled", "I", array=((scaled - 10) / 0.25).astype("i2")),
        fits.Column("text", "12A", array=np.array(text)),
        fits.Column("complex", "C", array=np.array([1, 2j, 3, 4], "c8")),
        fits.Column("wave", "M", array=waves),
        fits.Column("matrix", "6J", dim="(3,2)", array=matrix),
        fits.Column("words", "6A", dim="(3,2)", array=np.array([["a", "bcd"], ["", "x"], ["yy", "z"], ["1", "2"]])),
        fits.Column("list", "PE()", array=np.array(lists, dtype=object)),
        fits.Column("longs", "QK()", array=np.array(longs, dtype=object)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="every_type")
    # Said behind astropy's back, whose own scaling fails with this numpy.
    at = 1 + [column.name for column in columns].index("scaled")
    table.header[f"TSCAL{at}"], table.header[f"TZERO{at}"] = 0.25, 10.0
    image = fits.PrimaryHDU(np.zeros((40, 50), "f4"))
    fits.HDUList([image, fits.ImageHDU(np.ones((3, 3))), table]).writeto(path)
    number = lambda values, single=False: [spelled(v, single) for v in values]
    cells = {
        "flag": number([True, False, False, True]),
        "bits": number(bits),
        "byte": ["0", "255", "1", "2"],
        "sbyte": ["-128", "127", "0", "-1"],
        "short": ["-32768", "32767", None, "0"],
        "int": [str(-(2**31)), str(2**31 - 1), None, "0"],
        "long": [str(-(2**63)), str(2**63 - 1), "9007199254740993", "0"],
        "u16": [str(v) for v in unsigned[16]],
        "u32": [str(v) for v in unsigned[32]],
        "u64": [str(v) for v in unsigned[64]],
        "float": number([1.1, NAN, -INF, 1e-45], True),
        "double": number([0.1, NAN, INF, 5e-324]),
        "scaled": number(scaled),
        "text": ["ascii", "trailing", "  lead", None],
        "complex": number([1 + 0j, 2j, 3 + 0j, 4 + 0j], True),
        "wave": number([complex(v) for v in waves]),
        "matrix": [number(row) for row in matrix.reshape(4, 6)],
        "words": [["a", "bcd"], ["", "x"], ["yy", "z"], ["1", "2"]],
        "list": [number(v, True) for v in lists],
        "longs": [number(v) for v in longs],
    }
    units = {"int": "s", "double": "deg"}
    return expected(cells, {name: [unit, None, None, None] for name, unit in units.items()})


def write_csv(path):
    table = Table()
    table["id"] = [1, 2, 3]
    table["mag"] = MaskedColumn([1.5, 0.1, -3.0], mask=[False, True, False])
    table["name"] = ["a,b", "say \"x\"", "line\nend"]
    table.write(path, format="ascii.csv")
    mag = [spelled(1.5), None, spelled(-3.0)]
    return expected({"id": ["1", "2", "3"], "mag": mag, "name": list(table["name"])}, {})


def write_parquet(path):
    lists, index = [[1.5], None, []], [7, 8, 9]
    columns = {"x": [0.1, NAN, None], "list": lists, "text": ["é", "", None]}
    columns["__index_level_0__"] = index
    parquet.write_table(pyarrow.table(columns), path)
    cells = {name: [spelled(v) for v in values] for name, values in columns.items()}
    return expected(cells, {})


def pipe(source, target, form, *commands):
    files = [f"in={FOLDER / source}", f"out={FOLDER / target}", f"ofmt={form}"]
    subprocess.run([STILTS, "tpipe", *files, *commands], check=True, stdout=sys.stderr)


def main():
    told = {}
    for version in ("1.1", "1.3", "1.4", "1.5"):
        for how in ("tabledata", "binary", "binary2"):
            if version == "1.1" and how == "binary2":
                continue
            name = f"astropy_{version}_{how}.vot"
            write_votable(FOLDER / name, how, version)
            told[name] = expected(votable_cells())
    told["astropy.fits"] = write_fits(FOLDER / "astropy.fits")
    subprocess.run(["gzip", "-k", str(FOLDER / "astropy.fits")], check=True)
    told["astropy.fits.gz"] = told["astropy.fits"]
    told["astropy.csv"] = write_csv(FOLDER / "astropy.csv")
    told["pyarrow.parquet"] = write_parquet(FOLDER / "pyarrow.parquet")
    # From BINARY2: STIL reads no infinities and no bits as astropy spells them.
    source = "astropy_1.4_binary2.vot"
    for form in ("tabledata", "binary-inline", "binary2-inline"):
        name = f"stilts_{form}.vot"
        pipe(source, name, f"votable-{form}")
        told[name] = told[source]
    for form in ("basic", "var"):
        name = f"stilts_{form}.fits"
        # Its FITS has `?` for the ends of lines that astropy puts around a description.
        pipe(source, name, f"fits-{form}", f"cmd=colmeta -desc '{SAID['double'][3]}' double")
        # Texts of FITS are ASCII, and lists in a basic table are filled up to the longest.
        left_out = ("text", "wide") if form == "var" else ("text", "wide", "list")
        columns = {n: c for n, c in told[source]["columns"].items() if n not in left_out}
        told[name] = expected(columns)
    name = "stilts.csv"
    scalars = ("flag", "int", "long", "double", "limits", "text", "ascii")
    pipe(source, name, "csv", f"cmd=keepcols '{' '.join(scalars)}'")
    columns = {n: told[source]["columns"][n] for n in scalars}
    # What is not a number is empty in STIL's CSV.
    columns["double"] = columns["double"][:3] + [None]
    told[name] = expected(columns, {})
    print(json.dumps(told))


main()
