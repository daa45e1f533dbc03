"""What the shipped networks answer for two synthetic voices: a new version of anything must not shift it unseen."""

import io as streams
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.app.server import EXAMPLES, _voice
from ser.cli import open_recognizer

GOLDEN = json.loads((Path(__file__).parent / "golden_answers.json").read_text())


@pytest.mark.parametrize(("seed", "name"), list(enumerate(EXAMPLES)))
def test_the_shipped_networks_answer_as_when_they_were_packed(seed, name):
    voice = streams.BytesIO(_voice(name, EXAMPLES[name], seed))
    samples, sample_rate = soundfile.read(voice, dtype="float32", always_2d=True)
    found = open_recognizer(None).recognize(samples, sample_rate)
    for who, probabilities in (found.networks | {"answer": found.probabilities}).items():
        np.testing.assert_allclose(probabilities, GOLDEN[name][who], atol=1e-3)
