"""The command ``ser``."""

import argparse
import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ser import __version__
from ser.errors import InputError


class UsageError(InputError):
    """Options that do not go together."""


NAMES: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape"}  # a file's name need not be text


def entry() -> int:
    """The command as its own process, with what decoders written in C print by themselves kept out."""
    if sys.stderr is not None:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return main()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    # Files are worked on side by side: a pool of threads for every small matrix product would only get in the way.
    # Set before NumPy is imported, which is why the commands import what they need themselves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    options = build_parser().parse_args(arguments)
    if sys.stdout is None:
        print("ser: standard output is closed, so no answer can be given.", file=sys.stderr)
        return 1
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except InputError as error:
        print(f"ser: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _forget_output()
        return 0
    except OSError as error:
        if error.filename is None:  # what has no name is what was printed
            _forget_output()
        print(f"ser: {error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ser: interrupted", file=sys.stderr)
        return 130


def _forget_output() -> None:
    """Let what is still buffered go nowhere, so that Python's end does not write it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="ser",
        description="Which emotion does a voice carry? Trained on acted speech (CREMA-D): it tells what an "
        "emotion sounds like when it is acted, nothing about what a person feels.",
    )
    parser.add_argument("--version", action="version", version=f"ser {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_predict(commands)
    _add_calibrate(commands)
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
        help="bundle to answer with, such as models/bundle.zip from 'dvc repro'; by default the one in this package",
    )


def _add_profile(command) -> None:
    command.add_argument(
        "--profile", metavar="FILE", help="profile of the voice and the microphone, from 'ser calibrate'"
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
    known = command.add_mutually_exclusive_group()
    _add_profile(known)
    known.add_argument(
        "--same-speaker",
        action="store_true",
        help="all recordings are of one voice on one microphone: calibrate with them before they are answered",
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object a line")
    form.add_argument("--csv", action="store_true", help="print a CSV table")
    command.add_argument("-o", "--output", metavar="FILE", help="with --csv: write the table there")
    command.add_argument(
        "--resume", action="store_true", help="with --output: keep the rows that are there, and answer the other files"
    )
    command.add_argument(
        "--timeline", action="store_true", help="with --csv: a row for each stretch of a recording over 6 s"
    )
    command.add_argument(
        "--labels",
        choices=("audacity", "textgrid"),
        help="also write each timeline into this folder, as NAME.emotions.txt for Audacity, or NAME.emotions.TextGrid "
        "for Praat and ELAN",
    )
    command.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> int:
    from ser.answers import formats
    from ser.answers.card import caution
    from ser.answers.doubts import NOT_SURE
    from ser.answers.files import STANDARD_INPUT, STATUS, calibrate_files, find_recordings, recognize_files
    from ser.answers.labels import LABELS

    if options.timeline and not options.csv:
        raise UsageError("--timeline goes with --csv; the table and --json show timelines by themselves.")
    if (options.output and not options.csv) or (options.resume and not options.output):
        raise UsageError("--output goes with --csv, and --resume with --output.")
    paths = find_recordings(options.paths)
    recognizer = open_recognizer(options.model, options.profile)
    if options.same_speaker:
        if STANDARD_INPUT in paths:
            raise InputError("--same-speaker goes with files, which are read twice; not with standard input.")
        recognizer = recognizer.with_profile(calibrate_files(recognizer, paths)[0])
    if STANDARD_INPUT in paths and sys.stdin is None:
        raise InputError("standard input is closed.")
    given = sys.stdin.buffer.read() if STANDARD_INPUT in paths else b""
    if hasattr(sys.stdout, "reconfigure"):  # a name need not be text; what a terminal cannot show is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    named = _label_files(options.labels, paths) if options.labels else {}
    status, width, long, answers, unsure = 0, formats.name_width(paths), 0, 0, 0
    columns = (formats.timeline_columns if options.timeline else formats.csv_columns)(recognizer.emotions)
    answered: set[str] = set()
    target: TextIO = sys.stdout
    if options.output:
        target, answered = _open_table(options.output, columns, resume=options.resume)
    if answered:
        paths = [path for path in paths if path == STANDARD_INPUT or os.path.abspath(path) not in answered]
        left = f"{len(paths)} file{' is' if len(paths) == 1 else 's are'} left"
        has = f"{len(answered)} answer{'' if len(answered) == 1 else 's'}"
        print(f"ser: {options.output} has {has}; {left}.", file=sys.stderr)
    writer = csv.DictWriter(target, columns, lineterminator="\n")
    if options.csv and not options.output:
        writer.writeheader()
    elif not options.csv and not options.json:
        print(formats.table_header(width))
    outcomes = recognize_files(recognizer, paths, standard_input=given, processes=True)
    cautioned = caution(recognizer.about)
    for outcome in with_progress(outcomes, total=len(paths), mixed=target is sys.stdout):
        status = status or STATUS.get(outcome.kind, 0)
        found = outcome.recognition
        has_timeline = found is not None and len(found.windows) > 1
        answers, unsure = answers + (found is not None), unsure + (found is not None and found.certainty == NOT_SURE)
        if options.json:
            print(json.dumps(formats.as_record(outcome, caution=cautioned)), flush=True)
        elif options.timeline:
            writer.writerows(formats.as_timeline_rows(outcome))
        elif options.csv:
            writer.writerow(formats.as_csv_row(outcome))
            long += has_timeline
        else:
            print(formats.table_line(outcome, width))
            if has_timeline:
                print("\n".join(formats.timeline_lines(found)))
        if outcome.file in named and found is not None:
            LABELS[options.labels][1](named[outcome.file], found)
    if options.output:
        target.close()
    if unsure and recognizer.profile is None and not options.json:
        print(
            f"ser: {'the answer is' if answers == 1 else f'{unsure} of {answers} answers are'} not sure. "
            "Other recordings of the same voice and microphone help: 'ser calibrate', or --same-speaker.",
            file=sys.stderr,
        )
    if long:
        print(f"ser: {long} of the recordings are over 6 s; --timeline shows their course.", file=sys.stderr)
    return status


def _open_table(path: str, columns: list[str], *, resume: bool) -> tuple[TextIO, set[str]]:
    """A table to append rows to, and the files that it has answers of, by their absolute paths.

    Half a row, of a run that was killed, is dropped, and so is a file without an answer, which is asked about again.

    Raises
    ------
    InputError : the file exists and ``resume`` is not asked for, or it holds another table
    """
    from ser import artifacts

    rows: list[list[str]] = []
    if os.path.lexists(path):
        if not resume:
            raise InputError(f"{path}: exists. Name another file with --output, or continue it with --resume.")
        text = Path(path).read_bytes().decode(**NAMES)
        try:
            header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [columns]
        except csv.Error as error:
            raise InputError(f"{path}: holds no table of answers ({error}).") from error
        if header != columns:
            raise InputError(f"{path}: holds another table; its first line is not that of these answers.")
        rows = rows if text.endswith("\n") else rows[:-1]
        if "start_seconds" in columns:  # whether the last file has all of its rows, nobody knows
            rows = [row for row in rows if row[0] != rows[-1][0]]
        rows = [row for row in rows if len(row) == len(columns) and not _failed(dict(zip(columns, row, strict=True)))]
    kept = io.StringIO(newline="")
    csv.writer(kept, lineterminator="\n").writerows([columns, *rows])
    artifacts.write_bytes(path, kept.getvalue().encode(**NAMES))
    # A row is on the disk as soon as it is known.
    table = open(path, "a", buffering=1, newline="", **NAMES)  # noqa: SIM115
    return table, {os.path.abspath(row[0]) for row in rows}


def _failed(row: dict[str, str]) -> bool:
    """Whether a row of a table of answers says that its file has none; a stretch without an answer has a start."""
    return bool(row["error"]) and not row.get("start_seconds")


def _label_files(kind: str, paths: list[str]) -> dict[str, Path]:
    """Where the timeline of each recording is written: its name with another ending, in the current folder."""
    from ser.answers.labels import LABELS

    named = {path: Path(Path(path).stem + LABELS[kind][0]) for path in paths if path != "-"}
    if len(set(named.values())) < len(named):
        raise InputError("--labels: two recordings have one name, and would write one file. Ask for them in turn.")
    return named


def _add_calibrate(commands) -> None:
    command = commands.add_parser(
        "calibrate",
        help="learn a voice and a microphone from some recordings, for better answers",
        description="Learn what recordings of one voice on one microphone have in common, from some that nobody needs "
        "to label: a few sentences read aloud, or recordings as they came. The profile is for 'ser predict --profile'. "
        "It holds sums, nothing of what was said, and fits this bundle only.",
    )
    command.add_argument("paths", nargs="+", metavar="FILE_OR_FOLDER", help="recordings of one voice; 4 to 20 are good")
    command.add_argument("-o", "--output", required=True, metavar="FILE", help="where to write, such as me.profile")
    _add_model(command)
    command.set_defaults(run=_calibrate)


def _calibrate(options: argparse.Namespace) -> int:
    from ser.answers.files import calibrate_files, find_recordings
    from ser.answers.profile import read_profile

    if os.path.lexists(options.output):
        try:
            read_profile(options.output)
        except InputError as error:
            raise InputError(f"{options.output}: exists and is no profile; name another with --output.") from error
    paths = find_recordings(options.paths)
    profile, used, failures = calibrate_files(open_recognizer(options.model), paths)
    for failure in failures:
        print(f"ser: {failure.file}: {failure.message}; left out", file=sys.stderr)
    profile.save(options.output)
    for warning in profile.warnings:
        print(f"ser: {options.output} may not help: {warning}.", file=sys.stderr)
    clips = "1 clip" if profile.clips == 1 else f"{profile.clips} clips"
    print(f"{used} of {len(paths)} recordings, {clips}; {options.output}.")
    return 0


def _add_record(commands) -> None:
    command = commands.add_parser(
        "record",
        help="record from the microphone and say which emotion it carries",
        description="Record from the default microphone and answer. Exit status: same as 'ser predict'.",
    )
    command.add_argument("--seconds", type=float, default=4.0, help="how long to record (4)")
    _add_model(command)
    _add_profile(command)
    command.set_defaults(run=_record)


def _record(options: argparse.Namespace) -> int:
    from ser.answers import formats
    from ser.answers.files import STATUS, outcome_of
    from ser.answers.windows import SHORTEST_SECONDS
    from ser.audio.microphone import record

    if not SHORTEST_SECONDS <= options.seconds <= 600:
        raise InputError(f"--seconds is {options.seconds}: expected {SHORTEST_SECONDS} to 600.")
    recognizer = open_recognizer(options.model, options.profile)

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
    command.add_argument("--at", type=float, metavar="SECONDS", help="draw the window that is heard at this moment")
    _add_model(command)
    _add_profile(command)
    command.set_defaults(run=_explain)


def _explain(options: argparse.Namespace) -> int:
    from ser import artifacts
    from ser.answers.explain import explain_recording
    from ser.answers.files import recognize_source

    output = Path(options.output or f"{Path(options.file).stem}.png")
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: the picture is a PNG; expected a name that ends with .png.")
    if output.exists() and (not output.is_file() or output.samefile(options.file)):
        raise InputError(f"{output}: is the recording itself or no ordinary file; name another with --output.")
    if not os.access(output.parent, os.W_OK):
        raise InputError(f"{output.parent}: nothing can be written there; name another place with --output.")
    recognizer = open_recognizer(options.model, options.profile)
    found = recognize_source(recognizer, options.file)
    picture, line = explain_recording(recognizer, options.file, found, at_seconds=options.at)
    artifacts.write_bytes(output, picture)
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
        help="address to listen on; any other than this machine's own (127.0.0.1) lets the network in, and asks for a "
        "token",
    )
    command.add_argument("--port", type=port, default=7860, help="port to listen on (7860)")
    command.add_argument("--token", help="access token; made at each start where others can reach the server")
    command.add_argument(
        "--public",
        type=host_name,
        metavar="NAME",
        help="everyone who reaches the server under this name may ask, without a token; for use behind a TLS proxy",
    )
    command.add_argument(
        "--framed-by", type=origin, metavar="ORIGIN", help="with --public: the page that may show this one in a frame"
    )
    _add_model(command)
    command.add_argument("--compare", metavar="PATH", help="another bundle, whose answers stand beside the first's")
    _add_profile(command)
    command.set_defaults(run=_app)


def _app(options: argparse.Namespace) -> int:
    import secrets
    import threading

    try:
        from ser.app.guard import access
        from ser.app.listening import address_of, is_loopback, listen, serve
        from ser.app.server import build
    except ModuleNotFoundError as error:
        raise InputError(f"The page needs {error.name}: pip install '.[app]' in the project's folder") from error
    if options.token is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{8,200}", options.token):
        raise InputError("--token: expected 8 to 200 letters, digits and . _ ~ -, which a browser keeps as they are.")
    if options.public and options.token:
        raise InputError("--public asks for no token: leave out --token, or --public.")
    if options.framed_by and not options.public:
        raise InputError("--framed-by goes with --public.")
    open_to_all = is_loopback(options.host) or options.public
    token = options.token or (None if open_to_all else secrets.token_urlsafe(24))
    stopping = threading.Event()
    own = "this package" if options.model is None else Path(options.model).name  # no path: everyone can read it
    recognizers = {own: open_recognizer(options.model, options.profile)}
    if options.compare:
        if options.profile:
            raise InputError("A profile fits one bundle only, so --profile and --compare cannot be combined.")
        other = open_recognizer(options.compare)
        name = Path(options.compare).name
        recognizers[name if name != own else f"{name} {other.about['hash'][:8]}"] = other
        if len({one.about["hash"] for one in recognizers.values()}) < 2:
            raise InputError(f"--compare: {options.compare} is already the main bundle; name another.")
    allowed = access(options.host, token, public=options.public, framed_by=options.framed_by)
    with listen(options.host, options.port) as listener:
        app = build(recognizers, access=allowed, stopping=stopping)
        print(f"{address_of(options.host, options.port, token)} (Ctrl+C ends it)", flush=True)
        serve(app, listener, stopping=stopping)
    return 0


def host_name(text: str) -> str:
    """A server's name, for argparse."""
    if not re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text):
        raise argparse.ArgumentTypeError(f"{text}: expected a name such as ser.example.org")
    return text


