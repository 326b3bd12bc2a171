"""Damages the first tile of a table: `damage.py COLLECTION checksums|flip` prints its name.

`checksums` writes the tile anew by pyarrow, the same rows with a checksum of each page; `flip` changes
one byte in the middle of a page.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq

collection, what = Path(sys.argv[1]), sys.argv[2]
dataset = collection / collection.name / "dataset"
tile = min(dataset.rglob("Npix=*.parquet"))
if what == "checksums":
    table = pq.read_table(tile, partitioning=None)
    # As texts: Arrow would read back the views that were written as strings.
    pq.write_table(table, tile, write_page_checksum=True, store_schema=True, write_page_index=True)
else:
    column = pq.ParquetFile(tile).metadata.row_group(0).column(3)
    start = column.dictionary_page_offset or column.data_page_offset
    data = bytearray(tile.read_bytes())
    data[start + column.total_compressed_size // 2] ^= 0x01
    tile.write_bytes(data)
print(tile.relative_to(dataset))
