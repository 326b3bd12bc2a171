"""Views and macros of a service as pyvo sees them: use_definitions.py URL."""

import sys

import pyvo

service = pyvo.dal.TAPService(sys.argv[1])
bright = service.tables["latest.bright"]
assert bright.type == "view", bright.type
assert bright.title == "Bright objects of the latest release", bright.title
columns = {column.name: column for column in bright.columns}
assert columns["g_mag"].description == "brightness in the green", columns["g_mag"].description
assert columns["ra"].unit == "deg" and columns["ra"].ucd == "pos.eq.ra;meta.main"

capability = service.get_tap_capability()
function = capability.get_adql().get_udf("ab_mag")
assert function.form == "ab_mag(flux_njy DOUBLE) -> DOUBLE", function.form
assert function.description == "AB magnitude of a flux in nJy", function.description

table = service.run_sync("SELECT * FROM latest.bright WHERE g_mag < 20").to_table()
assert len(table) > 0 and (table["g_mag"] < 20).all()
assert str(table["ra"].unit) == "deg"
job = service.run_async("SELECT COUNT(*) AS n, MIN(ab_mag(r_psfFlux)) AS r FROM demo.object")
assert job.to_table()["n"][0] == 5000
print("ok")
