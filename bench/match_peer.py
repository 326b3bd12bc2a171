"""A cross-match by others, on the tables that ours reads.

match_peer.py FOLDER LEFT RIGHT RADIUS_ARCSEC RUNS     folders of HATS tables below FOLDER; positions are ra and dec

Each line: who, median seconds after a first run that does not count, pairs or rows. What is not installed is left out.
"""

import math
import statistics
import sys
import time
from pathlib import Path


def timed(name, runs, once):
    count, times = once(), []
    for _ in range(runs):
        start = time.time()
        count = once()
        times.append(time.time() - start)
    print(f"{name}: median {statistics.median(times):.2f} s ({runs} runs), {count}", flush=True)


def files(folder):
    found = sorted(path.parent for path in Path(folder).glob("**/dataset") if "arcs" not in path.parent.name)
    primary = next(path for path in found if path.name == Path(folder).name)
    return f"'{primary}/dataset/Norder*/Dir*/Npix*.parquet'"


def duckdb(left, right, radius, runs):
    """Cells a little wider than the radius, written by hand; pairs across RA 0 are lost."""
    import duckdb

    cell, degrees = 2.01 * radius / 3600, radius / 3600
    bound = math.sin(math.radians(degrees) / 2) ** 2
    zone = lambda dec: f"CAST(floor(({dec}) / {cell}) AS INT)"
    bin_ = lambda ra: f"CAST(floor(({ra}) * cos(radians((z + 0.5) * {cell})) / {cell}) AS INT)"
    wide = f"{degrees} * 1.0001 / cos(radians(bdec))"
    query = f"""
    WITH b AS (SELECT ra AS bra, dec AS bdec, unnest(list_distinct([{zone(f'dec - {degrees}')}, {zone(f'dec + {degrees}')}])) AS z FROM {files(left)}),
    c AS (SELECT bra, bdec, z, unnest(list_distinct([{bin_(f'bra - {wide}')}, {bin_(f'bra + {wide}')}])) AS r FROM b),
    a AS (SELECT ra, dec, {zone('dec')} AS z FROM {files(right)}), d AS (SELECT *, {bin_('ra')} AS r FROM a)
    SELECT count(*) FROM d JOIN c USING (z, r) WHERE pow(sin(radians(dec - bdec) / 2), 2)
      + cos(radians(dec)) * cos(radians(bdec)) * pow(sin(radians(ra - bra) / 2), 2) < {bound!r}"""
    connection = duckdb.connect()
    timed("DuckDB, cells by hand, all pairs", runs, lambda: connection.execute(query).fetchone()[0])


def lsdb(left, right, radius, runs):
    import warnings

    import lsdb

    warnings.simplefilter("ignore")
    a, b = (lsdb.open_catalog(str(folder), columns=["objectId", "ra", "dec"]) for folder in (left, right))
    once = lambda: len(a.crossmatch(b, radius_arcsec=radius, n_neighbors=1, suffixes=("_a", "_b")).compute(progress_bar=False))
    timed("LSDB, nearest", runs, once)


def acid(left, right, radius, runs):
    import os

    # Tables of hats-import and of ours have no map of rows, by which it would share out the work.
    os.environ["ACID_WORK_AUTOSIZE"] = "0"
    import acid

    with acid.Connection(str(left.parent), progress=False) as connection:
        connection.open(str(left), alias="l")
        connection.open(str(right), alias="r")
        for mode in ("all", "nearest"):
            query = f"SELECT COUNT(*) AS n FROM {left.name} l JOIN {right.name} r ON XMATCH(radius_arcsec => {radius}, mode => '{mode}')"
            once = lambda: int(connection.sql(query).to_pandas()["n"].iloc[0])
            timed(f"ACID, {'all pairs' if mode == 'all' else 'nearest'}", runs, once)


