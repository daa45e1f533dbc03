"""Routes: the page, ``POST /predict``, ``/explain`` and ``/calibrate``, ``/info``, ``/health``, ``/docs``."""

import asyncio
import logging
import math
import mimetypes
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

import anyio
import numpy as np
import soundfile
from fastapi import FastAPI, HTTPException, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi_offline import FastAPIOffline
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from ser import __version__
from ser.answers.card import card, caution
from ser.answers.explain import explain_recording
from ser.answers.files import (
    Blocks,
    Heard,
    Outcome,
    answer_together,
    begin_source,
    heard_or_outcome,
    outcome_of,
    profile_from,
)
from ser.answers.formats import as_record
from ser.answers.processors import processors
from ser.answers.profile import LARGEST_BYTES as LARGEST_PROFILE
from ser.answers.profile import parse_profile
from ser.answers.recognition import Recognition
from ser.answers.recognizer import Recognizer
from ser.app.guard import LARGEST_BYTES, Access, Guard, refusal
from ser.app.limits import LONGEST_SECONDS, RECOGNITION_SECONDS, limited_blocks
from ser.app.schemas import Answer, Calibration, Card, Failure, Health
from ser.audio.reading import AUDIO_SUFFIXES, Recording, open_recording
from ser.corpus.demo import SAMPLE_RATE, draw_manner, draw_voice, speak
from ser.errors import InputError

STATUS_OF_KIND = {"unreadable": 415, "large": 413, "short": 422, "silent": 422, "no speech": 422, "slow": 503}
IN_MEMORY_BYTES = 16_384  # of an upload; the rest lies in a file without a name, which ends with the process
MOST_FILES = 50  # in one form
MOST_TOGETHER = 8  # recordings that are answered at once
SMALL_BYTES = 524_288  # of an upload that may be answered together with others
PROFILE_FIELD = "profile"  # of a form
EXAMPLES = {"anger": "female", "sadness": "male"}
RECORDING = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
                        "profile": {"type": "string", "format": "binary"},
                    },
                }
            },
        },
    }
}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in (
        (401, "the token is missing or wrong"),
        (413, f"over {LARGEST_BYTES // 1_000_000} MB or {LONGEST_SECONDS:.0f} s"),
        (415, "not a recording that can be decoded"),
        (422, "too short, silent, or without speech"),
        (503, "not answered in time"),
    )
}
log = logging.getLogger("ser.app")


def build(recognizers: dict[str, Recognizer], *, access: Access, stopping: threading.Event) -> FastAPI:
    """The page at ``/`` and the interface.

    Parameters
    ----------
    recognizers : by what the page calls their bundles; the first answers, the others are compared with it
    access : who may ask
    stopping : set when the server ends
    """
    server = FastAPIOffline(
        title="ser",
        version=__version__,
        description="Which emotion does a voice carry? Acted speech; not for decisions about people.",
        redoc_url=None,
        responses=FAILURES,
    )
    server.add_middleware(Guard, access=access)
    server.add_exception_handler(StarletteHTTPException, _refuse_http)
    server.add_exception_handler(RequestValidationError, _refuse_parameter)
    _add_interface(server, recognizers, Queue([*recognizers.values()], stopping), public=access.public)
    _add_page(server)
    return server


@dataclass(frozen=True)
class Question:
    """A recording that waits for its turn: who answers, what a message calls it, its stream and parts, and its outcome.

    A small one may be answered together with others.
    """

    recognizer: Recognizer
    name: str
    recording: BinaryIO
    blocks_of: Callable[[Recording], Blocks]
    small: bool
    outcome: asyncio.Future[Outcome]

    def goes_with(self, other: "Question") -> bool:
        """Whether both can be answered at once."""
        return self.small and other.small and self.recognizer is other.recognizer


