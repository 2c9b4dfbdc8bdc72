"""Which `_target_`s may be called, and what is told of one that may not, cannot or will not be."""

import re

import pytest
import torch
from omegaconf import OmegaConf

from ermlab.config.schema import Sgd
from ermlab.config.store import find_conf_dir
from ermlab.errors import TargetError
from ermlab.trial.targets import (
    ALLOW_VARIABLE,
    DEFAULT_ALLOW,
    allowed_targets,
    check_targets,
    find_callable,
    make,
    matches,
)

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}
SYSTEM = {"_target_": "os.system", "command": "exit 1"}


def build(node, allow=DEFAULT_ALLOW):
    return make(OmegaConf.create(node), key="model", allow=allow)


def refuse(node, allow=DEFAULT_ALLOW):
    with pytest.raises(TargetError) as caught:
        build(node, allow)
    return caught.value


@pytest.fixture
def my_nets(tmp_path, monkeypatch):
    """Give a module of the user's, importable for one test."""
    (tmp_path / "my_nets.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Linear):\n    pass\n"
        "def divide(value):\n    return 1 / value\n"
        "def confuse():\n    return len(3)\n"
    )
    (tmp_path / "my_broken.py").write_text("import a_package_nobody_has\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("target", "pattern", "expected"),
    [
        ("torch.nn.Linear", "torch.nn.*", True),
        ("torch.nn.modules.linear.Linear", "torch.nn.*", True),
        ("torch.nnx.Foo", "torch.nn.*", False),
        ("torch.nn", "torch.nn.*", False),
        ("my_torch.nn.Linear", "torch.nn.*", False),
        ("my_pkg.Net", "my_pkg.Net", True),
        ("my_pkg.Net2", "my_pkg.Net", False),
        ("my_pkg.Net.build", "my_pkg.Net", False),
        ("MY_PKG.Net", "my_pkg.*", False),
        (3, "my_pkg.*", False),
        (None, "my_pkg.*", False),
        (["my_pkg.Net"], "my_pkg.*", False),
    ],
)
def test_a_pattern_is_a_full_name_or_a_package(target, pattern, expected):
    assert matches(target, pattern) == expected


@pytest.mark.parametrize("group", ["data", "model", "loss", "optimizer", "loop"])
def test_every_target_that_an_option_of_ours_names_is_allowed(group):
    for file in (find_conf_dir() / group).glob("*.yaml"):
        target = OmegaConf.create({"_target_": OmegaConf.load(file)["_target_"]})
        check_targets(target, key=group, allow=allowed_targets())


def test_a_script_adds_its_own_patterns():
    assert allowed_targets(["my_pkg.*"])[len(DEFAULT_ALLOW) :] == ("my_pkg.*",)


@pytest.mark.parametrize("text", ["a.*,b.Net", "a.*:b.Net", " a.* , b.Net ,", ",a.*,,b.Net"])
def test_the_shell_adds_patterns_between_commas_or_colons(text, monkeypatch):
    monkeypatch.setenv(ALLOW_VARIABLE, text)
    assert allowed_targets()[len(DEFAULT_ALLOW) :] == ("a.*", "b.Net")


def test_an_empty_variable_of_the_shell_adds_nothing(monkeypatch):
    monkeypatch.setenv(ALLOW_VARIABLE, "")
    assert allowed_targets() == DEFAULT_ALLOW


@pytest.mark.parametrize("pattern", ["*", "my*", ".*", "my_pkg.*.Net", "my_pkg*"])
def test_a_pattern_of_the_shell_that_is_too_wide_is_refused(pattern, monkeypatch):
    monkeypatch.setenv(ALLOW_VARIABLE, pattern)
    with pytest.raises(TargetError) as caught:
        allowed_targets()
    assert caught.value.where == ALLOW_VARIABLE


def test_a_pattern_of_a_script_that_is_too_wide_is_refused():
    with pytest.raises(TargetError) as caught:
        allowed_targets(["*"])
    assert caught.value.where == "allow"


def test_a_module_of_torch_is_made_with_its_keys():
    assert build(LINEAR).weight.shape == (3, 2)


