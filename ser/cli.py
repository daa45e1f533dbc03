"""The command ``ser``."""

import argparse
import csv
import json
import os
import socket
import sys
from collections.abc import Iterator
from importlib.resources import files

from ser import __version__
from ser.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    # Files are worked on side by side: a pool of threads for every small matrix product would only get in the way.
    # Set before NumPy is imported, which is why the commands import what they need themselves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except InputError as error:
        print(f"ser: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"ser: {error.filename or 'reading'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ser: interrupted", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="ser",
        description="Which of six emotions does a voice carry? Trained on acted speech (CREMA-D): it tells what an "
        "emotion sounds like when it is acted, nothing about what a person feels.",
    )
    parser.add_argument("--version", action="version", version=f"ser {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_record(commands)
    _add_explain(commands)
    _add_app(commands)
    _add_info(commands)
    _add_evaluate(commands)
    _add_completion(commands, parser)
    return parser


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        metavar="PATH",
        help="bundle to answer with, as models/bundle.zip from 'dvc repro'; by default the one in this package",
    )


def _add_predict(commands) -> None:
    command = commands.add_parser(
        "predict",
        help="say which emotion recordings carry",
        description="Say which emotion recordings carry. A recording over 6 s gets a timeline. Exit status: 0 if every "
        "file was answered, else that of the first failure: 3 unreadable, 4 too short, 5 silent, 6 no speech.",
    )
    command.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER", help="recordings; - is standard input")
    _add_model(command)
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a line")
    form.add_argument("--csv", action="store_true", help="print a CSV table")
    command.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from ser import answer_formats as formats
    from ser.predict import STANDARD_INPUT, STATUS, find_recordings, recognize_files

    paths = find_recordings(options.paths)
    recognizer = open_recognizer(options.model)
    if STANDARD_INPUT in paths and sys.stdin is None:
        raise InputError("standard input is closed.")
    given = sys.stdin.buffer.read() if STANDARD_INPUT in paths else b""
    if hasattr(sys.stdout, "reconfigure"):  # a name need not be text; what a terminal cannot show is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    outcomes = with_progress(recognize_files(recognizer, paths, standard_input=given), total=len(paths))
    status, width = 0, formats.name_width(paths)
    writer = csv.DictWriter(sys.stdout, formats.CSV_COLUMNS, lineterminator="\n")
    if options.csv:
        writer.writeheader()
    elif not options.json:
        print(formats.table_header(width))
    for outcome in outcomes:
        status = status or STATUS.get(outcome.kind, 0)
        if options.json:
            print(json.dumps(formats.as_record(outcome)), flush=True)
        elif options.csv:
            writer.writerow(formats.as_csv_row(outcome))
        else:
            print(formats.table_line(outcome, width))
            if outcome.recognition and len(outcome.recognition.windows) > 1:
                print("\n".join(formats.timeline_lines(outcome.recognition)))
    return status


def _add_record(commands) -> None:
    command = commands.add_parser(
        "record",
        help="record from the microphone and say which emotion it carries",
        description="Record from the default microphone and answer. Exit status as of predict.",
    )
    command.add_argument("--seconds", type=float, default=4.0, help="how long to record (4)")
    _add_model(command)
    command.set_defaults(run=_record)


def _record(options: argparse.Namespace) -> int:
    from ser import answer_formats as formats
    from ser.microphone import record
    from ser.predict import STATUS, outcome_of
    from ser.recognizer import SHORTEST_SECONDS

    if not SHORTEST_SECONDS <= options.seconds <= 600:
        raise InputError(f"--seconds is {options.seconds}: expected {SHORTEST_SECONDS} to 600.")
    recognizer = open_recognizer(options.model)

    def ask() -> None:
        print(f"Speak now, for {options.seconds:g} seconds.", file=sys.stderr, flush=True)

    samples, sample_rate = record(options.seconds, ready=ask)
    outcome = outcome_of("microphone", lambda: recognizer.recognize(samples, sample_rate))
    print(formats.table_header(12))
    print(formats.table_line(outcome, 12))
    return STATUS.get(outcome.kind, 0)


def _add_explain(commands) -> None:
    command = commands.add_parser(
        "explain",
        help="draw what a recording's answer rests on",
        description="Draw a recording's waveform, spectrogram, both networks' answers and what the 2D network looked "
        "at. Of a long recording the window with the most certain answer is drawn.",
    )
    command.add_argument("file", metavar="FILE", help="a recording")
    command.add_argument("-o", "--output", metavar="PNG", help="where to write (FILE's name with .png, in this folder)")
    _add_model(command)
    command.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    from pathlib import Path

    from ser import io
    from ser.explain import explain_recording
    from ser.predict import recognize_source

    output = Path(options.output or f"{Path(options.file).stem}.png")
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: the picture is a PNG; expected a name that ends with .png.")
    if output.exists() and (not output.is_file() or output.samefile(options.file)):
        raise InputError(f"{output}: is the recording itself or no ordinary file; name another with --output.")
    recognizer = open_recognizer(options.model)
    found = recognize_source(recognizer, options.file)
    picture, line = explain_recording(recognizer, options.file, found)
    io.write_bytes(output, picture)
    print(f"{line}; {output}")
    return 0


def _add_app(commands) -> None:
    command = commands.add_parser(
        "app",
        help="open a local page to record or upload, with an HTTP interface",
        description="Serve a local page, and POST /predict, which takes the bytes of a recording and answers in JSON.",
    )
    command.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; other than this machine's own (127.0.0.1) lets the network in",
    )
    command.add_argument("--port", type=port, default=7860, help="port to listen on (7860)")
    _add_model(command)
    command.set_defaults(run=_app)


