"""Ranges of schema fields: which values they take, and what a message says about them."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ermlab.config.fields import allowed_range, choice, is_allowed, number, value


@dataclasses.dataclass
class Schema:
    share: float = number(ge=0, lt=1)
    step_size: float = number(gt=0)
    probability: float = number(gt=0, le=1)
    anything: float = number()
    kind: str = choice("relu", "tanh")
    flag: bool = value()


FIELDS = {field.name: field for field in dataclasses.fields(Schema)}


@given(seen=st.floats(allow_nan=False, allow_infinity=False) | st.integers(-3, 3))
def test_a_number_is_allowed_exactly_between_its_bounds(seen):
    assert is_allowed(FIELDS["share"], seen) == (0 <= seen < 1)
    assert is_allowed(FIELDS["step_size"], seen) == (seen > 0)
    assert is_allowed(FIELDS["probability"], seen) == (0 < seen <= 1)


@given(seen=st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_field_without_bounds_takes_every_finite_number(seen):
    assert is_allowed(FIELDS["anything"], seen)


@pytest.mark.parametrize("name", ["share", "step_size", "anything"])
@pytest.mark.parametrize("seen", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_never_allowed(name, seen):
    assert not is_allowed(FIELDS[name], seen)


@pytest.mark.parametrize("seen", ["relu", "tanh"])
def test_a_choice_takes_its_names(seen):
    assert is_allowed(FIELDS["kind"], seen)


@pytest.mark.parametrize("seen", ["", "Relu", "gelu"])
def test_a_choice_takes_no_other_name(seen):
    assert not is_allowed(FIELDS["kind"], seen)


@pytest.mark.parametrize("name", list(FIELDS))
def test_none_is_left_to_the_type(name):
    assert is_allowed(FIELDS[name], None)


@pytest.mark.parametrize("name", list(FIELDS))
def test_no_field_has_a_default_value(name):
    assert FIELDS[name].default == "???"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("share", ">= 0 and < 1"),
        ("step_size", "> 0"),
        ("probability", "> 0 and <= 1"),
        ("anything", "a finite number"),
        ("kind", "one of relu, tanh"),
    ],
)
def test_a_message_tells_the_range(name, told):
    assert allowed_range(FIELDS[name]) == told
