"""What `check_config` refuses, and what it says: each refusal names the key and how to mend it."""

import copy
import dataclasses
import functools
import math
import typing

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf, open_dict

from ermlab.config.check import check_batch_size, check_config
from ermlab.config.schema import SCHEMAS, Config
from ermlab.config.schema_data import data_schemas
from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.errors import ConfigError

ALL = {**SCHEMAS, "data": data_schemas()}


@functools.cache
def _composed(*overrides: str) -> DictConfig:
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        return compose("config", overrides=list(overrides))


def refuse(*overrides, is_sweep=False, changes=None, **choices):
    """Compose, change values as a file or the command line could, and return the refusal."""
    config = copy.deepcopy(_composed(*overrides))
    for key, seen in (changes or {}).items():
        OmegaConf.update(config, key, seen, force_add=True)
    with pytest.raises(ConfigError) as caught:
        check_config(config, choices=choices, is_sweep=is_sweep)
    return caught.value


def accept(*overrides, is_sweep=False, **choices):
    check_config(copy.deepcopy(_composed(*overrides)), choices=choices, is_sweep=is_sweep)


def wrong_values(field):
    """List values of the field's type that are outside its range."""
    if names := field.metadata.get("names"):
        return [f"not_{names[0]}"]
    limits = {"gt": 0, "ge": -1, "lt": 0, "le": 1}
    wrong = [
        field.metadata[key] + beyond
        for key, beyond in limits.items()
        if field.metadata.get(key) is not None
    ]
    is_float = float in (field.type, *typing.get_args(field.type))
    return wrong + ([math.nan, math.inf, -math.inf] if wrong and is_float else [])


def ranged_fields():
    schemas = [(None, None, Config)] + [
        (group, option, schema)
        for group, options in ALL.items()
        for option, schema in options.items()
    ]
    for group, option, schema in schemas:
        for field in dataclasses.fields(schema):
            key = f"{group}.{field.name}" if group else field.name
            for seen in wrong_values(field):
                override = [f"{group}={option}"] if group else []
                yield pytest.param(override, key, seen, id=f"{option or 'top'}-{key}={seen}")


@pytest.mark.parametrize(("overrides", "key", "seen"), list(ranged_fields()))
def test_a_value_out_of_range_is_refused_with_its_key(overrides, key, seen):
    told = refuse(*overrides, changes={key: seen})
    assert (told.where, key in told.fix) == (key, True)


@pytest.mark.parametrize("group", sorted(ALL))
def test_every_schema_has_a_range_for_some_field(group):
    fields = [f for schema in ALL[group].values() for f in dataclasses.fields(schema)]
    assert any(wrong_values(field) for field in fields)


def test_the_message_shows_the_value_seen_and_the_range():
    told = refuse(changes={"optimizer.lr": -3.0})
    assert told.what == "optimizer.lr is -3.0, but must be > 0"


@pytest.mark.parametrize("option", sorted(ALL["loop"]))
def test_the_defaults_of_every_loop_pass(option):
    accept(f"loop={option}", loop=option)


@pytest.mark.parametrize("option", sorted(ALL["data"]))
def test_the_defaults_of_every_data_source_pass(option):
    accept(f"data={option}", data=option)


@pytest.mark.parametrize("option", sorted(ALL["model"]))
def test_the_defaults_of_every_model_pass(option):
    accept(f"model={option}", model=option)


@pytest.mark.parametrize("option", sorted(ALL["optimizer"]))
def test_the_defaults_of_every_optimizer_pass(option):
    accept(f"optimizer={option}", optimizer=option)


@pytest.mark.parametrize(
    ("key", "known"),
    [
        ("model.hiden_units", "hidden_units"),
        ("loop.batchsize", "batch_size"),
        ("data.ntrain", "n_train"),
        ("optimizer.momentum", "weight_decay"),
        ("learning_rate", "threads"),
    ],
)
def test_a_key_that_a_plus_slipped_past_the_schema_is_refused(key, known):
    told = refuse(f"+{key}=1")
    assert told.where == key
    assert known in told.fix


