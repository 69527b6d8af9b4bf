"""A run spec out of layers: a preset, a YAML or JSON file, flags, `--set` and names alone. No torch here.

A later layer wins value by value. Paths in a file are relative to that file, given on the command line to the
present folder; both become absolute, so that the run folder may lie anywhere.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from training.engine import catalog, oracle
from training.engine.errors import SpecError, faults
from training.engine.presets import PRESETS
from training.engine.spec import TRAINED, Kind, MethodSpec, RewardSpec, RunSpec, TrainingSpec

Document = dict[str, Any]
PREFERENCE: Kind = "preference"

# Names that stand for a place in the spec beside those of training settings and of a kind's own section.
PLACES = {
    "name": "name",
    "dataset": "dataset.path",
    "sha256": "dataset.sha256",
    "base": "model.base",
    "revision": "model.revision",
    "lora": "model.lora",
    "tiny": "model.tiny",
    "evaluations": "evaluation.names",
    "generate": "evaluation.generation.prompts",
    "judge": "evaluation.judge",
    "against": "evaluation.against",
}
# Those of preference runs alone.
CHOICES = {"method": "method.slug", "reward_model": "method.reward_model"}


def read(file: Path) -> Document:
    """A spec file, its paths made absolute. YAML reads JSON too.

    Raises:
        SpecError: not there, not YAML, or not a mapping.
    """
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{file} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} is neither YAML nor JSON: {error}") from error
    if not isinstance(found, dict):
        raise SpecError(f"{file} must hold a mapping: dataset, model, method, training, evaluation.")
    return anchored(found, file.parent)


def preset(name: str) -> Document:
    """The spec of a preset.

    Raises:
        SpecError: no such preset.
    """
    if name not in PRESETS:
        raise SpecError(f"There is no preset {name!r}.", hint=f"There are {', '.join(PRESETS)}.")
    return PRESETS[name].spec


def given(values: Mapping[str, Any], method: str, kind: Kind = PREFERENCE) -> Document:
    """A layer of names and values: `beta`, `learning_rate`, `training.learning_rate`, `model.tiny.layers`.

    Args:
        method: the slug whose parameters may be named alone, in preference runs.

    Raises:
        SpecError: a name is no place in the spec.
    """
    document: Document = {}
    for name, value in values.items():
        where = place(name, method, kind)
        *above, last = where.split(".")
        here = document
        for part in above:
            here = here.setdefault(part, {})
        here[last] = adapters(value) if where == PLACES["lora"] else value
    return document


def adapters(value: Any) -> Any:
    """LoRA as people say it: a rank, or true for the default one."""
    if isinstance(value, bool):
        return {} if value else None
    return {"r": value} if isinstance(value, int) else value


def place(name: str, method: str, kind: Kind = PREFERENCE) -> str:
    """Where in the spec a name belongs, with dots.

    Raises:
        SpecError: nowhere; the hint has names that look like it.
    """
    if "." in name:
        return name
    own = own_places(method, kind)
    known = own | {one: f"training.{one}" for one in TrainingSpec.model_fields} | PLACES
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 3)
    whose = f"a parameter of {method}" if kind == PREFERENCE else f"a setting of {kind} runs"
    hint = f"{method if kind == PREFERENCE else kind} takes {', '.join(own.keys() - CHOICES)}." if own else ""
    raise SpecError(
        f"{name!r} is neither a setting of a run nor {whose}.",
        hint=f"Did you mean {' or '.join(near)}?" if near else hint,
    )


def own_places(method: str, kind: Kind) -> dict[str, str]:
    """Names that only runs of this kind know, and where each belongs.

    Raises:
        SpecError: no such method.
    """
    if kind == "reward_model":
        return {name: f"reward.{name}" for name in RewardSpec.model_fields}
    if kind == "sft":
        return {}
    return {name: f"method.params.{name}" for name in parameters(method)} | CHOICES


def parameters(method: str) -> list[str]:
    """Names of a method's parameters.

    Raises:
        SpecError: no such method.
    """
    try:
        return list(catalog.method(method).params.model_fields)
    except catalog.UnknownEntry as error:
        raise SpecError(f"{error}.") from error


@cache
def all_parameters() -> tuple[str, ...]:
    """Names of the parameters of all methods, each once."""
    names = (name for method in catalog.METHODS for name in parameters(method))
    return tuple(dict.fromkeys(names))


def scalar(text: str) -> Any:
    """A value as a person types it: 5e-4, true, null, [a, b]; anything else is text.

    Raises:
        SpecError: half a YAML value, such as `[a`.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SpecError(f"{text!r} is not a value: {error}") from error


