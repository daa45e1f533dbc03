"""From a recording to its emotion: the pipeline's own preprocessing and features, then ONNX Runtime."""

from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ser.answers.bundle import Bundle
from ser.answers.bundle_schema import Params
from ser.answers.doubts import (
    DETECTOR_RATE_HZ,
    NO_SPEECH,
    doubts_about,
    is_speech,
)
from ser.answers.enrolment_check import OTHER_VOICE, EnrolmentCheck, distance, enrolment_warnings
from ser.answers.onnx_check import check_network
from ser.answers.processors import processors
from ser.answers.profile import Profile
from ser.answers.recognition import SILENT_DB, Recognition, Window, no_speech
from ser.answers.windows import Asked, Stretch
from ser.audio.preprocessing import preprocess
from ser.audio.stft import sounding
from ser.errors import InputError, NoAnswer
from ser.features.families import FAMILIES, column_table, feature_names, frame_features
from ser.features.relative import are_sums, clip_sums
from ser.scoring.calibration import temper
from ser.scoring.fusion import fuse

VOICED_HARMONICITY = 0.5  # refuses none of CREMA-D's clips, and white noise
VOICED_FRAMES = 5  # 80 ms
MOST_CLIPS = 400  # of a profile: more would say nothing new
BATCH = 64  # clips that a network sees at once

Heard = tuple[NDArray[np.float32], NDArray[np.float32]]  # frame features and spectrograms of a recording's windows


