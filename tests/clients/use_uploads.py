"""Brings tables to the service as astronomers do; every surprise is an exception.

Usage: use_uploads.py WHAT TAP_URL HATS_FOLDER FOLDER_OF_UPLOADS
WHAT is `right`: every format and serialization comes back equal, joins are those of pandas, clients work; `wrong`:
what lies is refused by a clear error; `fetched`: tables by URL; or `job`: makes one and prints its address.
Afterwards FOLDER_OF_UPLOADS is empty, but for that of the job.
"""

import glob
import gzip
import http.server
import io
import os
import re
import socket
import sys
import threading
import time
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyvo
import requests
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io.votable import from_table, parse
from astropy.table import MaskedColumn, Table

warnings.simplefilter("ignore")
ROWS = 23


def sample():
    """One column of each kind, whose last row is missing where it can be."""
    rng = np.random.default_rng(6)
    n = ROWS
    last = np.arange(n) == n - 1
    table = Table()
    table["id"] = np.arange(n, dtype="i8") * 10**15
    table["flag"] = np.arange(n) % 3 == 0
    for name, kind in (("byte", "u1"), ("short_", "i2"), ("int_", "i4"), ("long_", "i8")):
        low, high = np.iinfo(kind).min + (1 if kind != "u1" else 0), min(np.iinfo(kind).max, 2**62)
        table[name] = MaskedColumn(rng.integers(low, high, n, dtype=kind), mask=last & (kind != "u1"))
    table["float_"] = MaskedColumn(rng.normal(size=n).astype("f4"), mask=last)
    table["double_"] = MaskedColumn(rng.normal(size=n), mask=last)
    table["text"] = np.array([f"a<&>\"'{i}" for i in range(n)]).astype("S")
    table["Größe µ"] = np.array([f"ä{i}☉" for i in range(n)])
    table["fixed"] = rng.normal(size=(n, 3))
    table["counts"] = rng.integers(-9, 9, (n, 2), dtype="i4")
    table["RA"] = rng.uniform(0, 360, n)
    table["Dec"] = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    table["time"] = np.array([f"2026-01-{1 + i:02}T12:34:56.{101 + 7 * i}" for i in range(n)])
    for name, ucd in (("RA", "pos.eq.ra;meta.main"), ("Dec", "pos.eq.dec;meta.main")):
        table[name].unit = "deg"
        table[name].meta["ucd"] = ucd
    table["double_"].unit = "mJy"
    table["double_"].meta["ucd"] = "phot.flux"
    table["double_"].description = "a flux & more"
    return table


def votable(table, serialization="tabledata", version="1.4"):
    document = from_table(table)
    document.version = version
    for field in document.get_first_table().fields:
        if field.name in ("short_", "int_", "long_"):
            field.values.null = np.iinfo(table[field.name].dtype).min
        if field.name == "time":
            field.xtype = "timestamp" if version != "1.1" else None
        if field.name in ("RA", "Dec", "double_"):
            field.ucd = table[field.name].meta["ucd"]
    out = io.BytesIO()
    document.to_xml(out, tabledata_format=serialization)
    return out.getvalue()


def ask(url, query, uploads, form="votable", resource="sync", **more):
    """A query with parts `{name: bytes}`."""
    parts = {name: (name, data) for name, data in uploads.items()}
    text = ";".join(f"{name},param:{name}" for name in uploads)
    data = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": form, "UPLOAD": text, **more}
    return requests.post(f"{url}/{resource}", data=data, files=parts, timeout=300, allow_redirects=False)


def rows_of(reply):
    assert reply.status_code == 200, (reply.status_code, reply.text[:2000])
    table = parse(io.BytesIO(reply.content)).get_first_table()
    return table


def same_cells(name, got, wanted):
    got_mask, wanted_mask = np.ma.getmaskarray(got), np.ma.getmaskarray(wanted)
    if np.asarray(wanted).dtype.kind == "f":
        got_mask, wanted_mask = got_mask | np.isnan(np.ma.getdata(got)), wanted_mask | np.isnan(np.ma.getdata(wanted))
    assert np.array_equal(got_mask, wanted_mask), (name, got, wanted)
    keep = ~wanted_mask
    got, wanted = np.ma.getdata(got)[keep], np.ma.getdata(wanted)[keep]
    if wanted.dtype.kind in "US":
        got, wanted = got.astype(str), wanted.astype(str)
    assert np.array_equal(got, wanted), (name, got, wanted)


