"""Names of jobs and sweeps are valid, short, stable, and different for different overrides (with Hypothesis)."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convscope.composition.jobs import (
    MAX_NAME_LENGTH,
    folder_name,
    folder_name_of_keys,
    make_jobs,
    parse_overrides,
    sweep_name,
)
from convscope.composition.overrides import quote_value

KEYS = st.from_regex(r"[a-z_]{1,8}(\.[a-z_]{1,8}){0,2}", fullmatch=True)
TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=60),
    st.text("/.\\ é語😀", max_size=200),
    st.text("é語𝔸", min_size=80, max_size=120),  # letters of two to four bytes
)
CHOSEN = st.dictionaries(KEYS, TEXT.map(quote_value) | st.integers().map(str) | TEXT, min_size=1, max_size=4)


def overrides(chosen: dict[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in chosen.items()]


@given(CHOSEN)
def test_a_name_is_one_that_file_systems_take(chosen):
    for name in (folder_name(overrides(chosen)), folder_name_of_keys(list(chosen), "")):
        assert 0 < len(name.encode()) <= MAX_NAME_LENGTH < 255  # bytes: what a name may have on ext4, XFS and NFS
        assert "/" not in name
        assert name.isprintable()
        assert name not in (".", "..")


@given(CHOSEN, st.randoms(use_true_random=False))
def test_a_name_does_not_depend_on_the_order_typed(chosen, random):
    shuffled = overrides(chosen)
    random.shuffle(shuffled)
    assert folder_name(shuffled) == folder_name(overrides(chosen))


@given(CHOSEN, CHOSEN)
def test_other_overrides_have_another_name(first, second):
    assume(first != second)
    # an unquoted comma separates the values of a choice, and is in no job's override
    assume(not any("," in value and not value.startswith("'") for value in (*first.values(), *second.values())))
    assert folder_name(overrides(first)) != folder_name(overrides(second))


@settings(max_examples=50)  # each parses Hydra's grammar a dozen times
@given(st.dictionaries(KEYS, st.lists(TEXT.filter(bool), min_size=1, max_size=3, unique=True), min_size=1, max_size=2))
def test_each_job_of_a_sweep_has_a_name_of_its_own_and_keeps_it_when_values_are_added(choices):
    def typed(extra: tuple[str, ...] = ()) -> list[str]:
        return [f"{key}={','.join(map(quote_value, [*values, *extra]))}" for key, values in choices.items()]

    assume(all(len(values) > 1 for values in choices.values()))  # one value is no choice
    parsed = parse_overrides(typed())
    names = [job.name for job in make_jobs(parsed)]
    assert len(set(names)) == len(names) == len(make_jobs(parsed))
    more = parse_overrides(typed(("one more value",)))
    assert set(names) <= {job.name for job in make_jobs(more)}
    assert sweep_name(parsed) == sweep_name(more)
