"""The flags of commands that train, made from the run spec and the methods' parameters. No torch here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from training.engine import catalog
from training.engine.console import documents
from training.engine.errors import SpecError
from training.engine.presets import PRESETS
from training.engine.spec import Kind, RewardSpec, TrainingSpec

LISTS = ("evaluations", "report_to")
# never read as numbers or dates
TEXTS = ("name", "dataset", "sha256", "base", "revision", "method", "reward_model", "judge", "against")
# What only the loop of preference runs reads: the others draw every row by itself.
ORDER = ("row_order",)


def add_training(parser: argparse.ArgumentParser, kind: Kind) -> None:
    """What a command takes that trains runs of this kind; what was given is found by `document`."""
    parser.add_argument(
        "spec",
        nargs="?",
        type=Path,
        help="a YAML or JSON run spec; or the folder of a run, to go on with it",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="the run's folder (default: runs/NAME-TIME)")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what the run would take, and train nothing"
    )
    presets = [one.name for one in PRESETS.values() if documents.kind_of(one.spec) == kind]
    parser.add_argument("--preset", help=f"start from a preset: {', '.join(presets)}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any value of the spec, such as training.seed=1 or model.tiny.layers=2",
    )
    parser.set_defaults(param=[])
    _add_output(parser)
    _add_run(parser.add_argument_group("data and model"))
    if kind == "preference":
        _add_method(parser)
    if kind == "reward_model":
        _add_fields(parser.add_argument_group("reward model"), RewardSpec)
    without = () if kind == "preference" else ORDER
    _add_fields(parser.add_argument_group("training"), TrainingSpec, without)


def _add_fields(group: Any, section: type[TrainingSpec | RewardSpec], without: tuple[str, ...] = ()) -> None:
    for name, value in section().model_dump().items():
        if name not in without:
            title = section.model_fields[name].title or name
            _add(
                group,
                name,
                title,
                default=f": {value}" if value != [] else "",
                switch=value is False or value == "auto",
            )


def _add_method(parser: argparse.ArgumentParser) -> None:
    own = parser.add_argument_group("method", "`pop-train methods SLUG` explains one and its parameters")
    _add(own, "method", "the loss, see `pop-train methods`", default=": dpo_pop")
    _add(own, "reward_model", "a finished reward model, for methods that read one: its folder")
    own.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the method"
    )
    for name in documents.all_parameters():
        takers = [slug for slug in catalog.METHODS if name in documents.parameters(slug)]
        shown = "all methods" if len(takers) == len(catalog.METHODS) else ", ".join(takers)
        _add(own, name, shown)


def _add_output(parser: argparse.ArgumentParser) -> None:
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="say nothing but warnings and errors")
    told.add_argument("--json", action="store_true", help="events as JSON lines on stdout")


def _add_run(group: Any) -> None:
    _add(group, "name", "what to call the run")
    _add(group, "dataset", "a .jsonl file of rows, or the folder of a frozen dataset")
    _add(group, "sha256", "refuse any other dataset")
    _add(group, "base", "tiny, a folder, or a Hugging Face id", default=": tiny")
    _add(group, "revision", "the Hub's revision of the base model")
    group.add_argument(
        "--lora", dest="given_lora", metavar="RANK", nargs="?", const="true", help="adapters (rank 16)"
    )
    _add(group, "evaluations", "names with commas between them")
    _add(group, "generate", "have the trained model answer so many held-out prompts", default=": 0")
    _add(
        group,
        "judge",
        "a reward model's folder or id, or an oracle's file, which compares the answers with the reference's",
    )
    _add(group, "against", "a run's folder or generations.jsonl, instead of the reference's answers")


def _add(group: Any, name: str, explained: str, default: str = "", *, switch: bool = False) -> None:
    alone: dict[str, Any] = {"nargs": "?", "const": "true"} if switch else {}
    group.add_argument(
        f"--{name.replace('_', '-')}",
        **alone,
        dest=f"given_{name}",
        metavar="VALUE",
        help=f"{explained}{f' (default{default})' if default else ''}".replace("%", "%%"),
    )


def document(arguments: argparse.Namespace, wanted: Kind | None) -> documents.Document:
    """The run spec's document: preset, file, flags, --set and --param.

    Args:
        wanted: the command's kind of run; None: the one that preset or file name, else a preference run.

    Raises:
        SpecError: a file, a name or a value is wrong, or the file is a spec of another kind.
    """
    flags = _flags(arguments)
    layers = [documents.preset(arguments.preset)] if arguments.preset else []
    layers += [documents.read(arguments.spec)] if arguments.spec else []
    chosen = [{"method": {"slug": flags["method"]}}] if "method" in flags else []
    below = documents.merged([*layers, *chosen])
    kind, method = documents.kind_of(below, wanted), documents.slug_of(below)
    params = {f"method.params.{name}": value for name, value in documents.pairs(arguments.param).items()}
    typed = [documents.given(one, method, kind) for one in (flags, documents.pairs(arguments.set), params)]
    anchored = (documents.anchored(one, Path.cwd()) for one in typed)
    return documents.merged([*layers, *anchored, {"kind": kind}])


def changes(arguments: argparse.Namespace) -> bool:
    """Whether anything was typed that a run which is there already cannot take."""
    values = vars(arguments)
    flags = [value for name, value in values.items() if name.startswith("given_")]
    return any(value is not None for value in (*flags, values["out"], values["preset"])) or bool(
        values["set"] or values["param"]
    )


def _flags(arguments: argparse.Namespace) -> dict[str, Any]:
    """The flags that were given, by name, with their values read."""
    found: dict[str, Any] = {}
    for dest, text in vars(arguments).items():
        name = dest.removeprefix("given_")
        if text is None or name == dest:
            continue
        if name in TEXTS:
            found[name] = text
        elif name in LISTS:
            found[name] = [part.strip() for part in text.split(",") if part.strip()]
        else:
            found[name] = documents.scalar(text)
    return found


def dataset_is_named(document: documents.Document) -> None:
    """Refuse a document without a dataset.

    Raises:
        SpecError: it has none.
    """
    if not document.get("dataset", {}).get("path"):
        raise SpecError("No dataset is named.", hint="Use --dataset FILE, or dataset.path in the spec.")
