"""Loads the compiled library, if there is one for this machine, and describes what it is given."""

import ctypes
import functools
import logging
from ctypes import POINTER, c_char_p, c_double, c_int, c_int64, c_void_p
from pathlib import Path

from ermlab.native.compile import digest_sources, library_path, list_levels

log = logging.getLogger(__name__)

# The numbers that stand for names in model.h.
ACTIVATIONS = {"identity": 0, "relu": 1, "tanh": 2, "sigmoid": 3, "leaky_relu": 4}
LOSSES = {"squared_error": 0, "cross_entropy": 1}
RULES = {"sgd": 0, "adam": 1, "adamw": 2}
LINE_BYTES = 64  # rows in memory are whole lines of the cache


class Model(ctypes.Structure):
    """What the library is given of each model (see model.h, which has the same fields)."""

    _fields_ = [
        ("n_layers", c_int64),
        ("widths", c_void_p),
        ("strides", c_void_p),
        ("weights", c_void_p),
        ("biases", c_void_p),
        ("activations", c_void_p),
        ("n_numbers", c_int64),
        ("params", c_void_p),
        ("means", c_void_p),
        ("squares", c_void_p),
        ("loss", c_int64),
        ("scale", c_double),
        ("smoothing", c_double),
        ("x", c_void_p),
        ("y", c_void_p),
        ("rule", c_int64),
        ("nesterov", c_int64),
        ("lr", c_double),
        ("weight_decay", c_double),
        ("momentum", c_double),
        ("beta1", c_double),
        ("beta2", c_double),
        ("eps", c_double),
        ("n_updates", c_int64),
        ("sizes", c_void_p),
        ("rows", c_void_p),
    ]


@functools.cache
def find_library(level: str) -> ctypes.CDLL | None:
    """Load the best library for a processor, or return None if there is none.

    Args:
        level: what the processor can do, in torch's words: "AVX512", "AVX2" or "DEFAULT".
    """
    levels = list_levels()
    fitting = levels[levels.index(level) :] if level in levels else levels[-1:]
    for library in filter(None, map(load, map(library_path, fitting))):
        for name in ("f32", "f64"):
            train = getattr(library, f"ermlab_train_{name}")
            measure = getattr(library, f"ermlab_measure_{name}")
            train.argtypes = [POINTER(Model), c_int64, c_int64, c_void_p]
            measure.argtypes = [POINTER(Model), c_void_p, c_int64, c_void_p, c_void_p, c_void_p]
            train.restype = measure.restype = c_int
        return library
    return None


def load(path: Path) -> ctypes.CDLL | None:
    """Load a library, or return None if it is not there, or not of these sources."""
    if not path.exists():
        return None
    try:
        library = ctypes.CDLL(str(path))
        library.ermlab_sources.restype = c_char_p
        compiled_from = library.ermlab_sources().decode()
    except (OSError, AttributeError) as error:
        log.warning("the compiled %s cannot be loaded: %s", path.stem, error)
        return None
    if compiled_from != digest_sources():
        log.warning(
            "the compiled %s is of another version, and not used; "
            "python -m ermlab.native.compile compiles it anew",
            path.stem,
        )
        return None
    return library
