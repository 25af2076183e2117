"""List the experiments: ``python -m experiments``."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parent


def list_experiments() -> dict[str, str]:
    """Return the first docstring line of each experiment, without importing any."""
    titles = {}
    for path in sorted(FOLDER.glob("[!_]*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        titles[path.stem] = docstring.partition("\n")[0]
    return titles


def main() -> None:
    """Print the name and the title of each experiment."""
    titles = list_experiments()
    print("Run an experiment as python -m experiments.NAME; --help lists its flags.\n")
    for name, title in titles.items():
        print(f"{name:<{max(map(len, titles))}}  {title}")


if __name__ == "__main__":
    main()
