"""From ``data=...`` to the texts that it names. What an option does not need, it does not import."""

from convscope.config.base import required
from convscope.config.text_data import MovieReviews, SentenceSet, TextData, TextFiles, TextHub, Trec
from convscope.data.texts.text_cutting import Cutting
from convscope.data.texts.text_leaks import without_leaks
from convscope.data.texts.text_source import TextSource


def open_texts(told: TextData) -> TextSource:
    """The texts that ``data=...`` chose, looked over for sentences that train and test share.

    Raises:
        UserError: They are not there, or not what a classifier can be trained and tested on.
    """
    return without_leaks(find_texts(told), told.on_leak)


def find_texts(told: TextData) -> TextSource:
    """The texts that ``data=...`` chose, as they are.

    Raises:
        UserError: They are not there, or not what a classifier can be trained on.
    """
    cutting = Cutting(told.validation, told.test, told.split_seed, told.folds, told.fold)
    match told:
        case MovieReviews():
            from convscope.data.texts.movie_reviews import movie_reviews

            made = told.generated
            counts = (made.train, made.validation, made.test)
            return movie_reviews(told.root, told.source, cutting, counts, made.seed, told.encoding)
        case SentenceSet(name="sst2"):
            from convscope.data.texts.sentence_sets import sst2_folder

            return sst2_folder(required(told.root, "data.root"), cutting, told.encoding)
        case SentenceSet():
            from convscope.data.texts.sentence_sets import subj_folder

            return subj_folder(required(told.root, "data.root"), cutting, told.encoding)
        case Trec():
            from convscope.data.texts.sentence_sets import trec_folder

            return trec_folder(required(told.root, "data.root"), cutting, told.encoding, told.labels)
        case TextFiles():
            from convscope.data.texts.text_files import text_files

            root = required(told.root, "data.root")
            return text_files(root, cutting, told.text_column, told.label_column, told.encoding)
        case TextHub():
            from convscope.data.texts.text_hub import text_hub

            path = required(told.path, "data.path")
            return text_hub(path, cutting, told.subset, told.text_column, told.label_column, told.name)
