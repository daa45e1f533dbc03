"""Conditions: what they do to a recording, and what is scored."""

import csv

import numpy as np
import pytest
from helpers import ROOT, SAMPLE_RATE, sine

from ser import artifacts
from ser.audio.conditions import CONDITIONS, Condition, Recording, enrolments, microphone_conditions
from ser.audio.devices import rms, speech_level
from ser.emotions import EMOTIONS
from ser.scoring.conditions import COLUMNS, condition_row, mean_change, microphone_row

BY_NAME = {condition.name: condition for condition in CONDITIONS}


@pytest.fixture
def voiced() -> np.ndarray:
    """Two seconds of harmonics that swell and fade."""
    tones = np.sum([sine(150.0 * k, seconds=2.0, amplitude=0.1 / k) for k in range(1, 25)], axis=0)
    return (tones * np.abs(np.sin(np.linspace(0, 6, len(tones))))).astype(np.float32)


def under(name: str, signal: np.ndarray, seed: int = 0) -> tuple[np.ndarray, int]:
    given = Recording(signal, SAMPLE_RATE, np.random.default_rng(seed), lambda length: np.resize(sine(313.0), length))
    return BY_NAME[name].apply(given)


def test_names_are_told_apart_and_every_family_has_some():
    assert len(BY_NAME) == len(CONDITIONS)
    assert {condition.family for condition in CONDITIONS} == {
        "gain",
        "noise",
        "room",
        "line",
        "spectrum",
        "length",
        "ser-tests",
    }


@pytest.mark.parametrize("name", BY_NAME)
def test_a_condition_gives_the_same_sound_each_time(voiced, name):
    (one, rate), (again, _) = under(name, voiced), under(name, voiced)
    np.testing.assert_array_equal(one, again)
    assert one.dtype == np.float32
    assert one.ndim == 1
    assert np.isfinite(one).all()
    assert 0.7 * 2.0 <= len(one) / rate <= 3.3
    assert not np.array_equal(one, voiced) or name == "44.1 kHz, 24 bit"


@pytest.mark.parametrize(
    ("name", "decibel"), [("gain -20 dB", -20), ("gain -10 dB", -10), ("gain +10 dB", 10), ("-20 dB RMS", None)]
)
def test_a_gain_is_that_gain(voiced, name, decibel):
    soft = 0.2 * voiced
    changed, _ = under(name, soft)
    expected = 0.1 / rms(soft) if decibel is None else 10 ** (decibel / 20)
    np.testing.assert_allclose(changed, np.clip(soft * expected, -1, 1), atol=1e-6)


def test_a_small_gain_is_one_of_1_to_2_db_either_way(voiced):
    soft = 0.2 * voiced
    gains_db = [20 * np.log10(rms(under("gain of 1 to 2 dB", soft, seed)[0]) / rms(soft)) for seed in range(20)]
    assert all(1 <= abs(gain_db) <= 2 for gain_db in gains_db)
    assert {np.sign(gain_db) for gain_db in gains_db} == {-1, 1}


@pytest.mark.parametrize(
    ("name", "snr_db"),
    [("white noise, 20 dB", 20), ("pink noise, 10 dB", 10), ("babble, 10 dB", 10), ("hum of 50 Hz, 20 dB", 20)],
)
def test_a_noise_lies_at_its_distance(voiced, name, snr_db):
    added = under(name, voiced)[0] - voiced
    assert 20 * np.log10(speech_level(voiced) / rms(added)) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize(
    "name", [c.name for c in CONDITIONS if c.family == "ser-tests" and ("pass" in c.name or "spectrum" in c.name)]
)
def test_audeerings_conditions_restore_the_level(voiced, name):
    assert rms(under(name, voiced)[0]) == pytest.approx(rms(voiced), rel=1e-3)


def test_files_come_back_at_their_rate(voiced):
    assert under("8 kHz", voiced)[1] == 8000
    assert under("44.1 kHz, 24 bit", voiced)[1] == 44100
    assert under("Opus", voiced)[1] == 48000
    assert under("MP3, lowest rate", voiced)[1] == SAMPLE_RATE


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 96000])
@pytest.mark.parametrize("name", BY_NAME)
def test_other_rates_are_borne_or_left_out(name, rate):
    signal = np.sin(np.arange(rate) / 20).astype(np.float32)
    given = Recording(signal, rate, np.random.default_rng(0), lambda length: np.resize(signal, length))
    changed = BY_NAME[name].apply(given)
    if changed is None:
        assert name.startswith("low pass")
        assert rate < 15000
    else:
        assert np.isfinite(changed[0]).all()


