"""Where other clients send other JSON than this library for the same wish, and why: the list for docs/differences.md.

The comparison with the peers (tests/interop/test_same_json.py) fails for a difference that is not here, and for
a record that never happens. Where peers and the web client differ, the web client's captured behaviour wins; the
numbers at a reason's end are sections of the wire document.
"""

from __future__ import annotations

from differ_pictures import LOOKS, SOURCES
from differ_prompts import CHARACTERS, PROMPTS
from differ_settings import MODEL, SWITCHES

SECTIONS = {
    "Prompts": PROMPTS,
    "Characters": CHARACTERS,
    "Model and format": MODEL,
    "Switches": SWITCHES,
    "Sources and masks": SOURCES,
    "Vibes and references": LOOKS,
}

DIFFERENCES = tuple(record for records in SECTIONS.values() for record in records)
