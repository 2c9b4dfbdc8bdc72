"""Passwords leave a URL, and come back from the environment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from sqlalchemy import make_url

from ermlab.sweep.storage_url import VARIABLE, fill_password, hide_in_config, hide_password

URL = "postgresql+psycopg://ada:***@host:5/d"


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("postgresql+psycopg://ada:secret@host:5/d", URL),
        ("postgresql+psycopg://ada:se@cr/et@host:5/d", URL),
        ("postgresql://ada@host/d", "postgresql://ada@host/d"),
        ("mysql://h/d?user=ada&password=secret&x=1", "mysql://h/d?user=ada&password=***&x=1"),
        ("sqlite:///study.db", "sqlite:///study.db"),
        ("${oc.env:STORAGE}", "${oc.env:STORAGE}"),
    ],
)
def test_a_password_is_hidden_and_nothing_else(url, hidden):
    assert hide_password(url) == hidden
    assert hide_password(hidden) == hidden


@given(password=st.text(min_size=1))
def test_a_hidden_password_is_filled_in_from_the_environment(password):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.environ", {VARIABLE: password})
        assert make_url(fill_password(URL)).password == password
        patch.setattr("os.environ", {})
        assert fill_password(URL) == "postgresql+psycopg://ada@host:5/d"


@pytest.mark.parametrize("typed", [True, False])
def test_jobs_are_composed_without_the_password(typed):
    override = "hydra.sweeper.storage=postgresql+psycopg://ada:secret@host:5/d"
    hydra = {
        "sweeper": {"storage": "postgresql+psycopg://ada:secret@host:5/d"},
        "overrides": {"hydra": ["hydra/sweeper=study", *([override] if typed else [])]},
    }
    config = OmegaConf.create({"hydra": hydra})
    OmegaConf.set_readonly(config.hydra, True)
    hide_in_config(config)
    assert config.hydra.sweeper.storage == URL
    assert config.hydra.overrides.hydra == ["hydra/sweeper=study", f"hydra.sweeper.storage='{URL}'"]
    assert "secret" not in OmegaConf.to_yaml(config)
