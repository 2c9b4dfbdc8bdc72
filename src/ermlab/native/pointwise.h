/* The activations and their slopes, for rows of which the padding is computed as well. */

static void NAME(activate)(int64_t activation, REAL *z, int64_t n) {
  switch (activation) {
    case RELU: /* NaN stays */
      for (int64_t i = 0; i < n; i++) z[i] = z[i] <= 0 ? 0 : z[i];
      break;
    case LEAKY_RELU:
      for (int64_t i = 0; i < n; i++) z[i] = z[i] > 0 ? z[i] : z[i] * (REAL)LEAK;
      break;
    case TANH:
      for (int64_t i = 0; i < n; i += LANES) NAME(store)(z + i, NAME(tangent)(NAME(load)(z + i)));
      break;
    case SIGMOID:
      for (int64_t i = 0; i < n; i += LANES)
        NAME(store)(z + i, (REAL)1 / ((REAL)1 + NAME(exponential)(-NAME(load)(z + i))));
      break;
  }
}

/* Turn the gradient at the outputs a into that at the sums. */
static void NAME(slope)(int64_t activation, REAL *restrict g, const REAL *restrict a, int64_t n) {
  switch (activation) {
    case RELU:
      for (int64_t i = 0; i < n; i++) g[i] = a[i] <= 0 ? 0 : g[i];
      break;
    case LEAKY_RELU:
      for (int64_t i = 0; i < n; i++) g[i] = a[i] > 0 ? g[i] : g[i] * (REAL)LEAK;
      break;
    case TANH:
      for (int64_t i = 0; i < n; i++) g[i] *= 1 - a[i] * a[i];
      break;
    case SIGMOID:
      for (int64_t i = 0; i < n; i++) g[i] *= a[i] * (1 - a[i]);
      break;
  }
}
