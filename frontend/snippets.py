"""Ready-made commands with real ids: what a page shows can be done from a script."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from annotation.models import PopDataset
from frontend.forms.run_form import RunForm
from training import lineage
from training.models import Run
from training.selectors.runs import archive_name


@dataclass(frozen=True)
class Snippet:
    id: str
    title: str
    code: str


def base_url(request: HttpRequest) -> str:
    return request.build_absolute_uri("/").rstrip("/")


def dataset_snippets(request: HttpRequest, dataset: PopDataset) -> list[Snippet]:
    url = f"{base_url(request)}/api/v1/datasets/{dataset.pk}/download"
    name = f"pop-{dataset.pk}"
    curl = f'curl -fH "Authorization: Token $POP_TOKEN" \\\n  "{url}?format=jsonl" -o {name}.jsonl'
    python = (
        "import os, requests\n\n"
        "answer = requests.get(\n"
        f'    "{url}",\n'
        '    params={"format": "parquet"},\n'
        '    headers={"Authorization": f"Token {os.environ[\'POP_TOKEN\']}"},\n'
        "    timeout=600,\n"
        ")\n"
        "answer.raise_for_status()\n"
        f'open("{name}.parquet", "wb").write(answer.content)'
    )
    load = (
        "from datasets import load_dataset\n\n"
        f'rows = load_dataset("json", data_files="{name}.jsonl", split="train")\n'
        'training = rows.filter(lambda row: row["split"] == "train")'
    )
    return [
        Snippet("curl", "Download with curl", curl),
        Snippet("python", "Download with Python", python),
        Snippet("load", "Read it with datasets", load),
    ]


def run_snippets(request: HttpRequest, form: RunForm, dataset: PopDataset | None) -> list[Snippet]:
    """The form as a spec, as one API call, and as the engine's own command."""
    spec = form.spec()
    pk = dataset.pk if dataset else 0
    body = json.dumps({"dataset": pk, "name": form.name, "spec": spec}, ensure_ascii=False, indent=2)
    api = (
        f'curl -fH "Authorization: Token $POP_TOKEN" -H "Content-Type: application/json" \\\n'
        f"  {base_url(request)}/api/v1/runs/ -d @- <<'JSON'\n{body}\nJSON"
    )
    path = base_url(request) + "/api/v1" + f"/datasets/{pk}/download?format=canonical"
    engine = (
        "mkdir -p run/dataset  # spec.json goes into run/\n"
        f'curl -fH "Authorization: Token $POP_TOKEN" "{path}" -o dataset.zip\n'
        "unzip -j dataset.zip -d run/dataset\n"
        f"{_fetch_sources(request, spec)}"
        "python -m training.engine train run"
    )
    found = [
        Snippet("spec", "spec.json", json.dumps(spec, ensure_ascii=False, indent=2)),
        Snippet("api", "Launch by API", api),
    ]
    if form.kind != "evaluation":  # for whoever has the evaluated run's folder there is `pop-train evaluate`
        found.append(Snippet("engine", "Train without a server", engine))
    return found


def _fetch_sources(request: HttpRequest, spec: dict[str, Any]) -> str:
    """Commands that bring the models of the runs that a spec names."""
    lines = ""
    for run_id in sorted(set(lineage.sources(spec).values())):
        folder = lineage.folder_name(run_id)
        url = f"{base_url(request)}/api/v1/runs/{run_id}/model"
        lines += (
            f"mkdir -p run/{folder}  # and write {folder} for {lineage.reference(run_id)} in spec.json\n"
            f'curl -fH "Authorization: Token $POP_TOKEN" {url} \\\n'
            f"  | tar -x --strip-components=1 -C run/{folder}\n"
        )
    return lines


def model_snippets(request: HttpRequest, run: Run) -> list[Snippet]:
    folder = archive_name(run)
    url = base_url(request) + f"/api/v1/runs/{run.pk}/model"
    fetch = f'curl -fH "Authorization: Token $POP_TOKEN" {url} | tar -x'
    use = _score_snippet(folder) if run.kind == Run.Kind.REWARD_MODEL else _answer_snippet(folder)
    return [Snippet("fetch", "Download by API", fetch), Snippet("use", "Load it", use)]


def annotations_snippet(run: Run) -> Snippet:
    """Commands that make annotations of a run's downloaded model."""
    name = archive_name(run)
    code = (
        f"pop-train alpaca-outputs {name} --instructions alpaca_eval.json \\\n"
        f"  --generator {name} --out outputs.json\n"
        "export POP_JUDGE_URL=https://… POP_JUDGE_KEY_FILE=…\n"
        "pop-train alpaca-judge outputs.json alpaca_eval_gpt4_baseline.json \\\n"
        "  --model JUDGE --out annotations.json"
    )
    return Snippet("annotations-how", "With the model downloaded and unpacked", code)


def _answer_snippet(folder: str) -> str:
    return (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f'model = AutoModelForCausalLM.from_pretrained("{folder}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{folder}")\n'
        'prompt = [{"role": "user", "content": "How do I undo my last git commit?"}]\n'
        "inputs = tokenizer.apply_chat_template(\n"
        '    prompt, add_generation_prompt=True, return_tensors="pt", return_dict=True\n'
        ")\n"
        "print(tokenizer.decode(model.generate(**inputs, max_new_tokens=200)[0]))"
    )


def _score_snippet(folder: str) -> str:
    return (
        "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n\n"
        f'model = AutoModelForSequenceClassification.from_pretrained("{folder}")\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{folder}")\n'
        "chat = [\n"
        '    {"role": "user", "content": "How do I undo my last git commit?"},\n'
        '    {"role": "assistant", "content": "git reset --soft HEAD~1"},\n'
        "]\n"
        'inputs = tokenizer.apply_chat_template(chat, return_tensors="pt", return_dict=True)\n'
        "print(model(**inputs).logits.item())  # differences between two answers count"
    )