def origin(text: str) -> str:
    """The origin of a page, for argparse."""
    if not re.fullmatch(r"https://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", text):
        raise argparse.ArgumentTypeError(f"{text}: expected an origin such as https://example.org")
    return text


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
    from ser.answers.card import card
    from ser.answers.opening import open_bundle

    about = open_bundle(options.model).about
    print(json.dumps(about, indent=1) if options.json else card(about))
    return 0


def _add_evaluate(commands) -> None:
    from ser.corpus.formats import FORMATS

    command = commands.add_parser(
        "evaluate",
        help="score the networks on a corpus",
        description="Score the networks on a corpus, and say how many of its speakers they were trained on. Clips "
        "with emotions that the networks do not know are left out and counted. Exit status: 0, or 1 if nothing could "
        "be scored.",
    )
    command.add_argument("corpus", metavar="FOLDER", help="where the corpus is")
    command.add_argument("--format", choices=FORMATS, default="crema-d", help="how it names its files (crema-d)")
    command.add_argument(
        "--profiles",
        type=profile_clips,
        default=0,
        metavar="none|K|own",
        help="calibrate for each speaker first, with K clips that are then not scored, or with all",
    )
    command.add_argument("--json", action="store_true", help="print the scores as JSON")
    command.add_argument("--predictions", metavar="FILE.csv", help="also write a row for each clip")
    _add_model(command)
    command.set_defaults(run=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from ser import artifacts
    from ser.answers.evaluation import (
        as_text,
        evaluate_corpus,
        heard_before,
        known_words,
        list_corpus,
        outcomes_with_profiles,
        prediction_columns,
        prediction_rows,
    )
    from ser.answers.files import recognize_files

    if options.predictions and os.path.isdir(options.predictions):
        raise InputError(f"{options.predictions}: a folder; --predictions wants the name of a CSV file.")
    recognizer = open_recognizer(options.model)
    listing = list_corpus(options.corpus, options.format, known_words(recognizer.about))
    paths = list(listing.utterances)
    speakers = {utterance.name.actor for utterance in listing.utterances.values()}
    heard = heard_before(recognizer.about, options.corpus, options.format, speakers)
    answers = (
        recognize_files(recognizer, paths, processes=True)
        if options.profiles == 0
        else outcomes_with_profiles(recognizer, listing, options.profiles)
    )
    outcomes = list(with_progress(answers, total=len(paths)))
    found = evaluate_corpus(listing, outcomes, heard=heard)
    if options.predictions:
        columns = prediction_columns(recognizer.emotions)
        artifacts.write_csv(options.predictions, prediction_rows(listing, outcomes), columns=columns)
    print(json.dumps(found, indent=1) if options.json else as_text(found))
    return 0


def profile_clips(text: str) -> int | None:
    """How many clips make a speaker's profile, for argparse: 0 for none, ``None`` for all of the speaker's own."""
    if text in ("none", "own"):
        return {"none": 0, "own": None}[text]
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 'none', 'own', or a number of clips from 1 to 1000")
    return int(text)


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


def with_progress(outcomes: Iterator, *, total: int, mixed: bool = True) -> Iterator:
    """The outcomes, with a bar where there are many, unless the answers go to a terminal, where lines would mix.

    Parameters
    ----------
    mixed : whether the answers go to standard output
    """
    if total <= 20 or not sys.stderr.isatty() or (mixed and sys.stdout.isatty()):
        return outcomes
    from tqdm import tqdm

    return tqdm(outcomes, total=total, unit=" files", dynamic_ncols=True)


def open_recognizer(path: str | None, profile: str | None = None):
    """A recognizer with a bundle's networks and the profile in a file, if one is named.

    What matters of the bundle, such as other package versions, is said on standard error.
    """
    from ser.answers.bundle import other_versions
    from ser.answers.card import caution
    from ser.answers.opening import open_bundle
    from ser.answers.recognizer import Recognizer

    bundle = open_bundle(path)
    differing = other_versions(bundle.about)
    if differing:
        print(f"ser: the bundle was made with {'; '.join(differing)}: answers may differ slightly.", file=sys.stderr)
    recognizer = Recognizer(bundle)
    if cautioned := caution(bundle.about):
        print(f"ser: {bundle.name}: {cautioned}.", file=sys.stderr)
    if profile is None:
        return recognizer
    from ser.answers.profile import read_profile

    return recognizer.with_profile(read_profile(profile))
