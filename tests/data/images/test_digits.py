import numpy as np
from sklearn.datasets import load_digits

from convscope.data.images.digits import digits


def test_the_digits_are_cut_stratified_and_scaled() -> None:
    source = digits()
    assert (source.name, source.source, source.channels) == ("digits", "package", 1)
    assert source.sizes == {"train": 1257, "validation": 270, "test": 270}
    all_counts = np.bincount(load_digits().target)
    for name, share in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        counts = np.bincount(source.splits[name].labels)
        assert np.abs(counts - share * all_counts).max() <= 2
    rows = [int(name.split("/")[1]) for split in source.splits.values() for name in split.names]
    assert sorted(rows) == list(range(1797))
    split = source.splits["test"]
    row = int(split.names[5].split("/")[1])
    assert np.array_equal(split.read(5)[..., 0], np.round(load_digits().images[row] / 16 * 255))
    assert split.pixels().max() == 255
    assert split.labels[5] == load_digits().target[row]


def test_another_seed_gives_other_splits() -> None:
    assert digits(0).splits["test"].names == digits(0).splits["test"].names
    assert digits(0).splits["test"].names != digits(1).splits["test"].names
