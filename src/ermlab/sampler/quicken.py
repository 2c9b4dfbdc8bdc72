"""Exchanges a sampler of Optuna's for one that suggests the same in less time, where it is known.

The quick one leans on private parts of Optuna. It is imported only for the version that it was
compared with; any other version is used as it is.
"""

import functools
import hashlib
import logging
from pathlib import Path

import optuna
from optuna.samplers import BaseSampler, TPESampler

log = logging.getLogger(__name__)

SOURCES = (
    "samplers/_tpe/sampler.py",
    "samplers/_tpe/parzen_estimator.py",
    "samplers/_tpe/probability_distributions.py",
    "samplers/_tpe/_truncnorm.py",
    "search_space/intersection.py",
)
KNOWN = {"5.0.0": "35b44861a3b6690900321de5cf0b3a1e8d1333c6197c15efd0bb97a8e989d995"}


def quicken(sampler: BaseSampler) -> BaseSampler:
    """Return a sampler that suggests the same as another one.

    Args:
        sampler: not used any more: its generators go on in the other one.
    """
    if type(sampler) is not TPESampler:
        return sampler
    if not is_known():
        log.debug("this version of Optuna's TPE is not known, and used as it is")
        return sampler
    from ermlab.sampler.quick_tpe import QuickTPE, use_compiled

    use_compiled()
    quick = object.__new__(QuickTPE)
    vars(quick).update(vars(sampler))
    return quick


@functools.cache
def is_known() -> bool:
    """Whether Optuna's sources are those that the quick sampler was compared with."""
    return digest(SOURCES) in KNOWN.values()


def digest(sources: tuple[str, ...]) -> str | None:
    """Digest some files of Optuna; None where one is not there."""
    found = hashlib.sha256()
    try:
        for source in sources:
            found.update((Path(optuna.__file__).parent / source).read_bytes())
    except OSError:
        return None
    return found.hexdigest()
