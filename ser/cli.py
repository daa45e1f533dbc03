"""The command ``ser``."""

import argparse
import csv
import json
import os
import sys
from importlib.resources import files

from ser import __version__
from ser.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = build_parser().parse_args(arguments)
    # Files are worked on side by side: a pool of threads for every small matrix product would only get in the way.
    # Set before NumPy is imported, which is why the commands import what they need themselves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        return options.run(options)
    except InputError as error:
        print(f"ser: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
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
    _add_info(commands)
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
    from tqdm import tqdm

    from ser import answer_formats as formats
    from ser.predict import STANDARD_INPUT, STATUS, find_recordings, recognize_files

    paths = find_recordings(options.paths)
    recognizer = open_recognizer(options.model)
    given = sys.stdin.buffer.read() if STANDARD_INPUT in paths else b""
    outcomes = recognize_files(recognizer, paths, standard_input=given)
    if len(paths) > 20 and sys.stderr.isatty():
        outcomes = tqdm(outcomes, total=len(paths), unit=" files", dynamic_ncols=True)
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


def open_bundle(path: str | None):
    """The bundle at a path, or the one in the package."""
    from ser import io
    from ser.bundle import unpack

    if path is None:
        return unpack(files("ser").joinpath("pretrained.zip").read_bytes(), name="the bundle of this package")
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
