"""From ``data=...`` to the texts that it names. The code of a data set is imported only if it is chosen."""

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
    """Return the texts that ``data=...`` names, after handling sentences that train and test share.

    Raises:
        UserError: The texts are missing, or a classifier cannot be trained and tested on them.
    """
    return remove_leaks(find_texts(config), config.on_leak)


def find_texts(config: TextDataConfig) -> TextSource:
    """Return the texts that ``data=...`` names, as they are.

    Raises:
        UserError: The texts are missing, or a classifier cannot be trained on them.
    """
    splits = SplitSettings(config.validation, config.test, config.split_seed, config.folds, config.fold)
    match config:
        case MovieReviewsConfig():
            from convscope.data.texts.movie_reviews import movie_reviews

            generated = config.generated
            counts = (generated.train, generated.validation, generated.test)
            return movie_reviews(config.root, config.source, splits, counts, generated.seed, config.encoding)
        case SentenceSetConfig(name="sst2"):
            from convscope.data.texts.sentence_sets import sst2_folder

            return sst2_folder(required(config.root, "data.root"), splits, config.encoding)
        case SentenceSetConfig():
            from convscope.data.texts.sentence_sets import subj_folder

            return subj_folder(required(config.root, "data.root"), splits, config.encoding)
        case TrecConfig():
            from convscope.data.texts.sentence_sets import trec_folder

            return trec_folder(required(config.root, "data.root"), splits, config.encoding, config.labels)
        case TextFilesConfig():
            from convscope.data.texts.text_files import text_files

            root = required(config.root, "data.root")
            return text_files(root, splits, config.text_column, config.label_column, config.encoding)
        case TextHubConfig():
            from convscope.data.texts.text_hub import text_hub

            path = required(config.path, "data.path")
            return text_hub(path, splits, config.subset, config.text_column, config.label_column, config.name)
