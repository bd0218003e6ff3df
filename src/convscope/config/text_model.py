"""Settings of ``model`` for texts: one class for each option of ``conf/model`` that reads words or characters."""

from typing import Annotated, Literal

from pydantic import Field

from convscope.config.weights import NetworkConfig

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class _WordModelConfig(NetworkConfig):
    variant: Literal["rand", "static", "non_static", "multichannel"]
    vectors: Annotated[str, Field(min_length=1)]  # "packaged", or a word2vec or GloVe file
    vectors_scale: Annotated[float, Field(gt=0.0)] | None
    dimension: Annotated[int, Field(ge=1, le=4096)]


class TextCNNConfig(_WordModelConfig):
    """Convolution over words (Kim 2014)."""

    name: Literal["text_cnn"]
    windows: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)]
    maps: Annotated[int, Field(ge=1, le=65536)]
    dropout: Share
    max_norm: Annotated[float, Field(ge=0.0)]


class DilatedTextCNNConfig(_WordModelConfig):
    """Stacked dilated convolutions over words (Yu & Koltun 2016, Strubell et al. 2017)."""

    name: Literal["dilated_text_cnn"]
    maps: Annotated[int, Field(ge=1, le=65536)]
    layers: Annotated[int, Field(ge=1, le=12)]
    dropout: Share


class TextTDNNConfig(_WordModelConfig):
    """The time-delay network on word vectors (Waibel et al. 1989)."""

    name: Literal["text_tdnn"]
    hidden: Annotated[int, Field(ge=1, le=65536)]


class CharCNNConfig(NetworkConfig):
    """Convolution over characters (Zhang, Zhao & LeCun 2015)."""

    name: Literal["char_cnn"]
    size: Literal["small", "large"]
    length: Annotated[int, Field(ge=1, le=100_000)]


class VDCNNConfig(NetworkConfig):
    """Very deep convolution over characters (Conneau et al. 2017)."""

    name: Literal["vdcnn"]
    depth: Literal[9, 17, 29, 49]
    shortcut: bool
    length: Annotated[int, Field(ge=1, le=100_000)]


TEXT_MODELS = (TextCNNConfig, DilatedTextCNNConfig, TextTDNNConfig, CharCNNConfig, VDCNNConfig)
TextModelConfig = TextCNNConfig | DilatedTextCNNConfig | TextTDNNConfig | CharCNNConfig | VDCNNConfig
