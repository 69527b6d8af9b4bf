"""A typed client of PoP Studio's API. It knows the server by its API alone."""

from pop_client.client import Client
from pop_client.errors import ApiError, Unreachable, WrongHash
from pop_client.verifying import canonical_sha256

__all__ = ["ApiError", "Client", "Unreachable", "WrongHash", "canonical_sha256"]
