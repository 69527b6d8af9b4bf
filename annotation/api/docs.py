"""OpenAPI: what an operation takes, answers and refuses, in one decorator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

F = TypeVar("F", bound=Callable[..., Any])
REFUSALS = {
    400: "The request cannot be read.",
    401: "Not signed in, or the token is unknown or expired.",
    403: "Not allowed: by role, or by the token's scopes.",
    404: "No such thing, or none you may know of.",
    409: "Its present state forbids this.",
    413: "The upload or the body is over the limit.",
    415: "The body is of a type that is not read here.",
    422: "Some values are wrong; `fields` says which.",
    429: "Too often; see `Retry-After`.",
}


class ErrorSerializer(serializers.Serializer[Any]):
    """Every error answer."""

    code = serializers.CharField(help_text="For programs.")
    detail = serializers.CharField(help_text="For people.")
    fields_ = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="Complaints by field.",
    )

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `fields` is a property of serializers, so the declared name differs from the one sent.
        declared = super().get_fields()
        declared["fields"] = declared.pop("fields_")
        return declared


def documented(
    answers: Any,
    *,
    takes: Any = None,
    status: int = 200,
    refuses: Iterable[int] = (404,),
    query: Iterable[OpenApiParameter | type[serializers.Serializer[Any]]] = (),
    **more: Any,
) -> Callable[[F], F]:
    """`@documented(ProjectSerializer, takes=ProjectWrite, status=201, refuses=(404, 422))`."""
    codes = sorted({401, 403, *refuses, *((415,) if takes else ())})
    responses: dict[Any, Any] = dict(answers) if isinstance(answers, dict) else {status: answers}
    responses |= {code: OpenApiResponse(ErrorSerializer, REFUSALS[code]) for code in codes}
    return extend_schema(request=takes, responses=responses, parameters=list(query), **more)


def files_of(types: Iterable[str]) -> dict[Any, Any]:
    """The answers of a download: bytes, of one of these media types."""
    return {(200, media): OpenApiTypes.BINARY for media in sorted({one.partition(";")[0] for one in types})}
