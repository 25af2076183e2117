"""Convert: word vectors to another format; and the description of files."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxembed.cli import _words


@dataclasses.dataclass(frozen=True, kw_only=True)
class Convert:
    """Write word vectors in another format.

        jaxembed convert crawl.bin crawl.safetensors
        jaxembed convert glove.6B.100d.txt some.vec --words words.txt
        jaxembed convert model learned.txt

    The suffix of the new file selects its format: .txt for GloVe, .vec and .bin for
    word2vec as text and binary, .safetensors. A further .gz, .bz2, .xz or .zip
    compresses it.

    Attributes:
      source: File of word vectors, folder of a model, or the word installed for GloVe.
      out: File to write; an existing file is replaced.
      format: Format of the new file.
      source_format: Format of the source; by default found from its content.
      limit: Number of words to read, from the first on.
      words: File with one word on each line; only these are kept.
    """

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="SOURCE")]]
    out: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="OUT")]]
    format: Literal["glove", "word2vec", "word2vec-binary", "safetensors"] | None = None
    source_format: (
        Literal["glove", "word2vec", "word2vec-binary", "fasttext", "safetensors"]
        | None
    ) = None
    limit: int | None = None
    words: Path | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Info:
    """Describe a model or a file of word vectors, as JSON.

        jaxembed info model
        jaxembed info glove.6B.100d.txt

    Attributes:
      path: Folder of a model, file of word vectors, or the word installed for GloVe.
    """

    path: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="PATH")]]


def convert(options: Convert) -> None:
    """Read vectors and write them."""
    from jaxembed import text, vectors

    source = _words.load(options.source, options.limit, options.source_format)
    if options.words is not None:
        source = source.vectors_for_all(text.iter_texts(options.words, format="lines"))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    vectors.save(source, options.out, options.format)
    print(f"wrote {len(source):,} words of {source.dim} numbers to {options.out}")


def describe(options: Info) -> None:
    """Print facts as JSON."""
    path = Path(options.path)
    if options.path != "installed" and path.is_dir():
        from jaxembed.model import TextModel, _folder

        model = TextModel.load(path)
        _, _, settings = _folder.read_folder(path)
        learned = model._fitted.params["embed"]["embedding"]
        facts = {
            "kind": "TextModel",
            "task": model.task,
            "labels": list(model.labels),
            "rows": len(learned),
            "dim": learned.shape[1],
            "words": len(model._fitted.bags.words),
            "settings": settings["settings"],
            "versions": settings["versions"],
        }
    else:
        found = _words.load(options.path)
        facts = {
            "kind": "word vectors",
            "words": len(found),
            "dim": found.dim,
            "subwords": found.subwords is not None,
            "first_words": list(found.words[:10]),
        }
    print(json.dumps(facts, indent=2, ensure_ascii=False))


COMMANDS = {"convert": (Convert, convert), "info": (Info, describe)}
