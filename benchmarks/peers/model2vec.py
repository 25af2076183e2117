"""model2vec: classify texts by the mean of static vectors and a linear layer."""

from collections.abc import Callable, Sequence

import numpy as np


def make_classifier(
    words: Sequence[str], rows: np.ndarray, texts: list[str], classes: np.ndarray
) -> Callable[[list[str]], np.ndarray]:
    """Fit a linear layer on the mean vectors of texts, by least squares.

    Args:
      words: V words.
      rows: ``float32[V, D]``, their vectors.
      texts: texts to fit the layer on.
      classes: ``int[N]``, 0 or 1.

    Returns:
      A function of texts that returns ``int[N]`` classes.
    """
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    numbers = {word: number for number, word in enumerate(["[UNK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    table = np.concatenate([np.zeros((1, rows.shape[1]), np.float32), rows])
    model = StaticModel(table, tokenizer, max_length=None)

    def encode(texts: list[str]) -> np.ndarray:
        found = np.asarray(model.encode(texts, use_multiprocessing=False))
        return np.concatenate([found, np.ones((len(texts), 1), np.float32)], 1)

    layer, *_ = np.linalg.lstsq(encode(texts), 2.0 * classes - 1, rcond=None)
    layer = layer.astype(np.float32)
    return lambda texts: (encode(texts) @ layer > 0).astype(int)
