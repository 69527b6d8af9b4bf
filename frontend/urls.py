"""Addresses a person types. `PEOPLE` is for everyone who signs in, `DESK` for those who manage a project."""

from __future__ import annotations

from django.urls import URLPattern, path

from frontend.desk_urls import DESK
from frontend.views import annotate, auth, home, labels, studies

PEOPLE: list[URLPattern] = [
    path("", home.home, name="home"),
    path("login/", auth.SignIn.as_view(), name="login"),
    path("logout/", auth.sign_out, name="logout"),
    path("studies/", studies.study_list, name="studies"),
    path("studies/<slug:name>/", studies.study_page, name="study"),
    path("studies/<slug:name>/data/", studies.study_data, name="study-data"),
    path("studies/<slug:name>/files/<str:kind>", studies.study_file, name="study-file"),
    path("join/<str:secret>/", auth.join, name="invite-accept"),
    path("projects/<slug:slug>/label/", annotate.page, name="annotate"),
    path("projects/<slug:slug>/label/next", annotate.next_task, name="annotate-next"),
    path("projects/<slug:slug>/label/answer", annotate.answer, name="annotate-answer"),
    path("projects/<slug:slug>/label/undo", annotate.undo, name="annotate-undo"),
    path("projects/<slug:slug>/label/heartbeat", annotate.heartbeat, name="annotate-heartbeat"),
    path("projects/<slug:slug>/label/skip-practice", annotate.skip_practice, name="annotate-skip-practice"),
    path("projects/<slug:slug>/label/release", annotate.release, name="annotate-release"),
    path("projects/<slug:slug>/my-labels/", labels.my_labels, name="my-labels"),
    path("labels/<int:label_id>/", labels.label_page, name="label"),
    path("labels/<int:label_id>/undo/", labels.label_undo, name="label-undo"),
]
urlpatterns = [*PEOPLE, *DESK]
