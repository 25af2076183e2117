"""Command line: ``python -m jaxembed`` is the command ``jaxembed``."""

from jaxembed.cli import main

if __name__ == "__main__":
    main()
