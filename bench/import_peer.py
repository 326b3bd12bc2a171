"""Rows to import, and hats-import that imports them.

import_peer.py make FOLDER ROWS FILES     Parquet files of 24 columns, in no order on the sky
import_peer.py hats FOLDER OUT RA DEC INDEX MARGIN_ARCSEC   with its margin and its id index
"""

import sys
from pathlib import Path


def make(folder, rows, files):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    n = int(float(rows)) // int(files)
    for number in range(int(files)):
        rng = np.random.default_rng(100 + number)
        columns = {
            "objectId": (np.arange(n, dtype=np.int64) + number * n) * 7919 + 10**12,
            "ra": rng.uniform(0, 360, n),
            "dec": np.degrees(np.arcsin(rng.uniform(-1, np.sin(np.radians(5)), n))),
        }
        mag = np.clip(26.5 - rng.exponential(2.0, n), 15, 28)
        for i, band in enumerate("ugrizy"):
            flux = 10 ** ((31.4 - (mag - i * 0.2 + rng.normal(0, 0.05, n))) / 2.5)
            error = np.sqrt(flux * 0.05 + 10) * rng.uniform(0.8, 1.3, n)
            columns[f"{band}_psfFlux"] = (flux + rng.normal(0, 1, n) * error).astype(np.float32)
            columns[f"{band}_psfFluxErr"] = error.astype(np.float32)
        columns["extendedness"] = (rng.uniform(size=n) < 0.5).astype(np.float32)
        columns["refBand"] = np.array(list("irzgyu"))[np.minimum(rng.geometric(0.7, n) - 1, 5)]
        for name in ("pmRA", "pmDec"):
            columns[name] = rng.standard_cauchy(n).clip(-50, 50).astype(np.float32)
        parallax = rng.exponential(0.5, n).astype(np.float32)
        columns["parallax"] = pa.array(parallax, mask=rng.uniform(size=n) < 0.4)
        columns["nVisits"] = rng.integers(1, 800, n).astype(np.int32)
        columns["tract"] = rng.integers(0, 18_000, n)
        columns["ebv"] = rng.exponential(0.1, n).astype(np.float32)
        columns["firstMjd"] = 60_000 + rng.uniform(0, 3650, n)
        path = folder / f"part{number:03}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=131_072, compression="zstd")


def hats(folder, out, ra, dec, index, margin):
    from dask.distributed import Client
    from hats_import.catalog.arguments import ImportArguments
    from hats_import.index.arguments import IndexArguments
    from hats_import.margin_cache.margin_cache_arguments import MarginCacheArguments
    from hats_import.pipeline import pipeline_with_client

    files = sorted(str(path) for path in Path(folder).glob("*.parquet"))
    common = {"output_path": out, "progress_bar": False}
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        # Each looks for what the one before has made.
        pipeline_with_client(
            ImportArguments(
                output_artifact_name="table",
                input_file_list=files,
                file_reader="parquet",
                ra_column=ra,
                dec_column=dec,
                pixel_threshold=1_000_000,
                **common,
            ),
            client,
        )
        if float(margin) > 0:
            pipeline_with_client(
                MarginCacheArguments(
                    output_artifact_name="margin",
                    input_catalog_path=f"{out}/table",
                    margin_threshold=float(margin),
                    **common,
                ),
                client,
            )
        if index:
            pipeline_with_client(
                IndexArguments(
                    output_artifact_name="index",
                    input_catalog_path=f"{out}/table",
                    indexing_column=index,
                    **common,
                ),
                client,
            )


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"make": make, "hats": hats}[command](*arguments)
