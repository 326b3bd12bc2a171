"""One table as a file of each format, plain and packed, and as the parts of a folder.

Usage: make_inputs.py FOLDER
"""

import gzip
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

folder = Path(sys.argv[1])
rows = 60_000
random = np.random.default_rng(7)
table = Table(
    {
        "id": np.arange(rows),
        "ra": random.uniform(0, 360, rows),
        "dec": np.degrees(np.arcsin(random.uniform(-1, 1, rows))),
        "g": random.normal(20, 2, rows),
        "name": [f"star {number}" for number in range(rows)],
    }
)
table.write(folder / "stars.csv", format="ascii.csv")
table.write(folder / "stars.fits")
table.write(folder / "stars.vot", format="votable", table_id="stars")
with gzip.open(folder / "stars.csv.gz", "wb") as packed:
    packed.write((folder / "stars.csv").read_bytes())
columns = {name: pa.array(np.asarray(table[name]).tolist()) for name in table.colnames}
arrow = pa.table(columns)
# Several row groups, and pages so small that each column needs many.
pq.write_table(arrow, folder / "stars.parquet", row_group_size=7_000, data_page_size=20_000)
(folder / "parts").mkdir()
for part in range(3):
    piece = arrow.slice(part * 20_000, 20_000)
    pq.write_table(piece, folder / "parts" / f"part{part}.parquet")
(folder / "parts" / "README.md").write_text("no table")
