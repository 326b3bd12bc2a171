"""The pairs of a join by position as a service finds them, held against those of STILTS and astropy.

match_exact.py URL FOLDER LEFT RIGHT RADIUS_ARCSEC     URL of a TAP service over FOLDER; tables as schema.table, positions ra and dec, ids objectId

Each pair of ids must be found by all three. Where one has a pair that another lacks, its distance is told: at the radius itself
programs may differ by their rounding.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow.parquet as pq
import requests
from astropy.coordinates import SkyCoord
from astropy.table import Table


def rows(folder, table):
    dataset = next(path for path in Path(folder, *table.split(".")).glob("**/dataset") if path.parent.name == table.split(".")[1])
    names = ["objectId", "ra", "dec"]
    tiles = [pq.read_table(file, columns=names, partitioning=None) for file in dataset.glob("Norder*/Dir*/Npix*.parquet")]
    return {name: np.concatenate([tile[name].to_numpy() for tile in tiles]) for name in names}


def ours(url, left, right, radius):
    query = f"SELECT a.objectId AS l, b.objectId AS r FROM {left} AS a JOIN {right} AS b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < {radius} / 3600.0"
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        form = {"LANG": "ADQL", "QUERY": query, "FORMAT": "parquet", "MAXREC": 2_000_000_000}
        with requests.post(f"{url}/sync", data=form, stream=True) as response:
            response.raise_for_status()
            for chunk in response.iter_content(1 << 20):
                file.write(chunk)
        file.flush()
        found = pq.read_table(file.name)
    return found["l"].to_numpy(), found["r"].to_numpy()


def stilts(a, b, radius):
    with tempfile.TemporaryDirectory() as scratch:
        for name, table in (("a", a), ("b", b)):
            Table(table).write(f"{scratch}/{name}.fits")
        command = ["stilts", "-Xmx6g", "tskymatch2", f"in1={scratch}/a.fits", f"in2={scratch}/b.fits", "ra1=ra", "dec1=dec", "ra2=ra", "dec2=dec"]
        command += [f"error={radius}", "join=1and2", "find=all", f"out={scratch}/pairs.fits", "ofmt=fits-basic"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        pairs = Table.read(f"{scratch}/pairs.fits")
        return np.asarray(pairs["objectId_1"], np.int64), np.asarray(pairs["objectId_2"], np.int64)


def astropy(a, b, radius):
    places = [SkyCoord(table["ra"], table["dec"], unit="deg") for table in (a, b)]
    # astropy takes pairs at the radius too.
    left, right, apart, _ = places[1].search_around_sky(places[0], radius * u.arcsec)
    kept = apart.arcsec < radius
    return a["objectId"][left[kept]], b["objectId"][right[kept]]


def main():
    url, folder, left, right, radius = sys.argv[1:]
    radius = float(radius)
    a, b = rows(folder, left), rows(folder, right)
    as_set = lambda pairs: np.unique(np.rec.fromarrays(pairs, names="l,r"))
    found = {"Armilla": as_set(ours(url, left, right, radius))}
    for name, peer in (("STILTS", stilts), ("astropy", astropy)):
        found[name] = as_set(peer(a, b, radius))
    places = [{row: at for at, row in enumerate(table["objectId"].tolist())} for table in (a, b)]
    differ = False
    for name, pairs in found.items():
        print(f"{name}: {len(pairs)} pairs, {len(np.unique(pairs['l']))} of {left}")
    for peer in ("STILTS", "astropy"):
        for one, other in (("Armilla", peer), (peer, "Armilla")):
            for pair in np.setdiff1d(found[one], found[other]):
                differ = True
                at = [places[side][int(pair[side])] for side in (0, 1)]
                apart = SkyCoord(a["ra"][at[0]], a["dec"][at[0]], unit="deg").separation(SkyCoord(b["ra"][at[1]], b["dec"][at[1]], unit="deg"))
                print(f"only {one}, not {other}: {pair}, {apart.arcsec!r} arcsec")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
