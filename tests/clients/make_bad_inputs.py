"""Table files that are broken in one way each, as disks, networks and people break them.

Usage: make_bad_inputs.py FOLDER
"""

import base64
import gzip
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

ROWS = 20_000
folder = Path(sys.argv[1])
random = np.random.default_rng(3)
columns = {
    "id": np.arange(ROWS),
    "ra": random.uniform(0, 360, ROWS),
    "dec": np.degrees(np.arcsin(random.uniform(-1, 1, ROWS))),
}
table = Table(columns)


def write(name, content):
    content = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(content)


lines = ["id,ra,dec"] + [f"{i},{ra},{dec}" for i, ra, dec in zip(*columns.values())]


def with_line(number, text):
    """All lines with another text as the one of this number, counted from 1."""
    return "\n".join(lines[: number - 1] + [text] + lines[number:]) + "\n"


csv = "\n".join(lines) + "\n"
write("few.csv", with_line(15_001, "14999,3.5"))
write("many.csv", with_line(15_001, "14999,3.5,4.5,5.5"))
write("quote.csv", with_line(15_001, '14999,"3.5,4.5'))
write("word.csv", with_line(15_001, "14999,here,4.5"))
write("twice.csv", csv.replace("id,ra,dec", "ra,ra,dec"))
write("header.csv", "id,ra,dec\n")
write("utf16.csv", csv.encode("utf-16"))
write("latin.csv", with_line(15_001, "14999,3.5,4.5").replace("id,", "name,", 1).encode() + "Röntgen,1,2\n".encode("latin-1"))
write("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 8)
write("beyond.csv", csv.replace("\n1,", "\n1,400.0,7\n-1,", 1))
write("nowhere.csv", "id,ra,dec\n1,400,2\n2,-7,95\n3,,1\n")
for name in ("empty.csv", "empty.vot", "empty.fits", "empty.parquet", "empty.csv.gz"):
    write(name, b"")

packed = gzip.compress(csv.encode())
write("cut.csv.gz", packed[: len(packed) * 2 // 3])
damaged = bytearray(packed)
damaged[len(packed) // 2] ^= 0xFF
write("damaged.csv.gz", bytes(damaged))
write("no.csv.gz", csv)

pq.write_table(pa.table(columns), folder / "good.parquet", row_group_size=5_000, compression="zstd")
parquet = (folder / "good.parquet").read_bytes()
(folder / "good.parquet").unlink()
footer = int.from_bytes(parquet[-8:-4], "little") + 8
write("cut_page.parquet", parquet[: len(parquet) // 2])
write("cut_footer.parquet", parquet[: -footer // 2])
zeroed = bytearray(parquet)
middle = (len(parquet) - footer) // 2
zeroed[middle : middle + 4_000] = bytes(4_000)
write("page.parquet", bytes(zeroed))
twice = pa.Table.from_arrays([pa.array(c) for c in columns.values()], names=["ra", "ra", "dec"])
pq.write_table(twice, folder / "twice.parquet")
write("text.parquet", csv)

table.write(folder / "good.fits")
fits = (folder / "good.fits").read_bytes()
(folder / "good.fits").unlink()
write("cut_header.fits", fits[:4_000])
write("cut_rows.fits", fits[: len(fits) * 2 // 3])
write("twice.fits", fits.replace(b"'id      '", b"'ra      '", 1))

table.write(folder / "good.vot", format="votable")
words = (folder / "good.vot").read_text()
(folder / "good.vot").unlink()
write("cut.vot", words[: len(words) // 2])
write("twice.vot", words.replace('name="id"', 'name="ra"'))
write("tag.vot", words.replace("</TR>", "</TT>", 500).replace("</TT>", "</TR>", 499))
stream = b"".join(np.array([i, ra, dec], dtype=">f8").tobytes() for i, ra, dec in zip(*columns.values()))
fields = "".join(f'<FIELD name="{name}" datatype="double"/>' for name in columns)
text = base64.b64encode(stream).decode()


def binary(text):
    data = f'<DATA><BINARY><STREAM encoding="base64">{text}</STREAM></BINARY></DATA>'
    return f"<VOTABLE><RESOURCE><TABLE>{fields}{data}</TABLE></RESOURCE></VOTABLE>"


write("base64.vot", binary(text[:200_000] + "*" + text[200_001:]))
write("cut_base64.vot", binary(text[:200_001]))
write("failed.vot", re.sub("<RESOURCE.*", '<RESOURCE><INFO name="QUERY_STATUS" value="ERROR">no such table</INFO></RESOURCE></VOTABLE>', words, flags=re.S))
