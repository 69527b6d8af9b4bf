"""The metrics table as CSV, Markdown and LaTeX: what a name holds reaches the reader as it is."""

from __future__ import annotations

import csv
import io
import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from training import comparison_files as files
from training.comparing import Better, Cell, Line, Standing
from training.comparison_files import Column

LINE = Line(
    "pair_accuracy",
    "accuracy",
    Better.HIGHER,
    (
        Cell(0.72512, 0.6, 0.85, 40, Standing.BEST),
        Cell(0.7, 0.58, 0.8, 40, Standing.NOT_DISTINGUISHABLE),
        None,
    ),
)
MARKS = st.text(st.sampled_from("\\{}#$%&_~^<>|\"'`[]()*+-.!=@,;\r\n\t a1ß–"), max_size=12)
NAMES = MARKS | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
COLUMNS = [Column(3, "First", "ab"), Column(5, "", "ab"), Column(6, "Third", "cd")]


def one_line(name: str) -> str:
    return " ".join(name.split())


@given(st.lists(NAMES, min_size=3, max_size=3))
def test_csv_gives_names_and_numbers_back(names: list[str]) -> None:
    columns = [Column(number, name, "ab") for number, name in enumerate(names)]
    made = list(csv.DictReader(io.StringIO(files.as_csv(columns, [LINE]), newline="")))
    assert [row["name"].removeprefix("'") for row in made] == [name.removeprefix("'") for name in names[:2]]
    assert not any(row["name"].startswith(files.FORMULAS) for row in made)
    assert [float(row["value"]) for row in made] == [0.72512, 0.7]
    assert made[0]["standing"] == "best"


@given(NAMES)
def test_markdown_shows_a_name_as_it_is(name: str) -> None:
    text = f"| x |\n| --- |\n| {files.markdown_text(name)} |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    cell = [token for token in tokens if token.type == "inline"][1]
    assert {child.type for child in cell.children or []} <= {"text", "text_special"}
    assert "".join(child.content for child in cell.children or []) == one_line(name)


@given(NAMES.filter(str.isascii))
def test_latex_sets_a_name_as_it_is_and_nothing_in_it_is_a_command(name: str) -> None:
    made = files.latex_text(name)
    commands = {value: char for char, value in files.LATEX.items()} | {"{}": ""}
    longest_first = sorted(commands, key=len, reverse=True)
    parts = re.split(f"({'|'.join(map(re.escape, longest_first))})", made)
    assert not any(re.search(r"[\\{}#$%&_~^]", part) for part in parts[::2])
    assert "".join(commands.get(part, part) for part in parts) == one_line(name)


def test_names_with_marks_of_latex_and_markdown_are_escaped() -> None:
    assert files.latex_text("50% of $x_1 & ~{}\\") == (
        r"50\% of \$x\_1 \& \textasciitilde{}\{\}\textbackslash{}"
    )
    assert files.markdown_text("a|b *c* <b> [d](e)") == r"a\|b \*c\* \<b\> \[d\](e)"


def test_latex_has_commands_for_letters_that_it_does_not_know() -> None:
    assert files.latex_text("β .1 – naïve μ→2_α") == (
        r"\ensuremath{\beta} .1 \textendash{} na\"\i{}ve \ensuremath{\mu}"
        r"\textrightarrow{}2\_\ensuremath{\alpha}"
    )
    assert files.as_latex([Column(3, "β 0.1", "ab")] * 3, [LINE]).isascii()
    others = files.as_latex([Column(3, "模型", "ab")] * 3, [LINE])
    assert "模型" in others
    assert others.startswith("% To be set with LuaLaTeX")


def test_markdown_has_values_with_intervals_and_words() -> None:
    row = files.as_markdown(COLUMNS, [LINE]).splitlines()[2]
    assert row == (
        r"| Pair accuracy: Accuracy | higher | **0.725** \[0.600, 0.850\] best | "
        r"0.700 \[0.580, 0.800\] not distinguishable | – |"
    )


def test_latex_has_a_row_a_measure_with_as_many_cells_as_columns() -> None:
    lines = files.as_latex(COLUMNS, [LINE]).splitlines()
    assert lines[1] == r"\begin{tabular}{llrrr}"
    assert lines[3] == r"Measure & Better & First (\#3) & Run 5 & Third (\#6) \\"
    assert lines[5] == (
        r"Pair accuracy: Accuracy & higher & \textbf{0.725} {[}0.600, 0.850{]} & "
        r"0.700$^{\dagger}$ {[}0.580, 0.800{]} & -- \\"
    )


def test_a_table_of_no_runs_is_a_head() -> None:
    assert files.as_csv([], []).count("\n") == 1
    assert "tabular" in files.as_latex([], [])
    assert files.as_markdown([], []).startswith("| Measure |")
