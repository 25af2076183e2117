"""List the experiments: ``python -m experiments``."""

import argparse
import ast
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent


def list_experiments() -> dict[str, str]:
    """Return the first docstring line of each experiment, without importing it."""
    titles = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        titles[path.stem] = docstring.partition("\n")[0]
    return titles


def main(argv: Sequence[str] | None = None) -> None:
    """Print the name and the title of each experiment, with or without ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments",
        usage="python -m experiments.NAME [--help]",
        add_help=False,
    )
    parser.add_argument("-h", "--help", action="store_true")
    parser.parse_args(argv)
    titles = list_experiments()
    print("Run an experiment as python -m experiments.NAME; --help lists its flags.\n")
    for name, title in titles.items():
        print(f"{name:<{max(map(len, titles))}}  {title}")


if __name__ == "__main__":
    main()
