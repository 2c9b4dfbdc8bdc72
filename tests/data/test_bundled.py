"""The data sets of scikit-learn, as they come out of our sources."""

import subprocess
import sys

import numpy as np

from ermlab.data.bundled import diabetes, digits


def test_diabetes_is_a_regression_on_ten_inputs() -> None:
    x, y = diabetes()
    assert (x.shape, y.shape) == ((442, 10), (442, 1))


def test_digits_have_labels_of_ten_classes() -> None:
    _, y = digits()
    assert y.dtype == np.int64
    assert sorted(set(y.tolist())) == list(range(10))


def test_digits_have_grey_levels_from_0_to_1() -> None:
    x, _ = digits()
    assert (x.shape, x.min(), x.max()) == ((1797, 64), 0.0, 1.0)


def test_importing_the_sources_does_not_import_what_they_load_lazily() -> None:
    code = (
        "import sys, ermlab.data.bundled, ermlab.data.table;"
        "print([name for name in ('sklearn', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