def test_what_goes_before_the_keys_is_passed_on():
    module = build(LINEAR)
    node = OmegaConf.create({"_target_": "torch.optim.SGD", "lr": 0.5})
    optimizer = make(node, module.parameters(), key="optimizer", allow=DEFAULT_ALLOW)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_nested_target_is_made_first():
    made = build({"_target_": "torch.nn.Sequential", "_args_": [LINEAR, LINEAR]})
    assert [type(part) for part in made] == [torch.nn.Linear] * 2


def test_a_list_reaches_the_target_as_a_list():
    made = build({"_target_": "torch.nn.LayerNorm", "normalized_shape": [2, 3]})
    assert made.normalized_shape == (2, 3)


@pytest.mark.parametrize(
    ("node", "where"),
    [
        (SYSTEM, "model._target_"),
        ({**LINEAR, "bias": SYSTEM}, "model.bias._target_"),
        ({**LINEAR, "bias": {"deep": {"deeper": SYSTEM}}}, "model.bias.deep.deeper._target_"),
        (
            {"_target_": "torch.nn.Sequential", "_args_": [LINEAR, SYSTEM]},
            "model._args_.1._target_",
        ),
        ({**LINEAR, "bias": [[SYSTEM]]}, "model.bias.0.0._target_"),
        ({**SYSTEM, "_partial_": True}, "model._target_"),
        ({**LINEAR, "_recursive_": False, "bias": SYSTEM}, "model.bias._target_"),
    ],
)
def test_a_target_outside_the_whitelist_is_refused_wherever_it_stands(node, where):
    assert refuse(node).where == where


@pytest.mark.parametrize(
    "target",
    ["os.system", "builtins.eval", "builtins.exec", "subprocess.run", "torch.load", "pickle.loads"],
)
def test_a_target_that_runs_any_code_is_not_allowed_at_the_start(target):
    assert f"{target!r}, which ermlab is not allowed to call" in refuse({"_target_": target}).what


def test_a_target_that_an_interpolation_gives_is_checked_as_well():
    node = OmegaConf.create({"name": "os.system", "model": {"_target_": "${name}"}})
    with pytest.raises(TargetError, match=r"os\.system"):
        make(node.model, key="model", allow=DEFAULT_ALLOW)


@pytest.mark.parametrize(
    "target",
    [
        "ermlab.cli.main.guard",
        "ermlab.rundir.write_bytes",
        "ermlab.trial.files.os.remove",
        "ermlab.trial.provenance.subprocess.run",
        "ermlab.trial.targets.get_object",
    ],
)
def test_what_of_ours_can_change_files_or_start_programs_is_not_allowed(target):
    assert "which ermlab is not allowed to call" in refuse({"_target_": target}).what


@pytest.mark.parametrize(
    "target",
    [
        "ermlab.data.lab1.np.load",
        "ermlab.model.linear.torch.load",
        "torch.nn.modules.linear.math.sqrt",
    ],
)
def test_a_foreign_function_is_not_reached_through_a_module_that_imports_it(target):
    assert "a call that is not allowed" in refuse({"_target_": target}).what


def test_a_foreign_function_is_not_reached_from_a_node_with_a_schema():
    # Such a node is called without Hydra when its target is ours.
    target = "ermlab.data.lab1.np.load"
    node = OmegaConf.structured(Sgd(_target_=target, lr=1, weight_decay=0))
    with pytest.raises(TargetError, match="a call that is not allowed"):
        make(node, key="optimizer", allow=DEFAULT_ALLOW)


def test_a_refusal_tells_the_variable_and_the_argument_that_would_allow_it():
    fix = refuse({"_target_": "my_pkg.nets.MyNet"}).fix
    assert "ERMLAB_ALLOW='my_pkg.*' ermlab" in fix
    assert 'ermlab.main(allow=["my_pkg.*"])' in fix


def test_the_variable_that_a_refusal_tells_allows_the_target(my_nets, monkeypatch):
    told = refuse({"_target_": "my_nets.Net", "in_features": 2, "out_features": 3})
    pattern = re.search(r"ERMLAB_ALLOW='([^']+)'", told.fix)[1]
    monkeypatch.setenv("ERMLAB_ALLOW", pattern)
    made = build({**LINEAR, "_target_": "my_nets.Net"}, allow=allowed_targets())
    assert made.weight.shape == (3, 2)


