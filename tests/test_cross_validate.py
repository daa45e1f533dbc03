import sys

import pytest
from conftest import set_params

from ser import io
from ser.summary import SCORES, summarise


def metrics(uar: float) -> dict:
    scores = dict.fromkeys(SCORES, uar)
    subsets = {"train": scores, "validation": scores, "test": scores}
    return {**subsets, "train_minus_test_accuracy": uar / 2}


def test_a_summary_is_mean_and_spread():
    summary = summarise([metrics(0.5), metrics(0.7)])
    assert summary["mean"]["test"]["uar"] == 0.6
    assert summary["spread"]["test"]["uar"] == 0.1
    assert summary["largest_train_minus_test_accuracy"] == 0.35


@pytest.mark.pipeline
def test_a_study_is_trained_once_and_summarised(copied):
    """The leaking study is the cheapest: it has one division, which any corpus can fill."""
    command = (sys.executable, "-m", "stages.cross_validate", "--study", "clip")
    assert "2 runs trained, 0 taken" in copied.run(*command).stdout
    study = io.read_json(copied.folder / "results" / "crema-d" / "clip.json")
    assert study["classifiers"]["fusion"]["trainings"][0]["terms"]["protocol"] == "clip, leaks actors"
    mean = study["classifiers"]["cnn1d"]["mean"]["test"]["accuracy"]
    assert mean == study["classifiers"]["cnn1d"]["trainings"][0]["test"]["accuracy"]
    assert "0 runs trained, 2 taken" in copied.run(*command).stdout
    set_params(copied.folder, {"train_cnn1d.dropout": 0.1})
    assert "2 runs trained, 0 taken" in copied.run(*command).stdout
