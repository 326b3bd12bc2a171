"""Reads the descriptions of a service with pyvo, and its pages as a browser would; every surprise is an exception.

Usage: use_metadata.py TAP_URL HATS_FOLDER
The tables are those of tests/clients/conformance.rs; counts and names are compared with the Parquet files.
"""

import datetime
import email.utils
import glob
import subprocess
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET

import pyarrow.parquet as pq
import pyvo

# PUBLIC is a reserved word of ADQL.
OPENGC = '"public".opengc'
HTML = "{http://www.w3.org/1999/xhtml}"


def get(url):
    with urllib.request.urlopen(url) as reply:
        return reply.headers, reply.read().decode()


def tables(service, hats):
    """Names, units, UCDs, flags and keys."""
    names = set(service.tables.keys())
    ours = {f"TAP_SCHEMA.{name}" for name in ("schemas", "tables", "columns", "keys", "key_columns")}
    assert ours < names and OPENGC in names, names
    opengc = service.tables[OPENGC]
    assert opengc.title == "OpenNGC", opengc.title
    assert opengc.description.startswith("Objects of the New General Catalogue & the"), opengc.description
    columns = {column.name: column for column in opengc.columns}
    # `const` and `type` are no reserved words; the spatial index is no part of `*`.
    files = glob.glob(f"{hats}/opengc/dataset/Norder=*/Dir=*/*.parquet")
    stored = pq.read_schema(files[0]).names
    assert list(columns) == [name for name in stored if name != "_healpix_29"], list(columns)
    seen = {name: (c.unit, c.ucd, c.utype) for name, c in columns.items()}
    assert seen["maj_ax"] == ("arcmin", "phys.angSize.smajAxis", None), seen
    assert seen["b_mag"] == ("mag", "phot.mag;em.opt.B", "test:bMag"), seen
    assert seen["ra"] == ("deg", "pos.eq.ra;meta.main", None), seen
    assert columns["b_mag"].description == "brightness in blue, < 30", columns["b_mag"].description
    assert columns["name"].description == "name, as in «NGC 224»", columns["name"].description
    assert "indexed" in columns["name"].flags and "indexed" not in columns["b_mag"].flags
    assert columns["name"].datatype.content == "unicodeChar" and columns["name"].datatype.arraysize == "*"
    rows = sum(pq.ParquetFile(file).metadata.num_rows for file in files)
    assert opengc.nrows == rows, (opengc.nrows, rows)
    keys = service.tables['"public".small_sky_order1_source_collection'].foreignkeys
    assert [key.targettable for key in keys] == ['"public".small_sky_order1_collection'], keys
    assert [(fk.fromcolumn, fk.targetcolumn) for fk in keys[0].fkcolumns] == [("object_id", "id")]


def tap_schema(service):
    """The same by ADQL; results carry what is described."""
    result = service.run_sync(
        "SELECT column_name, unit, ucd, datatype, principal FROM TAP_SCHEMA.columns "
        f"WHERE table_name = '{OPENGC}' ORDER BY column_index"
    )
    described = {str(row["column_name"]): row for row in result}
    for name, column in {c.name: c for c in service.tables[OPENGC].columns}.items():
        row = described[name]
        assert (row["unit"] or None, row["ucd"] or None) == (column.unit, column.ucd), name
        assert row["datatype"] == column.datatype.content, name
    assert [n for n, row in described.items() if row["principal"] == 1] == ["name", "b_mag"], described
    fields = service.run_sync("SELECT TOP 1 * FROM opengc").fielddescs
    assert [f.name for f in fields] == list(described), fields
    assert {f.name: f.ucd for f in fields}["b_mag"] == "phot.mag;em.opt.B"
    assert fields[0].datatype == described["name"]["datatype"]


def examples(service, base):
    """Every example runs; those on the sky find rows."""
    found = list(service.examples)
    document = ET.fromstring(get(f"{base}/examples")[1])
    ids = [div.get("id") for div in document.iter(f"{HTML}div") if div.get("typeof") == "example"]
    assert ids == ["cone", "count", "top", "join", "tables", "columns"], ids
    assert len(found) == len(ids), found
    for name, example in zip(ids, found):
        rows = len(service.run_sync(example["QUERY"]))
        assert rows > 0, f"{name} finds no row: {example['QUERY']}"


def pages(base):
    """Pages are well-formed, refer to nothing elsewhere, and what they tell to type runs."""
    home = base.rsplit("/tap", 1)[0]
    for path in ("", "/tap", "/tap/", "/tap/browse/public.opengc", "/tap/browse/TAP_SCHEMA.columns"):
        text = get(home + path)[1]
        page = ET.fromstring(text)
        assert "<script" not in text and not list(page.iter(f"{HTML}link")), path
    page = ET.fromstring(get(base)[1])
    targets = [a.get("href") for a in page.iter(f"{HTML}a")]
    assert f"{base}/browse/%22public%22.opengc" in targets, targets
    for target in targets:
        assert target.startswith(base), target
        text = get(target)[1]
        if "/help/" in target:
            ET.fromstring(text)
    forms = list(page.iter(f"{HTML}form"))
    assert len(forms) == 7, len(forms)
    for topic, kind, command in (
        ("python", "python", [sys.executable, "-"]),
        ("stilts", "shell", ["bash", "-euo", "pipefail", "-s"]),
    ):
        page = ET.fromstring(get(f"{base}/help/{topic}")[1])
        blocks = [pre.text for pre in page.iter(f"{HTML}pre") if pre.get("class") == kind]
        assert blocks, topic
        for block in blocks:
            if block.startswith("stilts") and subprocess.run(["which", "stilts"], capture_output=True).returncode:
                continue
            done = subprocess.run(command, input=block, text=True, capture_output=True, timeout=120)
            assert done.returncode == 0 and len(done.stdout.splitlines()) > 2, (block, done.stdout, done.stderr)


def headers(base):
    """Last-Modified is a moment of today; other methods are refused."""
    for resource in ("capabilities", "tables"):
        moment = email.utils.parsedate_to_datetime(get(f"{base}/{resource}")[0]["Last-Modified"])
        age = datetime.datetime.now(datetime.timezone.utc) - moment
        assert datetime.timedelta(0) <= age < datetime.timedelta(minutes=10), moment
    for method in ("POST", "PUT", "DELETE"):
        for resource in ("tables", "tables/public.opengc", "examples"):
            request = urllib.request.Request(f"{base}/{resource}", data=b"x=1", method=method)
            try:
                urllib.request.urlopen(request)
            except urllib.error.HTTPError as error:
                assert error.code == 405, (method, resource, error.code)
            else:
                raise AssertionError(f"{method} {resource} was answered")


def main():
    base, hats = sys.argv[1].rstrip("/"), sys.argv[2]
    service = pyvo.dal.TAPService(base)
    tables(service, hats)
    tap_schema(service)
    examples(service, base)
    pages(base)
    headers(base)


main()
