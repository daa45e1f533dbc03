"""The ablation: what its rows touch, and that they are run, kept and scored."""

import pytest
import yaml
from helpers import ROOT

from ser import artifacts

pytestmark = pytest.mark.network


@pytest.fixture
def ablate(monkeypatch):
    monkeypatch.chdir(ROOT)
    from studies import ablate

    return ablate


def test_every_row_changes_parameters_that_there_are(ablate):
    from ser.params import load

    for settings in ablate.ROWS.values():
        if settings:
            assert ablate.changed(load(), settings) != ablate.changed(load(), {})


@pytest.mark.parametrize(
    ("row", "stages"),
    [
        ("defaults", []),
        ("no mixup", []),
        ("no copies", ["augment", "features_1d"]),
        ("devices without room", ["augment", "features_1d"]),
        ("pre-emphasis", ["preprocess", "augment", "features_1d"]),
        ("log-mel only", []),
    ],
)
def test_a_row_runs_the_stages_that_its_changes_touch(ablate, row, stages):
    assert ablate.stages_of(ablate.ROWS[row]) == stages


@pytest.mark.pipeline
def test_rows_are_run_scored_and_kept(copied):
    """A row that leaves the features as they are, and one that makes its own; a second call runs neither again."""
    command = ("python", "-m", "studies.ablate", "--row", "no mixup", "--row", "pre-emphasis")
    demo = ("--corpus", "data/demo", "--format", "crema-d")
    first = copied.run(*command, *demo).stdout
    assert "3 rows run, 0 taken" in first.replace("\n", " ")
    path = copied.folder / "results" / "crema-d" / "ablation.json"
    table = artifacts.read_json(path)
    assert [row["row"] for row in table["rows"]] == ["defaults", "pre-emphasis", "no mixup"]
    for row in table["rows"]:
        assert set(row["conditions"]) == set(table["about"]["conditions"])
        assert 0 <= row["conditions_uar"] <= 1
        assert 0 <= row["corpus_uar"] <= 1
        difference = row["uar"] - table["rows"][0]["uar"]
        assert row["against_defaults"]["uar_difference"] == pytest.approx(difference, abs=2e-4)
    assert not list((copied.folder / "data" / "ablation").rglob("*.npy"))
    again = copied.run(*command, *demo).stdout
    assert "0 rows run, 3 taken" in again.replace("\n", " ")
    assert artifacts.read_json(path)["rows"] == table["rows"]
    params = yaml.safe_load((copied.folder / "params.yaml").read_text())
    assert params["preprocess"]["preemphasis"] == 0.0  # the project's own are as they were
