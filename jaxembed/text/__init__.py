"""Text: load reviews, tokenize them and pad their ids. Does not import JAX."""

from jaxembed.text._naive_bayes import log_count_ratios as log_count_ratios
from jaxembed.text._ngram_index import NgramIndex as NgramIndex
from jaxembed.text._ngrams import distinct_ids as distinct_ids
from jaxembed.text._ngrams import hash_ngrams as hash_ngrams
from jaxembed.text._padding import pad_sequences as pad_sequences
from jaxembed.text._ragged import Ragged as Ragged
from jaxembed.text._tokenizer import Tokenizer as Tokenizer
from jaxembed.text.files._batches import Batches as Batches
from jaxembed.text.files._folder import load_folder as load_folder
from jaxembed.text.files._ids import write_ids as write_ids
from jaxembed.text.files._ids_folder import open_ids as open_ids
from jaxembed.text.files._labelled import LabelledTexts as LabelledTexts
from jaxembed.text.files._table import iter_texts as iter_texts
from jaxembed.text.files._table import load_table as load_table
from jaxembed.text.imdb._cache import TokenizedCorpus as TokenizedCorpus
from jaxembed.text.imdb._cache import load_imdb_tokens as load_imdb_tokens
from jaxembed.text.imdb._corpus import load_imdb as load_imdb
from jaxembed.text.imdb._installed import load_sentences as load_sentences
from jaxembed.text.imdb._keras_npz import encode_imdb as encode_imdb
from jaxembed.text.imdb._keras_npz import load_imdb_ids as load_imdb_ids