def test_a_microphone_filters_and_restores_the_level(voiced):
    response = np.zeros(64, np.float32)
    response[[0, 1]] = [3.0, -2.9]
    (condition,) = microphone_conditions(iter([("thin", response, SAMPLE_RATE)]))
    thin, _ = condition.apply(Recording(voiced, SAMPLE_RATE, np.random.default_rng(0), lambda length: voiced))
    assert rms(thin) == pytest.approx(rms(voiced), rel=1e-3)
    low, high = (np.abs(np.fft.rfft(signal))[[300, 6000]] for signal in (voiced, thin))
    assert high[1] / high[0] > low[1] / low[0]


def answers(*emotions: int) -> np.ndarray:
    return np.eye(6, dtype=np.float32)[list(emotions)] * 0.7 + 0.05


def row(condition: Condition, clean: np.ndarray, given: np.ndarray) -> dict:
    actual, actors = np.arange(6), np.array([1, 1, 2, 2, 3, 3])
    return condition_row(condition, clean, given, actual, actors, bootstrap_samples=100, seed=0)


def test_a_row_says_what_changed_and_whether_the_limits_hold():
    limited = Condition("x", "noise", BY_NAME["Opus"].apply, -0.2, 0.7)
    found = row(limited, answers(0, 1, 2, 3, 4, 5), answers(0, 1, 2, 3, 4, 0))
    assert (found["uar"], found["change"], found["unchanged"]) == (0.8333, -0.1667, 0.8333)
    assert found["passed"]
    share = np.array([0.75, *[0.05] * 5])
    assert found["entropy_bit"] == pytest.approx(-np.sum(share * np.log2(share)), abs=1e-3)
    worse = row(limited, answers(0, 1, 2, 3, 4, 5), answers(0, 1, 2, 3, 0, 0))
    assert not worse["passed"]
    assert row(Condition("y", "noise", limited.apply), answers(*range(6)), answers(*range(6)))["passed"] == ""
    assert list(found) == COLUMNS


def test_a_clip_without_an_answer_is_not_scored_and_counts_as_changed():
    given = answers(0, 1, 2, 3, 4, 5)
    given[5] = np.nan
    found = row(BY_NAME["telephone"], answers(0, 1, 2, 3, 4, 5), given)
    assert (found["clips"], found["unanswered"], found["unchanged"], found["uar"]) == (5, 1, 0.8333, 1.0)
    silent = row(BY_NAME["telephone"], answers(*range(6)), np.full((6, 6), np.nan))
    assert not silent["passed"]
    assert silent["unanswered"] == 6


def test_the_mean_over_microphones_and_over_conditions():
    names = [Condition(str(i), "microphone", BY_NAME["Opus"].apply, -0.04) for i in range(2)]
    rows = [
        row(names[0], answers(*range(6)), answers(*range(6))),
        row(names[1], answers(*range(6)), answers(0, 1, 2, 3, 4, 0)),
        row(BY_NAME["Opus"], answers(*range(6)), answers(0, 1, 2, 3, 0, 0)),
    ]
    mean = microphone_row(rows)
    assert mean["change"] == pytest.approx(-1 / 12, abs=1e-3)
    assert not mean["passed"]
    assert mean_change([*rows, mean]) == -0.3333


@pytest.mark.pipeline
def test_the_stage_tries_every_condition_and_sums_up(finished):
    with open(finished.folder / "metrics" / "conditions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    tried = [enrolment.name for enrolment in enrolments(EMOTIONS)]
    assert [row["condition"] for row in rows] == ["as recorded", *BY_NAME, *tried]
    assert rows[0]["unchanged"] == "1.0"
    summary = artifacts.read_json(finished.folder / "metrics" / "summary.json")
    assert summary["conditions"]["uar_change"] == mean_change([{**r, "change": float(r["change"])} for r in rows])


@pytest.mark.pipeline
def test_real_microphones_are_tried_where_there_are_some(copied):
    folder = ROOT.parent / "shared" / "microphones"
    if not folder.is_dir():
        pytest.skip("no impulse responses in ../shared/microphones")
    from helpers import set_params

    set_params(copied.folder, {"conditions.microphones": str(folder)})
    assert copied.stage("conditions").returncode == 0
    assert copied.stage("summary").returncode == 0
    text = (copied.folder / "metrics" / "conditions.csv").read_text()
    assert "mean of 30 microphones" in text
    set_params(copied.folder, {"conditions.microphones": "ser"})
    failed = copied.stage("conditions")
    assert failed.returncode == 1
    assert "holds no impulse response" in failed.stderr
