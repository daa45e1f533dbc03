"""What cross-validation trains: the studies that the results tables rest on."""

from dataclasses import dataclass

NETWORKS = ("cnn1d", "cnn2d")  # that results/ is about, whatever else params.yaml trains

# Two thirds of the time where it is multiplied by the processor; over five folds no other UAR (decision 14).
PRECISION = "bfloat16"


@dataclass(frozen=True)
class Study:
    """Trainings under one protocol: every network on every fold with every seed, the baseline on every fold."""

    protocol: str
    folds: tuple[int, ...] = (1,)
    seeds: tuple[int, ...] = (0,)


STUDIES = {
    "emo-superb": Study("emo-superb", folds=(1, 2, 3, 4, 5)),
    "clip": Study("clip"),
    "audeering": Study("audeering"),
}


@dataclass(frozen=True)
class Run:
    """One training of a study."""

    study: str
    classifier: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.study}-{self.classifier}-fold{self.fold}-seed{self.seed}"

    def settings(self, params):
        """``ser.params.Params`` with what this run changes."""
        study = STUDIES[self.study]
        changes = {
            "split": params.split.model_copy(update={"protocol": study.protocol, "fold": self.fold}),
            "training": params.training.model_copy(update={"precision": PRECISION}),
        }
        if self.classifier in NETWORKS:
            own = params.networks[self.classifier].model_copy(update={"seed": self.seed})
            changes["networks"] = params.networks | {self.classifier: own}
        return params.model_copy(update=changes)


def runs_of(study: str) -> list[Run]:
    """All runs of a study, seed by seed, so that an interrupted one has whole seeds."""
    plan = STUDIES[study]
    networks = [Run(study, network, fold, seed) for seed in plan.seeds for fold in plan.folds for network in NETWORKS]
    return networks + [Run(study, "baseline", fold, 0) for fold in plan.folds]
