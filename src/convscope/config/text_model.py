"""``model`` for sentences: one class for each option of ``conf/model`` that reads words or characters."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.weights import Weighted

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class _OnWords(Weighted):
    variant: Literal["rand", "static", "non_static", "multichannel"]
    vectors: Annotated[str, Field(min_length=1)]  # packaged, or a word2vec or GloVe file
    vectors_scale: Annotated[float, Field(gt=0.0)] | None
    dimension: Annotated[int, Field(ge=1, le=4096)]


class TextCNN(_OnWords):
    """Convolution over words (Kim 2014)."""

    name: Literal["text_cnn"]
    windows: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)]
    maps: Annotated[int, Field(ge=1, le=65536)]
    dropout: Share
    max_norm: Annotated[float, Field(ge=0.0)]


class DilatedTextCNN(_OnWords):
    """Stacked dilated convolutions over words (Yu & Koltun 2016, Strubell et al. 2017)."""

    name: Literal["dilated_text_cnn"]
    maps: Annotated[int, Field(ge=1, le=65536)]
    layers: Annotated[int, Field(ge=1, le=12)]
    dropout: Share


class TextTDNN(_OnWords):
    """The time-delay network on word vectors (Waibel et al. 1989)."""

    name: Literal["text_tdnn"]
    hidden: Annotated[int, Field(ge=1, le=65536)]


class CharCNN(Weighted):
    """Convolution over characters (Zhang, Zhao & LeCun 2015)."""

    name: Literal["char_cnn"]
    size: Literal["small", "large"]
    length: Annotated[int, Field(ge=1, le=100_000)]


class VDCNN(Weighted):
    """Very deep convolution over characters (Conneau et al. 2017)."""

    name: Literal["vdcnn"]
    depth: Literal[9, 17, 29, 49]
    shortcut: bool
    length: Annotated[int, Field(ge=1, le=100_000)]


TEXT_MODELS = (TextCNN, DilatedTextCNN, TextTDNN, CharCNN, VDCNN)
TextModel = TextCNN | DilatedTextCNN | TextTDNN | CharCNN | VDCNN
