"""The project's modules that a module imports, followed through by ``ast``."""

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("ser", "stages", "studies")


def file_of(module: str) -> Path | None:
    """The file of a module of the project, relative to its root."""
    base = Path(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if (ROOT / path).is_file()), None)


def imported_files(path: Path, *, not_through: Collection[str] = ()) -> set[Path]:
    """All files of the project that importing ``path`` reads, itself included.

    Parameters
    ----------
    not_through : files whose own imports are not followed
    """
    found, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.add(current)
        if current.as_posix() in not_through:
            continue
        for module in imported_modules(current):
            parents = [module.rsplit(".", depth)[0] for depth in range(module.count(".") + 1)]
            waiting += [file for name in parents if (file := file_of(name))]
    return found


def imported_modules(path: Path) -> set[str]:
    """Names of the project's modules that a file imports, at its top or inside a function."""
    modules = {".".join(path.parts[:-1])}
    for node in walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in modules if module.split(".")[0] in PACKAGES}


def walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All that runs: what stands below ``if TYPE_CHECKING`` is for a type checker only."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield from walk(child)
