"""From ``data=...`` to the texts that it names. What an option does not need, it does not import."""

from convscope.config.base import required
from convscope.config.text_data import (
    MovieReviewsConfig,
    SentenceSetConfig,
    TextDataConfig,
    TextFilesConfig,
    TextHubConfig,
    TrecConfig,
)
from convscope.data.texts.text_leaks import remove_leaks
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.text_splits import SplitSettings


def open_texts(config: TextDataConfig) -> TextSource:
    """The texts that ``data=...`` chose, looked over for sentences that train and test share.

    Raises:
        UserError: They are not there, or not what a classifier can be trained and tested on.
    """
    return remove_leaks(find_texts(config), config.on_leak)


def find_texts(config: TextDataConfig) -> TextSource:
    """The texts that ``data=...`` chose, as they are.

    Raises:
        UserError: They are not there, or not what a classifier can be trained on.
    """
    cutting = SplitSettings(config.validation, config.test, config.split_seed, config.folds, config.fold)
    match config:
        case MovieReviewsConfig():
            from convscope.data.texts.movie_reviews import movie_reviews

            made = config.generated
            counts = (made.train, made.validation, made.test)
            return movie_reviews(config.root, config.source, cutting, counts, made.seed, config.encoding)
        case SentenceSetConfig(name="sst2"):
            from convscope.data.texts.sentence_sets import sst2_folder

            return sst2_folder(required(config.root, "data.root"), cutting, config.encoding)
        case SentenceSetConfig():
            from convscope.data.texts.sentence_sets import subj_folder

            return subj_folder(required(config.root, "data.root"), cutting, config.encoding)
        case TrecConfig():
            from convscope.data.texts.sentence_sets import trec_folder

            return trec_folder(required(config.root, "data.root"), cutting, config.encoding, config.labels)
        case TextFilesConfig():
            from convscope.data.texts.text_files import text_files

            root = required(config.root, "data.root")
            return text_files(root, cutting, config.text_column, config.label_column, config.encoding)
        case TextHubConfig():
            from convscope.data.texts.text_hub import text_hub

            path = required(config.path, "data.path")
            return text_hub(path, cutting, config.subset, config.text_column, config.label_column, config.name)