def stilts(left, right, radius, runs):
    """From FITS files, which are made first; the time has reading them and starting Java, as a user's has."""
    import re
    import subprocess
    import tempfile

    import duckdb
    from astropy.table import Table

    with tempfile.TemporaryDirectory() as scratch:
        inputs = []
        for folder in (left, right):
            rows = duckdb.sql(f'SELECT "objectId", ra, dec FROM {files(folder)}').fetchnumpy()
            inputs.append(f"{scratch}/{folder.name}.fits")
            Table(rows).write(inputs[-1])
        command = ["stilts", "-Xmx6g", "tskymatch2", f"in1={inputs[0]}", f"in2={inputs[1]}", "ra1=ra", "dec1=dec", "ra2=ra", "dec2=dec"]
        command += [f"error={radius}", "join=1and2", "find=all", "omode=count"]

        def once():
            said = subprocess.run(command, check=True, capture_output=True, text=True)
            return int(re.findall(r"rows: *(\d+)", said.stdout)[-1])

        timed("STILTS tskymatch2, all pairs", runs, once)


def postgres(left, right, radius, runs):
    """Q3C in a server of its own, the tables clustered by its index, which is the best case for it."""
    import pwd
    import shutil
    import subprocess
    import tempfile

    import duckdb
    import psycopg2

    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    owner = pwd.getpwnam("postgres")
    scratch = tempfile.mkdtemp()
    shutil.chown(scratch, owner.pw_uid, owner.pw_gid)

    def command(program, *arguments):
        call = [programs / program, "-D", f"{scratch}/data", *arguments]
        subprocess.run(call, check=True, user=owner.pw_uid, group=owner.pw_gid, cwd="/", stdout=subprocess.DEVNULL)

    try:
        command("initdb", "-A", "trust")
        settings = {"listen_addresses": "''", "unix_socket_directories": f"'{scratch}'", "shared_buffers": "4GB", "work_mem": "256MB", "maintenance_work_mem": "1GB"}
        settings |= {"random_page_cost": 1.1, "max_parallel_workers_per_gather": 1, "jit": "off", "fsync": "off"}
        with open(f"{scratch}/data/postgresql.conf", "a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())
        command("pg_ctl", "-w", "-l", f"{scratch}/log", "start")
        try:
            connection = psycopg2.connect(host=scratch, user="postgres", dbname="postgres")
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("CREATE EXTENSION q3c")
            for name, folder in (("l", left), ("r", right)):
                rows = f"{scratch}/{name}.csv"
                duckdb.sql(f'COPY (SELECT "objectId", ra, dec FROM {files(folder)}) TO \'{rows}\' (HEADER false)')
                cursor.execute(f"CREATE TABLE {name} (id bigint, ra double precision, dec double precision)")
                cursor.execute(f"COPY {name} FROM '{rows}' (FORMAT csv)")
                cursor.execute(f"CREATE INDEX {name}_q3c ON {name} (q3c_ang2ipix(ra, dec))")
                cursor.execute(f"CLUSTER {name} USING {name}_q3c")
                cursor.execute(f"VACUUM ANALYZE {name}")

            def once():
                cursor.execute(f"SELECT count(*) FROM l, r WHERE q3c_join(l.ra, l.dec, r.ra, r.dec, {radius} / 3600.0)")
                return cursor.fetchone()[0]

            timed("PostgreSQL with Q3C, all pairs", runs, once)
            connection.close()
        finally:
            command("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(scratch)


def main():
    folder, left, right, radius, runs = sys.argv[1:]
    left, right, radius, runs = Path(folder) / left, Path(folder) / right, float(radius), int(runs)
    for peer in (duckdb, lsdb, acid, postgres, stilts):
        try:
            peer(left, right, radius, runs)
        except Exception as error:  # noqa: BLE001: a peer that fails is a line of the report
            print(f"a peer failed: {type(error).__name__}: {str(error)[:300]}", flush=True)


if __name__ == "__main__":
    main()
