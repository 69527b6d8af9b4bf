"""The metrics table of a comparison as CSV, Markdown and LaTeX. Text in, text out; no database."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from pylatexenc.latexencode import UnicodeToLatexEncoder

from training.comparing import Better, Cell, Line, Standing

FORMULAS = tuple("=+-@\t\r")  # a spreadsheet would run a text that begins so
COLUMNS = [
    "evaluation",
    "measure",
    "better",
    "run",
    "name",
    "dataset_sha256",
    "value",
    "low",
    "high",
    "n",
    "standing",
]
DIGITS = 3
NOTE = (
    "In brackets 95% intervals. Not distinguishable: the interval overlaps with the best run's, "
    "which is a coarse test."
)
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # behind the end of a row it would open an argument
    "]": "{]}",
    "*": "{*}",
} | {char: f"\\{char}" for char in "{}#$%&_"}


@dataclass(frozen=True)
class Column:
    """A run as the files name it."""

    number: int
    name: str
    dataset_sha256: str

    @property
    def heading(self) -> str:
        return f"{self.name} (#{self.number})" if self.name else f"Run {self.number}"


@dataclass(frozen=True)
class Format:
    title: str
    content_type: str
    write: Callable[[Sequence[Column], Sequence[Line]], str]


def as_csv(columns: Sequence[Column], lines: Sequence[Line]) -> str:
    """A row a measure and run, numbers in full; names that a spreadsheet would run get a quote in front."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for line in lines:
        for column, cell in zip(columns, line.cells, strict=True):
            if cell is None:
                continue
            about = [line.evaluation, line.measure, line.better, column.number, _plain(column.name)]
            numbers = [cell.value, cell.low, cell.high, cell.n, cell.standing]
            writer.writerow([*about, column.dataset_sha256, *numbers])
    return out.getvalue()


def as_markdown(columns: Sequence[Column], lines: Sequence[Line]) -> str:
    """A table as GitHub reads it: a row a measure, a column a run."""
    heads = ["Measure", "Better", *(markdown_text(column.heading) for column in columns)]
    rows = [heads, ["---", "---", *("---:" for _ in columns)]]
    for line in lines:
        cells = [_words(cell) for cell in line.cells]
        rows.append([markdown_text(line.full_title), _better(line), *cells])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows) + f"\n{NOTE}\n"


def as_latex(columns: Sequence[Column], lines: Sequence[Line]) -> str:
    r"""A `tabular` for the package booktabs: the best bold, what is not distinguishable marked \dagger."""
    heads = ["Measure", "Better", *(latex_text(column.heading) for column in columns)]
    body = [[latex_text(line.full_title), _better(line), *map(_latex_cell, line.cells)] for line in lines]
    width = len(heads)
    note = (
        rf"\multicolumn{{{width}}}{{l}}{{\footnotesize 95\% intervals in brackets. Best in bold; "
        r"$^{\dagger}$ not distinguishable from it: the intervals overlap.} \\"
    )
    table = "".join(map("".join, [heads, *body]))
    out = [
        *([] if table.isascii() else ["% To be set with LuaLaTeX: names have characters that LaTeX lacks."]),
        r"% \usepackage{booktabs}",
        rf"\begin{{tabular}}{{ll{'r' * len(columns)}}}",
        r"\toprule",
        rf"{' & '.join(heads)} \\",
        r"\midrule",
        *(rf"{' & '.join(row)} \\" for row in body),
        r"\bottomrule",
        note,
        r"\end{tabular}",
    ]
    return "\n".join(out) + "\n"


def markdown_text(text: str) -> str:
    """Text that Markdown shows as it is, on one line, inside a table."""
    return re.sub(r"([\\`*_{}\[\]<>|~&$#@!])", r"\\\1", _one_line(text))


def latex_text(text: str) -> str:
    """Text that LaTeX sets as it is, on one line: what it has no command for stays, for LuaLaTeX."""
    escaped = "".join(LATEX.get(char, char) for char in _one_line(text))
    apart = re.sub(r"([-',])(?=\1)", r"\1{}", escaped)  # two of them would be set as one other mark
    return str(_commands().unicode_to_latex(apart))


@cache
def _commands() -> UnicodeToLatexEncoder:
    return UnicodeToLatexEncoder(
        non_ascii_only=True,
        replacement_latex_protection="braces-after-macro",
        unknown_char_policy="keep",
        unknown_char_warning=False,
    )


FORMATS = {
    "csv": Format("CSV", "text/csv; charset=utf-8", as_csv),
    "md": Format("Markdown", "text/markdown; charset=utf-8", as_markdown),
    "tex": Format("LaTeX", "application/x-tex; charset=utf-8", as_latex),
}


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULAS) else text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _number(value: float | None) -> str:
    return str(value) if isinstance(value, int) else f"{value:.{DIGITS}f}"


def _interval(cell: Cell) -> str:
    return "" if cell.low is None else f"{_number(cell.low)}, {_number(cell.high)}"


def _better(line: Line) -> str:
    return "" if line.better == Better.NEITHER else line.better.value


def _words(cell: Cell | None) -> str:
    """A cell of the Markdown table: the number, its interval, its standing in words."""
    return " ".join(_parts(cell))


def _parts(cell: Cell | None) -> Iterator[str]:
    if cell is None:
        yield "–"
        return
    best = cell.standing == Standing.BEST
    yield f"**{_number(cell.value)}**" if best else _number(cell.value)
    if cell.low is not None:
        yield rf"\[{_interval(cell)}\]"
    if best:
        yield "best"
    elif cell.standing == Standing.NOT_DISTINGUISHABLE:
        yield "not distinguishable"


def _latex_cell(cell: Cell | None) -> str:
    if cell is None:
        return "--"
    value = _number(cell.value)
    if cell.standing == Standing.BEST:
        value = rf"\textbf{{{value}}}"
    if cell.standing == Standing.NOT_DISTINGUISHABLE:
        value += r"$^{\dagger}$"
    return value if cell.low is None else f"{value} {{[}}{_interval(cell)}{{]}}"
