"""Evaluate: measures of a model on labelled texts."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import tyro

from jaxembed.cli import _data, _measures


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate(_data.DataOptions):
    """Measure a model on labelled texts.

        jaxembed evaluate model reviews.csv --text review --label stars
        jaxembed evaluate model reviews.csv --split test --json

    It prints accuracy and loss; precision, recall and F1 of each class; which classes
    are confused; and the calibration: the accuracy of predictions by their probability.

    Attributes:
      model: Folder of a model.
      data: Table or folder of texts, as of jaxembed train. Of data with given parts,
        the test part is used.
      json: Print all measures as JSON.
    """

    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL")]]
    data: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DATA")]]
    json: bool = False


def run(options: Evaluate) -> None:
    """Print the measures of a model."""
    from jaxembed.model import TextModel

    model = TextModel.load(options.model)
    parts = _data.load(options.data, options)
    found = _measures.measure(model, parts.get("test", parts["train"]))
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(_measures.format_summary(found))
    if tables := _measures.format_tables(found):
        print("\n" + tables)


COMMANDS = {"evaluate": (Evaluate, run)}
