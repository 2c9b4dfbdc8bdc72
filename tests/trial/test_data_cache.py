"""The data sets that the trials of a sweep share: bounded, and the same as without a cache."""

import torch
from hydra import compose, initialize_config_dir

from ermlab.config.store import find_conf_dir, register_schemas
from ermlab.trial import build
from ermlab.trial.build import DataCache, build_trial
from ermlab.trial.targets import DEFAULT_ALLOW


def test_the_data_not_used_for_longest_leave_a_full_cache(monkeypatch):
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        configs = [compose("config", overrides=[f"seed={seed}"]) for seed in range(3)]
    cache: DataCache = {}

    def fetch(seed):
        return build_trial(configs[seed].copy(), allow=DEFAULT_ALLOW, cache=cache).parts.data

    first, second = fetch(0), fetch(1)
    # x and y: 1000 + 100 + 100 rows of 100 numbers of 4 bytes; room for two of three.
    monkeypatch.setattr(build, "LARGEST_CACHE_BYTES", 2.5 * 2 * 1200 * 100 * 4)
    assert fetch(0) is first
    third = fetch(2)
    assert list(cache.values()) == [first, third]
    assert fetch(0) is first
    assert fetch(1) is not second
    assert torch.equal(fetch(1).train.x, second.train.x)


def test_a_data_set_larger_than_the_cache_is_still_kept_for_the_next_trial(monkeypatch):
    monkeypatch.setattr(build, "LARGEST_CACHE_BYTES", 1)
    register_schemas()
    with initialize_config_dir(str(find_conf_dir())):
        config = compose("config")
    cache: DataCache = {}
    each = [build_trial(config.copy(), allow=DEFAULT_ALLOW, cache=cache) for _ in range(2)]
    assert each[0].parts.data is each[1].parts.data
