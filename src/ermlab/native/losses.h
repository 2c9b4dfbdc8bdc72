/* The losses of a row and their gradients, written over the prediction. */

/* scale sum_j (f_j - y_j)^2 */
INLINE double NAME(squared_error)(REAL *f, const REAL *y, int64_t m, REAL scale, REAL share) {
  const REAL factor = 2 * scale * share;
  REAL parts[16] = {0}; /* sums side by side, which vectors can add */
  int64_t j = 0;
  for (; j + 16 <= m; j += 16)
    for (int i = 0; i < 16; i++) {
      const REAL error = f[j + i] - y[j + i];
      parts[i] += error * error;
      f[j + i] = factor * error;
    }
  for (; j < m; j++) {
    const REAL error = f[j] - y[j];
    parts[0] += error * error;
    f[j] = factor * error;
  }
  double sum = 0;
  for (int i = 0; i < 16; i++) sum += parts[i];
  return sum * scale;
}

/* -sum_j t_j log softmax(f)_j, where t is 1 - smoothing at the label and smoothing / m besides */
INLINE double NAME(cross_entropy)(REAL *f, int64_t label, int64_t m, double smoothing, REAL share) {
  if (label < 0 || label >= m) return NAN;
  REAL top = f[0], total = 0;
  for (int64_t j = 1; j < m; j++) top = f[j] <= top ? top : f[j]; /* NaN gets through */
  REAL mean = 0;
  const REAL at_label = f[label] - top;
  for (int64_t j = 0; j < m; j++) {
    f[j] -= top;
    mean += f[j];
  }
  const int64_t n_padded = (m + LANES - 1) / LANES * LANES;
  for (int64_t j = 0; j < n_padded; j += LANES)
    NAME(store)(f + j, NAME(exponential)(NAME(load)(f + j)));
  for (int64_t j = 0; j < m; j++) total += f[j];
  for (int64_t j = 0; j < m; j++) f[j] = (f[j] / total - (REAL)smoothing / m) * share;
  f[label] += (REAL)(smoothing - 1) * share;
  const REAL log_total = sizeof(REAL) == 4 ? (REAL)logf((float)total) : (REAL)log((double)total);
  return log_total - (1 - smoothing) * at_label - smoothing * (mean / m);
}

/* The sum of the losses of predictions f, (B, stride), which become the gradient of their mean.
 *
 * rows: of the targets y; NULL: the first ones. */
static double NAME(differentiate)(const Model *model, const void *y, const int64_t *rows,
                                  int64_t n_rows, REAL *f) {
  const int64_t m = model->widths[model->n_layers], stride = model->strides[model->n_layers];
  const REAL share = (REAL)1 / n_rows, scale = model->scale;
  double sum = 0;
  for (int64_t b = 0; b < n_rows; b++, f += stride) {
    const int64_t row = rows ? rows[b] : b;
    sum += model->loss == SQUARED_ERROR
               ? NAME(squared_error)(f, (const REAL *)y + row * m, m, scale, share)
               : NAME(cross_entropy)(f, ((const int64_t *)y)[row], m, model->smoothing, share);
  }
  return sum;
}
