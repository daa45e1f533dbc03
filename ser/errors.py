"""The exceptions that a user's mistake or a user's file raises."""


class InputError(ValueError):
    """Something given to the project cannot be used as it is.

    The message says what was found, where, what was expected and what to do.
    Stages and commands print it as it stands, without a traceback.
    """


class NoAnswer(InputError):
    """A recording without an answer; ``kind`` is ``short``, ``silent``, ``no speech``, ``large`` or ``slow``."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind
