"""Real data sets that scikit-learn brings along, so that nothing is downloaded.

Their splits and sizes are configured in `conf/data/`; files of the user's own are in `table.py`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

MAX_PIXEL = 16  # the digits count the dark pixels of 4 x 4 blocks


def diabetes() -> tuple[Array, Array]:
    """Load the diabetes data: disease progression of 442 patients.

    Returns:
        x, (442, 10): age, sex, body mass index, blood pressure and six blood serum measurements,
        centred, each column with sum of squares 1; and y, (442, 1) [score of 25 to 346].

    Source:
        Efron et al. (2004), "Least Angle Regression", section 1, as in scikit-learn.
    """
    # Imported here, since it takes a second that other data sources need not wait.
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64).reshape(-1, 1)


def digits() -> tuple[Array, Array]:
    """Load the digits data: 1797 handwritten digits of 8 x 8 pixels.

    Returns:
        x, (1797, 64): grey levels in [0, 1]; and the class labels y, (1797,) int64 in 0..9.

    Source:
        Alpaydin and Kaynak (1998), UCI "Optical Recognition of Handwritten Digits", test part, as
        in scikit-learn.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return np.asarray(x, dtype=np.float64) / MAX_PIXEL, np.asarray(y, dtype=np.int64)