def same_table(reply, table, missing=(), kinds=True):
    got = rows_of(reply)
    names = [field.name for field in got.fields]
    wanted = [name for name in table.colnames if name not in missing]
    assert names == wanted, (names, wanted)
    for field in got.fields:
        cells = got.array[field.ID] if field.ID in got.array.dtype.names else got.array[field.name]
        if cells.dtype == object:
            cells = np.array([np.asarray(cell) for cell in cells]) if field.arraysize != "*" or field.datatype not in (
                "char", "unicodeChar") else cells.astype(str)
        same_cells(field.name, cells, table[field.name])
        if kinds and field.name in ("double_", "RA"):
            assert str(field.unit) == str(table[field.name].unit), (field.name, field.unit)
            assert field.ucd == table[field.name].meta["ucd"], (field.name, field.ucd)
    return got


ALL = "SELECT * FROM TAP_UPLOAD.mine ORDER BY id"
DATATYPES = {"id": "long", "flag": "boolean", "byte": "unsignedByte", "short_": "short", "int_": "int", "long_": "long",
             "float_": "float", "double_": "double", "fixed": "double", "counts": "int", "RA": "double"}


def votables_come_back(url):
    table = sample()
    for version in ("1.1", "1.2", "1.3", "1.4", "1.5"):
        for serialization in ("tabledata", "binary", "binary2"):
            if serialization == "binary2" and version in ("1.1", "1.2"):
                continue
            for packed in (False, True):
                document = votable(table, serialization, version)
                data = gzip.compress(document) if packed else document
                for form in ("votable", "votable/td"):
                    got = same_table(ask(url, ALL, {"mine": data}, form), table)
                    kinds = {field.name: field.datatype for field in got.fields}
                    for name, kind in DATATYPES.items():
                        assert kinds[name] == kind, (version, serialization, name, kinds[name])
                    fields = {field.name: field for field in got.fields}
                    assert fields["double_"].description == "a flux & more", fields["double_"].description
                    assert fields["time"].xtype == ("timestamp" if version != "1.1" else None), (version, fields["time"])
                    assert fields["fixed"].arraysize == "3", fields["fixed"].arraysize
                    assert (fields["text"].datatype, fields["Größe µ"].datatype) == ("char", "unicodeChar"), fields


def other_formats_come_back(url):
    table = sample()
    flat = table.copy()
    flat.remove_columns(["fixed", "counts"])
    flat["text"] = flat["text"].astype(str)
    arrow = pa.table({
        name: pa.array(np.ma.getdata(column).tolist(), mask=np.ma.getmaskarray(column))
        if column.dtype.kind in "US" else pa.array(np.ma.getdata(column), mask=np.ma.getmaskarray(column))
        for name, column in flat.columns.items()})
    files = {}
    out = io.BytesIO(); pq.write_table(arrow, out); files["parquet"] = out.getvalue()
    for what, new, options in (("stream", pa.ipc.new_stream, None), ("file", pa.ipc.new_file, None),
                               ("packed", pa.ipc.new_file, pa.ipc.IpcWriteOptions(compression="lz4"))):
        out = io.BytesIO()
        with new(out, arrow.schema, options=options) as writer:
            writer.write_table(arrow, max_chunksize=7)
        files[what] = out.getvalue()
    for what, data in files.items():
        same_table(ask(url, ALL, {"mine": data}), flat, kinds=False), what
    ascii_ = flat.copy()
    ascii_.remove_columns(["Größe µ"])
    out = io.BytesIO(); ascii_.write(out, format="fits")
    same_table(ask(url, ALL, {"mine": out.getvalue()}), ascii_, kinds=False)
    same_table(ask(url, ALL, {"mine": gzip.compress(out.getvalue())}), ascii_, kinds=False)
    simple = flat["id", "int_", "double_", "text", "Größe µ", "RA", "Dec"]
    out = io.StringIO(); simple.write(out, format="ascii.csv")
    same_table(ask(url, ALL, {"mine": out.getvalue().encode()}), simple, kinds=False)


def read_opengc(hats):
    tiles = sorted(glob.glob(f"{hats}/opengc/dataset/Norder=*/Dir=*/Npix=*.parquet"))
    columns = ["name", "type", "ra", "dec", "b_mag"]
    return pa.concat_tables([pq.ParquetFile(tile).read(columns) for tile in tiles]).to_pandas()


