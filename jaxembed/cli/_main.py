"""Main: choose a command, parse its flags, and end with one line for a mistake."""

import contextlib
import dataclasses
import difflib
import importlib
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from jaxembed.cli import _signals

MISTAKE = 2  # exit status of a user's mistake
# Command, module, class of its flags, and the line that describes it.
COMMANDS = {
    "train": ("_train", "Train a classifier of texts on a table or a folder."),
    "evaluate": ("_evaluate", "Measure a model on labelled texts."),
    "predict": ("_predict", "Predict the labels of texts, as JSON lines."),
    "neighbours": ("_words", "List the words nearest to a word."),
    "analogy": ("_words", "Find the word that is to C as B is to A."),
    "convert": ("_convert", "Write word vectors in another format."),
    "info": ("_convert", "Describe a model or a file of word vectors."),
}
# Arguments that errors of the library advise, and their flags.
FLAGS = {
    "overwrite=True": "--overwrite",
    "quote=None": "--no-quotes",
    "errors='replace'": "--errors replace",
    "encoding='": "--encoding '",
    "delimiter=": "--delimiter ",
    "give format=": "give --format",
    "give suffix=": "give --suffix",
    "as split_column=": "as --split-column",
    "as label=": "as --label",
    "as text=": "as --text",
    "a folder that TextModel.save wrote": "the folder of --out of jaxembed train",
    "freeze=True needs vectors to freeze: give vectors": "--freeze needs --vectors",
    "lower min_count": "lower --min-count",
}
OVERVIEW = """\
usage: jaxembed COMMAND [--help]

From a table of texts to predictions in three commands:

    jaxembed train reviews.csv --text review --label stars --out model
    jaxembed evaluate model more_reviews.csv --text review --label stars
    jaxembed predict model "A joy from start to end."

Commands:
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, and end the process if there is an error.

    The exit status is 2 for a mistake of the user, with one line on standard error; 130
    after Ctrl-C and 143 after SIGTERM; and 1 if the reader of the output ends early.
    The environment variable ``JAXEMBED_TRACEBACK`` shows the traceback of a mistake.

    Args:
      argv: arguments without the name of the program; None for those of the process.

    Raises:
      SystemExit: with the exit status, if it is not 0.

    Example:
      >>> main(["--help"])  # doctest: +ELLIPSIS
      usage: jaxembed COMMAND [--help]
      ...
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # JSON and words, in any locale
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes the standard output at exit, and would report the error again.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt as error:
        _signals.end(str(error))
    except (ArithmeticError, ImportError, LookupError, OSError) as error:
        _report(error, arguments)
    except (TypeError, ValueError) as error:
        _report(error, arguments)


def _run(arguments: list[str]) -> None:
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        width = max(map(len, COMMANDS))
        lines = [f"    {c:<{width}}  {line}" for c, (_, line) in COMMANDS.items()]
        print(OVERVIEW + "\n".join(lines))
        return
    if name == "--version":
        import jaxembed

        print(jaxembed.__version__)
        return
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(COMMANDS)}."
        fail(f"unknown command {name!r}: {hint}")
    from jaxembed._checks import require

    require("tyro", "cli")
    module = importlib.import_module(f"jaxembed.cli.{COMMANDS[name][0]}")
    flags, run = module.COMMANDS[name]
    options = parse(name, flags, arguments[1:])
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        run(options)


def parse(name: str, flags: type, arguments: Sequence[str]) -> Any:
    """Return the flags of a command; print help, or end with one line for a mistake.

    Args:
      name: name of the command.
      flags: dataclass of its flags, whose docstring begins with examples.
      arguments: arguments after the name.
    """
    import tyro

    if {"-h", "--help"} & set(arguments):
        examples = (flags.__doc__ or "").partition("Attributes:")[0]
        lines = [line.removeprefix("    ") for line in examples.strip().splitlines()]
        print("\n".join(lines).strip() + "\n")
    errors = io.StringIO()
    form: dict[str, Any] = {"prog": f"jaxembed {name}", "description": ""}
    config = (tyro.conf.DisallowNone,)  # help shows INT, not {None}|INT
    try:
        with contextlib.redirect_stderr(errors):
            return tyro.cli(flags, args=arguments, config=config, **form)
    except SystemExit as end:
        if not end.code:
            raise
        fail(f"{_shorten(errors.getvalue())} (jaxembed {name} --help lists the flags)")


def fail(message: str) -> NoReturn:
    """Print one line on standard error, and end with the status of a mistake."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(MISTAKE)


def _report(error: Exception, arguments: Sequence[str]) -> NoReturn:
    if os.environ.get("JAXEMBED_TRACEBACK"):
        raise error
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    line = str(message) or type(error).__name__
    for argument, flag in FLAGS.items():
        line = line.replace(argument, flag)
    first = line.partition(" must ")[0]
    if first in _list_options(arguments[0]):
        line = f"--{first.replace('_', '-')}{line[len(first) :]}"
    fail(line)


def _list_options(command: str) -> set[str]:
    """Return the names of the flags of a command that has been loaded."""
    module = sys.modules.get(f"jaxembed.cli.{COMMANDS[command][0]}")
    if module is None:
        return set()
    fields = dataclasses.fields(module.COMMANDS[command][0])
    return {x.name for x in fields if x.default is not dataclasses.MISSING}


def _shorten(box: str) -> str:
    """Return the first part of Tyro's box as one line, without its title."""
    words: list[str] = []
    for line in box.splitlines()[1:]:
        text = line.strip("│╭╮╰╯ ")
        if text.strip("─-"):
            words.append(text)
        elif text and words:  # a rule, of ASCII where UTF-8 is not shown
            break
    found = " ".join(" ".join(words).split()).rstrip(".")
    return re.sub(r"\(('.*?')\)", _sort_choices, found)


def _sort_choices(match: re.Match) -> str:
    """Return Tyro's set of choices in an order, without None."""
    return ", ".join(sorted(set(match[1].replace("'", "").split(", ")) - {"None"}))


def _show_warning(message: object, *_: object) -> None:
    print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)
