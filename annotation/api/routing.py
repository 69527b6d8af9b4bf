"""One route, with and without its last slash, so that no client is sent a redirect it may not follow."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path, register_converter
from django.urls.converters import IntConverter
from rest_framework.viewsets import ViewSetMixin

MAX_ID = 2**63 - 1


class IdConverter(IntConverter):
    """An id that fits every database's integers; a longer one is no id, so 404."""

    regex = "[0-9]{1,18}"


register_converter(IdConverter, "id")


def actions_of(pattern: URLPattern) -> tuple[type[ViewSetMixin], dict[str, str]]:
    """A route's view and its actions by method; HEAD, which DRF adds beside GET, is GET's twin."""
    view: Any = pattern.callback
    return view.cls, {method: action for method, action in view.actions.items() if method != "head"}


def route(url: str, view: type[ViewSetMixin], name: str, **actions: str) -> list[URLPattern]:
    """`route("projects/", ProjectViewSet, "projects", get="list")`. The other spelling stays off the schema.

    Things and lists end with a slash, verbs and downloads don't.
    """
    other = url.removesuffix("/") if url.endswith("/") else f"{url}/"
    hidden: dict[str, Any] = {"schema": None}
    return [
        path(url, view.as_view({**actions}), name=f"api-{name}"),
        path(other, view.as_view({**actions}, **hidden), name=f"api-{name}-other"),
    ]