def joins_are_those_of_pandas(url, hats):
    opengc = read_opengc(hats)
    rng = np.random.default_rng(7)
    names = rng.choice(opengc["name"].to_numpy(), 500, replace=False)
    mine = Table({"Name": [*names, "nothing"], "number": np.arange(501), "w": rng.normal(size=501)})
    data = {"mine": votable(mine, "binary2")}

    def csv(query, uploads=data):
        reply = ask(url, query, uploads, "csv")
        assert reply.status_code == 200, (query, reply.text)
        return [tuple(line.split(",")) for line in reply.text.replace('"', "").splitlines()[1:]]

    both = opengc.merge(mine.to_pandas(), left_on="name", right_on="Name")
    got = csv("SELECT number, g.name FROM opengc AS g JOIN tap_upload.MINE AS m ON g.name = m.name ORDER BY number")
    wanted = sorted(zip(both["number"], both["name"]))
    assert [(int(number), name) for number, name in got] == wanted, (got[:5], wanted[:5])
    got = csv("SELECT m.number FROM TAP_UPLOAD.mine AS m LEFT JOIN opengc AS g ON g.name = m.name "
              "WHERE g.name IS NULL")
    assert got == [("500",)], got
    got = csv("SELECT COUNT(*) AS n FROM opengc WHERE name IN (SELECT Name FROM TAP_UPLOAD.mine)")
    assert int(got[0][0]) == opengc["name"].isin(names).sum(), got
    got = csv("SELECT COUNT(*) AS n FROM opengc WHERE name NOT IN (SELECT Name FROM TAP_UPLOAD.mine)")
    assert int(got[0][0]) == (~opengc["name"].isin(names)).sum(), got
    got = csv("SELECT type, COUNT(*) AS n, MAX(number) AS m FROM opengc AS g JOIN TAP_UPLOAD.mine AS m "
              "ON g.name = m.name GROUP BY type ORDER BY type")
    wanted = both.groupby("type")["number"].agg(["size", "max"]).reset_index()
    assert [(t, int(n), int(m)) for t, n, m in got] == [tuple(row) for row in wanted.itertuples(index=False)], got
    for query in ("SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine", "SELECT COUNT(number) AS n FROM TAP_UPLOAD.mine",
                  "SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine WHERE number >= 0"):
        assert csv(query) == [("501",)], query
    got = csv("SELECT SUM(number) AS n FROM TAP_UPLOAD.mine AS a JOIN TAP_UPLOAD.\"mine\" AS b USING (number)")
    assert got == [(str(500 * 501 // 2),)], got
    two = {**data, "Other": votable(mine[:3], "tabledata")}
    got = csv("SELECT COUNT(*) AS n FROM TAP_UPLOAD.mine AS a JOIN TAP_UPLOAD.other AS b ON a.number = b.number", two)
    assert got == [("3",)], got
    got = csv("SELECT COUNT(*) AS n FROM TAP_SCHEMA.tables AS t JOIN TAP_UPLOAD.mine AS m ON t.table_index = m.number")
    assert int(got[0][0]) >= 0, got
    got = csv("SELECT TOP 2 number FROM TAP_UPLOAD.mine ORDER BY number DESC")
    assert got == [("500",), ("499",)], got
    got = csv("SELECT number FROM TAP_UPLOAD.mine WHERE number < 2 UNION ALL SELECT number FROM TAP_UPLOAD.mine "
              "WHERE number = 500")
    assert sorted(int(n) for n, in got) == [0, 1, 500], got
    got = csv("SELECT table_name FROM TAP_SCHEMA.tables WHERE schema_name LIKE '%UPLOAD%'")
    assert got == [], got


def cones_are_those_of_astropy(url):
    n = 50_000
    rng = np.random.default_rng(8)
    ra, dec = rng.uniform(-180, 540, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    ra[:4], dec[:4] = [0, 360, 180, 0], [90, -90, 0, 0]
    missing = rng.random(n) < 0.01
    for kind in ("f8", "f4"):
        table = Table({"number": np.arange(n), "ra": MaskedColumn(ra.astype(kind), mask=missing), "dec": dec.astype(kind)})
        data = votable(table, "binary2")
        place = SkyCoord(table["ra"].filled(np.nan).astype("f8") * u.deg, table["dec"].astype("f8") * u.deg)
        for center, radius in (((10.0, 20.0), 5), ((0, 0), 3), ((0, 90), 4), ((359.9, -90), 2), ((180, 0), 120)):
            separation = place.separation(SkyCoord(*center, unit="deg")).deg
            wanted = set(np.flatnonzero(np.nan_to_num(separation, nan=999) < radius).tolist())
            for where in (f"DISTANCE(ra, dec, {center[0]}, {center[1]}) < {radius}",
                          f"1 = CONTAINS(POINT(ra, dec), CIRCLE({center[0]}, {center[1]}, {radius}))"):
                reply = ask(url, f"SELECT number FROM TAP_UPLOAD.t WHERE {where}", {"t": data}, "csv")
                assert reply.status_code == 200, reply.text
                got = {int(line) for line in reply.text.split()[1:]}
                assert got == wanted, (kind, where, len(got), len(wanted), list(got ^ wanted)[:5])


def matches_are_those_of_astropy(url, hats):
    opengc = read_opengc(hats).dropna(subset=["ra", "dec"])
    rng = np.random.default_rng(8)
    at = rng.choice(len(opengc), 400, replace=False)
    dec = np.clip(opengc["dec"].to_numpy()[at] + rng.uniform(-1, 1, 400) / 60, -90, 90)
    ra = (opengc["ra"].to_numpy()[at] + rng.uniform(-1, 1, 400) / 60 / np.cos(np.radians(dec))) % 360
    mine = Table({"number": np.arange(404), "lon": [*ra, np.nan, 0.0, 120.0, 359.9999],
                  "lat": [*dec, 1.0, 90.0, -90.0, 0.0]})
    data = {"mine": votable(mine, "binary2")}
    here = SkyCoord(mine["lon"], mine["lat"], unit="deg")[:, None]
    apart = here.separation(SkyCoord(opengc["ra"].to_numpy(), opengc["dec"].to_numpy(), unit="deg")[None, :]).deg
    for radius in (0.5 / 60, 1.0, 40.0):
        assert np.nanmin(abs(apart - radius)) > 1e-11, "a pair on the edge"
        counts = (apart < radius).sum(axis=1)
        for condition in (f"DISTANCE(m.lon, m.lat, g.ra, g.dec) < {radius!r}",
                          f"1 = CONTAINS(POINT(g.ra, g.dec), CIRCLE(m.lon, m.lat, {radius!r}))"):
            for sides in ("TAP_UPLOAD.mine AS m LEFT JOIN opengc AS g", "opengc AS g RIGHT JOIN TAP_UPLOAD.mine AS m"):
                reply = ask(url, f"SELECT m.number, COUNT(g.name) AS n FROM {sides} ON {condition} "
                            "GROUP BY m.number ORDER BY m.number", data, "csv")
                assert reply.status_code == 200, reply.text
                got = [tuple(map(int, line.split(","))) for line in reply.text.splitlines()[1:]]
                assert got == list(enumerate(counts)), (condition, sides)
            reply = ask(url, f"SELECT COUNT(*) AS n FROM opengc AS g, TAP_UPLOAD.mine AS m WHERE {condition}", data, "csv")
            assert reply.text.split() == ["n", str(counts.sum())], (condition, reply.text)


def pyvo_brings_tables(url, folder):
    service = pyvo.dal.TAPService(url)
    limit = service.upload_methods
    assert any("upload-inline" in str(method.ivo_id) for method in limit), limit
    assert service.get_tap_capability().uploadlimit.hard.content > 0
    table = Table({"a": [1, 2, 3], "b": ["x", "y", "ö"]})
    query = "SELECT a, b FROM TAP_UPLOAD.t1 ORDER BY a"
    got = service.run_sync(query, uploads={"t1": table}).to_table()
    assert list(got["a"]) == [1, 2, 3] and list(got["b"]) == ["x", "y", "ö"], got
    got = service.run_async(query, uploads={"t1": table}).to_table()
    assert list(got["a"]) == [1, 2, 3] and list(got["b"]) == ["x", "y", "ö"], got
    job = service.submit_job(query, uploads={"t1": table})
    assert os.listdir(folder), "a job keeps what came with it"
    document = requests.get(f"{job.url}/parameters").text
    assert re.search(r'id="(?i:upload)">t1,param:t1<', document), document
    # Another one for the same job, and the first one again.
    more = {"UPLOAD": "t2,param:x"}
    reply = requests.post(f"{job.url}/parameters", data=more, files={"x": ("x", votable(table[:1]))}, allow_redirects=False)
    assert reply.status_code == 303, reply.text
    more = {"QUERY": "SELECT (SELECT COUNT(*) FROM TAP_UPLOAD.t1) AS n, (SELECT COUNT(*) FROM TAP_UPLOAD.t2) AS m "
            "FROM TAP_UPLOAD.t2", "UPLOAD": "T1,param:t1", "RESPONSEFORMAT": "csv"}
    reply = requests.post(f"{job.url}/parameters", data=more, files={"t1": ("y", votable(table[:2]))}, allow_redirects=False)
    assert reply.status_code == 303, reply.text
    document = requests.get(f"{job.url}/parameters").text
    assert re.search(r'id="(?i:upload)">t2,param:x;T1,param:t1<', document), document
    job.run().wait(phases=["COMPLETED", "ERROR"])
    text = requests.get(f"{job.url}/results/result").text
    assert text.split() == ["n,m", "2,1"], (text, requests.get(job.url).text)
    job.delete()
    # Both syntaxes, and a part without the name of a file.
    parts = [("QUERY", (None, query)), ("LANG", (None, "ADQL")), ("UPLOAD", (None, "t1,param:p")),
             ("UPLOAD", (None, "t2, param:p;T3,param:q")), ("RESPONSEFORMAT", (None, "csv")),
             ("p", (None, "a,b\n7,z\n")), ("q", ("q.csv", "a\n1\n"))]
    reply = requests.post(f"{url}/sync", files=parts)
    assert reply.text.split() == ["a,b", "7,z"], reply.text
    # Nobody else sees them.
    reply = requests.post(f"{url}/sync", data={"LANG": "ADQL", "QUERY": query})
    assert reply.status_code == 400 and "TAP_UPLOAD.t1" in reply.text, reply.text
    reply = ask(url, "SELECT * FROM t1", {"t1": b"a\n1\n"})
    assert reply.status_code == 400, "only by its schema"


def refused(reply, words, status=400):
    said = re.sub(r"&quot;", '"', reply.text)
    assert reply.status_code == status, (reply.status_code, words, said[:1000])
    for word in words:
        assert word.lower() in said.lower(), (word, said[:1500])
    assert "/uploads/" not in said and ".part" not in said, said


def wrong(url):
    """A service that takes 300,000 bytes and 1,000 rows."""
    field = '<FIELD name="a" datatype="int"/>'
    one = ('<VOTABLE version="1.3"><RESOURCE><TABLE>{}<DATA>{}</DATA></TABLE></RESOURCE></VOTABLE>').format
    cells = "<TABLEDATA><TR><TD>{}</TD></TR></TABLEDATA>".format
    good = one(field, cells(1)).encode()
    query = "SELECT COUNT(*) AS n FROM TAP_UPLOAD.t"
    nameless = io.BytesIO()
    pq.write_table(pa.table({"": [1]}), nameless)
    assert rows_of(ask(url, query, {"t": good})).array["n"].tolist() == [1]
    lies = [
        (one(field, cells("abc")), ["upload t:", "abc", "column a", "row 1"]),
        (one('<FIELD name="a" datatype="integer"/>', cells(1)), ["upload t:", "integer", "datatype"]),
        (one(field, '<BINARY><STREAM encoding="base64">A!!!</STREAM></BINARY>'), ["upload t:", "base64"]),
        (one(field, '<BINARY><STREAM encoding="base64">AAAA</STREAM></BINARY>'), ["upload t:", "row 1"]),
        (one(field + field, cells(1)), ["upload t:", "both named a"]),
        (nameless.getvalue(), ["upload t:", "column 1 has no name"]),
        (one(field, cells(1))[:-60], ["upload t:", "ends early"]),
        (gzip.compress(one(field, cells(1)).encode())[:-20], ["upload t:", "ends early"]),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ["upload t:", "none of Parquet"]),
        (b"<html><body>not found</body></html>", ["upload t:", "web page"]),
        (b"PAR1" + b"x" * 100, ["upload t:", "Parquet"]),
        (b"ARROW1\0\0" + b"x" * 100, ["upload t:", "the header of a message says"]),
        (b"\xff\xff\xff\xff\0\0\0\x7f" + b"x" * 100, ["upload t:", "the header of a message says"]),
        (b"SIMPLE  =                    T" + b" " * 50, ["upload t:"]),
        (b"", ["upload t:", "empty"]),
    ]
    for data, words in lies:
        data = data.encode() if isinstance(data, str) else data
        refused(ask(url, query, {"t": data}), words)
        refused(ask(url, query, {"t": data}, "csv"), words)
    refused(ask(url, query, {"t": b"a\n" + b"1\n" * 1001}), ["1000 rows", "upload t"], 413)
    assert ask(url, query, {"t": b"a\n" + b"1\n" * 1000}).status_code == 200
    refused(ask(url, query, {"t": b"a\n" + b"1" * 300_000}), ["300000 bytes"], 413)
    refused(ask(url, query, {"t": gzip.compress(b"a\n" + b"1" * 10_000_000)}), ["300000 bytes", "unpacked"], 413)
    bomb = gzip.compress(gzip.compress(b"a\n") + b"\0" * 10_000_000)
    refused(ask(url, query, {"t": bomb}), ["upload t"])
    wide = one('<FIELD name="a" datatype="double" arraysize="1000000"/>', "<TABLEDATA>" + "<TR><TD/></TR>" * 900 + "</TABLEDATA>")
    refused(ask(url, query, {"t": wide.encode()}), ["upload t"], 413)
    out = io.BytesIO()
    pq.write_table(pa.table({"a": np.zeros(900), "b": ["x" * 500] * 900}), out, compression="zstd", use_dictionary=False)
    refused(ask(url, query, {"t": out.getvalue()}), ["unpacked"], 413)
    out = io.BytesIO()
    empty = pa.table({"a": np.zeros(4_000_000)})
    with pa.ipc.new_stream(out, empty.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(empty)
    refused(ask(url, query, {"t": out.getvalue()}), ["upload t"], 413)
    form = {"LANG": "ADQL", "QUERY": query}

    def post(upload, parts):
        files = [(name, (name, data)) for name, data in parts]
        return requests.post(f"{url}/sync", data={**form, "UPLOAD": upload}, files=files)

    refused(post("t,param:other", [("t", good)]), ["no such part", "other"])
    refused(post("t,param:t;T,param:u", [("t", good), ("u", good)]), ["two tables", "T"])
    refused(post("t,param:t", [("t", good), ("t", good)]), ["two parts"])
    for name in ("2t", "t t", "a.b", '"t"', "", "é", "t;x"):
        refused(post(f"{name},param:t", [("t", good)]), ["UPLOAD"])
    refused(post("t", [("t", good)]), ["name,param:part"])
    refused(post("t,ftp://example.org/x", [("t", good)]), ["http"])
    refused(post("t,file:///etc/passwd", [("t", good)]), ["http"])
    refused(post("t,param:t", [(f"p{i}", b"x") for i in range(200)]), ["at most 100"])
    # A job tells it when it runs; what is too large is refused at once.
    reply = ask(url, query, {"t": b"a\nb\n\0"}, resource="async", PHASE="RUN")
    assert reply.status_code == 303, reply.text
    job = reply.headers["Location"]
    while requests.get(f"{job}/phase").text in ("QUEUED", "EXECUTING"):
        requests.get(f"{job}?WAIT=5")
    assert requests.get(f"{job}/phase").text == "ERROR" and "upload t:" in requests.get(job).text, requests.get(job).text
    refused(ask(url, query, {"t": b"a\n" + b"1" * 300_000}, resource="async"), ["300000 bytes"], 413)
    pending = ask(url, query, {"t": good}, resource="async").headers["Location"]
    assert requests.delete(pending).status_code in (200, 303)
    pending = ask(url, query, {"t": good}, resource="async").headers["Location"]
    requests.post(f"{pending}/phase", data={"PHASE": "ABORT"})
    requests.get(job)
    # The client goes away in the middle of a part.
    half = (b"--x\r\nContent-Disposition: form-data; name=\"t\"; filename=\"t\"\r\n\r\na\n1\n",)
    for chunks in (half, half + (b"1\n" * 1000,)):
        host, port = re.match(r"http://([^:/]+):(\d+)", url).groups()
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                               b"Content-Length: 200000\r\n\r\n" + b"".join(chunks))
            time.sleep(0.3)
    # No part at all, and much of it.
    reply = requests.post(f"{url}/sync", data=b"z" * 20_000_000, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert reply.status_code in (400, 413), reply.status_code
    # A client that waits to be told sends nothing.
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(b"POST /tap/sync HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                           b"Content-Length: 5000000000\r\nExpect: 100-continue\r\n\r\n")
        answer = connection.recv(1000)
    assert answer.startswith(b"HTTP/1.1 413"), answer
    # Addresses that are not of the internet.
    for there in ("http://127.0.0.1:1/x", "http://localhost:1/x", "http://169.254.169.254/latest", "http://[::1]/x",
                  "http://0.0.0.0/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://0x7f.1/", "http://10.1.2.3/"):
        refused(post(f"t,{there}", []), ["private network"])


class Files(http.server.BaseHTTPRequestHandler):
    table = b""

    def do_GET(self):
        at = self.path.split("?")[0]
        if at == "/table":
            self.answer(200, self.table)
        elif at.startswith("/to/"):
            self.answer(302, b"", {"Location": at.removeprefix("/to/")})
        elif at == "/loop":
            self.answer(302, b"", {"Location": "/loop"})
        elif at == "/large":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(100_000):
                    self.wfile.write(b"1\n" * 10_000)
            except OSError:
                pass
        elif at == "/cut":
            self.answer(200, self.table, {"Content-Length": str(len(self.table) + 10)})
        else:
            self.answer(404, b"no")

    def answer(self, status, body, headers={}):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def fetched(url):
    """A service that fetches from this host, which no service does by itself."""
    table = Table({"a": [1, 2, 3]})
    Files.table = votable(table)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    query = "SELECT SUM(a) AS n FROM TAP_UPLOAD.t"

    def get(there, verb=requests.get, resource="sync", **more):
        more = {"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv", "UPLOAD": f"t,{there}", **more}
        return verb(f"{url}/{resource}", params=more, allow_redirects=False)

    for there in (f"{here}/table", f"{here}/table?x=1;y=2", f"{here}/to//table", f"{here}/to/{here}/table"):
        assert get(there).text.split() == ["n", "6"], get(there).text
    assert get(f"{here}/table", requests.post).text.split() == ["n", "6"]
    both = {"LANG": "ADQL", "QUERY": "SELECT COUNT(*) AS n FROM TAP_UPLOAD.a, TAP_UPLOAD.b", "RESPONSEFORMAT": "csv",
            "UPLOAD": f"a,{here}/table;b,param:b"}
    reply = requests.post(f"{url}/sync", data=both, files={"b": ("b", b"x\n1\n2\n")})
    assert reply.text.split() == ["n", "6"], reply.text
    refused(get(f"{here}/absent"), ["404"])
    refused(get(f"{here}/loop"), ["redirects"])
    refused(get(f"{here}/to/file:///etc/passwd"), ["neither http nor https"])
    refused(get(f"{here}/large"), ["bytes"], 413)
    refused(get(f"{here}/cut"), ["cannot be fetched"])
    refused(get("http://127.0.0.1:1/x"), ["127.0.0.1:1"])
    refused(get("http://no.such.host.invalid/x"), ["no.such.host.invalid"])
    job = get(f"{here}/table", requests.post, "async", PHASE="RUN").headers["Location"]
    while requests.get(f"{job}/phase").text in ("QUEUED", "EXECUTING"):
        requests.get(f"{job}?WAIT=5")
    assert requests.get(f"{job}/results/result").text.split() == ["n", "6"], requests.get(job).text


def main():
    what, url, hats, folder = sys.argv[1:]
    if what == "right":
        votables_come_back(url)
        other_formats_come_back(url)
        joins_are_those_of_pandas(url, hats)
        matches_are_those_of_astropy(url, hats)
        cones_are_those_of_astropy(url)
        pyvo_brings_tables(url, folder)
    elif what == "wrong":
        wrong(url)
    elif what == "job":
        reply = ask(url, "SELECT SUM(a) AS n FROM TAP_UPLOAD.t", {"t": votable(Table({"a": [1, 2, 3]}))}, "csv", "async")
        print(reply.headers["Location"])
        return
    else:
        fetched(url)
    deadline = time.time() + 20
    while os.listdir(folder) and time.time() < deadline:
        time.sleep(0.1)
    assert not os.listdir(folder), (folder, os.listdir(folder))


if __name__ == "__main__":
    main()
