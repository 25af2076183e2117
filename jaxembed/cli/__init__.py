"""Command line: ``jaxembed train``, ``predict`` and others, over the library."""

from jaxembed.cli._main import main as main
