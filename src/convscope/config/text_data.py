"""Settings of ``data`` for texts: one class for each text data set in ``conf/data``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from convscope.config.base import Config
from convscope.config.data_set import DATA, DataSetConfig
from convscope.config.target import NameOfTarget, TargetConfig

Fraction = Annotated[float, Field(gt=0.0, lt=0.5)]
Count = Annotated[int, Field(ge=0)]


class TextFromScratchConfig(Config):
    """Recommended settings for training from random weights on this data."""

    epochs: PositiveInt


class TokensConfig(Config):
    """How a text is split into tokens, and which tokens the vocabulary holds."""

    level: Literal["auto", "word", "wordpiece", "byte_pair", "character"]
    lowercase: bool
    vocabulary: Annotated[int, Field(ge=3, le=10_000_000)]
    min_count: PositiveInt
    max_length: Annotated[int, Field(ge=1, le=1_000_000)] | None
    file: str | None


class TextsConfig(DataSetConfig):
    """Settings that all text data sets share."""

    tokens: TokensConfig
    validation: Fraction
    test: Fraction
    folds: Annotated[int, Field(ge=2, le=1000)] | None
    fold: Count
    split_seed: Count
    augmentation: Literal["none"]
    on_leak: Literal["error", "warn", "drop"]
    encoding: Annotated[str, Field(min_length=1)]
    scratch: TextFromScratchConfig


class GeneratedSentencesConfig(Config):
    """Number and seed of the sentences that are generated."""

    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt
    seed: Count


@DATA.option("movie_reviews", builds="convscope.modalities.texts.sources:open_movie_reviews")
class MovieReviewsConfig(TextsConfig):
    """Movie-review sentences (Pang & Lee 2005), or generated ones."""

    source: Literal["auto", "folder", "hub", "generated"]
    root: str | None
    generated: GeneratedSentencesConfig


@DATA.option("sst2", builds="convscope.modalities.texts.sources:open_sst2")
@DATA.option("subj", builds="convscope.modalities.texts.sources:open_subj")
class SentenceSetConfig(TextsConfig):
    """SST-2 (Socher et al. 2013) or SUBJ (Pang & Lee 2004)."""

    root: str | None


@DATA.option("trec", builds="convscope.modalities.texts.sources:open_trec")
class TrecConfig(TextsConfig):
    """TREC questions (Li & Roth 2002)."""

    root: str | None
    labels: Literal["coarse", "fine"]


@DATA.option("text_files", builds="convscope.modalities.texts.sources:open_text_files")
class TextFilesConfig(TextsConfig):
    """CSV, TSV, JSON lines, Parquet, or class folders of .txt files."""

    root: str | None
    text_column: Annotated[str, Field(min_length=1)]
    label_column: Annotated[str, Field(min_length=1)]


@DATA.option("text_hub", "ag_news", "imdb", "yelp", builds="convscope.modalities.texts.sources:open_text_hub")
class TextHubConfig(TextsConfig):
    """Any text-classification data set that the ``datasets`` library reads; some have an option of their own."""

    path: str | None
    subset: str | None
    text_column: str | None
    label_column: str | None


class OwnTextsConfig(TextsConfig, TargetConfig):
    """Texts of the user's own: what ``_target_`` returns, a ``TextSource``."""

    name: NameOfTarget
