"""A project with one of everything, for requests made from the schema: the first row of a table has id 1."""

from __future__ import annotations

from typing import Any

from annotation.models import PopDataset
from tests.callers import secret_of
from tests.cast import make_cast
from tests.contracts.api_world import World
from tests.world import bring, say

__all__ = ["build", "say"]


def build() -> dict[str, Any]:
    """What the tests need to ask as the owner: a token, and the ids that are not 1."""
    cast = make_cast()
    bring(cast.project, cast.owner, 16)
    world = World(cast, cast.owner)
    made: list[Any] = [world.label, world.lease_of(cast.ann_two), world.dataset, world.delivery, world.gold]
    made += [world.invite_and_secret, world.run(), world.push]
    assert all(made)
    PopDataset.objects.filter(folder="").update(folder=world.dataset.folder)  # every dataset has files
    ids = {"project": world.slug, "user": cast.ann_two.pk, "key": world.own_token_key}
    return {"token": secret_of(cast.owner), "ids": ids}
