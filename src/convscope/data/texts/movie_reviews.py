"""Film reviews, a sentence each, positive or negative: from a folder, from the hub, or generated."""

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

HUB_SET = "cornell-movie-review-data/rotten_tomatoes"  # MR, cut into three
POLARITY_OF_HUB = {"neg": "negative", "pos": "positive"}
SENTENCES = (6000, 1000, 1000)


def movie_reviews(
    root: str | Path | None = None,
    source: Literal["auto", "folder", "hub", "generated"] = "auto",
    cutting: SplitSettings | None = None,
    counts: tuple[int, int, int] = SENTENCES,
    seed: int = 0,
    encoding: str = "utf-8",
) -> TextSource:
    """Sentences of the classes negative and positive.

    ``source`` "auto" takes the first of: the folder ``root``, where it is given; the set `HUB_SET`, where the hub can
    be reached; generated sentences, ``counts`` of them for train, validation and test. The other values force one.

    Raises:
        UserError: As ``movie_reviews_folder`` and ``text_hub``; or there are folds of generated sentences.
    """
    cutting = cutting or SplitSettings()
    if source == "folder" and root is None:
        raise UserError("data.source=folder needs data.root: the folder with rt-polarity.pos and rt-polarity.neg")
    if source == "generated":
        return _generated(counts, seed, cutting)
    if root is not None and source != "hub":
        return movie_reviews_folder(root, cutting, encoding)
    if source == "hub":
        return _from_hub(cutting)
    if in_local_cache(HUB_SET) or hugging_face_reachable():
        try:
            return _from_hub(cutting)
        except UserError as error:
            why = str(error)
    else:
        why = f"the hub {hugging_face_fault()}"
    return _generated(counts, seed, cutting, f"{why} and data.root is not set: training on generated sentences")


def _from_hub(cutting: SplitSettings) -> TextSource:
    instead = "set data.root to a folder with rt-polarity.pos and rt-polarity.neg, or data.source=generated"
    found = text_hub(HUB_SET, cutting, name="movie_reviews", instead=instead, pool=cutting.folds is not None)
    if set(found.classes) == {*POLARITY_OF_HUB}:
        found = found.with_classes(POLARITY, POLARITY_OF_HUB)
    return found


def _generated(counts: tuple[int, int, int], seed: int, cutting: SplitSettings, *warnings: str) -> TextSource:
    if cutting.folds is not None:
        why = f"{warnings[0]}, and " if warnings else ""
        raise UserError(
            f"data.folds={cutting.folds}: {why}generated sentences have splits of their own; set data.root, or "
            "data.folds=null"
        )
    return generated_sentences(counts, seed, warnings)
