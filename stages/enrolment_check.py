"""How clips of one voice on one microphone differ, and which sets are told apart: for warnings about profiles."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from ser import artifacts
from ser.answers.enrolment_check import clip_statistics, distance, set_distance
from ser.networks.network import find_network
from ser.params import EnrolmentCheck as Settings
from ser.params import Params, load
from ser.training.data import Clips, prepare_test
from stages.shared.clips import read_clips
from stages.shared.console import run
from stages.shared.training import read_features

DIMENSIONS = 16
SHRINKAGE = 0.001  # of the covariance within a voice
SET_CLIPS = (4, 8, 16)
SETS = 300  # simulated, of each kind
BATCH = 64
NO_LIMIT = 1e9  # where validation has too few clips of a voice to set one
MIXTURES = ("one voice", "a quarter of another speaker", "half of another speaker", "a quarter by another microphone")


@dataclass(frozen=True)
class Rows:
    """Of every clip and copy: sums over the loud frames ``(rows, 3 * columns)``, voice on a microphone, speaker."""

    sums: NDArray[np.float32]
    voices: NDArray[np.int64]
    speakers: NDArray[np.int64]
    subsets: NDArray[np.str_]
    as_recorded: NDArray[np.bool_]

    def of(self, subset: str) -> "Rows":
        """Those of a subset."""
        own = self.subsets == subset
        return Rows(self.sums[own], self.voices[own], self.speakers[own], self.subsets[own], self.as_recorded[own])


def enrolment_check() -> str:
    params, clips = load(), read_clips()
    settings = params.enrolment_check
    frames = [name for name in params.networks if find_network(name).features == "features_1d"]
    network = [*frames, *params.networks][0]
    rows = read_rows(network, clips, params)
    projection = fit_projection(rows.of("train"))
    known = simulate(rows.of("validation"), projection, MIXTURES[:1], settings)
    limits = {f"{kind}_limit": limit_of(known, kind, settings.false_alarms) for kind in ("set", "clip")}
    rates = {
        str(count): {
            mixture: {kind: round(float(np.mean(own[kind] > limits[f"{kind}_limit"])), 4) for kind in own}
            for mixture, own in one.items()
            if len(own["set"])
        }
        for count, one in simulate(rows.of("test"), projection, MIXTURES, settings).items()
    }
    kept = {"network": network, "projection": np.round(projection, 5).tolist()}
    artifacts.write_json("models/enrolment_check.json", kept | limits)
    artifacts.write_json("metrics/enrolment_check.json", limits | {"warned": rates})
    return f"{len(projection)} directions, limits {limits['set_limit']:.2f} and {limits['clip_limit']:.2f}"


def read_rows(network: str, clips: Clips, params: Params) -> Rows:
    """Sums over the loud frames of every clip and copy, as a network gives them."""
    own = find_network(network)
    features = read_features(own)
    columns, session = own.columns_of(params, features.table), onnxruntime.InferenceSession(f"models/{network}.onnx")
    inputs, (_, said) = session.get_inputs(), (value.name for value in session.get_outputs())
    parts, none = [], np.zeros((BATCH, inputs[1].shape[1]), np.float32)
    for start in range(0, len(features.array), BATCH):
        rows = list(range(start, min(start + BATCH, len(features.array))))
        given = prepare_test(features.array, rows=rows, columns=columns).astype(np.float32)
        (sums,) = session.run([said], {inputs[0].name: given, inputs[1].name: none[: len(rows)]})
        parts.append(sums[:, : 3 * len(columns)])
    sources = np.concatenate([np.arange(len(clips.labels)), clips.copies.sources])
    kinds, speakers = ["as recorded"] * len(clips.labels) + [*clips.copies.kinds], clips.actors[sources]
    voices = np.unique([f"{one} {kind}" for one, kind in zip(speakers, kinds, strict=True)], return_inverse=True)[1]
    as_recorded = np.arange(len(sources)) < len(clips.labels)
    return Rows(np.concatenate(parts), voices, speakers, np.array(clips.subsets)[sources], as_recorded)


def fit_projection(rows: Rows) -> NDArray[np.float64]:
    """The directions in which voices differ most, scaled by how much one of them varies.

    Of clips as recorded, all by one microphone: another one lies far off by itself, and would hide the voices.

    Returns
    -------
    shape ``(dimensions, 2 * columns)``
    """
    statistics, voices = clip_statistics(rows.sums[rows.as_recorded]), rows.voices[rows.as_recorded]
    dimensions = min(DIMENSIONS, len(np.unique(voices)) - 1, statistics.shape[1])
    fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE)
    return fitted.fit(statistics, voices).scalings_[:, :dimensions].T


def draw_set(rows: Rows, *, clips: int, mixture: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """A simulated enrolment of one voice on one microphone, whose first clips are what ``mixture`` says.

    Returns
    -------
    places in ``rows``, shape ``(clips,)``; none where there is nobody else
    """
    one_microphone = "speaker" in mixture
    voice = rng.choice(np.unique(rows.voices[rows.as_recorded] if one_microphone else rows.voices))
    own = rng.permutation(np.flatnonzero(rows.voices == voice))[:clips]
    if mixture == MIXTURES[0]:
        return own
    same = rows.speakers == rows.speakers[own[0]]
    others = ~same & rows.as_recorded if one_microphone else same & (rows.voices != voice)
    if not others.any():
        return own[:0]
    count = len(own) // (2 if "half" in mixture else 4)
    own[:count] = rng.permutation(np.flatnonzero(rows.voices == rng.choice(rows.voices[others])))[:count]
    return own


def limit_of(known: dict[int, dict], kind: str, false_alarms: float) -> float:
    """What sets of one voice, of every size, pass as seldom as is wanted."""
    distances = np.concatenate([one[MIXTURES[0]][kind] for one in known.values()])
    return round(float(np.quantile(distances, 1 - false_alarms)), 4) if len(distances) else NO_LIMIT


def simulate(rows: Rows, projection: NDArray, mixtures: Sequence[str], settings: Settings) -> dict[int, dict]:
    """Distances within simulated sets, and of their first clip from a profile of the other half.

    Returns
    -------
    by the number of clips and the mixture: ``set`` and ``clip``, each ``(sets,)``
    """
    rng = np.random.default_rng(settings.seed)
    found: dict[int, dict] = {}
    for clips in SET_CLIPS:
        found[clips] = {}
        for mixture in mixtures:
            drawn = [draw_set(rows, clips=clips, mixture=mixture, rng=rng) for _ in range(SETS)]
            sums = [rows.sums[own] for own in drawn if len(own) == clips]
            halves = [(own[:1], own[clips // 2 :].sum(axis=0)[None]) for own in sums]
            found[clips][mixture] = {
                "set": np.array([set_distance(own, projection) for own in sums]),
                "clip": np.array([distance(one, rest, clips - clips // 2, projection)[0] for one, rest in halves]),
            }
    return found


if __name__ == "__main__":
    run(enrolment_check)
