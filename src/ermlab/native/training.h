/* The steps of a model, and its predictions. */

#ifndef ROWS_AT_A_TIME
#define ROWS_AT_A_TIME 256 /* that predictions are made of, so that they stay in the cache */

static int64_t greatest(const int64_t *values, int64_t n) {
  int64_t found = 0;
  for (int64_t i = 0; i < n; i++) found = values[i] > found ? values[i] : found;
  return found;
}

/* Memory of this thread, which its next call overwrites; NULL if there is none.
 *
 * It is zero at first: padding is read as well, and should be quick to add. */
static void *reserve(int64_t n_bytes) {
  static _Thread_local void *memory;
  static _Thread_local int64_t n_reserved;
  if (n_bytes == 0) n_bytes = LINE_BYTES;
  if (n_bytes > n_reserved) {
    free(memory);
    n_reserved = 0;
    memory = aligned_alloc(LINE_BYTES, n_bytes);
    if (memory == NULL) return NULL;
    memset(memory, 0, n_bytes);
    n_reserved = n_bytes;
  }
  return memory;
}
#endif

/* What a step of a model writes: the values of each width, (B, stride), and their gradients. */
typedef struct {
  REAL *values, *slopes;
  REAL *grads;
  REAL *turned; /* a weight with its rows as columns */
} NAME(Space);

static int64_t NAME(row_numbers)(const Model *model) {
  int64_t n = 0;
  for (int64_t l = 0; l <= model->n_layers; l++) n += model->strides[l];
  return n;
}

static int64_t NAME(turned_numbers)(const Model *model) {
  int64_t found = 0;
  for (int64_t l = 1; l < model->n_layers; l++) {
    const int64_t n = model->widths[l + 1] * model->strides[l];
    found = n > found ? n : found;
  }
  return found;
}

static void NAME(forward)(const Model *model, int64_t n_rows, REAL *values) {
  for (int64_t l = 0; l < model->n_layers; l++) {
    const int64_t stride = model->strides[l], next = model->strides[l + 1];
    REAL *const after = values + n_rows * stride;
    const REAL *const params = model->params;
    const NAME(Product) product = {
        .a = values, .a_row = stride, .a_column = 1,
        .b = params + model->weights[l], .b_row = next,
        .c = after, .c_row = next,
        .start = model->biases[l] < 0 ? NULL : params + model->biases[l],
        .n_sums = model->widths[l],
    };
    NAME(multiply)(&product, n_rows, model->widths[l + 1]);
    NAME(activate)(model->activations[l], after, n_rows * next);
    values = after;
  }
}

/* Turn (n, stride of m) into (m, stride of n). */
static void NAME(turn)(const REAL *restrict from, int64_t n, int64_t from_row, REAL *restrict to,
                       int64_t m, int64_t to_row) {
  for (int64_t i0 = 0; i0 < n; i0 += 16)
    for (int64_t j = 0; j < m; j++)
      for (int64_t i = i0; i < (i0 + 16 < n ? i0 + 16 : n); i++)
        to[j * to_row + i] = from[i * from_row + j];
}

static void NAME(backward)(const Model *model, int64_t n_rows, NAME(Space) space) {
  int64_t place = n_rows * NAME(row_numbers)(model);
  for (int64_t l = model->n_layers - 1; l >= 0; l--) {
    const int64_t stride = model->strides[l], next = model->strides[l + 1];
    const int64_t n = model->widths[l], m = model->widths[l + 1];
    place -= n_rows * next; /* of what layer l computed; what it was given is before it */
    REAL *const slopes = space.slopes + place, *const before = slopes - n_rows * stride;
    const REAL *const given = space.values + place - n_rows * stride;
    NAME(slope)(model->activations[l], slopes, space.values + place, n_rows * next);
    const NAME(Product) at_weight = {
        .a = given, .a_row = 1, .a_column = stride,
        .b = slopes, .b_row = next,
        .c = space.grads + model->weights[l], .c_row = next,
        .n_sums = n_rows,
    };
    NAME(multiply)(&at_weight, n, m);
    if (model->biases[l] >= 0) {
      REAL *restrict const sums = space.grads + model->biases[l];
      memset(sums, 0, m * sizeof(REAL));
      for (int64_t b = 0; b < n_rows; b++)
        for (int64_t j = 0; j < m; j++) sums[j] += slopes[b * next + j];
    }
    if (l == 0) break;
    NAME(turn)((const REAL *)model->params + model->weights[l], n, next, space.turned, m, stride);
    const NAME(Product) at_input = {
        .a = slopes, .a_row = next, .a_column = 1,
        .b = space.turned, .b_row = stride,
        .c = before, .c_row = stride,
        .n_sums = m,
    };
    NAME(multiply)(&at_input, n_rows, n);
  }
}

