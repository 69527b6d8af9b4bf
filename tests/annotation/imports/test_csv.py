from __future__ import annotations

import csv
import gzip
import io
import json

import pytest

from annotation.imports import FORMATS, Record, RowError, UnreadableFile, csv_table

read = FORMATS["csv"].read
HEADER = b"prompt,chosen,rejected,score_chosen,score_rejected,id\n"


def rows(data: bytes) -> list[Record | RowError]:
    return list(read(io.BytesIO(data)))


def shape(data: bytes) -> list[tuple[str, int]]:
    return [(type(row).__name__, row.line) for row in rows(data)]


def reasons(data: bytes) -> dict[int, str]:
    return {row.line: row.reason for row in rows(data) if isinstance(row, RowError)}


def test_cells_over_several_lines_count_from_where_the_row_begins() -> None:
    data = HEADER + b'Capital?,"Paris,\nof course",Lyon,4.5,1,a\n\nTwo?,x,y,,,b\n'
    found = rows(data)
    assert shape(data) == [("Record", 2), ("Record", 5)]
    assert isinstance(found[0], Record)
    assert found[0].chosen == [{"role": "assistant", "content": "Paris,\nof course"}]
    assert (found[0].score_chosen, found[0].score_rejected, found[0].external_id) == (4.5, 1.0, "a")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_read_off_the_header(separator: str) -> None:
    out = io.StringIO()
    table = csv.writer(out, delimiter=separator)
    table.writerows([["chosen", "rejected", "prompt"], ["a, b; c", "d\te", "What?"]])
    (found,) = rows(b"\xef\xbb\xbf" + out.getvalue().encode())
    assert isinstance(found, Record)
    assert (found.chosen[0]["content"], found.rejected[0]["content"]) == ("a, b; c", "d\te")


def test_messages_written_as_json_in_a_cell_are_messages() -> None:
    talk = [{"role": "user", "content": 'He said "hi", 好'}, {"role": "assistant", "content": "x"}]
    out = io.StringIO()
    csv.writer(out).writerows(
        [["chosen", "rejected"], [json.dumps(talk), json.dumps([talk[0], {**talk[1], "content": "y"}])]]
    )
    (found,) = rows(gzip.compress(out.getvalue().encode()))
    assert isinstance(found, Record)
    assert found.prompt == talk[:1]


def test_a_cell_of_several_megabytes_is_read() -> None:
    big = "word " * 1_000_000
    (found,) = rows(HEADER + f'"{big}",a,b,,,\n'.encode())
    assert isinstance(found, Record)
    assert found.prompt[0]["content"] == big


def test_bad_rows_cost_only_themselves() -> None:
    data = HEADER + b"a,b,c,,,1\na,caf\xe9,c,,,2\na,b\na,b,b,,,3\na,b,c,nan,,4\na,b,c,,,5\n"
    assert shape(data) == [("Record", 2), *(("RowError", n) for n in (3, 4, 5, 6)), ("Record", 7)]
    found = reasons(data)
    assert "not valid UTF-8" in found[3]
    assert "has 2 columns where the header has 6" in found[4]
    assert "identical" in found[5]
    assert "finite" in found[6]


def test_a_half_written_last_row_is_named() -> None:
    assert "ends inside a quoted cell" in reasons(HEADER + b'a,b,c,,,1\nq,"half')[3]
    assert "columns" in reasons(HEADER + b"a,b,c,,,1\nq,ha")[3]


def test_a_quotation_mark_left_open_does_not_swallow_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_table, "CELL_LIMIT", 2_000)
    data = HEADER + b'q,"open\n' + b"a,b,c,,,1\n" * 1_000
    found = rows(data)
    assert "quotation mark" in next(iter(reasons(data).values()))
    assert sum(isinstance(row, Record) for row in found) > 700


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "The file is empty."),
        (b"a,b\n1,2\n", "The file needs chosen and rejected; found columns: a, b."),
        (b"\n\n\n", "needs chosen and rejected; found columns: none"),
        (b"chosen,rejected,chosen\n", "names a column twice"),
        (b'"chosen', "cannot be read"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "needs chosen and rejected"),
        ("chosen,rejected\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_table_without_a_usable_header_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableFile) as refused:
        rows(data)
    assert words in refused.value.message


def test_a_header_alone_has_no_rows() -> None:
    assert rows(HEADER) == []
