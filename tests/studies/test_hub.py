"""What goes to the Hugging Face Hub."""

import re

import pytest
import yaml
from helpers import ROOT

from ser import artifacts
from ser.answers.opening import open_bundle
from ser.errors import InputError


def test_the_card_of_the_hub_says_what_the_results_hold(monkeypatch, tmp_path):
    from studies import hub

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(hub, "TARGET", tmp_path / "hub")
    hub.hub()
    text = (tmp_path / "hub" / "model" / "README.md").read_text(encoding="utf-8")
    _, head, body = text.split("---\n", 2)
    about = yaml.safe_load(head)
    bundle, elsewhere = open_bundle(None).about, artifacts.read_json("results/ravdess.json")
    values = [metric["value"] for result in about["model-index"][0]["results"] for metric in result["metrics"]]
    assert bundle["metrics"]["fusion"]["test"]["uar"] in values
    assert elsewhere["profiles"]["4"]["accuracy"] in values
    with pytest.raises(InputError, match="another bundle"):
        hub.results_of(bundle | {"hash": ""}, elsewhere)
    assert "must not be used for" in body
    assert not re.search(r"\]\((?!https?:)", body)  # nothing links into the project
    assert "<!--" not in body
    assert (tmp_path / "hub" / "model" / "bundle.zip").read_bytes() == (ROOT / "ser" / "pretrained.zip").read_bytes()
    space = tmp_path / "hub" / "space"
    assert yaml.safe_load((space / "README.md").read_text().split("---\n")[1])["sdk"] == "docker"
    for path in (
        "app.py",
        "Dockerfile",
        "project/ser/pretrained.zip",
        "project/ser/app/page/page.js",
        "project/pyproject.toml",
    ):
        assert (space / path).is_file()
