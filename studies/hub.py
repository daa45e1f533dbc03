"""What goes to the Hugging Face Hub: a model's folder with its card and bundle, and a Space's that serves the page.

``python -m studies.hub`` writes ``build/hub/model`` and ``build/hub/space``, for ``huggingface-cli upload``.
The card is ``docs/model_card.md`` with the bundle's figures as metadata.
"""

import re
import shutil
import subprocess
from pathlib import Path

import yaml

from ser import artifacts
from ser.answers.opening import open_bundle
from ser.errors import InputError
from stages.shared.console import run

TARGET = Path("build/hub")
TASK = {"type": "audio-classification", "name": "Speech emotion recognition"}
SPACE = {"title": "ser: which emotion does a voice carry?", "sdk": "docker", "app_port": 7860, "license": "mit"}


def results_of(bundle: dict, elsewhere: dict) -> list[dict]:
    """Metadata ``model-index``: the bundle's unweighted average recall on its test actors and on another corpus.

    Parameters
    ----------
    bundle : the bundle's description

    Raises
    ------
    InputError : the other corpus was scored with another bundle
    """
    if elsewhere["bundle"] != bundle["hash"]:
        raise InputError("results/ravdess.json is of another bundle. Run: python -m studies.corpora")

    def measured(dataset: str, kind: str, scores: dict, said: str) -> dict:
        metrics = [
            {"type": "recall", "name": f"UAR, {said}", "value": scores["uar"], "config": "macro"},
            {"type": "accuracy", "name": f"accuracy, {said}", "value": scores["accuracy"]},
        ]
        return {"task": TASK, "dataset": {"name": dataset, "type": kind, "split": "test"}, "metrics": metrics}

    tested = bundle["metrics"]["fusion"]["test"]
    return [
        measured("CREMA-D, test actors of fold 1 of emo-superb", "crema-d", tested, "no profile"),
        measured("RAVDESS", "ravdess", elsewhere["profiles"]["none"], "no profile"),
        measured("RAVDESS", "ravdess", elsewhere["profiles"]["4"], "4 clips known"),
    ]


def card(text: str, bundle: dict, elsewhere: dict) -> str:
    """The model card with its metadata; links into the project's documents become words."""
    about = {
        "language": "en",
        "license": "odbl",
        "library_name": "ser",
        "pipeline_tag": "audio-classification",
        "tags": ["speech-emotion-recognition", "onnx", "crema-d"],
        "datasets": ["crema-d"],
        "metrics": ["recall", "accuracy"],
        "model-index": [{"name": "ser", "results": results_of(bundle, elsewhere)}],
    }
    body = re.sub(r"\[([^]]+)\]\((?!https?:)[^)]+\)", r"\1", re.sub(r"<!-- [^>]* -->\n\n?", "", text))
    return f"---\n{yaml.safe_dump(about, sort_keys=False)}---\n\n{body}"


def hub() -> str:
    shutil.rmtree(TARGET, ignore_errors=True)
    bundle, elsewhere = open_bundle(None).about, artifacts.read_json("results/ravdess.json")
    text = card(Path("docs/model_card.md").read_text(encoding="utf-8"), bundle, elsewhere)
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
