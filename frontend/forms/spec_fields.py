"""The run spec's JSON schema as form fields: titles, help, bounds and choices come from the schema."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from training.engine import catalog
from training.engine.spec import RunSpec, has_section

Kind = Literal["text", "whole", "number", "choice", "flag", "many", "json"]
Schema = dict[str, Any]

# Filled in by the service that starts the run, or shown elsewhere on the page.
LEFT_OUT = {"version", "name", "kind", "dataset", "method"}
AFTERWARDS = {"subject", "evaluation.rewardbench", "evaluation.alpaca_eval"}  # of runs that evaluate another
TITLES = {
    "subject": "What is evaluated",
    "model": "Base model",
    "model.tiny": "The tiny model",
    "model.lora": "LoRA adapters",
    "reward": "Reward model",
    "training": "Training",
    "evaluation": "Evaluation",
    "evaluation.generation": "Responses to held-out prompts",
    "evaluation.rewardbench": "RewardBench",
    "evaluation.alpaca_eval": "AlpacaEval",
}


@dataclass(frozen=True)
class SpecField:
    """One value of the spec; `path` is where it stands in it, with dots."""

    path: str
    title: str
    help: str
    kind: Kind
    default: Any
    bounds: str = ""
    choices: tuple[tuple[str, str, str], ...] = ()
    nullable: bool = False


@dataclass(frozen=True)
class Section:
    """Fields under one heading. An `optional` section is null in the spec unless switched on."""

    path: str
    title: str
    help: str
    fields: tuple[SpecField, ...]
    optional: bool = False


def sections(kind: str = "preference") -> tuple[Section, ...]:
    """The sections in the form of a run of this kind, but the method; those that train have one form."""
    if kind == "evaluation":
        return tuple(one for one in _sections() if has_section(kind, one.path))
    return tuple(one for one in _sections() if one.path not in AFTERWARDS)


@cache
def _sections() -> tuple[Section, ...]:
    """Every section of the run spec but the method, in the schema's order."""
    root = RunSpec.model_json_schema()
    found: list[Section] = []
    for name, node in root["properties"].items():
        if name not in LEFT_OUT:
            _walk(root, name, node, found)
    return tuple(found)


@cache
def method_fields(slug: str) -> tuple[SpecField, ...]:
    """The parameters of one method, from its own model."""
    schema = catalog.method(slug).params.model_json_schema()
    return tuple(_field(f"method.params.{name}", node) for name, node in schema.get("properties", {}).items())


def _walk(root: Schema, path: str, node: Schema, found: list[Section], optional: bool = False) -> None:
    """Append the section at `path`, then the sections inside it."""
    target = _resolve(root, node)
    inner: list[tuple[str, Schema, bool]] = []
    fields: list[SpecField] = []
    for name, child in target["properties"].items():
        below = f"{path}.{name}"
        shape, nullable = _unwrap(child)
        if "$ref" in shape:
            inner.append((below, {**child, **shape}, nullable))
        else:
            fields.append(_field(below, child))
    help_text = str(node.get("description") or target.get("description", ""))
    title = TITLES.get(path, str(node.get("title") or target["title"]))
    found.append(Section(path, title, help_text, tuple(fields), optional))
    for below, child, nullable in inner:
        _walk(root, below, child, found, nullable)


def _resolve(root: Schema, node: Schema) -> Schema:
    shape, _ = _unwrap(node)
    if "$ref" not in shape:
        return shape
    resolved: Schema = root["$defs"][str(shape["$ref"]).rpartition("/")[2]]
    return resolved


def _unwrap(node: Schema) -> tuple[Schema, bool]:
    """The shape inside `T | None`, and whether null is allowed."""
    shapes = node.get("anyOf")
    if not shapes:
        return node, False
    return next(shape for shape in shapes if shape.get("type") != "null"), True


def _field(path: str, node: Schema) -> SpecField:
    shape, nullable = _unwrap(node)
    name = path.rpartition(".")[2]
    return SpecField(
        path=path,
        title=str(node.get("title", name)),
        help=str(node.get("description", "")),
        kind=_kind(shape),
        default=_default(path, node),
        bounds=_bounds(shape),
        choices=_choices(path, shape),
        nullable=nullable,
    )


def _kind(shape: Schema) -> Kind:
    if "enum" in shape:
        return "choice"
    kinds: dict[str, Kind]
    kinds = {"integer": "whole", "number": "number", "boolean": "flag", "array": "many", "object": "json"}
    return kinds.get(str(shape.get("type")), "text")


def _default(path: str, node: Schema) -> Any:
    if "default" in node or path.startswith("method."):
        return node.get("default")
    value: Any = RunSpec().model_dump()
    for part in path.split("."):
        value = value[part]
    return value


def _choices(path: str, shape: Schema) -> tuple[tuple[str, str, str], ...]:
    if path == "evaluation.names":
        return tuple((entry.name, entry.title, entry.summary) for entry in catalog.EVALUATIONS.values())
    names = shape.get("enum") or shape.get("items", {}).get("enum", ())
    return tuple((str(item), str(item), "") for item in names)


def _bounds(shape: Schema) -> str:
    """The schema's bounds in words: `16 to 1,024, a multiple of 8`."""
    low, high = shape.get("minimum"), shape.get("maximum")
    over, under = shape.get("exclusiveMinimum"), shape.get("exclusiveMaximum")
    words = []
    if low is not None and high is not None:
        words.append(f"{_number(low)} to {_number(high)}")
    else:
        words += [f"at least {_number(low)}"] if low is not None else []
        words += [f"above {_number(over)}"] if over is not None else []
        words += [f"at most {_number(high)}"] if high is not None else []
        words += [f"below {_number(under)}"] if under is not None else []
    if "multipleOf" in shape:
        words.append(f"a multiple of {_number(shape['multipleOf'])}")
    return ", ".join(words)


def _number(value: float) -> str:
    return f"{value:,.15g}"
