"""The columns of a configuration: what a summary says about how a run was made."""

import json

from omegaconf import OmegaConf

from ermlab.trial.columns import GROUPS, flatten_choices, flatten_config

CHOICES = {"model": "mlp", "data": "lab1", "hydra/launcher": "basic", "sweeps": None}


def flatten(content, choices=CHOICES):
    return flatten_config(OmegaConf.create(content), choices)


def test_a_nested_key_becomes_a_dotted_column():
    assert flatten({"model": {"head": {"width": 3}}})["model.head.width"] == 3


def test_the_chosen_option_is_the_column_of_its_group():
    columns = flatten({"model": {"width": 3}})
    assert (columns["model"], columns["data"]) == ("mlp", "lab1")


def test_a_group_without_a_choice_has_an_empty_column():
    assert flatten({}, {}) == dict.fromkeys(GROUPS)


def test_an_interpolation_becomes_its_value():
    assert flatten({"seed": 7, "data": {"seed": "${seed}"}})["data.seed"] == 7


def test_a_list_becomes_its_json_text():
    assert json.loads(flatten({"model": {"widths": [3, 4]}})["model.widths"]) == [3, 4]


def test_targets_are_no_columns():
    assert not [name for name in flatten({"model": {"_target_": "a.B"}}) if "_target_" in name]


def test_a_value_of_none_keeps_its_column():
    columns = flatten({"loop": {"patience": None}})
    assert "loop.patience" in columns
    assert columns["loop.patience"] is None


def test_a_wrong_configuration_still_tells_its_options_and_its_seed():
    config = OmegaConf.create({"seed": 5})
    assert flatten_choices(config, CHOICES) == {
        "model": "mlp",
        "data": "lab1",
        "sweeps": None,
        "seed": 5,
    }


def test_a_wrong_configuration_may_have_no_seed():
    assert flatten_choices(OmegaConf.create({"seed": "???"}), {}) == {"seed": None}


def test_a_seed_that_leads_nowhere_is_left_out():
    assert flatten_choices(OmegaConf.create({"seed": "${nowhere}"}), {}) == {"seed": None}
