"""``ser record``: with a microphone that plays a known voice, and without any."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ser import cli
from ser.corpus.demo import SAMPLE_RATE, draw_manner, draw_voice, speak
from ser.emotions import EMOTIONS


class PortAudioError(Exception):
    """As sounddevice names it."""


def microphone(samples: np.ndarray | None) -> SimpleNamespace:
    """Stands for the package sounddevice; without samples there is no microphone."""

    def query_devices(kind: str) -> dict:
        if samples is None:
            raise PortAudioError(f"no {kind} device")
        return {"name": "a microphone", "default_samplerate": float(SAMPLE_RATE)}

    def rec(count: int, sample_rate: int, *, channels: int, dtype: str, blocking: bool) -> np.ndarray:
        assert (sample_rate, channels, dtype, blocking) == (SAMPLE_RATE, 1, "float32", True)
        return np.resize(samples, count)[:, None]

    return SimpleNamespace(PortAudioError=PortAudioError, query_devices=query_devices, rec=rec)


def voice() -> np.ndarray:
    rng = np.random.default_rng(0)
    person = draw_voice("female", rng)
    return speak("IEO", draw_manner("anger", person, rng), person, rng)


def test_what_the_microphone_hears_is_answered(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", microphone(voice()))
    assert cli.main(["record", "--seconds", "2"]) == 0
    shown = capsys.readouterr().out
    assert any(emotion in shown for emotion in EMOTIONS)


def test_silence_has_the_status_of_predict(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sounddevice", microphone(np.zeros(100, np.float32)))
    assert cli.main(["record"]) == 5
    assert "silent" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "message"), [(None, "pip install"), (microphone(None), "No microphone here")], ids=["package", "device"]
)
def test_what_is_missing_is_said(monkeypatch, capsys, module, message):
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    assert cli.main(["record"]) == 1
    assert message in capsys.readouterr().err


def test_a_length_out_of_range_is_refused(capsys):
    assert cli.main(["record", "--seconds", "0.1"]) == 1
    assert "--seconds is 0.1" in capsys.readouterr().err
