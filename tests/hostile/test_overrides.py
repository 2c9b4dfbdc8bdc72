"""Overrides that are malformed or hostile, as they are typed: one message, nothing is called."""

import pytest

STUDY = ["-m", "hydra/sweeper=study", "hydra.sweeper.n_trials=2", "hydra.sweep.dir=out"]
DEEP = "[" * 300 + "]" * 300

VALUES = {
    "no number": "optimizer.lr=abc",
    "a list": "optimizer.lr=[1,2]",
    "a mapping": "optimizer.lr={a:1}",
    "too large for a float": "optimizer.lr=1e999",
    "a number of 5000 digits": "seed=" + "9" * 5000,
    "more threads than torch can have": "threads=99999",
    "more threads than a number can be": "threads=1000000000000000000000",
    "more units than memory has": "model.hidden_units=9999999999999",
    "a negative size": "data.n_train=-1",
    "a null byte": "optimizer.lr=\0",
    "a null byte in a path": "data=table & data.path=a\0b & data.targets=[y]",
    "half a character": "dtype=\udc80",
    "another script": "dtype=float٣٢",
    "deep nesting": f"+x={DEEP}",
    "an open quote": "optimizer.lr='a",
    "an open bracket": "optimizer.lr=[1",
    "an open interpolation": "optimizer.lr=${${${",
    "an interpolation of itself": "optimizer.lr=${optimizer.lr}",
    "a cycle": "optimizer.lr=${optimizer.eps} & optimizer.eps=${optimizer.lr}",
    "an unknown resolver": "optimizer.lr=${os.system:id}",
    "a variable that is not set": "optimizer.lr=${oc.env:NOT_SET}",
    "a variable that is no number": "optimizer.lr=${oc.env:PATH}",
    "no key": "=1",
    "only a sign": "+",
    "a key with a space": "optimizer.l r=1",
    "an unknown function": "optimizer.lr=eval(1)",
    "a cast that cannot be": "optimizer.lr=int(abc)",
    "a group of another folder": "model=../../../etc/passwd",
    "a group of an absolute path": "model=/etc/passwd",
    "a package beyond the top": "model@..=mlp",
    "Hydra is a number": "hydra=3",
    "no launcher of Hydra's": "hydra.launcher._target_=os.system & -m & seed=1,2",
    "no sweeper of Hydra's": "hydra.sweeper._target_=os.system & -m & seed=1,2",
    "an unknown mode": "hydra.mode=X",
    "a handler that is not there": "hydra.job_logging.root.handlers=[nope]",
    "loggers that are numbers": "hydra.verbose=[1,2]",
    "a folder that cannot be made": "hydra.run.dir=/proc/nowhere/run",
    "a folder of a null byte": "hydra.run.dir='a\0b'",
    "a pickle to run again": "--experimental-rerun=/nowhere",
}
SWEPT = {
    "nothing to choose": "optimizer.lr=choice()",
    "an open choice": "optimizer.lr=choice(1",
    "a choice of containers": "optimizer.lr=choice([1,2],{a:1})",
    "a choice of choices": "optimizer.lr=choice(choice(1,2),3)",
    "a choice with a semicolon": "optimizer.lr=choice(1;2)",
    "a range of nothing": "optimizer.lr=range()",
    "a range of words": "optimizer.lr=range(a,b)",
    "a range without a step": "optimizer.lr=range(1,2,0)",
    "a range the wrong way": "model.hidden_units=range(5,1)",
    "an interval of one number": "optimizer.lr=interval(1)",
    "an interval of words": "optimizer.lr=interval(a,b)",
    "an interval the wrong way": "optimizer.lr=interval(2,1)",
    "an interval without numbers": "optimizer.lr=interval(nan,nan)",
    "an interval beyond floats": "optimizer.lr=interval(1e400,2)",
    "a logarithm of zero": "optimizer.lr=tag(log,interval(0,1))",
    "a logarithm of less": "optimizer.lr=tag(log,interval(-1,1))",
    "a tag without a sweep": "optimizer.lr=tag(3,4)",
    "an empty tag": "optimizer.lr=tag()",
    "a glob of options": "model=glob(*)",
    "a glob that finds none": "model=glob(x)",
    "a glob of numbers": "optimizer.lr=glob(*)",
    "an empty glob": "model=glob()",
    "nothing to shuffle": "optimizer.lr=shuffle()",
    "one number to shuffle": "optimizer.lr=shuffle(1)",
    "nothing to sort": "optimizer.lr=sort()",
    "things that have no order": "optimizer.lr=sort(a,1,b)",
    "an order that is no bool": "optimizer.lr=sort(1,2,reverse=x)",
    "a list in a mapping's place": "+hydra.sweeper.params=[1,2]",
    "a parameter that is open": "+hydra.sweeper.params={optimizer.lr:'choice('}",
    "a parameter the wrong way": "+hydra.sweeper.params={optimizer.lr:'interval(2,1)'}",
    "a direction of its own": "hydra.sweeper.direction=up",
    "no direction": "hydra.sweeper.direction=[]",
    "a sampler that is a number": "hydra.sweeper.sampler=3",
    "a sampler that runs programs": "hydra.sweeper.sampler._target_=os.system",
    "a sampler's unknown option": "+hydra.sweeper.sampler.nope=1",
    "a sampler's negative seed": "hydra.sweeper.sampler.seed=-1 & optimizer.lr=interval(1,2)",
    "an unknown sampler": "hydra/sweeper/sampler=nope",
    "trials that are no number": "hydra.sweeper.n_trials=abc",
    "a search space that runs": "hydra.sweeper.custom_search_space=os.system",
    "processes that are none": "hydra/launcher=stacked & hydra.launcher.n_jobs=0",
    "processes of a kind unknown": "hydra/launcher=stacked & hydra.launcher.backend=nope",
    "a stack that is a number": "hydra/launcher=stacked & hydra.launcher.stack=3",
    "no launcher": "hydra.launcher=null",
    "no folder": "hydra.sweep.dir=null",
}
CALL = "touch CANARY"
TARGETS = {
    "a program": {"_target_": "os.system", "command": CALL},
    "an expression": {"_target_": "builtins.eval", "_args_": ["open('CANARY','w')"]},
    "a part of a program": {"_target_": "os.system", "_partial_": True, "command": CALL},
    "a chain of parts": {"_target_": "functools.partial", "_args_": [{"_target_": "os.system"}]},
    "Hydra's call": {"_target_": "hydra.utils.call", "config": {"_target_": "os.system"}},
    "Hydra's instantiate": {"_target_": "hydra.utils.instantiate", "config": {"_target_": "x.y"}},
    "a process by our own module": {"_target_": "ermlab.trial.provenance.subprocess.run"},
    "our own reader of targets": {"_target_": "ermlab.trial.targets.make"},
    "a file by our own module": {"_target_": "ermlab.rundir.write_whole", "path": "CANARY"},
    "a module that torch imports": {"_target_": "torch.nn.modules.module.torch.os.system"},
    "a pickle": {"_target_": "torch.load", "f": "CANARY", "weights_only": False},
    "a compiler": {"_target_": "torch.utils.cpp_extension.load_inline", "name": "x"},
    "a dunder": {"_target_": "torch.nn.Linear.__init__.__globals__"},
    "a nested program": {"_target_": "torch.nn.Sequential", "_args_": [{"_target_": "os.system"}]},
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_refused(name, refused, tiny):
    refused(*tiny, *VALUES[name].split(" & "))


@pytest.mark.parametrize("name", SWEPT)
def test_a_search_is_refused_before_a_trial(name, refused, tiny, tmp_path):
    refused(*STUDY, *tiny, *SWEPT[name].split(" & "))
    assert not (tmp_path / "out" / "0").exists()


@pytest.mark.parametrize("group", ["model", "data"])
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_that_does_harm_is_not_called(name, group, refused, tiny, canary, tmp_path):
    path = tmp_path / "conf" / group / "evil.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(str(TARGETS[name]).replace("CANARY", str(canary)))
    words = [word for word in tiny if not word.startswith(f"{group}.")]
    refused("--config-dir", "conf", *words, f"{group}=evil")


@pytest.mark.parametrize("key", ["callbacks.x", "launcher", "sweeper"])
def test_a_target_of_hydras_own_is_not_called(key, refused, tiny, canary):
    refused("-m", *tiny, f"+hydra.{key}={{_target_: os.system, command: 'touch {canary}'}}")
