/* What a call is given of each model; native/library.py has the same structure. */

enum Activation { IDENTITY, RELU, TANH, SIGMOID, LEAKY_RELU };
enum Loss { SQUARED_ERROR, CROSS_ENTROPY };
enum Rule { SGD, ADAM, ADAMW };

#define LEAK 0.01 /* slope of LEAKY_RELU below zero */

typedef struct {
  /* The chain: layer l maps widths[l] numbers to widths[l + 1]. */
  int64_t n_layers;
  const int64_t *widths;      /* n_0 .. n_L */
  const int64_t *strides;     /* numbers from one row of each width to the next, in memory */
  const int64_t *weights;     /* where the matrix (n_l, stride) of each layer begins */
  const int64_t *biases;      /* where its bias begins; -1: it has none */
  const int64_t *activations; /* see above */
  int64_t n_numbers;          /* of the parameters, padding included */
  void *params;
  void *means;   /* of an Adam rule, or the sums of momentum */
  void *squares; /* of an Adam rule */

  /* The loss, and the data that the batches are taken from. */
  int64_t loss;
  double scale;     /* SQUARED_ERROR: 1 or 1 / m */
  double smoothing; /* CROSS_ENTROPY: share of the target that all classes share */
  const void *x;    /* (Q, n) */
  const void *y;    /* (Q, m) or, of CROSS_ENTROPY, int64 (Q,) */

  /* The update. */
  int64_t rule;
  int64_t nesterov;
  double lr, weight_decay, momentum, beta1, beta2, eps;
  int64_t n_updates; /* made so far; counted on by each call */

  /* The batches to come: each step moves on by one of them. */
  const int64_t *sizes; /* B of each */
  const int64_t *rows;  /* their row numbers, one batch behind the other */
} Model;
