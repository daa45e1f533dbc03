import csv

import numpy as np
import pytest

from ser import artifacts
from ser.emotions import EMOTIONS


@pytest.mark.pipeline
def test_the_model_on_disk_gives_the_probabilities_that_were_scored(finished):
    import ser.networks.layers  # noqa: F401  known to the model's file
    from ser.training.fit import predict_probabilities

    rows = artifacts.open_array(finished.folder / "data" / "spectrograms.npy")
    predictions = artifacts.read_parquet(finished.folder / "data" / "predictions.parquet")
    expected = predictions[[f"cnn2d_{emotion}" for emotion in EMOTIONS]].to_numpy()
    model = artifacts.read_model(finished.folder / "models" / "cnn2d.keras")
    given = predict_probabilities(model, rows[: len(predictions)])
    np.testing.assert_allclose(given, expected, atol=1e-5)


@pytest.mark.pipeline
def test_learning_curves_have_a_row_an_epoch(finished):
    with open(finished.folder / "metrics" / "cnn2d_history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    scores = [float(row[column]) for row in rows for column in ("uar", "accuracy", "validation_uar")]
    assert all(0 <= score <= 1 for score in scores)
