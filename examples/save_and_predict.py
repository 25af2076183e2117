"""Save a model, restore it, and predict a stream of texts.

Subject: `train.save` keeps the weights, and in `extra` all that turns a text into ids.
         One recipe restores a learned, a frozen and a row-sparse model. `train.predict`
         takes batches of any size: up to 16 texts share one compiled program.
Run:     python -m examples.save_and_predict
Prints:  for each model, its accuracy on the training texts, which tables were trained
         row by row, and whether a stream gets the answers that the texts had together.
"""

import tempfile

import jax
import numpy as np

from jaxembed import nn, optim, text, train

V, L = 5_000, 20
corpus = text.load_imdb("synthetic")
texts, labels = corpus.train_texts[::5], corpus.train_labels[::5]
tokenizer = text.Tokenizer(num_words=V).fit(texts)
ids = text.pad_sequences(tokenizer.encode(texts), maxlen=L)
model = nn.TextClassifier(nn.Embed(V, 8), nn.DenseHead())
frozen = model.clone(embed=nn.Embed(V, 8, frozen=True))
settings = {"tx": optim.rmsprop(0.01), "epochs": 3, "batch_size": 32}


def load(folder):
    """Return a function from texts to the probability that they are positive."""
    state, extra = train.restore(folder)
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])

    def predict(texts):
        ids = text.pad_sequences(tokenizer.encode(texts), maxlen=extra["maxlen"])
        return jax.nn.sigmoid(train.predict(model, state.variables, ids))

    return predict


for name, trained, table_tx in (
    ("learned", model, None),
    ("frozen", frozen, None),
    ("row-sparse", model, optim.sparse_rmsprop(0.01)),
):
    data, key = (ids, labels), jax.random.key(0)
    state, history = train.fit(trained, data, table_tx=table_tx, key=key, **settings)
    with tempfile.TemporaryDirectory() as folder:
        extra = {"tokenizer": tokenizer.to_json(), "maxlen": L}
        train.save(folder, state, extra)
        predict = load(folder)  # perhaps in another process
    new = text.pad_sequences(tokenizer.encode(corpus.test_texts[:6]), maxlen=L)
    together = jax.nn.sigmoid(train.predict(trained, state.variables, new))
    stream = [predict(corpus.test_texts[i:j]) for i, j in ((0, 1), (1, 3), (3, 6))]
    is_equal = np.array_equal(np.concatenate(stream), together)
    tables = list(state.tables)
    print(f"{name}: {history.accuracy[-1]:.2f}, row by row {tables}, equal: {is_equal}")
