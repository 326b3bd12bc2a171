"""Runs jobs as an astronomer does, with pyvo and astroquery; every surprise is an exception.

Usage: use_jobs.py TAP_URL HATS_FOLDER
The service lists its jobs. What clients read is compared with sync and with the Parquet files, read by pyarrow.
"""

import datetime
import glob
import sys

import numpy as np
import pyarrow.parquet as pq
import pyvo
import requests
from astroquery.utils.tap.core import TapPlus
from pyvo.dal.exceptions import DALQueryError, DALServiceError

ALL = "SELECT name, ra, dec, b_mag FROM opengc"


def from_files(hats):
    """Name, ra, dec and b_mag of every row; NaN where there is no magnitude."""
    rows = []
    for tile in glob.glob(f"{hats}/opengc/dataset/Norder=*/Dir=*/Npix=*.parquet"):
        table = pq.ParquetFile(tile).read(columns=["name", "ra", "dec", "b_mag"])
        rows += [tuple(row.values()) for row in table.to_pylist()]
    return sorted(map(plain, rows), key=str)


def plain(row):
    name, ra, dec, magnitude = row
    magnitude = np.ma.filled(magnitude, np.nan) if magnitude is not None else np.nan
    return str(name), float(ra), float(dec), str(float(magnitude))


def rows_of(table):
    return sorted((plain(row) for row in table), key=str)


def fails(error, action):
    try:
        action()
    except error as caught:
        return str(caught)
    raise AssertionError(f"{action} did not fail")


def step_by_step(service, right):
    job = service.submit_job(ALL, maxrec=20000)
    assert job.phase == "PENDING", job.phase
    assert job.uws_version == "1.1" and job.owner is None and job.quote is None
    assert job.query == ALL, job.query
    job.query = "SELECT name FROM opengc"
    assert job.query == "SELECT name FROM opengc", job.query
    job.query = ALL
    job.execution_duration = 1234
    assert job.execution_duration.sec == 1234, job.execution_duration
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    job.destruction = tomorrow
    assert abs((job.destruction.to_datetime(datetime.timezone.utc) - tomorrow).total_seconds()) < 2, job.destruction
    job.run()
    job.wait()
    assert job.phase == "COMPLETED", job.phase
    assert job.result_uri == f"{job.url}/results/result", job.result_uri
    result = job.fetch_result()
    assert result.query_status == "OK" and rows_of(result.to_table()) == right
    assert job.job_id in [listed.jobid for listed in service.get_job_list(phases=["COMPLETED"], last=5)]
    assert job.job_id not in [listed.jobid for listed in service.get_job_list(phases=["ERROR"])]
    assert job.job_id in [listed.jobid for listed in service.get_job_list(after="2020-01-01T00:00:00Z")]
    url = job.url
    job.delete()
    assert requests.get(url).status_code == 404


def at_once(service, right):
    result = service.run_async(ALL)
    assert rows_of(result.to_table()) == right
    few = service.run_async("SELECT name FROM opengc", maxrec=7)
    assert len(few) == 7 and few.query_status == "OVERFLOW", (len(few), few.query_status)
    count = service.run_async("SELECT COUNT(*) AS n FROM opengc")[0]["n"]
    assert count == len(right) == service.run_sync("SELECT COUNT(*) AS n FROM opengc")[0]["n"], count


def errors(service):
    said = fails(DALQueryError, lambda: service.run_async("SELECT nme FROM opengc"))
    assert "nme" in said and "name" in said, said
    job = service.submit_job("SELECT nme FROM opengc")
    job.run().wait()
    assert job.phase == "ERROR", job.phase
    said = fails(DALQueryError, job.raise_if_error)
    assert "line 1, column 8" in said, said
    job.delete()
    job = service.submit_job(ALL)
    job.abort()
    assert job.phase == "ABORTED", job.phase
    fails(DALServiceError, job.wait)
    job.delete()


def astroquery(url, right):
    service = TapPlus(url=url)
    few = rows_of(service.launch_job(ALL).get_results())
    assert len(few) == 2000 and set(map(str, few)) <= set(map(str, right)), "launch_job adds TOP 2000"
    for job in (service.launch_job_async(ALL), service.launch_job_async(ALL, name="mine")):
        assert rows_of(job.get_results()) == right
    csv = service.launch_job_async(ALL, output_format="csv").get_results()
    assert len(csv) == len(right) and csv.colnames == ["name", "ra", "dec", "b_mag"], csv.colnames
    later = service.launch_job_async("SELECT COUNT(*) AS n FROM opengc", autorun=False)
    assert later.get_phase(update=True) == "PENDING", later.get_phase()
    later.start()
    later.wait_for_job_end()
    assert later.get_results()["n"][0] == len(right)
    said = fails(Exception, lambda: service.launch_job_async("SELECT nme FROM opengc"))
    assert "nme" in said, said


def main():
    url, hats = sys.argv[1:3]
    right = from_files(hats)
    assert len(right) == 13962
    service = pyvo.dal.TAPService(url)
    capability = service.get_tap_capability()
    assert capability.executionduration.default > 0 and capability.retentionperiod.hard > 0, capability
    step_by_step(service, right)
    at_once(service, right)
    errors(service)
    astroquery(url, right)


if __name__ == "__main__":
    main()
