"""Settings of ``data`` for texts: one class for each text data set in ``conf/data``."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from convscope.config.base import Config

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


class TextsConfig(Config):
    """Settings that all text data sets share."""

    tokens: TokensConfig
    validation: Fraction
    test: Fraction
    folds: Annotated[int, Field(ge=2, le=1000)] | None
    fold: Count
    split_seed: Count
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    augmentation: Literal["none"]
    class_weights: Literal["none", "balanced"]
    on_leak: Literal["error", "warn", "drop"]
    encoding: Annotated[str, Field(min_length=1)]
    cache_dir: str | None
    scratch: TextFromScratchConfig


class GeneratedSentencesConfig(Config):
    """Number and seed of the sentences that are generated."""

    train: PositiveInt
    validation: PositiveInt
    test: PositiveInt
    seed: Count


class MovieReviewsConfig(TextsConfig):
    """Movie-review sentences (Pang & Lee 2005), or generated ones."""

    name: Literal["movie_reviews"]
    source: Literal["auto", "folder", "hub", "generated"]
    root: str | None
    generated: GeneratedSentencesConfig


class SentenceSetConfig(TextsConfig):
    """SST-2 (Socher et al. 2013) or SUBJ (Pang & Lee 2004)."""

    name: Literal["sst2", "subj"]
    root: str | None


class TrecConfig(TextsConfig):
    """TREC questions (Li & Roth 2002)."""

    name: Literal["trec"]
    root: str | None
    labels: Literal["coarse", "fine"]


class TextFilesConfig(TextsConfig):
    """CSV, TSV, JSON lines, Parquet, or class folders of .txt files."""

    name: Literal["text_files"]
    root: str | None
    text_column: Annotated[str, Field(min_length=1)]
    label_column: Annotated[str, Field(min_length=1)]


class TextHubConfig(TextsConfig):
    """Any text-classification data set that the ``datasets`` library reads; some have an option of their own."""

    name: Literal["text_hub", "ag_news", "imdb", "yelp"]
    path: str | None
    subset: str | None
    text_column: str | None
    label_column: str | None


TextDataConfig = MovieReviewsConfig | SentenceSetConfig | TrecConfig | TextFilesConfig | TextHubConfig
