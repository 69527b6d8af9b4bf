"""Models and prompts added to an arena by page: from the comparison of runs, or from a file."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from annotation.models import PopDataset
from annotation.services import projects
from tests.annotation.arenas import make_arena
from tests.cast import NOW, Cast, make_project
from tests.frontend.conftest import Desk, make_run, signed_in
from tests.frontend.test_arena_pages import answering
from tests.frontend.test_project_pages import text
from training.errors import NotFound
from training.services import arenas

pytestmark = [pytest.mark.either, pytest.mark.django_db]


def test_a_compared_run_is_added_and_a_refusal_keeps_what_was_chosen(
    desk: Desk, owner_client: Client, settings: Any
) -> None:
    run = answering(desk, settings, desk.run, "One", reference="Base")
    about: dict[str, Any] = {"project": desk.project, "runs": [run.pk], "by": desk.cast.owner, "at": NOW}
    made = arenas.from_runs(**about, name="Spring", with_reference=True)
    other = make_run(desk.dataset, state="finished", name="Other")
    url = f"{reverse('compare', args=[desk.project.slug])}?run={other.pk}"
    given = {"add": "1", "add-arena": made.slug, "add-battles": "7"}
    refused = owner_client.post(url, given, headers={"HX-Request": "true"})
    page = text(refused)
    assert (refused.status_code, "wrote no responses" in page) == (422, True)
    assert f'<option value="{made.slug}" selected>' in page
    assert 'name="add-battles" value="7"' in page
    assert page.count('<details class="more" open>') == 1
    answering(desk, settings, other, "Two")
    done = owner_client.post(url, given, follow=True)
    assert done.redirect_chain[0][0] == reverse("arena", args=[made.slug])
    assert f"Other #{other.number} as new in the arena. 7 battles are asked for now." in text(done)
    assert "Nothing was added" in text(owner_client.post(url, given, follow=True))
    made.refresh_from_db()
    assert (made.battles, made.battles_possible) == (7, 9)


def test_a_run_of_another_project_has_a_name_of_its_own(desk: Desk, settings: Any) -> None:
    run = answering(desk, settings, desk.run, "One", reference="Base")
    about: dict[str, Any] = {"by": desk.cast.owner, "at": NOW}
    made = arenas.from_runs(project=desk.project, runs=[run.pk], with_reference=True, **about)
    second = PopDataset.objects.get(pk=desk.dataset.pk)
    second.pk, second.project = None, make_project(desk.cast.owner, slug="second")
    second.save()
    namesake = answering(desk, settings, make_run(second, state="finished"), "Two")
    assert namesake.number == run.number
    for added in (1, 0):
        done = arenas.add_runs(arena=made, runs=[namesake.pk], **about)
        assert len(done.new_models) == added
    assert made.contenders.latest("number").name == "run 1 of second"
    with pytest.raises(NotFound):
        arenas.add_runs(arena=made, runs=[2**40], **about)


def test_a_file_is_added_and_a_refusal_keeps_what_was_typed(cast: Cast) -> None:
    project = make_arena(cast, prompts=3)
    owner, url = signed_in(cast.owner), reverse("arena-add", args=[project.slug])
    assert "Add responses" in text(owner.get(url))

    def sent(lines: str, **more: str) -> Any:
        file = SimpleUploadedFile("said.csv", lines.encode())
        return owner.post(url, {"file": file, **more}, follow=True)

    wrong = {
        "prompt,response\nQuestion 0?,Caw\n": "Response 1 has no model.",
        "": "The submitted file is empty.",
        '{"prompt"': "Line 1 is not JSON",
        "[7]": "Response 1 is no object",
        "prompt,response,model\nElse?,Caw,Crow\n": "Crow: no prompt in common",
        "prompt,response,model\nQuestion 0?,Caw,Lark\n": "Lark is in this arena and said something else",
    }
    for lines, why in wrong.items():
        refused = sent(lines, battles="9")
        assert (refused.status_code, why in text(refused)) == (422, True), why
        assert 'name="battles" value="9"' in text(refused)
    lines = 'prompt,response\nQuestion 0?,"Caw,\ncaw"\nQuestion 1?,Caw\n'
    done = text(sent(lines, model="Crow"))
    assert "Crow as new in the arena. Crow has no response to 1 prompt and is not compared there" in done
    assert "Crow" in done[done.index("standings-title") :]
    assert "Nothing was added" in text(sent(lines, model="Crow"))
    projects.archive(project=project, by=cast.owner, at=NOW)
    assert "nothing can be added" in text(owner.get(url))
    late = sent(lines, model="Jay")
    assert (late.status_code, "nothing can be added" in text(late)) == (422, True)
