"""The stage ``summary``."""

import pytest

from ser import artifacts


@pytest.mark.pipeline
def test_it_sums_up_what_the_metrics_and_the_conditions_hold(finished):
    folder = finished.folder / "metrics"
    summary = artifacts.read_json(folder / "summary.json")
    for name in ("cnn1d", "cnn2d", "fusion", "baseline"):
        assert summary["uar"][name] == artifacts.read_json(folder / f"{name}.json")["test"]["uar"]
    rows = artifacts.read_csv(folder / "conditions.csv")
    assert rows[0]["condition"] == "as recorded"
    assert float(rows[0]["unchanged"]) == 1
    assert -1 <= summary["conditions"]["uar_change"] <= 1
