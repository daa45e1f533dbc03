"""What goes to the Hugging Face Hub: a model's folder with its card and bundle, and a Space's that serves the page.

``python -m studies.hub`` writes ``build/hub/model`` and ``build/hub/space``, for ``huggingface-cli upload``.
The card is ``docs/model_card.md`` with the figures of ``results/`` as metadata.
"""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from ser import artifacts
from stages.shared.console import run

TARGET = Path("build/hub")
TASK = {"type": "audio-classification", "name": "Speech emotion recognition"}
SPACE = {"title": "ser: which emotion does a voice carry?", "sdk": "docker", "app_port": 7860, "license": "mit"}


def results_of(folds: dict, elsewhere: dict) -> list[dict]:
    """Metadata ``model-index``: unweighted average recall on the five folds and on another corpus."""

    def measured(dataset: str, kind: str, scores: dict, said: str) -> dict:
        metrics = [
            {"type": "recall", "name": f"UAR, {said}", "value": scores["uar"], "config": "macro"},
            {"type": "accuracy", "name": f"accuracy, {said}", "value": scores["accuracy"]},
        ]
        return {"task": TASK, "dataset": {"name": dataset, "type": kind, "split": "test"}, "metrics": metrics}

    return [
        measured(
            "CREMA-D, five folds by actor (emo-superb)", "crema-d", folds["pooled"]["scores"]["fusion"], "no profile"
        ),
        measured(
            "CREMA-D, five folds by actor (emo-superb)", "crema-d", folds["profiles"]["4"]["fusion"], "4 clips known"
        ),
        measured("RAVDESS", "ravdess", elsewhere["profiles"]["none"], "no profile"),
        measured("RAVDESS", "ravdess", elsewhere["profiles"]["4"], "4 clips known"),
    ]


def card(text: str, folds: dict, elsewhere: dict) -> str:
    """The model card with its metadata; links into the project's documents become words."""
    about = {
        "language": "en",
        "license": "odbl",
        "library_name": "ser",
        "pipeline_tag": "audio-classification",
        "tags": ["speech-emotion-recognition", "onnx", "crema-d"],
        "datasets": ["crema-d"],
        "metrics": ["recall", "accuracy"],
        "model-index": [{"name": "ser", "results": results_of(folds, elsewhere)}],
    }
    body = re.sub(r"\[([^]]+)\]\((?!https?:)[^)]+\)", r"\1", re.sub(r"<!-- [^>]* -->\n\n?", "", text))
    return f"---\n{yaml.safe_dump(about, sort_keys=False)}---\n\n{body}"


def hub() -> str:
    shutil.rmtree(TARGET, ignore_errors=True)
    folds, elsewhere = (
        artifacts.read_json("results/crema-d/emo-superb.json"),
        artifacts.read_json("results/ravdess.json"),
    )
    text = card(Path("docs/model_card.md").read_text(encoding="utf-8"), folds, elsewhere)
    artifacts.write_bytes(TARGET / "model" / "README.md", text.encode())
    shutil.copy("ser/pretrained.zip", TARGET / "model" / "bundle.zip")
    shutil.copytree("deploy/space", TARGET / "space")
    artifacts.write_bytes(TARGET / "space" / "README.md", f"---\n{yaml.safe_dump(SPACE)}---\n".encode())
    listed = subprocess.run(
        ["git", "ls-files", "ser", "pyproject.toml", "README.md", "LICENSE"], capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        path = TARGET / "space" / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, path)
    return f"{TARGET}/model and {TARGET}/space written"


if __name__ == "__main__":
    run(hub)
