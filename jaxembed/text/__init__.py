"""Text: from reviews to padded ids. No JAX."""

from jaxembed.text.corpus import Corpus as Corpus
from jaxembed.text.corpus import load_imdb as load_imdb
from jaxembed.text.imdb_ids import encode_imdb as encode_imdb
from jaxembed.text.imdb_ids import load_imdb_ids as load_imdb_ids
from jaxembed.text.imdb_tfds import Archive as Archive
from jaxembed.text.ngrams import distinct_ids as distinct_ids
from jaxembed.text.ngrams import hash_ngrams as hash_ngrams
from jaxembed.text.ngrams import most_frequent as most_frequent
from jaxembed.text.padding import pad_sequences as pad_sequences
from jaxembed.text.ragged import Ragged as Ragged
from jaxembed.text.synthetic import Grammar as Grammar
from jaxembed.text.synthetic import synthetic_reviews as synthetic_reviews
from jaxembed.text.tokenizer import Tokenizer as Tokenizer
from jaxembed.text.tokens import TokenizedCorpus as TokenizedCorpus
from jaxembed.text.tokens import load_imdb_tokens as load_imdb_tokens
