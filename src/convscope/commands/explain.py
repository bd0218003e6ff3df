"""``convscope explain``: shows which pixels or tokens were the evidence for a run's answers, as figures and arrays."""

from collections.abc import Sequence
from pathlib import Path

from convscope.composition.overrides import quote_value
from convscope.config.explain import ExplainConfig
from convscope.config.saliency import refuse_methods_for_images
from convscope.console import echo
from convscope.errors import UserError
from convscope.runs.kind import is_text_run

SCHEMA = ExplainConfig


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Rewrite ``method=a,b`` as a list, which is one explanation with several maps and no sweep; quote ``text=...``."""
    arguments = [
        # Hydra would split a sentence at its commas.
        f"text={quote_value(argument.removeprefix('text='))}"
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


def run(config: ExplainConfig, overrides: Sequence[str]) -> None:
    """Write a figure per image and ``maps.npz`` to a new folder, or explain a topic; print the paths.

    Raises:
        UserError: There is no such run, image, method, class or layer.
    """
    if config.topic is not None:
        if config.run is not None:
            raise UserError(f"topic={config.topic}: explains an example, without a run; leave out run or topic")
        from convscope.inference.explain_max_pool import explain_max_pool
        from convscope.inference.explanation_folder import explanation_folder

        folder = explanation_folder(config, Path("outputs"), config.topic)
        try:
            echo(f"\nfigure  {explain_max_pool(config.max_pool, folder)}")
        except UserError:
            folder.rmdir()
            raise
        return
    if config.run is None:
        raise UserError("run: must be given, as in run=PATH; or explain an example: topic=max_pool")
    if config.target == "label" and config.images is not None:
        raise UserError("target=label: is known of the run's own test images only; name a class, or leave out images")

    if not (Path(config.run).expanduser() / "config.yaml").is_file():  # checked before anything slow is imported
        reason = "no config.yaml" if Path(config.run).expanduser().is_dir() else "no such folder"
        raise UserError(f"run={config.run}: no run lies there ({reason})")

    trained_on_texts = is_text_run(Path(config.run).expanduser())
    if trained_on_texts:
        try:
            refuse_methods_for_images("method", config.method or ())
        except ValueError as error:
            raise UserError(str(error)) from error

    from convscope.engine.hardware import prepare_process, refuse_several_devices

    refuse_several_devices(config.trainer)
    prepare_process(config.trainer)
    if trained_on_texts:
        from convscope.inference.explain_texts import explain_text

        explain_text(config)
        return
    if config.text is not None:
        raise UserError("text: the run was trained on images; give images=FILE, or nothing")
    from convscope.inference.explain_images import explain_images

    explain_images(config, overrides)
