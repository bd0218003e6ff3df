"""Names that a refactoring changes, so that `benchmarks.compare_commits` finds the same thing under both names.

Fill both tables while names change, with one entry for each name, from the older revision's to the newer one's. They
concern names alone, so that no value is compared less strictly. Once the older names are of no interest, empty the
tables and write the trainings of `benchmarks.compare_commits` and the names of `benchmarks.run_differences` anew.
"""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

# Keys of the command line and of summary.json, columns of metrics.csv and of the tables, names of tensors. An entry
# counts for all that begins with it, up to a dot or a slash; the longest that fits counts; `*` is a number of a list;
# an override in full stands for itself alone:
#   "transfer.lr": "transfer.rate"                      transfer.lr=1e-3 becomes transfer.rate=1e-3
#   "transfer.stages.*.steps": "stages.*.updates"       of summary.json
#   "validation": "val"                                 validation/loss becomes val/loss
#   "network": "module"                                 the tensor network.c1.weight becomes module.c1.weight
#   "trainer=ddp": "trainer=processes"                  an option of a group
# No two may lead to one name.
RENAMED: dict[str, str] = {
    "transfer.stages.*.seconds_filling": "transfer.stages.*.seconds_extracting_features",
    "seconds.filling": "seconds.extracting_features",
    "data.tokens.most": "data.tokens.max_length",
    "picture": "image",  # columns of tables
    "pictures": "images",
    "pictures_with_mask": "images_with_mask",
    "gates see all": "global context",
    **{f"answer {place}": f"activation {place}" for place in (1, 2, 3)},
}

# Files of a run's folder, and its folders: "tables/predictions.csv": "tables/answers.csv", "checkpoints": "weights"
RENAMED_FILES: dict[str, str] = {}


@dataclass(frozen=True)
class Renaming:
    """Translates the names of one side to those of another; if empty, both sides have the same names.

    Args:
        names: As in `RENAMED`.
        files: As in `RENAMED_FILES`.

    Raises:
        ValueError: Two entries of a table lead to one name.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in (self.names, self.files):
            twice = [new for new, times in Counter(table.values()).items() if times > 1]
            if twice:
                raise ValueError(f"two names become one, and there would be no way back: {', '.join(twice)}")

    @property
    def back(self) -> "Renaming":
        """The renaming in the opposite direction."""
        return Renaming(*({new: old for old, new in table.items()} for table in (self.names, self.files)))

    def name(self, name: str) -> str:
        """Return the other name of a key, a column or a tensor."""
        for entry in sorted(self.names, key=len, reverse=True):
            if found := begins_with(entry, name):
                other = self.names[entry]
                for number in found.groups():
                    other = other.replace("*", number, 1)
                return other + name[found.end() :]
        return name

    def word(self, word: str) -> str:
        """Return the other form of an override; values are left as they are."""
        if word in self.names:
            return self.names[word]
        key = re.sub(r"[=@].*", "", word.lstrip("~+"), flags=re.DOTALL)
        return word.replace(key, self.name(key), 1) if key else word

    def text(self, text: str) -> str:
        """Return the other form of a value that is a name, or of a job's overrides, joined by commas."""
        return ",".join(map(self.word, text.split(",")))

    def file(self, path: str) -> str:
        """Return the other path of a file, relative to the folder of a run, of a sweep, or to a folder around them."""
        for entry in sorted(self.files, key=len, reverse=True):
            if found := re.search(rf"(?:^|(?<=/)){re.escape(entry)}(?=/|$)", path):
                path = path[: found.start()] + self.files[entry] + path[found.end() :]
                break
        return "/".join(self.text(part) if "=" in part else part for part in path.split("/"))


def begins_with(entry: str, name: str) -> re.Match[str] | None:
    """Match ``name`` if it is ``entry`` or begins with it up to a dot or slash; the groups are the stars' numbers."""
    return re.match(re.escape(entry).replace(r"\*", r"(\d+)") + r"(?=[./]|$)", name)
