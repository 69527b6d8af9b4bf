"""Who gets what from every endpoint: the expectation the permission test holds the API to.

`Row(scope, owner, admin, annotator, outsider, path, body)`: the statuses the four get when signed in; nobody
gets anything but 401 without. `path` gives the URL's arguments from the world, `body` what is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.contracts.api_world import World

Args = Callable[[World], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    scope: str
    owner: int
    admin: int
    annotator: int
    outsider: int
    path: Args
    body: Args


def nothing(world: World) -> dict[str, Any]:
    return {}


def in_project(world: World) -> dict[str, Any]:
    return {"project": world.slug}


def row(scope: str, statuses: tuple[int, int, int, int], path: Args = nothing, body: Args = nothing) -> Row:
    return Row(scope, *statuses, path, body)


def everyone(scope: str, status: int = 200, path: Args = nothing, body: Args = nothing) -> Row:
    """No project is touched, or only the caller's own things."""
    return row(scope, (status,) * 4, path, body)


def members(scope: str, status: int = 200, path: Args = in_project, body: Args = nothing) -> Row:
    """Every member; for others the project does not exist."""
    return row(scope, (status, status, status, 404), path, body)


def managers(scope: str, status: int = 200, path: Args = in_project, body: Args = nothing) -> Row:
    """Owner and admins; annotators are refused, for others nothing exists."""
    return row(scope, (status, status, 403, 404), path, body)


def a_member(world: World) -> dict[str, Any]:
    return {"project": world.slug, "user": world.cast.ann_two.pk}


def an_invite(world: World) -> dict[str, Any]:
    return {"project": world.slug, "invite": world.invite_and_secret[0].pk}


def an_import(world: World) -> dict[str, Any]:
    return {"pk": world.import_id}


def answered(world: World) -> dict[str, Any]:
    assert world.answered_by_all
    return in_project(world)


def a_lease(world: World) -> dict[str, Any]:
    return {"pk": world.lease.pk}


def a_dataset(world: World) -> dict[str, Any]:
    return {"pk": world.dataset_row().pk}


def a_frozen_dataset(world: World) -> dict[str, Any]:
    return {"pk": world.dataset.pk}


def a_run(state: str = "finished", **fields: object) -> Args:
    return lambda world: {"pk": world.run(state, **fields).pk}


def an_answer(world: World) -> dict[str, Any]:
    return {"verdict": "first", "key": str(uuid4())}


FINISHED = a_run()

TABLE: dict[tuple[str, str], Row] = {
    # yourself
    ("GET", "api-me"): everyone("read"),
    ("GET", "api-tokens"): everyone("read"),
    ("POST", "api-tokens"): everyone("manage", 201, body=lambda _: {"name": "t", "scopes": ["manage"]}),
    ("DELETE", "api-token"): everyone("manage", 204, lambda world: {"key": world.own_token_key}),
    ("POST", "api-invite-accept"): everyone(
        "annotate", body=lambda world: {"secret": world.invite_and_secret[1]}
    ),
    # registries
    ("GET", "api-strategies"): everyone("read"),
    ("GET", "api-formats"): everyone("read"),
    ("GET", "api-workers"): everyone("read"),
    ("GET", "api-methods"): everyone("read"),
    ("GET", "api-evaluations"): everyone("read"),
    ("GET", "api-presets"): everyone("read"),
    ("GET", "api-run-spec-schema"): everyone("read"),
    # projects
    ("GET", "api-projects"): everyone("read"),
    ("POST", "api-projects"): row("manage", (201, 403, 403, 403), body=lambda _: {"name": "New"}),
    ("GET", "api-project"): members("read"),
    ("PATCH", "api-project"): managers("manage", body=lambda _: {"name": "Other"}),
    ("POST", "api-project-pause"): managers("manage"),
    ("POST", "api-project-reopen"): managers("manage"),
    ("POST", "api-project-archive"): managers("manage"),
    ("GET", "api-project-progress"): members("read"),
    ("GET", "api-project-funnel"): managers("read"),
    ("GET", "api-project-audit"): managers("read"),
    ("GET", "api-project-members"): managers("read"),
    ("PATCH", "api-member"): managers("manage", path=a_member, body=lambda _: {"role": "admin"}),
    ("DELETE", "api-member"): managers("manage", 204, a_member),
    ("GET", "api-project-invites"): managers("read"),
    ("POST", "api-project-invites"): managers("manage", 201),
    ("DELETE", "api-invite"): managers("manage", 204, an_invite),
    # preferences
    ("GET", "api-project-imports"): managers("read"),
    ("POST", "api-project-imports"): managers("manage", 202, body=lambda _: {"dataset": "org/name"}),
    ("GET", "api-import"): managers("read", path=an_import),
    ("GET", "api-import-rejections"): managers("read", path=an_import),
    ("GET", "api-project-preferences"): managers("read"),
    # the queue: a lease is its holder's alone
    ("POST", "api-next"): members("annotate"),
    ("POST", "api-undo"): members("annotate", path=answered),
    ("POST", "api-release"): members("annotate"),
    ("POST", "api-heartbeat"): everyone("annotate", body=lambda world: {"ids": [world.lease.pk]}),
    ("POST", "api-label"): row("annotate", (404, 404, 201, 404), a_lease, an_answer),
    # datasets
    ("GET", "api-project-datasets"): managers("read"),
    ("POST", "api-project-datasets"): managers("manage", 202, answered),
    ("GET", "api-project-datasets-preview"): managers("read"),
    ("GET", "api-dataset"): managers("read", path=a_dataset),
    ("DELETE", "api-dataset"): managers("manage", 204, a_dataset),
    ("GET", "api-dataset-download"): managers("read", path=a_frozen_dataset),
    # runs
    ("GET", "api-project-runs"): managers("read"),
    ("POST", "api-runs"): managers("train", 201, nothing, lambda world: {"dataset": world.dataset_row().pk}),
    ("GET", "api-run"): managers("read", path=FINISHED),
    ("DELETE", "api-run"): managers("train", 204, FINISHED),
    ("POST", "api-run-cancel"): managers("train", path=a_run("queued")),
    ("POST", "api-run-resume"): managers("train", path=a_run("cancelled", has_checkpoint=True)),
    ("GET", "api-run-events"): managers("read", path=FINISHED),
    ("GET", "api-run-curves"): managers("read", path=FINISHED),
    ("GET", "api-run-log"): managers("read", path=FINISHED),
    ("GET", "api-run-evaluations"): managers("read", path=FINISHED),
    ("GET", "api-run-model"): managers("read", path=lambda world: {"pk": world.run_with_model().pk}),
}