def pairs(texts: Iterable[str]) -> dict[str, Any]:
    """`name=value` texts.

    Raises:
        SpecError: one has no "=".
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise SpecError(f"{text!r} is not name=value.")
        found[name.strip()] = scalar(value)
    return found


def merged(layers: Iterable[Document]) -> Document:
    """One document; later layers win. What belongs to another method than the last layer's is not kept."""
    document: Document = {}
    for layer in layers:
        slug = _at(layer, "method", "slug")
        if slug is not None and slug != slug_of(document):
            document = {**document, "method": {}}
        document = _over(document, layer)
    return document


def slug_of(document: Document) -> str:
    """The method that a document names, or the default."""
    return str(_at(document, "method", "slug") or MethodSpec().slug)


def kind_of(document: Document, wanted: Kind | None = None) -> Kind:
    """The kind of run that a document is of; one that names none is of the wanted one.

    Raises:
        SpecError: it names another than the wanted one, or none that there is.
    """
    named = document.get("kind", wanted or PREFERENCE)
    found = next((one for one in TRAINED if one == named), None)
    if found is None:
        raise SpecError(f"There is no kind of run {named!r}.", hint=f"There are {', '.join(TRAINED)}.")
    if found != (wanted or found):
        raise SpecError(
            f"This is a spec of {found} runs.", hint="`pop-train train` takes a spec of any kind."
        )
    return found


def called(spec: RunSpec) -> str:
    """The method of a preference run, the kind of any other."""
    return spec.method.slug if spec.kind == PREFERENCE else spec.kind


def anchored(document: Document, folder: Path) -> Document:
    """The document with the paths of data and models made absolute, relative ones from `folder`.

    A base model or a judge is a path where it looks like one or a folder of that name is there; else it is an
    id. A reward model is always a path, and so is who is judged against. The folder of a finished run stands
    for the model in it.
    """
    path, reward_model = _at(document, "dataset", "path"), _at(document, "method", "reward_model")
    against = _at(document, "evaluation", "against")
    changes: Document = {}
    if isinstance(path, str):
        changes["dataset"] = {"path": str(_from(folder, path))}
    for section, name in (("model", "base"), ("evaluation", "judge")):
        named = _at(document, section, name)
        if not isinstance(named, str) or named == "tiny":
            continue
        if _is_path(folder, named) or (name == "judge" and oracle.find(folder / named) is not None):
            changes[section] = {name: str(_model(_from(folder, named)))}
    if isinstance(reward_model, str | PathLike):
        changes["method"] = {"reward_model": str(_model(_from(folder, reward_model)))}
    if isinstance(against, str | PathLike):
        changes.setdefault("evaluation", {})["against"] = str(_from(folder, against))
    return _over(document, changes)


def spec(document: Document) -> RunSpec:
    """The checked spec.

    Raises:
        SpecError: it breaks the run spec; the message names each field.
    """
    try:
        return RunSpec.model_validate(document)
    except ValidationError as error:
        raise SpecError(f"This is not a run spec. {faults(error)}") from error


def as_json(checked: RunSpec) -> str:
    """The text of spec.json."""
    return json.dumps(checked.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def _over(below: Document, above: Document) -> Document:
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        both[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return both


def _at(document: Document, section: str, key: str) -> Any:
    inner = document.get(section)
    return inner.get(key) if isinstance(inner, dict) else None


def _is_path(folder: Path, named: str) -> bool:
    return named[0:1] in ("/", ".", "~") or (folder / named).is_dir()


def _model(path: Path) -> Path:
    """The model in the folder of a finished run; any other path as it is."""
    run = (path / "spec.json").is_file() and (path / "model").is_dir()
    return path / "model" if run else path


def _from(folder: Path, text: str | PathLike[str]) -> Path:
    return (folder / Path(text).expanduser()).resolve()
