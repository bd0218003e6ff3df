"""The registries of all choices, by the group of ``conf/`` that a user chooses from."""

from convscope.config.data import DATA
from convscope.config.launcher import LAUNCHERS
from convscope.config.logger import LOGGERS
from convscope.config.model import MODELS
from convscope.config.registry import Registry
from convscope.config.transfer import TRANSFERS

# Groups of Hydra's whose options are files of ``conf/<group>/``.
GROUPS: dict[str, Registry] = {
    "model": MODELS,
    "data": DATA,
    "transfer": TRANSFERS,
    "launcher": LAUNCHERS,
    "logger": LOGGERS,
}