class Queue:
    """As many recognitions at once as there are processors; the others wait, and some are then answered together."""

    def __init__(self, recognizers: list[Recognizer], stopping: threading.Event):
        self._recognizers, self._stopping = recognizers, stopping
        self._turns = anyio.CapacityLimiter(processors())
        self._waiting: deque[Question] = deque()
        self._answering: set[asyncio.Task] = set()

    def recognizer(self, bundle: int, profile: bytes | None = None) -> Recognizer:
        """The networks of a bundle, counted from 1, with the profile that a request carries."""
        if not 1 <= bundle <= len(self._recognizers):
            raise HTTPException(404, f"no bundle {bundle}; the server has {len(self._recognizers)}")
        own = self._recognizers[bundle - 1]
        try:
            return own if profile is None else own.with_profile(parse_profile(profile, name="the profile"))
        except InputError as error:
            raise HTTPException(415, str(error)) from error

    def recognize(self, recording, recognizer: Recognizer, until: float) -> Recognition:
        with open_recording(recording) as opened:
            return recognizer.recognize_stream(self._limited(opened, until), opened.sample_rate)

    def listen_to_all(self, recordings: list, recognizer: Recognizer, until: float) -> Iterator[Heard | Outcome]:
        """What is heard in each recording, until enough is, or the request's time is over."""
        for name, recording in recordings:
            yield heard_or_outcome(name, partial(self._listen, recording, recognizer, until))

    def _listen(self, recording, recognizer: Recognizer, until: float) -> Heard:
        with open_recording(recording) as opened:
            return recognizer.listen(self._limited(opened, until), opened.sample_rate)

    def _limited(self, opened: Recording, until: float) -> Blocks:
        return limited_blocks(opened, until=until, stopping=self._stopping)

    async def run(self, work: Callable[[], Any]):
        return await anyio.to_thread.run_sync(work, limiter=self._turns)

    async def outcomes(self, request: Request, recordings: list, recognizer: Recognizer) -> list[Outcome]:
        """The outcome of each recording, as long as somebody waits for them."""
        until, found = deadline(), []
        for name, recording in recordings:
            if await request.is_disconnected():
                raise ClientDisconnect
            small = recording.seek(0, os.SEEK_END) <= SMALL_BYTES
            outcome = asyncio.get_running_loop().create_future()
            blocks_of = partial(self._limited, until=until)
            self._waiting.append(Question(recognizer, name, recording, blocks_of, small, outcome))
            if len(self._answering) < self._turns.total_tokens:
                self._answering.add(asyncio.create_task(self._answer_waiting()))
            found.append(await outcome)
        return found

    async def _answer_waiting(self) -> None:
        """Answer what waits, in its order, as much of it together as can be."""
        try:
            while self._waiting:
                async with self._turns:
                    if together := self._next():
                        await self._answer(together)
        finally:  # in one step with having seen that nothing waits: who comes behind it starts another
            self._answering.discard(cast(asyncio.Task, asyncio.current_task()))

    def _next(self) -> list[Question]:
        """What is answered at once: a share of what waits for each free turn."""
        most = min(MOST_TOGETHER, math.ceil(len(self._waiting) / (1 + self._turns.available_tokens)))
        together: list[Question] = []
        while self._waiting and len(together) < most:
            if together and not together[0].goes_with(self._waiting[0]):
                break
            question = self._waiting.popleft()
            if not question.outcome.done():  # it is where the client has gone
                together.append(question)
        return together

    async def _answer(self, together: list[Question]) -> None:
        recognizer = together[0].recognizer
        begin = partial(begin_source, recognizer, short_only=len(together) > 1)
        recordings = [(question.name, partial(begin, question.recording, question.blocks_of)) for question in together]
        try:
            outcomes = await anyio.to_thread.run_sync(partial(answer_together, recognizer, recordings))
        except Exception as error:
            if len(together) > 1:  # a long recording, or whatever is one request's trouble: each has a turn of its own
                self._waiting.extendleft(replace(question, small=False) for question in reversed(together))
            elif not together[0].outcome.done():
                together[0].outcome.set_exception(error)
            return
        for question, found in zip(together, outcomes, strict=True):
            if not question.outcome.done():
                question.outcome.set_result(found)


