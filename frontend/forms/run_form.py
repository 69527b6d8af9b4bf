"""The new-run form: what was typed, the spec it makes, and errors beside the fields they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from pydantic import ValidationError

from frontend.forms.spec_fields import Section, SpecField, method_fields, sections
from training.engine import catalog, presets
from training.engine.spec import MethodSpec, RunSpec, has_section

DEFAULT_PRESET = "tiny-cpu"
KINDS = {
    "preference": "A policy, by a preference method",
    "reward_model": "A reward model",
    "sft": "A base model, by SFT on the chosen responses",
}
Errors = dict[str, list[str]]


@dataclass
class RunForm:
    """Values by path as they stand in the page: text as typed, flags as bools, lists as lists."""

    values: dict[str, Any]
    switched_on: set[str]
    name: str = ""
    dataset: str = ""
    kind: str = "preference"
    errors: Errors = field(default_factory=dict)

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], name: str = "", dataset: str = "") -> RunForm:
        """A form showing a full spec: a preset, or an earlier run's."""
        kind = spec.get("kind", "preference")
        method = spec.get("method") or MethodSpec().model_dump()
        values: dict[str, Any] = {
            "method.slug": method["slug"],
            "method.reward_model": method.get("reward_model") or "",
        }
        switched_on = set()
        for section in sections(kind):
            part = _at(spec, section.path)
            if section.optional and part is not None:
                switched_on.add(section.path)
            for item in section.fields:
                value = item.default if part is None else part.get(item.path.rpartition(".")[2], item.default)
                values[item.path] = _shown(item, value)
        for item in method_fields(values["method.slug"]):
            given = method["params"].get(item.path.rpartition(".")[2], item.default)
            values[item.path] = _shown(item, given)
        return cls(values, switched_on, name, dataset, kind=kind)

    @classmethod
    def from_preset(cls, preset: str, name: str = "", dataset: str = "") -> RunForm:
        entry = presets.PRESETS.get(preset) or presets.PRESETS[DEFAULT_PRESET]
        return cls.from_spec(RunSpec.model_validate(entry.spec).model_dump(mode="json"), name, dataset)

    @classmethod
    def from_post(cls, data: QueryDict) -> RunForm:
        """What was typed, kept as typed.

        A parameter that the method shown before had too stays, but for one whose default is another: the same
        letter then means another thing.
        """
        slug, before = data.get("method.slug", ""), data.get("method.was", "")
        kind = data.get("kind", "preference")
        values: dict[str, Any] = {
            "method.slug": slug,
            "method.reward_model": data.get("method.reward_model", ""),
        }
        for item in _plain_fields(kind):
            values[item.path] = _typed(item, data)
        defaults = {item.path: item.default for item in _fields_of(before)}
        for item in _fields_of(slug):
            kept = before in ("", slug) or defaults.get(item.path) == item.default
            values[item.path] = _typed(item, data) if kept else _shown(item, item.default)
        switched_on = {s.path for s in sections(kind) if s.optional and data.get(f"{s.path}:on")}
        return cls(values, switched_on, data.get("name", "").strip(), data.get("dataset", ""), kind=kind)

    @property
    def method(self) -> str:
        return str(self.values["method.slug"])

    @property
    def reward_model(self) -> str:
        return str(self.values["method.reward_model"])

    def spec(self) -> dict[str, Any]:
        """The spec the values make; text that is no number stays text, for pydantic to refuse by path.

        Sections that belong to another kind of run are left out.
        """
        made: dict[str, Any] = {"kind": self.kind, "name": self.name}
        if self.kind == "preference":
            made["method"] = self._method_section()
        for section in sections(self.kind):
            if not has_section(self.kind, section.path):
                continue
            if section.optional and section.path not in self.switched_on:
                _put(made, section.path, None)
                continue
            for item in section.fields:
                _put(made, item.path, self._parsed(item))
        return made

    def _method_section(self) -> dict[str, Any]:
        made: dict[str, Any] = {"method": {"slug": self.method, "params": {}}}
        if self.method in catalog.POLICY_METHODS:
            for item in method_fields(self.method):
                _put(made, item.path, self._parsed(item))
            if catalog.method(self.method).takes_reward_model:
                made["method"]["reward_model"] = self.reward_model or None
        section: dict[str, Any] = made["method"]
        return section

    def is_valid(self) -> bool:
        """Check the whole spec; fills `errors` by path."""
        spec = self.spec()
        self.errors = {}
        if self.kind == "preference":
            if self.method not in catalog.POLICY_METHODS:
                self.errors["method.slug"] = ["Choose one of the methods."]
                return False
            self._check(catalog.method(self.method).params, spec["method"]["params"], "method.params.")
            spec["method"]["params"] = {}
        self._check(RunSpec, spec, "")
        return not self.errors

    def add_errors(self, fields: Mapping[str, Iterable[str]], otherwise: str = "") -> None:
        """Errors a service raised, by path; those of no field here go to the top of the form."""
        shown = set(self.values) | {"name", "dataset", "kind"} | self._places()
        for path, messages in fields.items():
            place = path if path in shown else ""
            self.errors.setdefault(place, []).extend(messages)
        if not self.errors and otherwise:
            self.errors[""] = [otherwise]

    def rendered(self) -> list[dict[str, Any]]:
        """The sections with their fields, values and errors, for the template."""
        return [
            {
                "section": section,
                "id": _html_id(section.path),
                "on": section.path in self.switched_on,
                "errors": self.errors.get(section.path, []),
                "fields": [self._row(item) for item in section.fields],
            }
            for section in sections(self.kind)
        ]

    def rendered_method(self) -> list[dict[str, Any]]:
        if self.method not in catalog.POLICY_METHODS:
            return []
        return [self._row(item) for item in method_fields(self.method)]

    @property
    def on_rows(self) -> bool:
        """Whether it trains on PoP rows, not on preferences."""
        if self.kind == "reward_model":
            return bool(self.values.get("reward.objective") == "pop")
        found = catalog.METHODS.get(self.method)
        return self.kind == "preference" and found is not None and found.pop_rows

    @property
    def method_errors(self) -> list[str]:
        return self.errors.get("method", []) + self.errors.get("method.slug", [])

    @property
    def form_errors(self) -> list[str]:
        return self.errors.get("", [])

    def as_json(self) -> str:
        return json.dumps(self.spec(), indent=2, ensure_ascii=False)

    def _row(self, item: SpecField) -> dict[str, Any]:
        value = self.values.get(item.path, _shown(item, item.default))
        return {
            "field": item,
            "id": _html_id(item.path),
            "value": value,
            "errors": self.errors.get(item.path, []),
        }

    def _parsed(self, item: SpecField) -> Any:
        value = self.values.get(item.path, _shown(item, item.default))
        if item.kind in ("flag", "many"):
            return value
        text = str(value).strip()
        if not text and item.nullable:
            return None
        if item.kind == "whole":
            return _number(text.replace(",", ""), int)
        if item.kind == "json":
            return _document(text)
        return _number(text, float) if item.kind == "number" else text

    def _check(self, model: Any, value: Any, prefix: str) -> None:
        try:
            model.model_validate(value)
        except ValidationError as invalid:
            for error in invalid.errors():
                path = prefix + ".".join(str(part) for part in error["loc"])
                self.errors.setdefault(self._nearest(path), []).append(_words(error["msg"]))

    def _places(self) -> set[str]:
        return {section.path for section in sections(self.kind)}

    def _nearest(self, path: str) -> str:
        """The field or section an error's path belongs to: the path itself or what stands above it."""
        places = set(self.values) | {"kind", "method"} | self._places()
        while path and path not in places:
            path = path.rpartition(".")[0]
        return path


