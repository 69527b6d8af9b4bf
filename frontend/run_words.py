"""What the engine says of other runs, for people: it knows them by folders, the pages by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# A source's folder as `lineage.folder_name` has it, with the path before it and a file below it.
_FOLDER = re.compile(r"(?:[\w.~/-]*/)?sources/run-([1-9][0-9]{0,17})(?:-responses|-whole)?(?:/[\w.~/-]*\w)?")


def mentioned(texts: Iterable[str]) -> set[int]:
    """The ids of the runs whose folders the texts name."""
    return {int(found) for text in texts for found in _FOLDER.findall(text)}


def named(text: str, names: Mapping[int, str]) -> str:
    """The text with runs in quotation marks in the place of their folders; of unknown ones these stay."""

    def name(found: re.Match[str]) -> str:
        run = int(found[1])
        return f"“{names[run]}”" if run in names else found[0]

    return _FOLDER.sub(name, text)
