"""Keeps Plotly inside `style-src 'self'`.

On loading, its map library writes a style sheet inline unless an element with that sheet's id is there.
The run page has no map: it puts an empty element with the id in place, and nothing is written.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import plotly

_GUARD = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


@cache
def style_ids() -> tuple[str, ...]:
    """The ids plotly.js looks for, read from the installed script: they change with its version."""
    script = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return tuple(sorted({found.decode() for found in _GUARD.findall(script.read_bytes())}))