@pytest.mark.parametrize("target", [3, 1.5, True, ["torch.nn.Linear"], ""])
def test_a_target_that_is_no_name_is_refused(target):
    assert refuse({"_target_": target}).where == "model._target_"


@pytest.mark.parametrize("node", [{}, {"hidden_units": 3}, {"_target_": None}])
def test_a_node_without_a_target_is_told_to_set_one(node):
    assert "set model._target_" in refuse(node).fix


@pytest.mark.parametrize(
    "target", ["torch.nn.Lineer", "torch.nn.nowhere.Net", "torch.nn.", "torch.nn..Linear"]
)
def test_a_target_that_is_not_there_is_told_as_such(target):
    told = refuse({"_target_": target})
    assert f"{target!r}, which cannot be imported" in told.what


def test_a_nested_target_that_is_not_there_is_told_by_its_own_name():
    node = {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "torch.nn.Lineer"}]}
    assert "'torch.nn.Lineer', which cannot be imported" in refuse(node).what


def test_a_module_that_is_not_installed_is_told_by_name():
    told = refuse({"_target_": "not_installed.Net"}, allow=["not_installed.*"])
    assert "No module named 'not_installed'" in told.what
    assert "python -m ermlab" in told.fix


def test_an_error_while_importing_the_users_module_is_told(my_nets):
    told = refuse({"_target_": "my_broken.Net"}, allow=["my_broken.*"])
    assert "a_package_nobody_has" in told.what


@pytest.mark.parametrize(
    "node",
    [{**LINEAR, "hidden_units": 3}, {"_target_": "torch.nn.Linear"}],
    ids=["unknown", "missing"],
)
def test_keys_that_the_target_does_not_take_are_told_beside_its_own(node):
    told = refuse(node)
    assert told.where == "model"
    assert told.what.startswith("torch.nn.Linear does not take what model gives it")


def test_keys_that_a_class_of_ours_does_not_take_are_told_as_well():
    # A node with a schema, whose target was changed: it is called without Hydra.
    node = OmegaConf.structured(Sgd(_target_="ermlab.objective.SquaredError", lr=1, weight_decay=0))
    with pytest.raises(TargetError, match="does not take what loss gives it"):
        make(node, key="loss", allow=DEFAULT_ALLOW)


@pytest.mark.parametrize(
    ("function", "kind"), [("divide", ZeroDivisionError), ("confuse", TypeError)]
)
def test_an_error_inside_the_users_function_keeps_its_type(function, kind, my_nets):
    node = {"_target_": f"my_nets.{function}"} | ({"value": 0} if function == "divide" else {})
    with pytest.raises(kind) as caught:
        build(node, allow=["my_nets.*"])
    assert caught.traceback[-1].name == function


def test_an_error_has_no_cause_that_leads_back_to_itself():
    error, seen = refuse({"_target_": "torch.nn."}), []
    while error is not None:
        assert error not in seen
        seen.append(error)
        error = error.__cause__


def test_finding_a_target_does_not_call_it():
    found = find_callable(OmegaConf.create(LINEAR), key="model", allow=DEFAULT_ALLOW)
    assert found is torch.nn.Linear


def test_finding_a_target_checks_the_whitelist():
    with pytest.raises(TargetError, match="not allowed"):
        find_callable(OmegaConf.create(SYSTEM), key="data", allow=DEFAULT_ALLOW)


def test_finding_a_target_that_is_not_there_is_told_as_such():
    with pytest.raises(TargetError, match="cannot be imported"):
        find_callable(
            OmegaConf.create({"_target_": "torch.nn.no"}), key="data", allow=DEFAULT_ALLOW
        )


def test_a_whitelist_without_a_pattern_allows_nothing():
    with pytest.raises(TargetError, match="not allowed"):
        check_targets(OmegaConf.create(LINEAR), key="model", allow=[])


def test_a_name_below_a_class_is_found_or_told_as_missing():
    def find(target):
        return find_callable(
            OmegaConf.create({"_target_": target}), key="model", allow=("torch.*",)
        )

    assert find("torch.nn.Linear.__init__") is torch.nn.Linear.__init__
    with pytest.raises(TargetError, match="cannot be imported"):
        find("torch.nn.nonsense.__class__")
