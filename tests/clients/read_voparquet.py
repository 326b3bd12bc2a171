"""What the Parquet files of a table say of its columns, as astropy, pyarrow and STILTS read it.

Usage: read_voparquet.py DESCRIBED.vot TABLE AGAIN CONTENT.vot NUMBERS.parquet
TABLE was imported from DESCRIBED.vot, and AGAIN from the tiles of TABLE; NUMBERS.parquet is the file of a
table of numbers only. The VOTable of the files is written to CONTENT.vot. Prints how many files were read, or fails.
"""

import io
import sys
import tomllib
import warnings
from pathlib import Path

import pyarrow.parquet as pq
from astropy.io.votable import parse
from astropy.table import Table

KINDS = {"int64": "long", "double": "double", "float": "float", "string": "unicodeChar", "bool": "boolean"}


def described(resource):
    """The columns by their names, each with what it says and the frame or scale that it refers to."""
    systems = {s.ID: ("COOSYS", s.system, s.equinox, s.epoch) for s in resource.coordinate_systems}
    for s in resource.time_systems:
        systems[s.ID] = ("TIMESYS", s.timescale, s.refposition, float(s.timeorigin))
    fields = resource.tables[0].fields
    return {f.name: (f.unit, f.ucd, f.utype, f.description, systems.get(f.ref)) for f in fields}


def main(document, table, again, content, numbers):
    wanted = described(parse(document, verify="exception").resources[0])
    files = [f for f in table.rglob("*") if f.is_file() and (f.suffix == ".parquet" or f.name.endswith("_metadata"))]
    tiles = [f for f in files if f.suffix == ".parquet"]
    said = set()
    for file in files:
        metadata = pq.read_metadata(file).metadata
        assert metadata[b"IVOA.VOTable-Parquet.version"] == b"1.0", file
        said.add(metadata[b"IVOA.VOTable-Parquet.content"])
        schema = pq.read_schema(file)
        fields = parse(io.BytesIO(metadata[b"IVOA.VOTable-Parquet.content"]), verify="exception").get_first_table().fields
        assert [f.name for f in fields] == schema.names, (file, schema.names)
        for field, kind in zip(fields, schema.types):
            if str(kind).startswith("list"):
                kind = kind.value_type
                assert field.arraysize == "*", field
            assert field.datatype == KINDS[str(kind)], (field, kind)
    assert len(said) == 1, "the files say different things"
    resource = parse(io.BytesIO(min(said)), verify="exception").resources[0]
    found = described(resource)
    assert found.pop("_healpix_29")[1] == "pos.healpix"
    assert found == wanted, (found, wanted)
    assert resource.tables[0].name == "Stars" and resource.tables[0].description == "Some <stars> & more."
    infos = [(info.name, info.value) for info in resource.infos]
    assert infos == [("citation", "doi:10.1234/abc"), ("creator", "A. Star")], infos
    # astropy's own reader of such files, which stumbles over texts and lists of any length.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = Table.read(numbers, format="parquet.votable")
    assert [tuple(row) for row in columns] == [(7, 1.5, 60000.5), (8, -2.5, 60001.5)], columns
    assert [str(columns[name].unit) for name in ("pm", "seen")] == ["mas / yr", "d"], columns.info
    assert columns["pm"].meta["ucd"] == "pos.pm", columns["pm"].meta
    content.write_bytes(min(said))
    before, after = (tomllib.loads((folder / "table.toml").read_text()) for folder in (table, again))
    assert before == after, (before, after)
    print(len(files), "files,", len(tiles), "tiles")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(*map(Path, sys.argv[1:]))
