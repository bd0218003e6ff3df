"""``convscope explain``: shows which pixels or tokens were the evidence for a run's answers, as figures and arrays."""

import re
from collections.abc import Sequence

from convscope.composition.overrides import quote_value
from convscope.composition.trust import refuse_unknown_options, trusted_modules
from convscope.config.commands.explain import ExplainConfig
from convscope.config.saliency import refuse_other_methods
from convscope.errors import UserError
from convscope.runs.saved_config import read_saved_config, trained_on_texts

SCHEMA = ExplainConfig


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Rewrite ``method=a,b`` as a list, which is one explanation with several maps and no sweep; quote ``text=...``."""
    arguments = [
        # Hydra would split a sentence at its commas.
        f"text={quote_value(_literal(argument.removeprefix('text=')))}"
        if argument.startswith("text=") and argument[5:6] not in ("'", '"') and argument != "text=null"
        else argument
        for argument in arguments
    ]
    return [
        f"method=[{argument.removeprefix('method=')}]"
        if argument.startswith("method=") and not argument.startswith("method=[") and "'" not in argument
        else argument
        for argument in arguments
    ]


def _literal(text: str) -> str:
    """Return ``text`` so that OmegaConf finds no interpolation (``${...}``) in it."""
    return re.sub(r"(\\*)\$\{", lambda match: match[1] * 2 + r"\${", text)


def run(config: ExplainConfig, overrides: Sequence[str]) -> None:
    """Write a figure per image and ``maps.npz`` to a new folder, or explain a topic; print the paths.

    Raises:
        UserError: There is no such run, image, method, class or layer.
    """
    if config.topic is not None:
        if config.run is not None:
            raise UserError(f"topic={config.topic}: explains an example, without a run; leave out run or topic")
        from convscope.inference.explain_max_pool import explain_topic

        explain_topic(config)
        return
    if config.run is None:
        raise UserError("run: must be given, as in run=PATH; or explain an example: topic=max_pool")
    if config.target == "label" and config.images is not None:
        raise UserError("target=label: is known of the run's own test images only; name a class, or leave out images")
    saved = read_saved_config(config.run)
    refuse_unknown_options(saved, f"run={config.run}", trusted_modules(config.trust, config.plugins, {}))
    texts = trained_on_texts(saved)
    try:
        refuse_other_methods("method", config.method or (), "texts" if texts else "images")
    except ValueError as error:
        raise UserError(str(error)) from error
    if texts:
        _check_request_for_texts(config)
    elif config.text is not None:
        raise UserError("text: the run was trained on images; give images=FILE, or nothing")

    from convscope.engine.hardware import prepare_process, refuse_several_devices

    refuse_several_devices(config.trainer)
    prepare_process(config.trainer)

    from convscope.inference.explain import explain

    explain(config, overrides)


def _check_request_for_texts(config: ExplainConfig) -> None:
    """Raise UserError if the run reads texts, and the configuration requests what is for images only."""
    if config.images is not None:
        raise UserError("images: the run was trained on texts; give text=..., and leave out images")
    if config.text is None:
        raise UserError('text: must be given for a run that was trained on texts, as in text="not good at all"')
    if config.target == "label":
        raise UserError("target=label: a text given on the command line has no label; name a class, or leave it out")
