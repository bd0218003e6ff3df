"""Settings of ``model`` for texts: one class for each option of ``conf/model`` that reads words or characters."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import override

from convscope.config.network import MODELS, TextNetworkConfig

Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class WordNetworkConfig(TextNetworkConfig):
    """Settings of a network on word vectors."""

    variant: Literal["rand", "static", "non_static", "multichannel"]
    vectors: Annotated[str, Field(min_length=1)]  # "packaged", or a word2vec or GloVe file
    vectors_scale: Annotated[float, Field(gt=0.0)] | None
    dimension: Annotated[int, Field(ge=1, le=4096)]

    @property
    @override
    def options(self) -> dict[str, Any]:
        return self.model_dump(exclude={"name", "weights", "vectors", "vectors_scale"})


@MODELS.option("text_cnn", builds="convscope.models.texts.text_cnn:TextCNNArchitecture")
class TextCNNConfig(WordNetworkConfig):
    """Convolution over words (Kim 2014)."""

    windows: Annotated[list[Annotated[int, Field(ge=1, le=100)]], Field(min_length=1)]
    maps: Annotated[int, Field(ge=1, le=65536)]
    dropout: Share
    max_norm: Annotated[float, Field(ge=0.0)]


@MODELS.option("dilated_text_cnn", builds="convscope.models.texts.dilated_text_cnn:DilatedTextCNNArchitecture")
class DilatedTextCNNConfig(WordNetworkConfig):
    """Stacked dilated convolutions over words (Yu & Koltun 2016, Strubell et al. 2017)."""

    maps: Annotated[int, Field(ge=1, le=65536)]
    layers: Annotated[int, Field(ge=1, le=12)]
    dropout: Share


@MODELS.option("text_tdnn", builds="convscope.models.texts.text_tdnn:TextTDNNArchitecture")
class TextTDNNConfig(WordNetworkConfig):
    """The time-delay network on word vectors (Waibel et al. 1989)."""

    hidden: Annotated[int, Field(ge=1, le=65536)]


@MODELS.option("char_cnn", builds="convscope.models.texts.char_cnn:CharCNNArchitecture")
class CharCNNConfig(TextNetworkConfig):
    """Convolution over characters (Zhang, Zhao & LeCun 2015)."""

    size: Literal["small", "large"]
    length: Annotated[int, Field(ge=1, le=100_000)]


@MODELS.option("vdcnn", builds="convscope.models.texts.vdcnn:VDCNNArchitecture")
class VDCNNConfig(TextNetworkConfig):
    """Very deep convolution over characters (Conneau et al. 2017)."""

    depth: Literal[9, 17, 29, 49]
    shortcut: bool
    length: Annotated[int, Field(ge=1, le=100_000)]
