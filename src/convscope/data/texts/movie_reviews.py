"""The movie reviews data set: positive and negative sentences, from a folder, from the hub, or generated."""

from pathlib import Path
from typing import Literal

from convscope.data.hub_sets import in_local_cache
from convscope.data.texts.generated_sentences import generated_sentences
from convscope.data.texts.sentence_sets import POLARITY, movie_reviews_folder
from convscope.data.texts.text_hub import text_hub
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.text_splits import SplitSettings
from convscope.errors import UserError
from convscope.hub_downloads import hugging_face_fault, hugging_face_reachable

HUB_SET = "cornell-movie-review-data/rotten_tomatoes"  # MR, split into train, validation and test
POLARITY_OF_HUB = {"neg": "negative", "pos": "positive"}
GENERATED_COUNTS = (6000, 1000, 1000)


def movie_reviews(
    root: str | Path | None = None,
    source: Literal["auto", "folder", "hub", "generated"] = "auto",
    settings: SplitSettings | None = None,
    counts: tuple[int, int, int] = GENERATED_COUNTS,
    seed: int = 0,
    encoding: str = "utf-8",
) -> TextSource:
    """Return sentences of the classes negative and positive.

    Args:
        root: The folder with the files of MR.
        source: "auto" takes the first that is available: the folder ``root``, if it is given; the set `HUB_SET`, if
            it is in the local cache or the hub can be reached; generated sentences. The other values force one.
        settings: How missing splits are made.
        counts: Numbers of generated sentences for train, validation and test.
        seed: Seed of the generated sentences.
        encoding: Encoding of the files in ``root``.

    Raises:
        UserError: The errors of ``movie_reviews_folder`` and ``text_hub``; ``source`` is "folder" without ``root``; or
            folds were requested of generated sentences.
    """
    settings = settings or SplitSettings()
    if source == "folder" and root is None:
        raise UserError("data.source=folder needs data.root: the folder with rt-polarity.pos and rt-polarity.neg")
    if source == "generated":
        return _generated(counts, seed, settings)
    if root is not None and source != "hub":
        return movie_reviews_folder(root, settings, encoding)
    if source == "hub":
        return _from_hub(settings)
    if in_local_cache(HUB_SET) or hugging_face_reachable():
        try:
            return _from_hub(settings)
        except UserError as error:
            reason = str(error)
    else:
        reason = f"the hub {hugging_face_fault()}"
    warning = f"training on generated sentences, since data.root is not set and the hub's set cannot be used: {reason}"
    return _generated(counts, seed, settings, warning)


def _from_hub(settings: SplitSettings) -> TextSource:
    hint = "set data.root to a folder with rt-polarity.pos and rt-polarity.neg, or data.source=generated"
    source = text_hub(HUB_SET, settings, name="movie_reviews", hint=hint, merge_splits=settings.folds is not None)
    if set(source.classes) == {*POLARITY_OF_HUB}:
        source = source.with_classes(POLARITY, POLARITY_OF_HUB)
    return source


def _generated(counts: tuple[int, int, int], seed: int, settings: SplitSettings, *warnings: str) -> TextSource:
    if settings.folds is not None:
        reason = f"{warnings[0]}, and " if warnings else ""
        raise UserError(
            f"data.folds={settings.folds}: {reason}generated sentences have splits of their own; set data.root, or "
            "data.folds=null"
        )
    return generated_sentences(counts, seed, warnings)