def test_an_unknown_key_does_not_offer_the_target_as_a_known_one():
    assert "_target_" not in refuse("+model.foo=1").fix


def test_a_group_of_the_users_own_has_the_keys_it_wants():
    config = copy.deepcopy(_composed())
    with open_dict(config):
        config.model = OmegaConf.create({"_target_": "mine.Net", "anything": {"deep": 1}})
    check_config(config, choices={}, is_sweep=False)


def test_a_batch_larger_than_the_training_split_is_refused():
    told = refuse("loop.batch_size=11", "data.n_train=10")
    assert told.where == "loop.batch_size"
    assert "11 rows" in told.what
    assert "at most 10" in told.fix


def test_a_batch_as_large_as_the_training_split_passes():
    accept("loop.batch_size=10", "data.n_train=10")


def test_a_share_of_the_rows_leaves_the_batch_to_be_checked_with_the_data():
    accept("data=diabetes", "loop.batch_size=100000")


@pytest.mark.parametrize(("batch_size", "n_train"), [(1, 0), (2, 1), (10**9, 10)])
def test_a_batch_of_more_rows_than_there_are_is_refused(batch_size, n_train):
    with pytest.raises(ConfigError, match="larger than the training split"):
        check_batch_size(batch_size, n_train)


def test_a_sweep_without_m_is_refused_with_the_command_to_type():
    told = refuse(sweeps="step_size")
    assert (told.where, told.fix) == ("sweeps", "add -m: ermlab -m sweeps=step_size")


def test_a_sweep_with_m_passes():
    accept(sweeps="step_size", is_sweep=True)


@pytest.mark.parametrize("objective", ["valid_loss", "valid_accuracy", "[train_loss,valid_loss]"])
def test_a_sweep_of_a_loop_without_validation_needs_another_objective(objective):
    told = refuse("loop=simple", f"objective={objective}", is_sweep=True, loop="simple")
    assert told.where == "objective"
    assert "objective=train_loss" in told.fix


def test_a_sweep_of_a_loop_without_validation_can_minimize_the_training_loss():
    accept("loop=simple", "objective=train_loss", is_sweep=True, loop="simple")


def test_a_single_run_of_a_loop_without_validation_needs_no_objective():
    accept("loop=simple", loop="simple")


def test_an_accuracy_that_the_loss_does_not_measure_is_refused():
    told = refuse("objective=valid_accuracy", loss="squared_error")
    assert told.where == "objective"
    assert "loss=cross_entropy" in told.fix


def test_an_accuracy_that_the_loss_measures_passes():
    accept("objective=valid_accuracy", "loss=cross_entropy", loss="cross_entropy")


@pytest.mark.parametrize("key", ["model.hidden_units", "seed", "data.n_train"])
def test_a_value_that_is_missing_is_refused_with_what_to_type(key):
    told = refuse(f"{key}=???")
    assert (told.where, told.fix) == (key, f"set it on the command line: {key}=VALUE")


def test_a_group_that_is_taken_away_is_refused_by_name():
    assert refuse("~model").where == "model"


def test_a_missing_value_inside_a_list_is_refused_by_its_place():
    assert refuse("+model.sizes=[3,???]").where == "model.sizes.1"


def test_several_missing_values_are_named_at_once():
    assert refuse("seed=???", "threads=???").what == "seed, threads has no value"


@pytest.mark.parametrize(
    "override",
    ["model.n_inputs=${data.n_input}", "optimizer.lr=${nowhere}", "seed=${data.seed}"],
)
def test_an_interpolation_that_cannot_be_resolved_is_refused_as_one(override):
    told = refuse(override)
    assert told.what.startswith("an interpolation cannot be resolved: ")
    assert "${data.n_inputs}" in told.fix


def test_an_interpolation_that_cannot_be_resolved_is_refused_with_its_key():
    assert refuse("model.n_inputs=${data.n_input}").where == "model.n_inputs"
