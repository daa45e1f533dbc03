"""The scores of one run as tables."""

OTHERS = {"fusion": "fusion", "baseline": "baseline (SVM)"}  # classifiers that are no network


def title_of(classifier: str) -> str:
    """What tables and pictures call a classifier."""
    return OTHERS.get(classifier, classifier.upper())


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table that reads well before it is rendered, too."""
    widths = [max(3, *map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, cells, widths)) + " |" for cells in lines)


def number(value: float | None) -> str:
    """Three decimals, or nothing where there is no value."""
    return "" if value is None else f"{value:.3f}"


def interval_text(scores: dict) -> str:
    """The interval of UAR over actors; nothing for one actor, who cannot be drawn again."""
    if scores["actors"] == 1:
        return ""
    return f"{number(scores['uar_low'])} to {number(scores['uar_high'])}"


def scores_rows(metrics: dict[str, dict]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of one run's scores: every classifier, and the listeners.

    Parameters
    ----------
    metrics : of each classifier, as ``ser.scoring.metrics.classifier_metrics`` gives them
    """
    rows = [
        [
            title_of(name),
            *(number(metrics[name][subset]["uar"]) for subset in ("train", "validation", "test")),
            interval_text(metrics[name]["test"]),
            number(metrics[name]["test"]["accuracy"]),
            number(metrics[name]["train_minus_test_accuracy"]),
        ]
        for name in metrics
    ]
    if heard := metrics["fusion"]["test"].get("listeners"):
        rows.append(["listeners, voice only", "", "", number(heard["uar"]), "", number(heard["accuracy"]), ""])
    header = ["", "UAR: train", "validation", "test", "95 % over actors", "test accuracy", "train minus test accuracy"]
    return header, rows


def scores_page(metrics: dict[str, dict]) -> str:
    """The scores of one run at a glance, and the terms under which they hold."""
    terms = metrics["fusion"]["terms"]
    about = f"{terms['corpus']}, split {terms['protocol']}, speakers: {terms['speakers']}"
    return f"{about}\n\n{markdown(*scores_rows(metrics))}\n"
