"""Secrets are masked by their place, and revealed to the libraries that need them."""

import os

import pytest

from convscope import masking
from convscope.masking import hide, mask, mask_text, reveal


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch):
    monkeypatch.setattr(masking, "_known_secrets", set())
    monkeypatch.setenv(masking.VARIABLE, "{}")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://user:PW@host:5000/x", "http://***@host:5000/x"),
        ("see http://user:PW@host, or https://ghp_abc@git.example/r.git", "see http://***@host, or https://***@git.example/r.git"),
        ("postgresql+psycopg2://me:p%40ss@db/study?sslmode=off", "postgresql+psycopg2://***@db/study?sslmode=off"),
        ("http://user:p@ss@host/", "http://***@host/"),
        ("http://user:pa/ss?x#y@host/", "http://***@host/"),
        ("http://user:p,ss@host/", "http://***@host/"),
        ("http://user:pa:ss@w#rd/x9@127.0.0.1:9", "http://***@127.0.0.1:9"),
        ("http://user:p@ss/word9@host/", "http://***@host/"),
        ("http://user:p@ss?word9@host/", "http://***@host/"),
        ("uri=http://a:1@h,http://b:2@h", "uri=http://***@h,http://***@h"),
        ("tags=[https://host/?token=PW]", "tags=[https://host/?token=***]"),
        ("s3://KEY:SECRET@bucket/p", "s3://***@bucket/p"),
        ("https://:PW@host", "https://***@host"),
        ("https://host/a?x=1&token=PW&y=2", "https://host/a?x=1&token=***&y=2"),
        ("https://host/a?api_key=PW#access_token=QQ", "https://host/a?api_key=***#access_token=***"),
        ("https://host/a?X-Amz-Signature=PW", "https://host/a?X-Amz-Signature=***"),
        ("export WANDB_API_KEY=PW", "export WANDB_API_KEY=***"),
        ("+model.arguments.auth_token='PW'", "+model.arguments.auth_token='***'"),
        ("launcher.setup=[export DB_PASSWORD=PW,module load x]",
         "launcher.setup=[export DB_PASSWORD=***,module load x]"),
    ],
)  # fmt: skip
def test_secrets_in_texts(text, masked):
    assert mask_text(text) == masked
    assert mask(text) == masked
    assert mask_text(masked) == masked


@pytest.mark.parametrize(
    "text",
    ["http://host:5000/@user/x", "https://[::1]:5000/a@b", "ssh://git@host/r.git", "sqlite:////data/mlflow.db",
     "data.tokens.max_length=512", "token=${oc.env:TOKEN}", "monitor=validation/accuracy", "outputs/a@b",
     "me@example.org", "data.text_column=sentence", "http://localhost:5000"],
)  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert mask_text(text) == text
    assert hide(text) == text


def test_a_key_whose_name_says_so():
    kept = {"api_key": "PW", "more": {"password": "QQ", "tokens": 3, "token": None}, "list": [{"secret": "RR"}]}
    assert mask(kept) == {
        "api_key": "***",
        "more": {"password": "***", "tokens": 3, "token": None},
        "list": [{"secret": "***"}],
    }


def test_a_known_secret_is_masked_in_messages_wherever_it_stands_and_changes_no_configuration():
    hide("logger.mlflow.uri=http://user:p%40hotdog@host")
    assert mask_text("cannot log in as user:p%40hotdog, with p@hotdog") == "cannot log in as ***, with ***"
    hide("logger.mlflow.uri=http://user:hotdog@host")
    assert mask({"data": {"name": "hotdog"}}) == {"data": {"name": "hotdog"}}


def test_a_hidden_secret_is_revealed_in_the_configuration_alone():
    overrides = ["a=http://user:PW1@host", "b='http://user:PW2@host'", "c=http://user:PW1@other", "x.api_key='PW3'"]
    hidden = [hide(override) for override in overrides]
    assert hidden == ["a=http://***@host", "b='http://***2@host'", "c=http://***@other", "x.api_key='***3'"]
    assert [hide(override) for override in hidden] == hidden
    assert [reveal(override) for override in hidden] == overrides
    assert reveal({"uri": ["http://***2@host"]}) == {"uri": ["http://user:PW2@host"]}
    assert mask({"uri": "http://user:PW2@host"}) == {"uri": "http://***2@host"}
    assert "PW1" in os.environ[masking.VARIABLE]  # which the processes of a sweep inherit


def test_what_was_not_hidden_here_cannot_be_revealed():
    assert reveal("http://***@host") == "http://***@host"


def test_a_traceback_is_masked(capsys):
    try:
        raise RuntimeError("no answer from http://user:PW@host")
    except RuntimeError as error:
        masking.masking_excepthook(type(error), error, error.__traceback__)
    printed = capsys.readouterr().err
    assert "RuntimeError: no answer from http://***@host" in printed
    assert "PW@" not in printed.splitlines()[-1]
