"""TextModel: texts in, labels out; tokenizer, network and weights together."""

from jaxembed.model._text_model import TextModel as TextModel
