"""``convscope explain run=PATH text="not good at all"``: which tokens of a text support the predicted class."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from convscope.callbacks.text_figures import explain_tokens
from convscope.config.explain import ExplainConfig
from convscope.console import echo
from convscope.errors import UserError
from convscope.figures.token_maps import AGAINST, FOR, TokenMap, token_figure, token_html
from convscope.inference.explanation_folder import explanation_folder
from convscope.insight.frozen_network import Score
from convscope.insight.saliency.token_saliency import find_method
from convscope.modalities.texts.trained import load_text_run
from convscope.runs.run_folder import RunFolder

DEFAULT_METHODS = ("input_x_gradient", "integrated_gradients")

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{title}</title></head>
<body>
{body}
</body>
</html>
"""


def explain_text(config: ExplainConfig) -> None:
    """Explain the prediction of a text run for ``config.text``.

    Raises:
        UserError: No text is given, or there is no such run, method or class.
    """
    assert config.run is not None
    if config.text is None or config.images is not None:
        raise UserError('text: must be given for a run that was trained on texts, as in text="not good at all"')
    if config.target == "label":
        raise UserError("target=label: a text given on the command line has no label; name a class, or leave it out")
    target = None if config.target == "predicted" else str(config.target)
    folder = explanation_folder(config, Path(config.run).expanduser())
    try:
        explain_texts(
            Path(config.run).expanduser(),
            [config.text],
            config.method or DEFAULT_METHODS,
            folder,
            target,
            config.checkpoint,
            config.score,
        )
    except UserError:
        folder.rmdir()
        raise


def explain_texts(
    run: Path,
    texts: Sequence[str],
    methods: Sequence[str],
    folder: Path,
    target: str | None = None,
    checkpoint: str = "best",
    score: Score = "logit",
) -> None:
    """Print the predictions of a run for ``texts`` with the contribution of each token; write figures and a table.

    Args:
        run: The folder of a text run.
        texts: The texts to explain.
        methods: Names of methods in ``insight.saliency.token_saliency``.
        folder: The folder for ``media/<method>.png`` and ``.html``, and ``tables/tokens.csv``.
        target: The class to explain; None for the predicted class of each text.
        checkpoint: ``best`` or ``last``.
        score: The score of a class whose derivatives are taken: its logit, its probability, or the sigmoid of its
            logit.

    Raises:
        UserError: There is no such run, method or class.
    """
    for method in methods:
        find_method(method)
    trained = load_text_run(run, checkpoint)
    if target is not None and target not in trained.classes:
        raise UserError(f"target={target}: the run knows no such class; it knows {', '.join(trained.classes)}")
    encoded_texts = [trained.tokenize(text) for text in texts]
    probabilities = trained.logits(encoded_texts).softmax(dim=1)
    if target is None:
        target_indices = probabilities.argmax(dim=1).tolist()
    else:
        target_indices = [trained.classes.index(target)] * len(texts)
    titles = [
        f"{trained.classes[row.argmax()]} {float(row.max()):.1%}"
        + ("" if target is None else f"; explained class {target}: {float(row[label]):.1%}")
        for row, label in zip(probabilities, target_indices, strict=True)
    ]
    output = RunFolder(folder)
    rows: list[list[object]] = []
    for method in methods:
        maps = explain_tokens(
            trained.network,
            encoded_texts,
            target_indices,
            titles,
            trained.preprocessing.min_length,
            method=method,
            score=score,
        )
        output.write_figure(method, token_figure(maps, method.replace("_", " ")))
        output.write_html(method, PAGE.format(title=method, body=token_html(maps)))
        for number, (token_map, text, label) in enumerate(zip(maps, encoded_texts, target_indices, strict=True)):
            _print_token_map(token_map, method)
            rows += [
                [number, method, trained.classes[label], place, token, start, end, value]
                for place, (token, (start, end), value) in enumerate(
                    zip(token_map.tokens, text.spans, token_map.values, strict=True)
                )
            ]
    columns = ["text", "method", "class", "place", "token", "start", "end", "value"]
    output.write_table("tokens", columns, rows)
    echo(f"figures  {output.media}\ntable    {output.tables / 'tokens.csv'}")


def _print_token_map(token_map: TokenMap, method: str) -> None:
    line = Text()
    for token, share, gap in zip(token_map.tokens, token_map.shares, token_map.gaps, strict=True):
        line.append(" " if gap else "")
        red, green, blue = (round(255 - (255 - part) * abs(share) * 0.75) for part in (FOR if share >= 0 else AGAINST))
        line.append(token.replace("\0", "␀"), style=f"black on rgb({red},{green},{blue})")
    echo(f"{token_map.title}  ({method})")
    Console(highlight=False).print(line)
    echo("  ".join(f"{token} {value:+.3f}" for token, value in zip(token_map.tokens, token_map.values, strict=True)))
