"""The ablation: which rows are run, which are kept, and that the workspace ends as it was."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT

from ser import artifacts
from studies import ablate

pytestmark = pytest.mark.network

ACTUAL = np.tile(np.arange(6), 40)
ACTORS = np.repeat(np.arange(1001, 1011), 24)


@pytest.fixture
def trained(monkeypatch, tmp_path) -> list[list[str]]:
    """A workspace whose networks answer by a draw from the row's settings; the settings of each run, in order."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "dvc.lock").write_text("as it was")
    ran: list[list[str]] = []

    def experiment(name: str, settings: list[str]) -> None:
        (tmp_path / "params.yaml").write_text((tmp_path / "params.yaml").read_text() + f"# {name}\n")
        (tmp_path / "dvc.lock").write_text(name)
        ran.append(settings)

    def answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rng = np.random.default_rng(len("".join(ran[-1])))
        return rng.dirichlet(np.ones(6), len(ACTUAL)) + 0.5 * np.eye(6)[ACTUAL], ACTUAL, ACTORS

    monkeypatch.setattr(ablate, "run_experiment", experiment)
    monkeypatch.setattr(ablate, "predict_validation", answers)
    monkeypatch.setattr(subprocess, "run", lambda command: None)
    return ran


def ablation(monkeypatch, *rows: str) -> dict[str, dict]:
    monkeypatch.setattr(sys, "argv", ["ablate", *(argument for row in rows for argument in ("--row", row))])
    ablate.ablate()
    return {row["row"]: row for row in artifacts.read_json(ablate.RESULTS)["rows"]}


def test_every_row_stands_against_the_defaults_and_the_workspace_ends_as_it_was(monkeypatch, trained, tmp_path):
    table = ablation(monkeypatch)
    assert list(table) == list(ablate.ROWS)
    assert artifacts.read_json(ablate.RESULTS)["about"]["seed"] == 0
    assert trained == [[*ablate.SHORT, *settings] for settings in ablate.ROWS.values()]
    for row in table.values():
        difference = row["uar"] - table["defaults"]["uar"]
        assert row["against_defaults"]["uar_difference"] == pytest.approx(difference, abs=2e-4)
    assert (tmp_path / "params.yaml").read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert (tmp_path / "dvc.lock").read_text() == "as it was"


def test_a_row_alone_keeps_the_others_in_their_order(monkeypatch, trained):
    first = ablation(monkeypatch, "soft labels")
    assert list(first) == ["defaults", "soft labels"]
    both = ablation(monkeypatch, "no mixup")
    assert list(both) == ["defaults", "no mixup", "soft labels"]
    assert both["soft labels"] == first["soft labels"]
    assert trained[2:] == [[*ablate.SHORT], [*ablate.SHORT, "training.on_the_fly.mixup_alpha=0"]]


def test_rows_of_other_code_or_data_are_not_kept_beside_new_ones(monkeypatch, trained):
    ablation(monkeypatch, "soft labels")
    table = artifacts.read_json(ablate.RESULTS)
    table["rows"][0]["uar"] = 0.9
    artifacts.write_json(ablate.RESULTS, table)
    with pytest.raises(ablate.InputError, match=r"its defaults score 0\.9, now .*leave out --row"):
        ablation(monkeypatch, "no mixup")
    assert artifacts.read_json(ablate.RESULTS) == table
