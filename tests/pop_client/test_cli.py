from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pop_client import showing
from pop_client.cli import app, main
from tests.callers import secret_of
from tests.cast import make_cast


@pytest.mark.django_db(transaction=True)
def test_a_login_is_kept_for_its_owner_alone_and_used(
    live_server: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    cast = make_cast()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("POP_URL", raising=False)
    secret = secret_of(cast.owner)
    done = CliRunner().invoke(app, ["login", live_server.url], input=f"{secret}\n")
    assert done.exit_code == 0, done.output
    assert secret not in done.output
    assert (tmp_path / "pop" / "login.json").stat().st_mode & 0o777 == 0o600
    listed = CliRunner().invoke(app, ["projects", "--json"])
    assert json.loads(listed.stdout)["slug"] == cast.project.slug


def test_an_empty_pipe_is_no_token(live_server: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["login", live_server.url], input="")
    assert done.exit_code == 2
    assert "nothing came in" in done.output
    assert not (tmp_path / "pop").exists()


@pytest.mark.parametrize(
    ("token", "command", "told"),
    [
        ("t", "download 3 -o /nowhere/rows.jsonl", (1, "No such file")),
        ("na\u00efve", "projects", (2, "copy it again")),
        ("", "projects", (2, "run `pop login URL` again")),
        ("t", "projects", (3, "did not answer")),
    ],
)
def test_what_went_wrong_is_told_in_words_and_by_the_exit_status(  # noqa: PLR0917 - pytest's
    tmp_path: Path, monkeypatch: Any, capsys: Any, token: str, command: str, told: tuple[int, str]
) -> None:
    (tmp_path / "pop").mkdir()
    (tmp_path / "pop" / "login.json").write_text("{")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("POP_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("POP_TOKEN", token)
    monkeypatch.setattr("sys.argv", ["pop", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    said = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert ended.value.code == told[0]
    assert told[1] in said


def test_a_background_command_of_a_script_does_not_hear_ctrl_c() -> None:
    """Shells start it with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with showing._interrupted() as asked:
            signal.raise_signal(signal.SIGINT)
            assert asked.empty()
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_first_ctrl_c_is_noted_and_the_second_breaks_off() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with showing._interrupted() as asked:
            signal.raise_signal(signal.SIGINT)
            assert asked.get(timeout=1) is None
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
