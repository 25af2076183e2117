"""TextModel: a classifier of texts, from texts to labels."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np

from jaxembed import train
from jaxembed.model import _folder
from jaxembed.model._bags import Bags
from jaxembed.model._fit import Fitted, fit_model
from jaxembed.model._inputs import Label, read_texts, warn_empty
from jaxembed.model._network import find_logits, fold_network, use_cache
from jaxembed.model._settings import read_task
from jaxembed.model._tasks import read_given
from jaxembed.text import Tokenizer
from jaxembed.vectors import WordVectors


class TextModel:
    """A classifier of texts: tokenizer, network and weights together.

    The network is that of fastText (Joulin et al. 2016): a bag of the rows of a text's
    words and word pairs, and a linear layer. The bag is the sum of the rows divided by
    the square root of their number. Make one by :meth:`fit` or :meth:`load`.

    A text has one class, several labels, or a number: see ``task`` of :meth:`fit`.

    Attributes:
      labels: the label of each class, in rising order; empty for a regression.
      task: "classification", "multilabel" or "regression".
      history: loss and accuracy of each epoch; None for a loaded model.

    Example:
      >>> texts = ["good film", "a good joy", "bad film", "a bad bore"] * 5
      >>> model = TextModel.fit(texts, ["pos", "pos", "neg", "neg"] * 5)
      >>> model.predict(["a good film", "so bad"]).tolist()
      ['pos', 'neg']
      >>> model.evaluate(texts, ["pos", "pos", "neg", "neg"] * 5)["accuracy"]
      1.0
    """

    def __init__(self, fitted: Fitted, history: train.History | None = None):
        self._fitted = fitted
        self.labels: tuple[Label, ...] = fitted.task.labels
        self.task: str = fitted.task.kind
        self.history = history
        self._network, self._variables = fold_network(
            fitted.params, fitted.task.n_logits
        )

    @classmethod
    def fit(
        cls,
        texts: Iterable[str],
        labels: Iterable,
        *,
        task: str = "classification",
        validation: float | tuple[Iterable[str], Iterable] = 0.1,
        vectors: WordVectors | None = None,
        freeze: bool = False,
        class_weight: str | None = None,
        seed: int = 0,
        epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        dim: int | None = None,
        min_count: int | None = None,
        word_ngrams: int | None = None,
        hidden: int | None = None,
        checkpoint: str | Path | None = None,
        progress: bool | None = None,
        on_epoch: Callable[[train.History], None] | None = None,
        stop: Callable[[], bool] | None = None,
        compilation_cache: bool = True,
    ) -> Self:
        """Train a model.

        A setting of None is chosen by the number of texts. Training stops early
        when the validation loss no longer falls, and the best epoch is kept.

        Args:
          texts: N texts: a list, a generator, or a column of NumPy or Arrow.
          labels: label of each text, integers or strings, of two or more classes; or as
            ``task`` needs them.
          task: "classification", one class for each text; "multilabel", a list of
            labels for each text, which may be empty; or "regression", a number for each
            text.
          validation: share of the texts to validate on, drawn from each class equally;
            or other texts and their labels; 0 for none, and no early stopping.
          vectors: word vectors, the initial rows of their words.
          freeze: whether only the last layer is trained and the vectors stay constant.
            Only words with a vector are read then, and no pairs.
          class_weight: "balanced" to give each class the same weight in the loss; None
            to give each text the same weight.
          seed: seed of the initial weights, the order and the validation texts.
          epochs: largest number of passes over the texts.
          learning_rate: initial learning rate of Adagrad, which falls linearly to 0.
          batch_size: number of texts in a step.
          dim: length of a row; that of ``vectors`` if they are given.
          min_count: number of training texts that a word or pair must be in.
          word_ngrams: number of neighbouring words that are read together at most: 1
            for words alone, 2 for words and pairs, which is the default.
          hidden: width of a hidden layer before the last; 0 or None for none.
          checkpoint: a folder from which an interrupted training is resumed, see
            :func:`jaxembed.train.fit`.
          progress: whether to show a progress bar; None to show it only in a terminal.
          on_epoch: called after each epoch with the history so far.
          stop: called before each epoch; if it returns True, the run is saved and
            KeyboardInterrupt is raised.
          compilation_cache: whether compiled programs are kept on disk for later
            processes: :func:`jaxembed.train.use_compilation_cache`.

        Raises:
          TypeError: if texts or labels have another type; the error names the place.
          ValueError: if there are not as many labels as texts, if there is one class
            only, or if a setting is out of range.

        Warns:
          UserWarning: if texts have no word; it names the places.
        """
        use_cache(compilation_cache)
        settings = {"epochs": epochs, "learning_rate": learning_rate, "dim": dim}
        settings |= {"batch_size": batch_size, "min_count": min_count}
        settings |= {"word_ngrams": word_ngrams, "hidden": hidden}
        run: dict[str, Any] = {"checkpoint": checkpoint, "progress": progress}
        run |= {"on_epoch": on_epoch, "stop": stop}
        fitted, history = fit_model(
            texts,
            labels,
            kind=task,
            validation=validation,
            vectors=vectors,
            freeze=freeze,
            class_weight=class_weight,
            seed=seed,
            chosen=settings,
            run=run,
        )
        return cls(fitted, history)

    def predict(self, texts: Iterable[str]) -> np.ndarray:
        """Return the most likely label of each text, of the type given to :meth:`fit`.

        Args:
          texts: N texts.

        Returns:
          ``int64[N]`` or an array of N strings. With several labels, an array of N
          lists of the labels with a probability above 0.5; for a regression
          ``float64[N]``.

        Warns:
          UserWarning: if texts have no known word; it names the places.
        """
        return self._fitted.task.decode(self._find_logits(texts))

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Return the probability of each label for each text.

        Args:
          texts: N texts.

        Returns:
          ``float64[N, C]``, columns in the order of ``labels``. The rows add up to 1,
          unless a text has several labels.

        Raises:
          ValueError: if the model predicts numbers.
        """
        return self._fitted.task.find_probabilities(self._find_logits(texts))

    def evaluate(self, texts: Iterable[str], labels: Iterable) -> dict[str, float]:
        """Return accuracy and mean loss on labelled texts.

        Args:
          texts: N texts.
          labels: their labels.

        Returns:
          ``{"accuracy": ..., "loss": ...}``; the loss in nats. With several labels, the
          accuracy is the share of texts whose labels are all right. For a regression,
          ``{"mean_absolute_error": ..., "mean_squared_error": ...}``.

        Raises:
          ValueError: if ``texts`` are empty, or a label is unknown; the error names it.

        Warns:
          UserWarning: if texts have no known word; it names the places.
        """
        texts = read_texts(texts)
        task = self._fitted.task
        given = read_given(task.kind, labels, len(texts))
        if not texts:
            raise ValueError(
                "texts must contain at least one text to evaluate, got none."
            )
        targets = task.encode(given)  # before the prediction, to name unknown labels
        return task.measure(self._find_logits(texts), given, targets)

    @property
    def vectors(self) -> WordVectors:
        """Learned rows of the words, the most frequent word first."""
        words = sorted(self._fitted.bags.words.items(), key=lambda item: item[1])
        table = self._fitted.params["embed"]["embedding"]
        matrix = np.ascontiguousarray(table[[row for _, row in words]])
        return WordVectors([word for word, _ in words], matrix)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the model to a folder: weights, tokenizer and settings.

        The files are written beside the folder, which is replaced: a killed process
        leaves the old one or the new one. Settings have the SHA-256 of each file.

        Args:
          folder: a folder, created if it does not exist.
          overwrite: whether to replace the folder of another TextModel.

        Raises:
          FileExistsError: if the folder has a TextModel and ``overwrite`` is False, or
            if it has anything else.
          OSError: if the folder cannot be written; ``errno.ENOSPC`` for a full disk.
        """
        fitted = self._fitted
        arrays = _folder.to_arrays(fitted.params, fitted.bags.index)
        settings: dict[str, Any] = {
            "labels": list(self.labels),
            "task": fitted.task.to_json(),
            "length": fitted.bags.length,
            "settings": fitted.settings,
        }
        tokenizer = fitted.bags.tokenizer.to_json()
        _folder.write_folder(folder, arrays, tokenizer, settings, overwrite=overwrite)

    @classmethod
    def load(cls, folder: str | Path, *, compilation_cache: bool = True) -> Self:
        """Read a model that :meth:`save` wrote, and check every byte of it.

        Args:
          folder: its folder.
          compilation_cache: see :meth:`fit`.

        Raises:
          FileNotFoundError: if the folder or one of its files does not exist.
          ValueError: if a file is damaged, or of another version.
        """
        use_cache(compilation_cache)
        arrays, tokenizer, settings = _folder.read_folder(folder)
        index = _folder.read_index(folder, arrays)
        bags = Bags(Tokenizer.from_json(tokenizer), index, settings["length"])
        params = _folder.to_params(arrays)
        task = read_task(settings)
        return cls(Fitted(task, bags, params, settings["settings"]))

    def __repr__(self) -> str:
        n_rows, dim = self._fitted.params["embed"]["embedding"].shape
        what = f"{len(self.labels)} labels" if self.labels else "regression"
        return f"TextModel({what}, {n_rows:,} rows of {dim} numbers)"

    def _find_logits(self, texts: Iterable[str]) -> np.ndarray:
        """Return logits ``float32[N]``, or ``[N, C]`` for more than two labels."""
        bags = self._fitted.bags
        rows = bags.encode(read_texts(texts))
        warn_empty(rows.lengths, "no known word", stacklevel=4)
        n_logits = self._fitted.task.n_logits
        return find_logits(self._network, self._variables, bags, rows, n_logits)
