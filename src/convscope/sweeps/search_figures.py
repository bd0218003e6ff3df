"""Draws the figures of a search: its history, and the importance of its keys."""

import math
from pathlib import Path

from optuna.importance import get_param_importances
from optuna.trial import TrialState

from convscope.figures.search import importance_figure, search_history
from convscope.runs.run_folder import RunFolder
from convscope.sweeps.study import SearchStudy

MIN_COMPLETE_TRIALS = 4  # with fewer completed trials, any key can seem important


def draw(folder: Path, study: SearchStudy) -> None:
    """Write ``media/search/history.png`` and, if there are enough trials, ``media/search/importance.png``.

    Args:
        folder: Folder of the sweep.
        study: The trials.
    """
    page, metric = RunFolder(folder), study.config.metric
    trials = study.optuna_study.get_trials(deepcopy=False)
    complete = [
        (trial.number, trial.value)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.value is not None
    ]
    pruned = [
        (trial.number, trial.intermediate_values[max(trial.intermediate_values)])
        for trial in trials
        if trial.state == TrialState.PRUNED and trial.intermediate_values
    ]
    page.write_figure("search/history", search_history(complete, pruned, metric, lowest=study.config.lowest))
    if len(complete) >= MIN_COMPLETE_TRIALS and len({value for _, value in complete}) > 1:
        shares = {key.lstrip("+~"): share for key, share in get_param_importances(study.optuna_study).items()}
        if all(map(math.isfinite, shares.values())):
            page.write_figure("search/importance", importance_figure(shares, metric))
