"""One method a deed. Lists are read to their end; errors are `ApiError` and `Unreachable`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel

from pop_client.downloading import Told, check, fetch
from pop_client.errors import Unreachable, WrongHash
from pop_client.models import (
    ArenaAdded,
    ArenaResults,
    Dataset,
    Evaluation,
    Import,
    Me,
    Preset,
    Progress,
    Project,
    Push,
    Run,
)
from pop_client.verifying import canonical_sha256

M = TypeVar("M", bound=BaseModel)
Entry = Mapping[str, Any]
Settings = Mapping[str, Any]
NONE: Settings = MappingProxyType({})
PREFIX = "/api/v1"


class Client:
    """`with Client("https://pop.example.org", "pop_…") as pop: pop.projects()`."""

    def __init__(self, url: str, token: str, timeout: float = 60.0) -> None:
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx2.Client(base_url=url.rstrip("/") + PREFIX, headers=headers, timeout=timeout)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def me(self) -> Me:
        """Whose token this is, and what it may do."""
        return self._one(Me, "GET", "/me/")

    def projects(self) -> list[Project]:
        return list(self._all("/projects/", Project))

    def progress(self, project: str) -> Progress:
        return self._one(Progress, "GET", f"{_project(project)}/progress/")

    def import_file(self, project: str, file: Path) -> Import:
        """Upload a file, streamed; the import itself is a worker's work: poll `get_import`."""
        with file.open("rb") as stream:
            sent = {"file": (file.name, stream)}
            return self._one(Import, "POST", f"{_project(project)}/imports/", files=sent)

    def import_hub(
        self, project: str, name: str, config: str = "", split: str = "train", limit: int | None = None
    ) -> Import:
        """Import a data set of the Hugging Face Hub, `org/name`: poll `get_import`."""
        asked = {"dataset": name, "config": config, "split": split, "limit": limit}
        return self._one(Import, "POST", f"{_project(project)}/imports/", json=asked)

    def get_import(self, import_id: int) -> Import:
        return self._one(Import, "GET", f"/imports/{import_id}/")

    def cancel_import(self, import_id: int) -> Import:
        """Stop it between two batches; what it stored stays."""
        return self._one(Import, "POST", f"/imports/{import_id}/cancel")

    def datasets(self, project: str) -> list[Dataset]:
        return list(self._all(f"{_project(project)}/datasets/", Dataset))

    def freeze(self, project: str, name: str = "", options: Mapping[str, Any] | None = None) -> Dataset:
        """Ask for a dataset of today's labels: poll `dataset` until it is frozen or failed.

        The server knows the options and checks them; see `FreezeOptions` in the API's schema.
        """
        asked = {"name": name, "options": dict(options or {})}
        return self._one(Dataset, "POST", f"{_project(project)}/datasets/", json=asked)

    def dataset(self, dataset_id: int) -> Dataset:
        return self._one(Dataset, "GET", f"/datasets/{dataset_id}/")

    def cancel_dataset(self, dataset_id: int) -> Dataset:
        """Stop a freeze; its files are discarded."""
        return self._one(Dataset, "POST", f"/datasets/{dataset_id}/cancel")

    def download(
        self, dataset_id: int, target: Path, kind: str = "jsonl", told: Told = lambda size: None
    ) -> int:
        """Stream a dataset into a file, which appears under its name when it is whole; its bytes.

        The canonical form is hashed again first: `WrongHash` when it is not what the server froze.
        """

        def verified(partial: Path, headers: Mapping[str, str]) -> None:
            if kind == "canonical":
                check_hash(partial, headers["X-Dataset-SHA256"])

        url = f"/datasets/{dataset_id}/download"
        return fetch(self._http, url, {"format": kind}, target, told=told, verified=verified)

    def push(self, dataset_id: int, repo_id: str, hub_token: str, private: bool = True) -> Push:
        """Upload a dataset to the Hugging Face Hub; a worker does it: poll `get_push`."""
        asked = {"repo_id": repo_id, "token": hub_token, "private": private}
        return self._one(Push, "POST", f"/datasets/{dataset_id}/pushes/", json=asked)

    def get_push(self, dataset_id: int, push_id: int) -> Push:
        return self._one(Push, "GET", f"/datasets/{dataset_id}/pushes/{push_id}/")

    def pushes(self, dataset_id: int) -> list[Push]:
        return list(self._all(f"/datasets/{dataset_id}/pushes/", Push))

    def runs(self, project: str) -> list[Run]:
        return list(self._all(f"{_project(project)}/runs/", Run))

    def presets(self) -> list[Preset]:
        """Specs to start from."""
        return [Preset.model_validate(one) for one in self._ask("GET", "/presets/")]

    def start_run(
        self,
        dataset_id: int,
        spec: Mapping[str, Any] | None = None,
        name: str = "",
        *,
        base_run: int | None = None,
        reward_model_run: int | None = None,
    ) -> Run:
        """Queue a training run; what the spec leaves out is default.

        Args:
            base_run, reward_model_run: ids of finished runs whose models it is made from.
        """
        asked: dict[str, Any] = {"dataset": dataset_id, "spec": dict(spec or {}), "name": name}
        named = {"base_run": base_run, "reward_model_run": reward_model_run}
        asked |= {key: run for key, run in named.items() if run is not None}
        return self._one(Run, "POST", "/runs/", json=asked)

    def evaluate_run(
        self,
        run_id: int,
        *,
        dataset_id: int | None = None,
        subject: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> Run:
        """Queue an evaluation of a run that has ended; what is left out is as that run had it.

        Args:
            subject: `checkpoint`, `split` and `seed`, see the section `subject` of a run spec.
            evaluation: what of the section `evaluation` is to be another.
        """
        spec = {"subject": dict(subject or {}), "evaluation": dict(evaluation or {})}
        asked = {"subject_run": run_id, "dataset": dataset_id, "spec": spec, "name": name}
        return self._one(Run, "POST", "/runs/", json=asked)

    def add_annotations(self, run_id: int, file: Path) -> Evaluation:
        """AlpacaEval's win rates from a judge's annotations.json of the run's outputs."""
        with file.open("rb") as stream:
            sent = {"file": (file.name, stream)}
            return self._one(Evaluation, "POST", f"/runs/{run_id}/alpaca-eval", files=sent)

    def run(self, run_id: int) -> Run:
        return self._one(Run, "GET", f"/runs/{run_id}/")

    def cancel_run(self, run_id: int) -> Run:
        """Stop it; it writes a checkpoint first."""
        return self._one(Run, "POST", f"/runs/{run_id}/cancel")

    def resume_run(self, run_id: int) -> Run:
        """Queue a cancelled or failed run again, from its last checkpoint."""
        return self._one(Run, "POST", f"/runs/{run_id}/resume")

    def run_log(self, run_id: int, lines: int = 200) -> str:
        """The last lines the engine wrote."""
        return str(self._ask("GET", f"/runs/{run_id}/log/", params={"lines": lines})["log"])

    def download_model(self, run_id: int, target: Path, told: Told = lambda size: None) -> int:
        """Stream the trained model, a tar, into a file; its bytes."""
        return fetch(self._http, f"/runs/{run_id}/model", {}, target, told=told)

    def arenas(self, project: str | None = None) -> list[Project]:
        """Those you are in; with a project those that you manage and a run of it takes part in."""
        url = "/arenas/" if project is None else f"{_project(project)}/arenas/"
        return list(self._all(url, Project))

    def make_arena(self, name: str, entries: Sequence[Entry], settings: Settings = NONE) -> Project:
        """Make an arena of responses: `prompt`, `model`, `response` and perhaps `source` each.

        Args:
            settings: what else is said of it, as the API's schema lists it: `battles`, `names_told` …
        """
        asked = {**settings, "name": name, "entries": [dict(entry) for entry in entries]}
        return self._one(Project, "POST", "/arenas/", json=asked)

    def make_arena_of_runs(
        self,
        project: str,
        runs: Sequence[int],
        name: str = "",
        with_reference: bool = False,
        settings: Settings = NONE,
    ) -> Project:
        """Make an arena of what the models of these runs wrote."""
        asked = {**settings, "name": name, "runs": list(runs), "with_reference": with_reference}
        return self._one(Project, "POST", f"{_project(project)}/arenas/", json=asked)

    def add_to_arena(self, arena: str, entries: Sequence[Entry], battles: int | None = None) -> ArenaAdded:
        """Add another model's responses, or more prompts; votes stay, and a second time changes nothing."""
        asked = {"entries": [dict(entry) for entry in entries], "battles": battles}
        return self._one(ArenaAdded, "POST", f"{_project(arena)}/arena/entries", json=asked)

    def add_runs_to_arena(
        self, arena: str, runs: Sequence[int], with_reference: bool = False, battles: int | None = None
    ) -> ArenaAdded:
        """Add what the models of these runs wrote."""
        asked = {"runs": list(runs), "with_reference": with_reference, "battles": battles}
        return self._one(ArenaAdded, "POST", f"{_project(arena)}/arena/runs", json=asked)

    def arena_results(self, arena: str) -> ArenaResults:
        return self._one(ArenaResults, "GET", f"{_project(arena)}/arena/")

    def arena_votes(self, arena: str, target: Path, kind: str = "csv", told: Told = lambda size: None) -> int:
        """Stream an arena's votes into a file; its bytes. `csv`: every answer; `jsonl`: the winners."""
        return fetch(self._http, f"{_project(arena)}/arena/votes", {"format": kind}, target, told=told)

    def arena_preferences(self, arena: str, into: str) -> Import:
        """Import the battles with a winner into another project as preferences: poll `get_import`."""
        return self._one(Import, "POST", f"{_project(arena)}/arena/preferences", json={"into": into})

    def archive(self, project: str) -> Project:
        """Close a project. An arena tells the names then, and cannot be opened again."""
        return self._one(Project, "POST", f"{_project(project)}/archive")

    def _all(self, url: str, model: type[M]) -> Iterator[M]:
        page = 1
        while True:
            answer = self._ask("GET", url, params={"page": page, "page_size": 200})
            yield from (model.model_validate(row) for row in answer["results"])
            if not answer["next"]:
                return
            page += 1

    def _one(self, model: type[M], method: str, url: str, **sent: Any) -> M:
        return model.model_validate(self._ask(method, url, **sent))

    def _ask(self, method: str, url: str, **sent: Any) -> Any:
        try:
            answer = self._http.request(method, url, **sent)
        except httpx2.TransportError as error:
            raise Unreachable(f"{self._http.base_url.host} did not answer: {error}") from error
        check(answer)
        return answer.json()


def check_hash(archive: Path, expected: str) -> None:
    """Raises WrongHash unless a canonical zip has this hash."""
    try:
        found = canonical_sha256(archive)
    except ValueError as error:
        raise WrongHash(str(error)) from error
    if found != expected:
        raise WrongHash(f"The download's SHA-256 is {found}, the server's {expected}: nothing was kept.")


def _project(slug: str) -> str:
    return f"/projects/{quote(slug, safe='')}"