/* Make steps of a model; returns the sum of the losses of their batches. */
static double NAME(train_model)(Model *model, int64_t n_steps, NAME(Space) space) {
  const int64_t n = model->widths[0], stride = model->strides[0];
  const int64_t n_last = model->strides[model->n_layers];
  double sum = 0;
  for (int64_t s = 0; s < n_steps; s++) {
    const int64_t n_rows = *model->sizes++;
    const int64_t last = n_rows * (NAME(row_numbers)(model) - n_last); /* of the predictions */
    for (int64_t b = 0; b < n_rows; b++)
      memcpy(space.values + b * stride, (const REAL *)model->x + model->rows[b] * n,
             n * sizeof(REAL));
    NAME(forward)(model, n_rows, space.values);
    sum += NAME(differentiate)(model, model->y, model->rows, n_rows, space.values + last,
                               space.slopes + last) /
           n_rows;
    NAME(backward)(model, n_rows, space);
    NAME(update)(model, space.grads);
    model->rows += n_rows;
  }
  return sum;
}

/* Make n_steps steps of each model.
 *
 * losses: out, the sum of the losses of the batches of each model, each before its update.
 * Returns -1 if there is no memory, before any step. */
int NAME(ermlab_train)(Model *models, int64_t n_models, int64_t n_steps, double *losses) {
  int64_t n_values = 0, n_params = 0, n_turned = 0;
  for (int64_t k = 0; k < n_models; k++) {
    const Model *model = models + k;
    const int64_t n = greatest(model->sizes, n_steps) * NAME(row_numbers)(model);
    const int64_t turned = NAME(turned_numbers)(model);
    n_values = n > n_values ? n : n_values;
    n_params = model->n_numbers > n_params ? model->n_numbers : n_params;
    n_turned = turned > n_turned ? turned : n_turned;
  }
  const int64_t n_all = 2 * n_values + n_params + n_turned;
  REAL *const memory = reserve(n_all * sizeof(REAL));
  if (memory == NULL) return -1;
  const NAME(Space) space = {
      .values = memory,
      .slopes = memory + n_values,
      .grads = memory + 2 * n_values,
      .turned = memory + 2 * n_values + n_params,
  };
  for (int64_t k = 0; k < n_models; k++)
    losses[k] = NAME(train_model)(models + k, n_steps, space);
  return 0;
}

/* Map rows x, (Q, n), chunk by chunk.
 *
 * predictions: out, (Q, m), or NULL.
 * y, loss: targets of the rows, and out, their mean loss; or both NULL.
 * Returns -1 if there is no memory. */
int NAME(ermlab_measure)(const Model *model, const void *x, int64_t n_rows, void *predictions,
                         const void *y, double *loss) {
  const int64_t n = model->widths[0], m = model->widths[model->n_layers];
  const int64_t stride = model->strides[0], last = model->strides[model->n_layers];
  const int64_t n_chunk = n_rows < ROWS_AT_A_TIME ? n_rows : ROWS_AT_A_TIME;
  const int64_t n_target = model->loss == SQUARED_ERROR ? m * sizeof(REAL) : sizeof(int64_t);
  REAL *const values = reserve(n_chunk * NAME(row_numbers)(model) * sizeof(REAL));
  if (values == NULL) return -1;
  double sum = 0;
  for (int64_t done = 0; done < n_rows; done += n_chunk) {
    const int64_t n_now = n_rows - done < n_chunk ? n_rows - done : n_chunk;
    for (int64_t b = 0; b < n_now; b++)
      memcpy(values + b * stride, (const REAL *)x + (done + b) * n, n * sizeof(REAL));
    NAME(forward)(model, n_now, values);
    REAL *const result = values + n_now * (NAME(row_numbers)(model) - last);
    for (int64_t b = 0; predictions && b < n_now; b++)
      memcpy((REAL *)predictions + (done + b) * m, result + b * last, m * sizeof(REAL));
    if (y)
      sum += NAME(differentiate)(model, (const char *)y + done * n_target, NULL, n_now, result,
                                 result);
  }
  if (y) *loss = NAME(bound)(model, sum) / n_rows;
  return 0;
}
