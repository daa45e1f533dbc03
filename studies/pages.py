"""Write the tables of the pages from ``results``, the package's bundle and the code, never by hand.

``python -m studies.pages`` fills every block ``<!-- results: STUDY TABLE -->`` and ``<!-- output: NAME -->``;
``--check`` writes nothing and fails where a page differs.
"""

import argparse
import re
from pathlib import Path

import yaml

from ser import artifacts
from ser.answers.card import card
from ser.answers.opening import open_bundle
from ser.errors import InputError
from ser.params import load
from stages.shared.console import run
from studies import tables
from studies.reference import parameter_tables

DOCUMENTS = ("results", "model_card", "params", "corpora")
PAGES = (Path("README.md"), *(Path("docs", f"{name}.md") for name in DOCUMENTS))
ELSEWHERE, YARDSTICKS = Path("ser/elsewhere.json"), Path("results/crema-d/yardsticks.json")
TABLES = {
    "protocol": tables.protocol_table,
    "folds": tables.folds_table,
    "comparisons": tables.comparison_table,
    "recall": tables.recall_table,
    "groups": tables.group_table,
    "profiles": tables.profile_table,
    "ablation": tables.ablation_table,
    "corpus": tables.corpus_table,
    "moved-corpus": tables.moved_corpus_table,
    "conditions": tables.condition_table,
    "short-conditions": tables.short_condition_table,
}


def fill(text: str) -> str:
    """The page with every block written again from what it names."""
    for study, table in re.findall(r"<!-- results: (\S+) (\S+) -->", text):
        content = TABLES[table](read_results(study))
        text = tables.replace_block(text, f"results: {study} {table}", content)
    if "<!-- output: ser info -->" in text:
        text = tables.replace_block(text, "output: ser info", f"```\n{card(open_bundle(None).about)}\n```")
    if "<!-- output: parameters -->" in text:
        stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
        text = tables.replace_block(text, "output: parameters", parameter_tables(load("params.yaml"), stages))
    if "<!-- results: headline -->" in text:
        yardsticks = artifacts.read_json(YARDSTICKS) if YARDSTICKS.exists() else None
        found = read_results("crema-d/emo-superb"), read_results("ravdess")
        headline = tables.headline_table(*found, yardsticks)
        text = tables.replace_block(text, "results: headline", headline)
    return text


def elsewhere() -> dict:
    """What ``ser info`` says of the package's bundle: other corpora, and the conditions that cost something."""
    corpus, rows = read_results("ravdess"), read_results("crema-d/conditions")["rows"]
    profiles = {"none": "none", "4": "4", "all": "all, the asked one as well"}
    families = ("noise", "line", "spectrum")
    shown = [row for row in rows if row["least_change"] and row["family"] in families and float(row["change"]) < -0.01]
    return {
        "bundle": corpus["bundle"],
        "corpora": {corpus["corpus"]: {name: corpus["profiles"][key]["uar"] for name, key in profiles.items()}},
        "conditions": {row["condition"]: float(row["change"]) for row in [*shown, rows[-1]]},
    }


def read_results(study: str) -> dict:
    """A file of ``results``, by its path without the ending; rows of a table are under ``rows``."""
    path = Path("results") / f"{study}.json"
    return artifacts.read_json(path) if path.exists() else {"rows": artifacts.read_csv(path.with_suffix(".csv"))}


def results() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page is out of date")
    check = parser.parse_args().check
    if not check:
        artifacts.write_json(ELSEWHERE, elsewhere())
    elif artifacts.read_json(ELSEWHERE) != elsewhere():
        raise InputError(f"{ELSEWHERE} differs from what the results hold. Run: make results")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        filled = fill(text)
        if check and filled != text:
            raise InputError(f"{page} differs from what the results hold. Run: make results")
        if not check:
            artifacts.write_bytes(page, filled.encode())
    return f"{', '.join(map(str, PAGES))} {'checked' if check else 'written'}"


if __name__ == "__main__":
    run(results)
