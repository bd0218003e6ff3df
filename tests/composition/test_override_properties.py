"""Whatever is quoted as an override is read back by Hydra's own parser as it was (with Hypothesis)."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from convscope.composition.overrides import quote_override, quote_value

# What encodes as UTF-8; with more of what the grammar gives a meaning than chance would bring.
SPECIAL = st.text(alphabet="'\"\\,=:;()[]{}$~+@#% \t\nab1.-é")
TEXT = st.one_of(st.text(st.characters(codec="utf-8")), SPECIAL)
KEYS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)


def parse(override: str):
    return OverridesParser.create().parse_override(override)


@given(TEXT)
def test_a_quoted_value_is_one_string_whatever_it_holds(text):
    override = parse(f"key={quote_value(text)}")
    assert not override.is_sweep_override()
    assert override.value() == text


@given(st.lists(TEXT, max_size=4))
def test_quoted_values_stay_apart_in_a_list(texts):
    assert parse(f"key=[{','.join(map(quote_value, texts))}]").value() == texts


@given(KEYS, TEXT)
def test_an_override_is_quoted_only_where_hydra_cannot_read_it(key, text):
    quoted = quote_override(f"{key}={text}")
    override = parse(quoted)
    assert override.get_key_element() == key
    if quoted != f"{key}={text}":
        assert override.value() == text
    assert quote_override(quoted) == quoted


@given(SPECIAL.map(lambda text: f"--{text}") | TEXT.map(lambda text: text.replace("=", "")))
def test_what_is_no_assignment_is_left_alone(argument):
    assert quote_override(argument) == argument
