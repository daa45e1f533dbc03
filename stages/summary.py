"""The run in short: scores under other conditions, and about ten numbers that tell it from another."""

import numpy as np

from ser import artifacts
from ser.audio.conditions import Condition
from ser.params import Params, load
from ser.scoring.calibration import temper
from ser.scoring.conditions import ABOUT, AS_RECORDED, COLUMNS, PROFILES, condition_rows, mean_change, mean_profile_gain
from ser.scoring.metrics import summary as figures
from ser.scoring.scores import BASELINE, FUSION
from stages.shared.console import run


def summary() -> str:
    params = load()
    found = {name: artifacts.read_json(f"metrics/{name}.json") for name in (*params.networks, FUSION, BASELINE)}
    rows = score_conditions(params, found[FUSION]["calibration"]["temperature"])
    artifacts.write_csv("metrics/conditions.csv", rows, columns=COLUMNS)
    changes = {"uar_change": mean_change(rows), "profile_gain": mean_profile_gain(rows)}
    artifacts.write_json("metrics/summary.json", figures(found) | {"conditions": changes})
    return f"{len(rows)} conditions scored"


def score_conditions(params: Params, temperature: float) -> list[dict]:
    """A row for each condition that the stage conditions tried."""
    table, emotions = artifacts.read_parquet("data/conditions.parquet"), list(params.corpus.emotions)
    tested = table["row"].drop_duplicates().to_numpy()
    about = table[ABOUT].drop_duplicates()
    limits = about[ABOUT[2:]].astype(object).where(about[ABOUT[2:]].notna(), None)
    listed = [
        Condition(name, family, AS_RECORDED.apply, *limit)
        for name, family, limit in zip(about["condition"], about["family"], limits.to_numpy(), strict=True)
    ]
    clips = artifacts.read_parquet("data/clips.parquet", ["emotion", "actor"]).iloc[tested]
    given = table[emotions].to_numpy(np.float32).reshape(len(listed), len(PROFILES), len(tested), -1)
    return condition_rows(
        listed,
        temper(given, temperature),
        np.array([emotions.index(emotion) for emotion in clips["emotion"]]),
        clips["actor"].to_numpy(),
        bootstrap_samples=params.evaluate.bootstrap_samples,
        seed=params.evaluate.seed,
    )


if __name__ == "__main__":
    run(summary)
