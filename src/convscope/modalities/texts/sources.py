"""From ``data=...`` to the texts that it names: a function an option, which alone imports the code of its data set."""

from convscope.config.base import required
from convscope.config.data_set import DATA
from convscope.config.text_data import (
    MovieReviewsConfig,
    OwnTextsConfig,
    SentenceSetConfig,
    TextFilesConfig,
    TextHubConfig,
    TextsConfig,
    TrecConfig,
)
from convscope.data.texts.text_leaks import remove_leaks
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.text_splits import SplitSettings
from convscope.modalities.own_data import open_own_texts


def open_texts(config: TextsConfig) -> TextSource:
    """Return the texts that ``data=...`` names, after handling sentences that train and test share.

    Raises:
        UserError: The texts are missing, or a classifier cannot be trained and tested on them.
    """
    return remove_leaks(find_texts(config), config.on_leak)


def find_texts(config: TextsConfig) -> TextSource:
    """Return the texts that ``data=...`` names, as they are.

    Raises:
        UserError: The texts are missing, or a classifier cannot be trained on them.
    """
    if isinstance(config, OwnTextsConfig):
        return open_own_texts(config)
    source: TextSource = DATA.builder(config.name)(config)
    return source


def _splits(config: TextsConfig) -> SplitSettings:
    return SplitSettings(config.validation, config.test, config.split_seed, config.folds, config.fold)


def open_movie_reviews(config: MovieReviewsConfig) -> TextSource:
    """Return movie-review sentences, or generated ones."""
    from convscope.data.texts.movie_reviews import movie_reviews

    generated = config.generated
    counts = (generated.train, generated.validation, generated.test)
    return movie_reviews(config.root, config.source, _splits(config), counts, generated.seed, config.encoding)


def open_sst2(config: SentenceSetConfig) -> TextSource:
    """Return SST-2."""
    from convscope.data.texts.sentence_sets import sst2_folder

    return sst2_folder(required(config.root, "data.root"), _splits(config), config.encoding)


def open_subj(config: SentenceSetConfig) -> TextSource:
    """Return SUBJ."""
    from convscope.data.texts.sentence_sets import subj_folder

    return subj_folder(required(config.root, "data.root"), _splits(config), config.encoding)


def open_trec(config: TrecConfig) -> TextSource:
    """Return TREC's questions."""
    from convscope.data.texts.sentence_sets import trec_folder

    return trec_folder(required(config.root, "data.root"), _splits(config), config.encoding, config.labels)


def open_text_files(config: TextFilesConfig) -> TextSource:
    """Return the texts of tables or of class folders."""
    from convscope.data.texts.text_files import text_files

    root = required(config.root, "data.root")
    return text_files(root, _splits(config), config.text_column, config.label_column, config.encoding)


def open_text_hub(config: TextHubConfig) -> TextSource:
    """Return the texts of a data set that the ``datasets`` library reads."""
    from convscope.data.texts.text_hub import text_hub

    path = required(config.path, "data.path")
    return text_hub(path, _splits(config), config.subset, config.text_column, config.label_column, config.name)
