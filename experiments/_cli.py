"""Command line of an experiment: flags from a dataclass, errors in one line."""

import dataclasses
import gc
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Rows of the table at the top of a docstring, and the lines that continue them.
TABLE_ROW = re.compile(r"^(?=(?:Notebook|Run|Expect|Writes): | {11}\S)", re.MULTILINE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of every experiment.

    Attributes:
      data: Reviews: a folder or .tar.gz like aclImdb, "tfds", or "synthetic" for the
        synthetic reviews of jaxembed. By default, reviews in the folder $JAXEMBED_DATA,
        or the synthetic reviews if that variable is not set.
      out: Folder for the results.
      cache: Folder for tokenised reviews and for vectors made from reviews.
      seed: Random seed of the split, the initial weights and the shuffling.
    """

    data: str = ""
    out: Path = Path("runs")
    cache: Path = Path("runs/cache")
    seed: int = 0


def main(config_type: type, run: Callable[[Any], None]) -> None:
    """Parse the flags of an experiment and run it.

    Bad input ends the process with one line that says what to do.

    Args:
      config_type: Frozen dataclass of the flags; fields of nested dataclasses become
        flags without a prefix.
      run: Function of an instance of ``config_type``, defined in the module whose
        docstring ``--help`` shows.
    """
    import tyro

    gc.freeze()  # modules are never garbage, and scanning them takes half a second
    module = sys.modules[run.__module__]
    config: Any = tyro.cli(
        config_type,
        prog=f"python -m experiments.{Path(str(module.__file__)).stem}",
        # Tyro joins lines, except for lines that begin with a space.
        description=TABLE_ROW.sub("  ", module.__doc__ or ""),
        config=(tyro.conf.OmitArgPrefixes,),
    )
    try:
        run(config)
    except (OSError, TypeError, ValueError, KeyError, ArithmeticError) as error:
        if os.environ.get("JAXEMBED_TRACEBACK"):
            raise
        what = error.args[0] if isinstance(error, KeyError) else error
        sys.exit(f"error: {what}\n(JAXEMBED_TRACEBACK=1 shows where)")
