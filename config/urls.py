"""URLs: health at the root, the API under /api/, everything else is the frontend's."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [path("", include("frontend.urls"))]
