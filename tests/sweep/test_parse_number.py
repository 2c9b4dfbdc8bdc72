"""A number is read as Hydra's parser reads it."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from ermlab.sweep.compose import parse_number

HYDRA = OverridesParser.create()
KEYS = st.from_regex(r"[A-Za-z_]\w{0,5}(\.[A-Za-z_]\w{0,5}){0,2}", fullmatch=True)
NUMBERS = st.one_of(
    st.integers(-(10**18), 10**18).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{0,3})?(e[+-]?[0-9]{1,2})?", fullmatch=True),
)


@given(key=KEYS, number=NUMBERS)
def test_what_is_taken_for_a_number_is_hydras_override(key, number):
    line = f"{key}={number}"
    found = parse_number(line)
    if found is not None:
        expected = HYDRA.parse_override(line)
        assert found == expected
        assert type(found.value()) is type(expected.value())


@given(text=st.text(max_size=12))
def test_any_other_text_is_left_to_hydra(text):
    found = parse_number(text)
    assert found is None or found == HYDRA.parse_override(text)


def test_what_samplers_suggest_is_taken():
    for line in ("optimizer.lr=0.013981961408994055", "h=12", "lr=1e-05", "x.y_z=-3.5"):
        assert parse_number(line) is not None
    for line in ("h=012", "h=1_000", "h=inf", "a@b=1", "~h=1", "+h=1", "h=", "h=.5", "h= 1"):
        assert parse_number(line) is None