def _add_interface(server: FastAPI, recognizers: dict[str, Recognizer], ask: Queue, *, public: bool) -> None:
    first = next(iter(recognizers.values()))
    cautions = [
        f"The networks of {name} were {said}." for name, one in recognizers.items() if (said := caution(one.about))
    ]

    def record(outcome: Outcome, recognizer: Recognizer = first) -> dict:
        return as_record(outcome, caution=caution(recognizer.about))

    @server.post("/predict", response_model=Answer | list[Answer | Failure], openapi_extra=RECORDING)
    async def predict(request: Request, bundle: int = 1):
        """The emotion of a recording: its bytes, or a form with one or several files, and a profile in ``profile``.

        One recording gives one answer, or an error with its status. Several give a list in their order. ``bundle`` is
        which of the server's bundles answers.
        """
        async with _recordings(request) as (recordings, profile):
            knowing = ask.recognizer(bundle, profile)
            outcomes = await ask.outcomes(request, recordings, knowing)
        if len(outcomes) > 1:
            return JSONResponse([record(outcome, knowing) for outcome in outcomes])
        return JSONResponse(record(outcomes[0], knowing)) if outcomes[0].recognition else _refuse(outcomes[0])

    @server.post(
        "/explain",
        openapi_extra=RECORDING,
        response_class=Response,
        responses={200: {"content": {"image/png": {}}, "description": "a picture of what the answer rests on"}},
    )
    async def explain(request: Request, bundle: int = 1) -> Response:
        """A picture of one recording: waveform, spectrogram, and what the 2D network looked at."""

        def draw(recording, knowing: Recognizer, until: float):
            found = ask.recognize(recording, knowing, until)
            picture.append(explain_recording(knowing, recording, found, title="the recording")[0])
            return found

        picture: list[bytes] = []
        async with _recordings(request) as (recordings, profile):
            if len(recordings) > 1:
                return refusal(415, "unreadable", f"{len(recordings)} recordings; send one")
            ((name, recording),) = recordings
            knowing = ask.recognizer(bundle, profile)
            outcome = await ask.run(partial(outcome_of, name, partial(draw, recording, knowing, deadline())))
        return Response(picture[0], media_type="image/png") if outcome.recognition else _refuse(outcome)

    @server.post("/calibrate", response_model=Calibration, openapi_extra=RECORDING)
    async def calibrate(request: Request, bundle: int = 1):
        """A profile from recordings of one voice on one microphone, to send beside others to ``/predict``.

        Nothing is kept here. What cannot be used is listed in ``left_out``.
        """
        async with _recordings(request) as (recordings, _):
            own = ask.recognizer(bundle)
            heard = partial(ask.listen_to_all, recordings, own, deadline())
            profile, _, failures = await ask.run(lambda: profile_from(own, heard()))
        if profile is None:
            return _refuse(failures[0])
        left_out = [record(failure) for failure in failures]
        found = {"clips": profile.clips, "profile": profile.content(), "left_out": left_out}
        return JSONResponse(found | {"warnings": list(profile.warnings)})

    @server.get("/info", response_model=Card)
    def info() -> dict:
        """The bundle that answers: its card, and everything in its description; and what all bundles are called."""
        return {
            "bundles": list(recognizers),
            "card": card(first.about),
            "caution": " ".join(cautions) or None,
            "emotions": list(first.emotions),
            "public": public,
            "about": _without_paths(first.about),
            "known_clips": first.profile.clips if first.profile else 0,
            "limits": {"bytes": LARGEST_BYTES, "seconds": LONGEST_SECONDS},
            "suffixes": AUDIO_SUFFIXES,
        }

    @server.get("/health", response_model=Health)
    def health() -> dict:
        """Whether the server answers; needs no token."""
        return {"status": "ok"}


def deadline() -> float:
    """When a request that has come now must be answered, by ``time.monotonic()``; its turn may come later."""
    return time.monotonic() + RECOGNITION_SECONDS


