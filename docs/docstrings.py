"""How the site reads docstrings: ``name : words`` describes a parameter here, where numpydoc expects its type.

The signature says the type. mkdocstrings loads this file, see ``mkdocs.yml``.
"""

import re

import griffe

SECTION = re.compile(r"^(Parameters|Attributes|Raises|Returns)\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r"^(\w[\w, ]*) : (.*)$", re.MULTILINE)


class Descriptions(griffe.Extension):
    """Rewrites docstrings to what numpydoc means by them."""

    def on_object(self, *, obj: griffe.Object, **kwargs) -> None:
        if obj.docstring and obj.docstring.lineno is not None:
            text = SECTION.sub(_rewritten, obj.docstring.value)
            obj.docstring.value = text.replace("``", "`")


def _rewritten(found: re.Match) -> str:
    name, body = found.groups()
    if name == "Returns":
        words = " ".join(line.strip() for line in body.strip().splitlines())
        return f"{name}\n-------\n:\n    {words}\n\n"
    body = ENTRY.sub(r"\1\n    \2", body)
    return f"{name}\n{'-' * len(name)}\n{body}"
