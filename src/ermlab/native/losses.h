/* The losses of a row of predictions f, and their gradients g, which may be written over f. */

/* scale sum_j (f_j - y_j)^2 */
INLINE double NAME(squared_error)(const REAL *f, const REAL *restrict y, REAL *g, int64_t m,
                                  REAL scale, REAL share) {
  const REAL factor = 2 * scale * share;
  REAL parts[16] = {0}; /* sums side by side, which vectors can add */
  int64_t j = 0;
  for (; j + 16 <= m; j += 16)
#pragma GCC ivdep
    for (int i = 0; i < 16; i++) {
      const REAL error = f[j + i] - y[j + i];
      parts[i] += error * error;
      g[j + i] = factor * error;
    }
  for (; j < m; j++) {
    const REAL error = f[j] - y[j];
    parts[0] += error * error;
    g[j] = factor * error;
  }
  double sum = 0;
  for (int i = 0; i < 16; i++) sum += parts[i];
  return sum * scale;
}

/* -sum_j t_j log softmax(f)_j, where t is 1 - smoothing at the label and smoothing / m besides */
INLINE double NAME(cross_entropy)(const REAL *f, int64_t label, REAL *g, int64_t m,
                                  double smoothing, REAL share) {
  if (label < 0 || label >= m) return NAN;
  REAL top = f[0], total = 0, mean = 0;
  for (int64_t j = 1; j < m; j++) top = f[j] <= top ? top : f[j]; /* NaN gets through */
  const REAL at_label = f[label] - top;
  for (int64_t j = 0; j < m; j++) {
    g[j] = f[j] - top;
    mean += g[j];
  }
  const int64_t n_padded = (m + LANES - 1) / LANES * LANES;
  for (int64_t j = 0; j < n_padded; j += LANES)
    NAME(store)(g + j, NAME(exponential)(NAME(load)(g + j)));
  for (int64_t j = 0; j < m; j++) total += g[j];
  for (int64_t j = 0; j < m; j++) g[j] = (g[j] / total - (REAL)smoothing / m) * share;
  g[label] += (REAL)(smoothing - 1) * share;
  const REAL log_total = sizeof(REAL) == 4 ? (REAL)logf((float)total) : (REAL)log((double)total);
  const double loss = log_total - (1 - smoothing) * at_label;
  return smoothing == 0 ? loss : loss - smoothing * (mean / m); /* the mean may be infinite */
}

/* A sum of squared errors is infinite where REAL has no number for it, as torch's is. */
INLINE double NAME(bound)(const Model *model, double sum) {
  return model->loss == SQUARED_ERROR && sum / model->scale > (double)LARGEST_NUMBER ? INFINITY : sum;
}

/* The sum of the losses of predictions f, (B, stride); writes the gradient of their mean to g.
 *
 * rows: of the targets y; NULL: the first ones. */
static double NAME(differentiate)(const Model *model, const void *y, const int64_t *rows,
                                  int64_t n_rows, const REAL *f, REAL *g) {
  const int64_t m = model->widths[model->n_layers], stride = model->strides[model->n_layers];
  const REAL share = (REAL)1 / n_rows, scale = model->scale;
  double sum = 0;
  for (int64_t b = 0; b < n_rows; b++, f += stride, g += stride) {
    const int64_t row = rows ? rows[b] : b;
    sum += model->loss == SQUARED_ERROR
               ? NAME(squared_error)(f, (const REAL *)y + row * m, g, m, scale, share)
               : NAME(cross_entropy)(f, ((const int64_t *)y)[row], g, m, model->smoothing, share);
  }
  return NAME(bound)(model, sum);
}
