"""Pages of strengths by place: many may be equal, which DRF's own cursors count through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotation.api.pagination import MAX_PAGE_SIZE
from annotation.selectors import consistency

PAGE_SIZE = 50


class StrengthPages(BasePagination):
    """`?after=…` from `next`; `?page_size=100`."""

    def __init__(self) -> None:
        self.following: str | None = None

    def paginate_queryset(
        self, queryset: QuerySet[Any] | Sequence[Any], request: Request, view: APIView | None = None
    ) -> list[Any]:
        size = request.query_params.get("page_size", "")
        wanted = (
            min(int(size), MAX_PAGE_SIZE) if size.isascii() and size.isdecimal() and size.strip("0") else 0
        )
        rows = list(queryset[: (wanted or PAGE_SIZE) + 1])
        page = rows[: wanted or PAGE_SIZE]
        if len(rows) > len(page):
            query = {**request.query_params.dict(), "after": consistency.key_of(page[-1])}
            self.following = request.build_absolute_uri(f"{request.path}?{urlencode(query)}")
        return page

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.following, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["results"],
            "properties": {"next": following, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        def parameter(name: str, kind: str) -> dict[str, Any]:
            return {"name": name, "required": False, "in": "query", "schema": {"type": kind}}

        return [parameter("after", "string"), parameter("page_size", "integer")]


def place(request: Request) -> consistency.Key | None:
    """The place to go on from; 404 for what this API never wrote."""
    text = request.query_params.get("after", "")
    found = consistency.key_from(text)
    if text and found is None:
        raise NotFound("There is no such place in the list.")
    return found
