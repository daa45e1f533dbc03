"""A bundle's description for people."""

import json
from functools import cache
from importlib.resources import files

from ser.corpus.formats import DEMO


def caution(about: dict) -> str | None:
    """Why no answer of a bundle means anything, or ``None``."""
    if about["corpus"].get("name") == DEMO["name"]:
        return "trained on synthetic sounds only (the demo corpus): its answers about real voices mean nothing"
    return None


def card(about: dict) -> str:
    """What networks these are, how well they do, on whom, and what they must not be used for."""
    metrics, corpus = about["metrics"], about["corpus"]
    lines = [
        f"Bundle      {about['hash'][:16]} (format {about['format_version']}), made by ser {about['versions']['ser']}",
        f"Emotions    {', '.join(about['emotions'])}",
        f"Corpus      {corpus['name']}: {corpus['clips']} clips of {corpus['actors']} actors",
        f"Split       {metrics['fusion']['terms']['protocol']}; train, validation and test have "
        + ", ".join(f"{metrics['fusion'][s]['actors']}" for s in ("train", "validation", "test"))
        + " actors",
        "",
        f"{'':<12}{'UAR: train':>11} {'validation':>11} {'test':>6}  {'(95 % over actors)':<18} {'accuracy: test':>15}",
    ]
    for name in (*about["networks"], "fusion"):
        scores = metrics[name]
        test = scores["test"]
        lines.append(
            f"{name:<12}{scores['train']['uar']:>11.3f} {scores['validation']['uar']:>11.3f} {test['uar']:>6.3f}  "
            f"({test['uar_low']:.3f} to {test['uar_high']:.3f})   {test['accuracy']:>15.3f}"
        )
    listeners = metrics["fusion"]["test"].get("listeners")
    if listeners:
        lines.append(
            f"{'listeners':<12}{'':>11} {'':>11} {listeners['uar']:>6.3f}  {'':<18} {listeners['accuracy']:>15.3f}"
        )
    calibration = metrics["fusion"]["calibration"]
    answered = calibration["test"]["answered"]
    raised = about["temperature"] == about["params"]["evaluate"].get("least_temperature")
    lines += [
        "",
        f"Calibrated  temperature {about['temperature']:.2f}{', for voices from elsewhere' if raised else ''}; "
        f"calibration error on test {calibration['test']['before']:.3f} before, "
        f"{calibration['test']['after']:.3f} after",
        f"'not sure'  below {about['threshold']:.2f}: {answered['coverage']:.0%} of the test clips are answered"
        + (f", {answered['accuracy']:.0%} of them rightly" if answered["accuracy"] is not None else ""),
        "Versions    " + ", ".join(f"{package} {number}" for package, number in about["versions"].items()),
        *_elsewhere(about["hash"]),
        "",
        f"Licence     {corpus['licence']}",
        "",
        *(["Acted speech in English, in a quiet room."] if corpus["name"].startswith("CREMA-D") else []),
        "An answer says what the voice sounds like, nothing about what a person feels.",
        "Not for decisions about people: not in hiring, policing, health or anywhere else.",
    ]
    return "\n".join(lines)


def _elsewhere(bundle: str) -> list[str]:
    """What was measured of the package's bundle on another corpus and under other conditions; nothing of others."""
    found = _measured()
    if found["bundle"] != bundle:
        return []
    corpora = [
        f"{name}: UAR {uar['none']:.3f}, with four clips of the speaker {uar['4']:.3f}, with all {uar['all']:.3f}"
        for name, uar in found["corpora"].items()
    ]
    changes = [f"{name} {change:+.3f}" for name, change in found["conditions"].items()]
    lines = [f"{'Elsewhere' if place == 0 else '':<12}{text}" for place, text in enumerate(corpora)]
    parts = ["; ".join(changes[start : start + 3]) for start in range(0, len(changes), 3)]
    named = ["Conditions  change of the UAR:", *(f"{'':<12}{part}" for part in parts)]
    return [*lines, *named]


@cache
def _measured() -> dict:
    """``ser/elsewhere.json``, which ``make results`` writes."""
    return json.loads(files("ser").joinpath("elsewhere.json").read_text(encoding="utf-8"))
