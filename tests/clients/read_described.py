"""Frames, time scales and the origin of a VOTable as astropy reads them: `read_described.py FILE`.

One line for each COOSYS and TIMESYS, then one for each FIELD with what it refers to, then the terms of
the note Data Origin in the VO.
"""

import sys
import warnings

from astropy.io.votable import parse
from astropy.io.votable.dataorigin import extract_data_origin

warnings.simplefilter("error")
document = parse(sys.argv[1], verify="exception")
print("VOTable", document.version)
resource = document.resources[0]
systems = {}
for system in resource.coordinate_systems:
    print("COOSYS", system.system, system.epoch, system.refposition)
    systems[system.ID] = " ".join(filter(None, [system.system, system.epoch]))
for system in resource.time_systems:
    print("TIMESYS", system.timescale, system.refposition, system.timeorigin)
    systems[system.ID] = f"{system.timescale} {system.timeorigin}"
for field in resource.tables[0].fields:
    print(field.name, systems[field.ref] if field.ref else None)
origin = extract_data_origin(document)
for said in origin.origin:
    for term in ("citation", "creator", "resource_version", "rights_uri"):
        value = getattr(said, term)
        if value:
            print(term, ", ".join(value) if isinstance(value, list) else value)
print("contact", origin.query.contact)
