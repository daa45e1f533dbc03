"""The exceptions that a user's mistake or a user's file raises."""


class InputError(ValueError):
    """Something given to the project cannot be used as it is.

    The message says what was found, where, what was expected and what to do.
    Stages and commands print it as it stands, without a traceback.

    Examples
    --------
    >>> import ser
    >>> try:
    ...     ser.load("models/none.zip")
    ... except ser.InputError as error:
    ...     print(error)
    models/none.zip: no such file. 'dvc repro' writes a bundle to models/bundle.zip.
    """


class NoAnswer(InputError):
    """A recording without an answer; ``kind`` is ``short``, ``silent``, ``no speech``, ``large`` or ``slow``.

    Examples
    --------
    >>> import numpy as np, ser
    >>> try:
    ...     ser.load().predict(np.zeros(16000), 16000)
    ... except ser.NoAnswer as error:
    ...     print(error.kind)
    silent
    """

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind

    def __reduce__(self):
        return NoAnswer, (self.kind, str(self))