def _without_paths(about: dict) -> dict:
    """A bundle's description without the folder that its corpus lay in, which is nobody's business."""
    corpus = {key: value for key, value in about["params"].get("corpus", {}).items() if key != "dir"}
    return about | {"params": about["params"] | {"corpus": corpus}}


def _refuse(outcome: Outcome) -> JSONResponse:
    return refusal(STATUS_OF_KIND[outcome.kind], outcome.kind, outcome.message)


def _refuse_parameter(_: Request, error: Exception) -> JSONResponse:
    """A parameter of the address that is none."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    return refusal(422, "unreadable", f"{problem['loc'][-1]}: {problem['msg']}")


def _refuse_http(_: Request, error: Exception) -> JSONResponse:
    """FastAPI's own errors in the shape of all others."""
    assert isinstance(error, StarletteHTTPException)
    kind = {404: "unknown", 405: "method"}.get(error.status_code, "unreadable")
    return refusal(error.status_code, kind, str(error.detail), dict(error.headers or {}))


@asynccontextmanager
async def _recordings(request: Request):
    """Name and stream of each recording that a request carries, and its profile; they are gone when it is answered."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await _form(request)
        try:
            sent = [(field, value) for field, value in form.multi_items() if isinstance(value, UploadFile)]
            given = [upload for field, upload in sent if field != PROFILE_FIELD]
            profiles = [value for field, value in form.multi_items() if field == PROFILE_FIELD]
            if len(profiles) > 1:
                raise HTTPException(415, "a form with several profiles; send one")
            profile = None
            if profiles:
                if not isinstance(profiles[0], UploadFile):
                    raise HTTPException(415, "a profile that is no file; send it as profile=@me.profile")
                profile = await profiles[0].read(LARGEST_PROFILE + 1)
            if not given:
                raise HTTPException(415, "a form without a file; send it as file=@recording.wav")
            yield [(upload.filename or "recording", upload.file) for upload in given], profile
        finally:
            await form.close()
        return
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as received:
        async for part in request.stream():
            received.write(part)
        yield [("recording", received)], None


async def _form(request: Request) -> FormData:
    """The form of a request; its files lie on the disk beyond ``IN_MEMORY_BYTES`` each."""
    try:
        parser = MultiPartParser(
            request.headers,
            request.stream(),
            max_files=MOST_FILES,
            max_fields=MOST_FILES,
            max_part_size=IN_MEMORY_BYTES,
        )
        parser.spool_max_size = IN_MEMORY_BYTES
        return await parser.parse()
    except (MultiPartException, LookupError, ValueError) as error:
        reason = getattr(error, "message", None) or "its boundary or its character set is none"
        raise HTTPException(415, f"no form that can be read: {reason}") from error


def _add_page(server: FastAPI) -> None:
    voices = {name: _voice(name, sex, seed) for seed, (name, sex) in enumerate(EXAMPLES.items())}
    folder = files("ser.app").joinpath("page")
    parts = {part.name: part.read_bytes() for part in folder.iterdir() if part.is_file()}

    def part(name: str) -> Response:
        if name not in parts:
            raise HTTPException(404, "no such page")
        return Response(parts[name], media_type=mimetypes.guess_type(name)[0])

    @server.get("/", include_in_schema=False)
    def index() -> Response:
        return part("index.html")

    @server.get("/page/{name}", include_in_schema=False)
    def page(name: Annotated[str, Path()]) -> Response:
        return part(name)

    @server.get("/examples/{name}.wav", include_in_schema=False)
    def example(name: Annotated[str, Path()]) -> Response:
        if name not in voices:
            raise HTTPException(404, "no such example")
        return Response(voices[name], media_type="audio/wav")


def _voice(emotion: str, sex: str, seed: int) -> bytes:
    """A synthetic voice as a WAV file: no clip of a person is shipped."""
    rng = np.random.default_rng(seed)
    voice = draw_voice(sex, rng)
    written = BytesIO()
    soundfile.write(written, speak("IEO", draw_manner(emotion, voice, rng), voice, rng), SAMPLE_RATE, format="WAV")
    return written.getvalue()
