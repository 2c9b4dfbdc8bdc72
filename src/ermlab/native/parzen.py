"""Loads the compiled functions of normal distributions, if there are any for this machine."""

import ctypes
import functools
from ctypes import POINTER, c_double, c_int, c_int64, c_void_p

from ermlab.native.compile import parzen_path
from ermlab.native.library import load

KINDS = {"smooth": 0, "steps": 1, "choices": 2}  # as parzen.c numbers them


class Parameter(ctypes.Structure):
    """One parameter of a mixture (see parzen.c, which has the same fields)."""

    _fields_ = [
        ("kind", c_int64),
        ("mu", c_void_p),
        ("sigma", c_void_p),
        ("low", c_double),
        ("high", c_double),
        ("left", c_void_p),
        ("right", c_void_p),
        ("weights", c_void_p),
        ("n_choices", c_int64),
    ]


@functools.cache
def find_parzen() -> ctypes.CDLL | None:
    """Load the library of `parzen.c`, or return None if there is none."""
    library = load(parzen_path())
    if library is not None:
        library.ermlab_log_ndtr.argtypes = [c_void_p, c_int64, c_void_p]
        library.ermlab_log_ndtr.restype = None
        mixture = (POINTER(Parameter), c_int64, c_void_p, c_int64)
        library.ermlab_log_density.argtypes = (*mixture, c_int64, c_double, c_void_p)
        library.ermlab_log_density.restype = c_int
    return library
