"""URLs: health at the root, the API under /api/, everything else is the frontend's."""

from __future__ import annotations

from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from annotation.api import fallback
from config import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("api/v1/", include("annotation.api.urls")),
    path("api/v1/", include("training.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "api/docs/",
        SpectacularSwaggerSplitView.as_view(template_name="annotation/api_docs.html"),
        name="api-docs",
    ),
    re_path(r"^api/", fallback.not_found),
    path("", include("frontend.urls")),
]
handler500 = "annotation.api.fallback.server_error"
