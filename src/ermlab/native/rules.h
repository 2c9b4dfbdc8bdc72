/* The updates of src/ermlab/optimizer/rules.py, which are torch's, padding included: the gradient
 * of the padding is zero, and nothing reads what becomes of it. */

/* The gradient with weight decay; without one an infinite parameter must not make it NaN. */
INLINE REAL NAME(decayed)(REAL grad, REAL decay, REAL param) {
  return decay == 0 ? grad : grad + decay * param;
}

INLINE void NAME(step_sgd)(const Model *model, const REAL *restrict grads) {
  REAL *restrict params = model->params, *restrict sums = model->means;
  const REAL lr = model->lr, decay = model->weight_decay, momentum = model->momentum;
  const int64_t n = model->n_numbers;
  if (momentum == 0) {
    for (int64_t i = 0; i < n; i++) params[i] -= lr * NAME(decayed)(grads[i], decay, params[i]);
    return;
  }
  const int64_t nesterov = model->nesterov;
  for (int64_t i = 0; i < n; i++) { /* the first step is like any other: b <- momentum 0 + g */
    const REAL grad = NAME(decayed)(grads[i], decay, params[i]);
    sums[i] = momentum * sums[i] + grad;
    params[i] -= lr * (nesterov ? grad + momentum * sums[i] : sums[i]);
  }
}

INLINE void NAME(step_adam)(const Model *model, const REAL *restrict grads) {
  REAL *restrict params = model->params, *restrict means = model->means;
  REAL *restrict squares = model->squares;
  const double n_steps = (double)model->n_updates; /* this one included */
  const REAL step = model->lr / (1 - pow(model->beta1, n_steps));
  const REAL correction = 1 / sqrt(1 - pow(model->beta2, n_steps));
  const REAL beta2 = model->beta2, eps = model->eps;
  const REAL rest1 = 1 - model->beta1, rest2 = 1 - model->beta2;
  const REAL coupled = model->rule == ADAM ? model->weight_decay : 0;
  const REAL kept = model->rule == ADAM ? 1 : 1 - model->lr * model->weight_decay;
  const int64_t n = model->n_numbers;
  for (int64_t i = 0; i < n; i++) {
    const REAL grad = NAME(decayed)(grads[i], coupled, params[i]);
    const REAL mean = means[i] + rest1 * (grad - means[i]);
    const REAL square = beta2 * squares[i] + rest2 * grad * grad;
    const REAL root = (sizeof(REAL) == 4 ? sqrtf((float)square) : sqrt((double)square));
    means[i] = mean;
    squares[i] = square;
    params[i] = kept * params[i] - step * mean / (root * correction + eps);
  }
}

static void NAME(update)(Model *model, const REAL *grads) {
  model->n_updates++;
  if (model->rule == SGD)
    NAME(step_sgd)(model, grads);
  else
    NAME(step_adam)(model, grads);
}
