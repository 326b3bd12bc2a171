"""Whether pyvo finds the version of a table that a file has: `read_version.py TAP_URL CSV`.

The rows of `s.stars` are compared with the file, read by numpy; its columns with `TAP_SCHEMA` and
`/tables`, and its description with the one that the version has.
"""

import csv
import sys

import numpy as np
import pyvo

url, file = sys.argv[1:]
with open(file, newline="") as lines:
    header, *rows = list(csv.reader(lines))
service = pyvo.dal.TAPService(url)
found = service.run_sync('SELECT * FROM s.stars ORDER BY id', maxrec=10_000_000)
assert len(found) == len(rows), (len(found), len(rows))
for at, name in enumerate(header):
    if name == "note":
        continue
    expected = np.array([float(row[at]) for row in rows])
    assert np.array_equal(np.asarray(found[name], dtype=float), expected), name
columns = service.run_sync("SELECT column_name FROM TAP_SCHEMA.columns WHERE table_name = 's.stars'")
columns = {str(name) for name in columns["column_name"]}
assert set(header) <= columns, (header, columns)
assert ("flux" in header) == ("flux" in columns), columns
table = service.tables["s.stars"]
assert {column.name for column in table.columns} == columns, table
tables = service.run_sync("SELECT description FROM TAP_SCHEMA.tables WHERE table_name = 's.stars'")
said = f"{len(rows)} stars"
assert str(tables["description"][0]) == said and table.description == said, (tables, table.description)
