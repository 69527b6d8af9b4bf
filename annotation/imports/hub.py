"""A data set of the Hugging Face Hub, streamed row by row. Code that a data set brings along is never run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from annotation.imports.layouts import recognise
from annotation.imports.records import Row, RowProblem, UnreadableFile, row_error

# Parts begin with a letter or digit: neither ".." nor a path can pass for an id.
DATASET_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
NAME = re.compile(r"[\w.-]{1,100}", re.ASCII)
# Names that the library reads as loaders of local files, not as data sets.
_LOADERS = {
    "arrow",
    "audiofolder",
    "conll",
    "csv",
    "eval",
    "fasta",
    "fastq",
    "genbank",
    "generator",
    "harbor",
}
_LOADERS |= {
    "hdf5",
    "iceberg",
    "imagefolder",
    "json",
    "lance",
    "meshfolder",
    "mmcif",
    "niftifolder",
    "pandas",
}
_LOADERS |= {
    "parquet",
    "pdb",
    "pdffolder",
    "sql",
    "text",
    "tsfile",
    "videofolder",
    "vortex",
    "webdataset",
    "xml",
}


def check_id(dataset: str) -> None:
    """Raises UnreadableFile for what is not the id of a data set on the Hub."""
    if len(dataset) > 200 or not DATASET_ID.fullmatch(dataset):
        raise UnreadableFile(f"{dataset[:80]!r} is not a data set id. An id looks like name or owner/name.")
    if dataset.lower() in _LOADERS or Path(dataset).exists():
        raise UnreadableFile(f"{dataset!r} names files on this server, not a data set on the Hub.")


def read(dataset: str, *, config: str = "", split: str = "train", limit: int | None = None) -> Iterator[Row]:
    """Rows of one split; `line` is the 1-based row. At most `limit` rows are asked for.

    Raises:
        UnreadableFile: no such data set, no connection, or a data set that needs code to load.
    """
    check_id(dataset)
    for name in filter(None, (config, split)):
        if not NAME.fullmatch(name):
            raise UnreadableFile(f"{name[:80]!r} is not the name of a configuration or split.")
    rows = islice(_rows(dataset, config, split), limit)
    for number, row in enumerate(rows, start=1):
        try:
            yield recognise(row, number)
        except RowProblem as problem:
            yield row_error(number, problem, row.get("prompt") or row.get("chosen") or "")


def _rows(dataset: str, config_name: str, split: str) -> Iterator[Mapping[str, Any]]:
    from datasets import config as library
    from datasets import load_dataset

    library.TORCH_AVAILABLE = False  # a streamed data set would otherwise load torch into this process
    number = 0
    try:
        for row in load_dataset(dataset, config_name or None, split=split, streaming=True):
            yield row
            number += 1
    except UnreadableFile:
        raise
    except Exception as error:  # a loader over the network may raise anything; its own words reach the person
        raise UnreadableFile(_in_words(dataset, number, error)) from error


def _in_words(dataset: str, rows_read: int, error: Exception) -> str:
    if type(error).__name__ in {"DatasetNotFoundError", "RepositoryNotFoundError", "GatedRepoError"}:
        return (
            f"There is no data set {dataset} on the Hugging Face Hub that this server may read. Check the id."
        )
    if type(error).__name__ == "OfflineModeIsEnabled" or "OfflineModeIsEnabled" in str(error):
        return f"{dataset} was not read: this server is set to work offline (HF_HUB_OFFLINE)."
    where = f"after row {rows_read}" if rows_read else "before the first row"
    words = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    words = words.replace(f"{Path.cwd()}/", "").rstrip(".")  # the library looks for a local folder too
    return (
        f"{dataset} could not be read from the Hugging Face Hub ({where}): {words}. "
        "Check the id, the split, and that this server can reach the Hub."
    )
