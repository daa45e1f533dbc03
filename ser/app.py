"""A local page and a plain HTTP interface that answer for recordings; nothing leaves the machine."""

import io as streams
import os
import tempfile
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when Gradio is imported

import gradio as gr
import numpy as np
import soundfile
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from ser import io
from ser.answer_formats import as_record, timeline_lines
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.explain import explain_recording
from ser.predict import outcome_of, recognize_source
from ser.recognizer import NoAnswer, Recognition, Recognizer
from ser.synthesis import SAMPLE_RATE, draw_manner, draw_voice, speak

LARGEST_BYTES = 50_000_000
LONGEST_SECONDS = 600.0
STATUS_OF_KIND = {"unreadable": 415, "large": 413, "short": 422, "silent": 422, "no speech": 422}
# Whatever the page asks for, a browser fetches from this server alone: Gradio's template names others.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:"
)
ABOUT = (
    "Trained on acted English speech (CREMA-D). An answer says what the voice sounds like, nothing about what a person "
    "feels; it must not be used to decide about people. The recording stays on this machine."
)


def build(recognizer: Recognizer) -> FastAPI:
    """The page at ``/`` and the interface at ``POST /predict``."""
    server = FastAPI(title="ser", docs_url=None, redoc_url=None, openapi_url=None)

    @server.middleware("http")
    async def stay_local(request: Request, call_next):
        if int(request.headers.get("content-length") or 0) > LARGEST_BYTES:
            async for _ in request.stream():  # a client reads the refusal when it has sent everything
                pass
            return _refusal("large", f"larger than {LARGEST_BYTES // 1_000_000} MB")
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = CONTENT_POLICY
        return response

    @server.post("/predict")
    async def predict(request: Request) -> JSONResponse:
        if request.headers.get("content-type", "").startswith("multipart/"):
            return _refusal("unreadable", "a form; send the bytes of the recording alone: curl --data-binary @FILE")
        received = bytearray()
        async for part in request.stream():
            received += part
            if len(received) > LARGEST_BYTES:
                return _refusal("large", f"larger than {LARGEST_BYTES // 1_000_000} MB")
        recording = streams.BytesIO(bytes(received))
        # In a thread: the server goes on answering while a recording is worked on.
        outcome = await run_in_threadpool(outcome_of, "recording", lambda: recognize_limited(recognizer, recording))
        return JSONResponse(as_record(outcome)) if outcome.recognition else _refusal(outcome.kind, outcome.message)

    return gr.mount_gradio_app(
        server,
        page(recognizer),
        path="/",
        max_file_size=LARGEST_BYTES,
        footer_links=["settings"],
        theme=gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css="#timeline textarea {font-family: ui-monospace, monospace}",  # its columns line up
        ssr_mode=False,
    )


def _refusal(kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"kind": kind, "message": message}}, status_code=STATUS_OF_KIND[kind])


def recognize_limited(recognizer: Recognizer, source: str | streams.BytesIO) -> Recognition:
    """The answer for a recording that is not too long for the page.

    Raises
    ------
    NoAnswer : over ``LONGEST_SECONDS``, kind ``"large"``; ``ser predict`` has no such limit
    """
    samples, sample_rate = io.audio_length(source)
    if samples > LONGEST_SECONDS * sample_rate:
        length = f"{samples / sample_rate:.0f} s long"
        raise NoAnswer("large", f"{length}; here at most {LONGEST_SECONDS:.0f} s. Use ser predict.")
    return recognize_source(recognizer, source)


def page(recognizer: Recognizer) -> gr.Blocks:
    """The page: record or upload, the answers side by side, the timeline, what the 2D network looked at."""

    def answer(path: str | None):
        if path is None:
            raise gr.Error("Record something or choose a file first.", print_exception=False)
        try:
            found = recognize_limited(recognizer, path)
            picture, _ = explain_recording(recognizer, path, found, title="the recording")
        except InputError as error:
            raise gr.Error(str(error).removeprefix(f"{path}: "), print_exception=False) from error
        sure = "" if found.sure else " (not sure)"
        headline = f"## {found.emotion}{sure}"
        timeline = "\n".join(timeline_lines(found)) if len(found.windows) > 1 else "one window: the whole recording"
        return headline, _label(found.probabilities), *map(_label, found.networks.values()), timeline, _png(picture)

    with gr.Blocks(title="Speech emotion recognition", analytics_enabled=False) as blocks:
        gr.Markdown(f"# Which emotion does the voice carry?\n{ABOUT}")
        with gr.Row():
            with gr.Column():
                # Gradio's own buttons would offer to share a recording elsewhere.
                recording = gr.Audio(sources=["upload", "microphone"], type="filepath", label="Recording", buttons=[])
                button = gr.Button("Answer", variant="primary", elem_id="answer")
                gr.Examples(examples(), recording, label="Examples (synthetic)")
            with gr.Column():
                headline = gr.Markdown(elem_id="headline")
                fusion = gr.Label(label="Answer: both networks, calibrated")
        with gr.Row():
            networks = [gr.Label(label=label) for label in ("CNN1D, frame features", "CNN2D, spectrogram")]
        timeline = gr.Textbox(label="Timeline", lines=3, max_lines=20, elem_id="timeline")
        gr.Markdown("### What the 2D network looked at")
        picture = gr.Image(show_label=False, type="pil", elem_id="picture", buttons=["download", "fullscreen"])
        button.click(answer, recording, [headline, fusion, *networks, timeline, picture], api_visibility="private")
    return blocks


def _label(probabilities: np.ndarray) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(EMOTIONS, probabilities, strict=True)}


def _png(picture: bytes):
    from PIL import Image

    return Image.open(streams.BytesIO(picture))


def examples() -> list[str]:
    """Paths of synthetic voices in a temporary folder: no clip of a person is shipped."""
    folder = Path(tempfile.mkdtemp(prefix="ser-examples-"))
    paths = []
    for seed, (sex, emotion) in enumerate((("female", "anger"), ("male", "sadness"))):
        rng = np.random.default_rng(seed)
        voice = draw_voice(sex, rng)
        samples = speak("IEO", draw_manner(emotion, voice, rng), voice, rng)
        paths.append(str(folder / f"synthetic {emotion}.wav"))
        soundfile.write(paths[-1], samples, SAMPLE_RATE)
    return paths


def serve(recognizer: Recognizer, *, host: str, port: int) -> None:
    """Serve until interrupted."""
    import uvicorn

    uvicorn.run(build(recognizer), host=host, port=port, log_level="warning")