def _fields_of(slug: str) -> tuple[SpecField, ...]:
    return method_fields(slug) if slug in catalog.POLICY_METHODS else ()


def _plain_fields(kind: str) -> list[SpecField]:
    return [item for section in sections(kind) for item in section.fields]


def _typed(item: SpecField, data: QueryDict) -> Any:
    if item.kind == "flag":
        return item.path in data
    if item.kind == "many":
        return data.getlist(item.path)
    return data.get(item.path, _shown(item, item.default))


def _shown(item: SpecField, value: Any) -> Any:
    if item.kind == "flag":
        return bool(value)
    if item.kind == "many":
        return list(value)
    if value is None:
        return ""
    if item.kind == "json":
        return json.dumps(value, ensure_ascii=False)
    if item.kind == "choice" and isinstance(value, bool):  # a switch of a run from before it had `auto`
        return "on" if value else "off"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _number(text: str, kind: type[int] | type[float]) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _words(message: str) -> str:
    cleaned = message.removeprefix("Value error, ").removeprefix("Input should be ")
    if cleaned != message and message.startswith("Input should be"):
        cleaned = f"must be {cleaned}"
    return (cleaned[:1].upper() + cleaned[1:]).replace("unable to parse string as an integer", "").strip(", ")


def _at(spec: Mapping[str, Any], path: str) -> Any:
    """What stands at a place in a spec; None where a section is not there."""
    value: Any = spec
    for part in path.split("."):
        value = value.get(part) if value is not None else None
    return value


def _put(spec: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for part in above:
        spec = spec.setdefault(part, {})
    spec[last] = value


def _html_id(path: str) -> str:
    return "f-" + path.replace(".", "-")


__all__ = ["DEFAULT_PRESET", "KINDS", "RunForm", "Section"]