def _app(options: argparse.Namespace) -> int:
    try:
        from ser.app import serve
    except ModuleNotFoundError as error:
        raise InputError(f"The page needs {error.name}: pip install '.[app]' in the project's folder") from error
    recognizer = open_recognizer(options.model)
    try:
        with socket.create_server((options.host, options.port)):
            pass
    except OSError as error:
        raise InputError(
            f"cannot listen on {options.host}, port {options.port}: {error.strerror or error}. Choose another --port."
        ) from error
    print(f"http://{options.host}:{options.port} (Ctrl+C ends it)", flush=True)
    serve(recognizer, host=options.host, port=options.port)
    return 0


def port(text: str) -> int:
    """A port's number, for argparse."""
    number = int(text)
    if not 1 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{number}: expected 1 to 65535")
    return number


def _add_info(commands) -> None:
    command = commands.add_parser(
        "info", help="describe the networks: corpus, figures, parameters, licence", description="Describe a bundle."
    )
    _add_model(command)
    command.add_argument("--json", action="store_true", help="print all of it as JSON")
    command.set_defaults(run=_info)


def _info(options: argparse.Namespace) -> int:
    from ser.bundle_card import card

    about = open_bundle(options.model).about
    print(json.dumps(about, indent=1) if options.json else card(about))
    return 0


def _add_evaluate(commands) -> None:
    from ser.corpora import FORMATS

    command = commands.add_parser(
        "evaluate",
        help="score the networks on a corpus",
        description="Score the networks on a corpus, and say how many of its speakers they have heard before. Clips "
        "with other emotions than the six are left out and counted. Exit status: 0, or 1 if nothing could be scored.",
    )
    command.add_argument("corpus", metavar="FOLDER", help="where the corpus is")
    command.add_argument("--format", choices=FORMATS, default="crema-d", help="how it names its files (crema-d)")
    command.add_argument("--json", action="store_true", help="print the scores as JSON")
    _add_model(command)
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from ser.evaluation import as_text, evaluate_corpus, heard_before, list_corpus
    from ser.predict import recognize_files

    listing = list_corpus(options.corpus, options.format)
    paths = list(listing.utterances)
    recognizer = open_recognizer(options.model)
    speakers = {utterance.name.actor for utterance in listing.utterances.values()}
    heard = heard_before(recognizer.about, options.corpus, options.format, speakers)
    outcomes = with_progress(recognize_files(recognizer, paths), total=len(paths))
    found = evaluate_corpus(listing, outcomes, heard=heard)
    print(json.dumps(found, indent=1) if options.json else as_text(found))
    return 0


def _add_completion(commands, parser: argparse.ArgumentParser) -> None:
    command = commands.add_parser(
        "completion",
        help="print the completion script of a shell",
        description="Print the completion script of a shell. For bash: ser completion bash > "
        "~/.local/share/bash-completion/completions/ser",
    )
    command.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    command.set_defaults(run=lambda options: _completion(parser, options.shell))


def _completion(parser: argparse.ArgumentParser, shell: str) -> int:
    import shtab

    print(shtab.complete(parser, shell))
    return 0


def with_progress(outcomes: Iterator, *, total: int) -> Iterator:
    """The outcomes, with a bar on a terminal where there are many."""
    if total <= 20 or not sys.stderr.isatty():
        return outcomes
    from tqdm import tqdm

    return tqdm(outcomes, total=total, unit=" files", dynamic_ncols=True)


def open_bundle(path: str | None):
    """The bundle at a path, or the one in the package."""
    from ser import io
    from ser.bundle import unpack

    if path is None:
        return unpack(files("ser").joinpath("pretrained.zip").read_bytes(), name="the bundle of this package")
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file. 'dvc repro' writes a bundle to models/bundle.zip.")
    return unpack(io.read_bytes(path), name=path)


def open_recognizer(path: str | None):
    """A recognizer with a bundle's networks; other package versions than the bundle's are said on standard error."""
    from ser.bundle import other_versions
    from ser.recognizer import Recognizer

    bundle = open_bundle(path)
    differing = other_versions(bundle.about)
    if differing:
        print(f"ser: the bundle was made with {'; '.join(differing)}: answers may differ slightly.", file=sys.stderr)
    return Recognizer(bundle)
