"""Pages of lists: numbered pages for short lists, cursors where counting rows would cost too much."""

from __future__ import annotations

import re
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.request import Request

MAX_PAGE_SIZE = 200


class Pages(PageNumberPagination):
    """`?page=2&page_size=100`; the answer says how many there are."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE


class CursorPages(CursorPagination):
    """`?cursor=…`: each page costs the same however long the list is, and none is counted."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE
    ordering = "id"

    def decode_cursor(self, request: Request) -> Any:
        """The place in the list; 404 for what this API never wrote. DRF itself would ask the database."""
        cursor = super().decode_cursor(request)
        position = None if cursor is None or cursor.position is None else str(cursor.position)
        if position is not None and not re.fullmatch("[0-9]{1,18}", position):
            raise NotFound(self.invalid_cursor_message)
        return cursor
