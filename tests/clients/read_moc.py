"""Whether the MOC of a table is that of its rows: `read_moc.py TABLE` prints their number and its order.

Rows are read by pyarrow, pixels computed by astropy-healpix, MOCs read and made by mocpy.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq
from astropy import units as u
from astropy.io import fits
from astropy_healpix import HEALPix
from mocpy import MOC

folder = Path(sys.argv[1])
read = MOC.from_fits(folder / "moc.fits")
assert read == MOC.from_string((folder / "moc.txt").read_text(), format="ascii")
header = fits.open(folder / "moc.fits", checksum=True)[1].header
assert header["ORDERING"] == "NUNIQ" and header["MOCORD_S"] == read.max_order == header["MOCORDER"]
rows = [pq.read_table(file, columns=["ra_deg", "dec_deg"], partitioning=None)
        for file in sorted((folder / "dataset").rglob("Npix=*.parquet"))]
ra, dec = ([value for table in rows for value in table[name].to_pylist()] for name in ("ra_deg", "dec_deg"))
healpix = HEALPix(nside=2**read.max_order, order="nested")
pixels = healpix.lonlat_to_healpix(ra * u.deg, dec * u.deg)
made = MOC.from_healpix_cells(pixels, [read.max_order] * len(pixels), read.max_order)
assert read == made, "the MOC is not that of the rows"
fraction = dict(line.split("=", 1) for line in (folder / "hats.properties").read_text().splitlines() if "=" in line)
assert abs(float(fraction["moc_sky_fraction"]) - made.sky_fraction) < 1e-12
print(f"{len(ra)} rows, order {read.max_order}")
