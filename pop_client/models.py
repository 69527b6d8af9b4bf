"""Answers of the API, so far as this client reads them. New fields of the server are ignored."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel


class Me(BaseModel):
    id: int
    username: str
    scopes: list[str] | None


class Project(BaseModel):
    id: int
    slug: str
    kind: str
    name: str
    state: str
    strategy: str
    battles: int
    names_told: str
    role: str


class Rate(BaseModel):
    """A share of wins with its 95 % interval; None without a vote."""

    votes: float
    value: float | None
    low: float | None
    high: float | None


class Rival(Rate):
    model: str


class Standing(BaseModel):
    """A model of an arena: its score with its interval, and how it did against all and against each."""

    model: str
    source: str
    score: float | None
    low: float | None
    high: float | None
    group: int
    rate: Rate
    against: list[Rival]


class ArenaResults(BaseModel):
    """Which model is better, as far as the votes say; the best comes first."""

    prompts: int
    responses: int
    battles: int
    wanted: int
    votes: int
    neither: int
    cannot_judge: int
    same: int
    groups: int
    standings: list[Standing]


class Progress(BaseModel):
    labels: int
    decided: int | None
    undecided: int | None
    labels_expected: int
    labels_last_hour: int | None
    eta_seconds: float | None


class ArenaAdded(BaseModel):
    """What came of adding to an arena; `models` say how many responses they got, and lack."""

    new_models: list[str]
    models: list[dict[str, Any]]
    prompts: int
    responses: int
    known: int
    left_out: int
    battles: int


class Import(BaseModel):
    id: int
    state: str
    bytes_total: int
    bytes_done: int
    rows_read: int
    rows_imported: int
    rows_duplicate: int
    rows_rejected: int
    rows_per_s: float | None
    seconds_left: int | None
    error: str


class Dataset(BaseModel):
    id: int
    number: int
    name: str
    state: str
    options: dict[str, Any]
    sha256: str
    row_count: int
    progress_done: int
    progress_total: int
    rows_per_s: float | None
    seconds_left: int | None
    error: str
    created_at: datetime


class Push(BaseModel):
    id: int
    repo_id: str
    private: bool
    state: str
    url: str
    error: str


class Run(BaseModel):
    id: int
    number: int
    name: str
    kind: str
    state: str
    method: str
    stage: str
    stage_done: int
    stage_total: int
    step: int
    eta_seconds: float | None
    error: str
    hint: str
    has_model: bool


class Evaluation(BaseModel):
    name: str
    result: dict[str, Any]
    seed: int
    dataset_sha256: str
    duration_seconds: float


class Preset(BaseModel):
    name: str
    title: str
    summary: str
    spec: dict[str, Any]