class Recognizer:
    """Answers for recordings with a bundle's networks; where it is sent to another process, they are opened again.

    Parameters
    ----------
    bundle : see ``ser.answers.bundle``
    threads : of ONNX Runtime for one batch
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1):
        self.bundle, self.threads = bundle, threads
        self.batches_at_once = processors()  # of a long recording
        self.about = bundle.about
        self.emotions = tuple(bundle.about["emotions"])
        self.params = Params.model_validate(bundle.about["params"])
        self.networks = bundle.networks
        self.sessions = {name: _session(own.model, name, bundle, threads) for name, own in bundle.networks.items()}
        spectrograms = self.params.spectrograms
        self.settings = {
            "features_1d": self.params.features_1d,
            "spectrograms": spectrograms.at_its_frames(self.params.features_1d),
        }
        self.families = {"features_1d": self._families(), "spectrograms": spectrograms.families}
        self.names = {name: feature_names(self.settings[name], own) for name, own in self.families.items()}
        checked = bundle.about.get("enrolment_check")
        self.enrolment_check = None if checked is None else EnrolmentCheck.model_validate(checked)
        self.profile: Profile | None = None
        self.columns = {name: self._columns(name, bundle) for name in self.networks}
        self._try_out(bundle.name)

    def __reduce__(self):
        return _opened_again, (self.bundle, self.threads, self.profile)

    def _families(self) -> list[str]:
        """The families of frame features that some network reads, and the pitch, by which speech is found."""
        read = {column for own in self.networks.values() if own.features == "features_1d" for column in own.columns}
        table = column_table(self.settings["features_1d"])
        wanted = {row["family"] for row in table if row["name"] in read} | {"pitch"}
        return [family for family in FAMILIES if family in wanted]

    def _columns(self, name: str, bundle: Bundle) -> list[int]:
        """Places of the columns that a network reads in the array that it reads."""
        own = self.networks[name]
        unknown = set(own.columns) - set(self.names[own.features])
        if unknown:
            raise InputError(
                f"{bundle.name}: {name} reads the columns {', '.join(sorted(unknown)[:3])}, which do not exist."
            )
        wanted = self.sessions[name].get_inputs()[0].shape[-1]
        if wanted != len(own.columns):
            raise InputError(
                f"{bundle.name}: {name} reads {wanted} features a frame, its description gives {len(own.columns)}."
            )
        return [self.names[own.features].index(column) for column in own.columns]

    def reading(self, features: str) -> list[str]:
        """Names of the networks that read an array, ``"features_1d"`` or ``"spectrograms"``."""
        return [name for name, own in self.networks.items() if own.features == features]

    def _try_out(self, name: str) -> None:
        """Answer for a second of noise: what a bundle cannot do is then no recording's fault."""
        samples = np.random.default_rng(0).uniform(-0.1, 0.1, (self.params.preprocess.sample_rate, 1))
        try:
            signal = preprocess(samples.astype(np.float32), self.params.preprocess.sample_rate, self.params.preprocess)
            networks = self.network_probabilities(*self.features(signal[None]))
        except Exception as error:  # ONNX Runtime's own exceptions have no common ancestor
            reason = str(error).splitlines()[0][:200]
            raise InputError(f"{name}: its networks and its parameters do not work together: {reason}") from error
        for network, probabilities in networks.items():
            if probabilities.shape != (1, len(self.emotions)) or not np.isfinite(probabilities).all():
                raise InputError(f"{name}: {network} gives no probabilities of {len(self.emotions)} emotions.")

    @property
    def window_seconds(self) -> float:
        """Length of what the networks see at once."""
        return self.params.preprocess.duration_seconds

    def features(self, signals: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Frame features that are read, and spectrograms, rounded as the pipeline's arrays are.

        Parameters
        ----------
        signals : preprocessed, shape ``(clips, samples)``

        Returns
        -------
        shapes ``(clips, frames, features)`` and ``(clips, frames, mels)``
        """
        rate, signals = self.params.preprocess.sample_rate, _as_stored(signals)
        own, other = self.settings["features_1d"], self.settings["spectrograms"]
        frames = frame_features(signals, sample_rate=rate, settings=own, families=self.families["features_1d"])
        known, step = {}, other.hop_length // own.hop_length
        if step * own.hop_length == other.hop_length:  # pitch, the dearest, is the same in frames that both have
            pitch = [self.names["features_1d"].index(name) for name in feature_names(own, ["pitch"])]
            known["pitch"] = frames[:, ::step, pitch]
        families = self.families["spectrograms"]
        mels = frame_features(signals, sample_rate=rate, settings=other, families=families, known=known)
        return _as_stored(frames), _as_stored(mels)

    def network_probabilities(self, frames: NDArray[np.float32], mels: NDArray[np.float32]) -> dict[str, NDArray]:
        """Probabilities ``(clips, emotions)`` of each network, from what ``features`` gives."""
        return {name: probabilities for name, (probabilities, _) in self._outputs(frames, mels).items()}

    def probabilities_of(self, name: str, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities ``(clips, emotions)`` of one network from its own input ``(clips, frames, columns)``."""
        return self._output(name, features)[0]

    def _outputs(self, frames: NDArray[np.float32], mels: NDArray[np.float32]) -> dict[str, tuple[NDArray, NDArray]]:
        """Probabilities and sums of each network, from what ``features`` gives."""
        arrays = {"features_1d": frames, "spectrograms": mels}
        return {
            name: self._output(name, arrays[network.features][..., self.columns[name]])
            for name, network in self.networks.items()
        }

    def _output(self, name: str, features: NDArray[np.float32]) -> tuple[NDArray, NDArray]:
        """Probabilities ``(clips, emotions)`` and sums ``(clips, sums)`` of one network."""
        sums = np.zeros(self._width(name), np.float32) if self.profile is None else self.profile.sums[name]
        logits, sums_of_clips = self._answer(name, features, np.repeat(sums[None], len(features), axis=0))
        with np.errstate(all="ignore"):  # a bundle whose logits are not finite is refused in _try_out
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            return exponentials / exponentials.sum(axis=1, keepdims=True), sums_of_clips

    def with_profile(self, profile: Profile | None) -> "Recognizer":
        """The same networks, measuring recordings against a profile.

        Raises
        ------
        InputError : the profile is of another bundle
        """
        if profile is not None:
            widths = {name: self._width(name) for name in self.networks}
            if profile.bundle != self.about["hash"] or {n: len(own) for n, own in profile.sums.items()} != widths:
                raise InputError(
                    f"The profile was made with the bundle {profile.bundle[:16]}, and this one is "
                    f"{self.about['hash'][:16]}. Make it again with 'ser calibrate'."
                )
            sizes = {name: 3 * len(own.columns) for name, own in self.networks.items()}
            if not all(are_sums(own, sizes[name], profile.clips) for name, own in profile.sums.items()):
                raise InputError("The profile is damaged: its sums do not fit. Make it again with 'ser calibrate'.")
        other = object.__new__(Recognizer)  # copy() would open the networks again
        vars(other).update(vars(self), profile=profile)
        return other

    def listen(self, blocks: Iterable[NDArray[np.float32]], sample_rate: int, *, most: int = MOST_CLIPS) -> Heard:
        """Frame features and spectrograms of a recording's windows in which somebody speaks, for ``profile_of``.

        Parameters
        ----------
        blocks : consecutive parts, each ``(samples, channels)``
        most : windows, after which nothing more is read

        Raises
        ------
        NoAnswer : too short, silent, or without speech
        """
        reasons: list[str] = []
        heard: list[Heard] = []
        asked = self.begin(blocks, sample_rate)
        while True:
            why, frames, mels, _ = self._hear(asked.batch)
            reasons += why
            heard.append((frames, mels))
            if asked.ended or reasons.count("") >= most:
                break
            asked.read_on()
        if all(reasons):
            raise no_speech(reasons)
        frames, mels = (np.concatenate(arrays)[:most] for arrays in zip(*heard, strict=True))
        return frames, mels

    def profile_of(self, heard: Sequence[Heard]) -> Profile:
        """What recordings of one voice and microphone have in common; nobody needs to say what is in them.

        Parameters
        ----------
        heard : of each recording, as ``features`` and ``listen`` give it; clips beyond ``MOST_CLIPS`` are left out
        """
        frames, mels = (np.concatenate(arrays)[:MOST_CLIPS] for arrays in zip(*heard, strict=True))
        arrays = {"features_1d": frames, "spectrograms": mels}
        sums = {
            name: clip_sums(
                partial(self._answer, name),
                arrays[own.features][..., self.columns[name]],
                columns=len(own.columns),
                width=self._width(name),
            )
            for name, own in self.networks.items()
        }
        warnings = self._enrolment_warnings(frames, sums)
        return Profile(self.about["hash"], len(frames), {name: own.sum(axis=0) for name, own in sums.items()}, warnings)

    def _enrolment_warnings(self, frames: NDArray[np.float32], sums: dict[str, NDArray]) -> tuple[str, ...]:
        """Why a profile of some clips may not help; see ``ser.answers.enrolment_check``."""
        check = self.enrolment_check
        compared = (
            self._frame_sums(check.network, sums[check.network]) if check else np.zeros((len(frames), 3), np.float32)
        )
        sounds = int(np.count_nonzero((frames != 0).any(axis=2)))
        harmonicity = frames[..., self.names["features_1d"].index("harmonicity")]
        voiced = int(np.count_nonzero(harmonicity > VOICED_HARMONICITY))
        hop_seconds = self.params.features_1d.hop_length / self.params.preprocess.sample_rate
        return enrolment_warnings(
            check, compared, seconds=sounds * hop_seconds, voiced_fraction=voiced / max(1, sounds)
        )

    def _frame_sums(self, name: str, sums: NDArray[np.float32]) -> NDArray[np.float32]:
        """The part of a network's sums that is over frames, shape ``(clips, 3 * columns)``."""
        return sums[:, : 3 * len(self.networks[name].columns)]

    def _unlike_profile(self, outputs: dict[str, tuple[NDArray, NDArray]], clips: int) -> NDArray[np.bool_]:
        """Whether each clip is far from the profile's voice or microphone, shape ``(clips,)``.

        Parameters
        ----------
        outputs : of each network; see ``_outputs``
        """
        check = self.enrolment_check
        if self.profile is None or check is None or not outputs:
            return np.zeros(clips, bool)
        clip, profile = (
            self._frame_sums(check.network, sums)
            for sums in (outputs[check.network][1], self.profile.sums[check.network][None])
        )
        return distance(clip, profile, self.profile.clips, np.asarray(check.projection)) > check.clip_limit

    def _answer(self, name: str, given: NDArray, sums: NDArray) -> tuple[NDArray, NDArray]:
        """Logits and sums of clips by one network, some clips at a time."""
        session = self.sessions[name]
        features, reference = (value.name for value in session.get_inputs())
        parts = [
            session.run(None, {features: np.ascontiguousarray(given[i : i + BATCH]), reference: sums[i : i + BATCH]})
            for i in range(0, len(given), BATCH)
        ]
        logits, said = (np.concatenate(values) for values in zip(*parts, strict=True))
        return logits, said

    def _width(self, name: str) -> int:
        """How many sums a network takes and gives."""
        return self.sessions[name].get_inputs()[1].shape[1]

    def calibrated(self, networks: dict[str, NDArray]) -> NDArray[np.float32]:
        """The networks' probabilities fused, and tempered."""
        said = {name: networks[name] for name in self.networks}
        return temper(fuse(said, self.params.evaluate.fusion_weights), self.about["temperature"])

    def recognize(self, samples: NDArray[np.float32], sample_rate: int) -> Recognition:
        """The answer for a recording that is in memory.

        Parameters
        ----------
        samples : shape ``(samples, channels)``, full scale 1
        sample_rate : Hz

        Raises
        ------
        NoAnswer : too short, silent, or without speech
        """
        return self.recognize_stream([samples], sample_rate)

    def recognize_stream(self, blocks: Iterable[NDArray[np.float32]], sample_rate: int) -> Recognition:
        """The answer for a recording that arrives in blocks, so that memory does not grow with it.

        Parameters
        ----------
        blocks : consecutive parts, each ``(samples, channels)``
        """
        (found,) = self.finish([self.begin(blocks, sample_rate)])
        if isinstance(found, NoAnswer):
            raise found
        return found

    def begin(self, blocks: Iterable[NDArray[np.float32]], sample_rate: int) -> Asked:
        """A recording of which as much is read as is answered at once, all of a short one; for ``finish``.

        Raises
        ------
        NoAnswer : too short
        """
        asked = Asked(blocks, sample_rate, self.window_seconds)
        asked.read_on()
        return asked

    def finish(self, asked: Sequence[Asked]) -> list[Recognition | NoAnswer]:
        """The answers for recordings that were begun, or why one has none; what was read of them is answered at once.

        A network answers some short recordings together in less time than one by one, and in the same way.
        """
        answered = iter(self._answer_windows([stretch for one in asked for stretch in one.batch]))
        for one in asked:
            one.take(list(islice(answered, len(one.batch))))
            if not one.ended:
                self._answer_rest(one)
        return [self._recognition(one) for one in asked]

    def _answer_rest(self, asked: Asked) -> None:
        """Answer what is left of a long recording, some batches at a time."""
        threads = self.batches_at_once
        ahead: deque[Future] = deque()
        with ThreadPoolExecutor(threads) as pool:
            while not asked.ended:
                asked.read_on()
                ahead.append(pool.submit(self._answer_windows, asked.batch))
                if len(ahead) > threads:
                    asked.take(ahead.popleft().result())
            while ahead:
                asked.take(ahead.popleft().result())

    def _recognition(self, asked: Asked) -> Recognition | NoAnswer:
        """The answer of a recording from those of its windows."""
        windows = asked.windows
        spoken = [window for window in windows if window.probabilities is not None]
        if not spoken:
            return no_speech([window.reason for window in windows])
        found = Recognition(
            asked.counted.samples / asked.sample_rate,
            np.mean([window.spoken for window in spoken], axis=0),
            {name: np.mean([window.networks[name] for window in spoken], axis=0) for name in self.networks},
            windows,
            self.about["threshold"],
            self.emotions,
            tuple(doubt for doubt in spoken[0].doubts if all(doubt in window.doubts for window in spoken)),
        )
        rate = self.params.preprocess.sample_rate
        # Only an answer that would be sure is worth the search, which ends with the first window of speech.
        if not found.sure or rate != DETECTOR_RATE_HZ:
            return found
        if any(is_speech(signal[sounding(signal)]) for signal in asked.signals):
            return found
        return replace(found, doubts=(NO_SPEECH, *found.doubts))

    def _hear(
        self, batch: list[Stretch]
    ) -> tuple[list[str], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Why each window has no answer, "" where it has one; features and signals of those that have one."""
        settings = self.params.preprocess
        reasons = ["" if _peak_db(part.samples, part.sample_rate) >= SILENT_DB else "silent" for part in batch]
        heard = [part for part, reason in zip(batch, reasons, strict=True) if not reason]
        signals = np.zeros((len(heard), round(settings.duration_seconds * settings.sample_rate)), np.float32)
        for row, part in enumerate(heard):
            signals[row] = preprocess(part.samples, part.sample_rate, settings)
        frames, mels = self.features(signals)
        voiced = self._voiced(frames)
        spoken = iter(voiced)
        reasons = [reason or ("" if next(spoken) else "no speech") for reason in reasons]
        return reasons, frames[voiced], mels[voiced], signals[voiced]

    def _answer_windows(self, batch: list[Stretch]) -> list[tuple[Window, NDArray[np.float32] | None]]:
        """Answer a batch of windows at once, each with its signal if it has an answer: not silent, and voiced."""
        reasons, frames, mels, signals = self._hear(batch)
        outputs = self._outputs(frames, mels) if len(frames) else {}
        networks = {name: probabilities for name, (probabilities, _) in outputs.items()}
        unlike = self._unlike_profile(outputs, len(frames))
        answers = iter(
            zip(self.calibrated(networks), signals, unlike, *networks.values(), strict=True) if networks else []
        )
        windows: list[tuple[Window, NDArray[np.float32] | None]] = []
        for part, reason in zip(batch, reasons, strict=True):
            times = part.start_seconds, part.end_seconds
            if reason:
                windows.append((Window(*times, None, {}, reason), None))
                continue
            probabilities, signal, other_voice, *own = next(answers)
            doubts = doubts_about(part.samples, signal, self.params.preprocess.sample_rate)
            doubts += (OTHER_VOICE,) if other_voice else ()
            window = Window(*times, probabilities, dict(zip(networks, own, strict=True)), doubts=doubts)
            windows.append((window, signal))
        return windows

    def _voiced(self, frames: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether each clip has enough frames with a pitch, as every spoken syllable has: ``(clips,)``."""
        harmonicity = frames[..., self.names["features_1d"].index("harmonicity")]
        return np.count_nonzero(harmonicity > VOICED_HARMONICITY, axis=1) >= VOICED_FRAMES


def _opened_again(bundle: Bundle, threads: int, profile: Profile | None) -> Recognizer:
    recognizer = Recognizer(bundle, threads=threads)
    recognizer.profile = profile
    return recognizer


def _session(network: bytes, name: str, bundle: Bundle, threads: int):
    """A network, opened by ONNX Runtime.

    Raises
    ------
    InputError : it is no network, wants more than its own bytes, or has other inputs and outputs than an answer needs
    """
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        check_network(network)
        session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no common ancestor
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{bundle.name}: its network {name} cannot be opened: {reason}") from error
    shapes = [value.shape for value in (*session.get_inputs(), *session.get_outputs())]
    if list(map(len, shapes)) != [3, 2, 2, 2] or not isinstance(shapes[1][1], int) or shapes[1][1] != shapes[3][1]:
        raise InputError(f"{bundle.name}: its network {name} has inputs and outputs of the shapes {shapes}.")
    return session


def _as_stored(values: NDArray) -> NDArray[np.float32]:
    """What the pipeline's float16 arrays keep of values."""
    return values.astype(np.float16).astype(np.float32)


def _peak_db(samples: NDArray[np.float32], sample_rate: int) -> float:
    """Level of the loudest 32 ms of a stretch ``(samples, 1)``, in dB of full scale."""
    mono = samples[:, 0] - samples.mean()  # a constant makes no sound
    size = max(1, round(0.032 * sample_rate))
    power = np.add.reduceat(np.square(mono, dtype=np.float64), np.arange(0, len(mono), size)) / size
    return 10 * np.log10(max(float(power.max()), 1e-20))
