/* What Optuna's TPE computes of normal distributions, for `sampler/quick_tpe.py`.
 *
 * The logarithm of the distribution function is Optuna's to the last bit: each operation in the same
 * order and rounded the same way (compiled without fused operations), with the mathematics library
 * of the C compiler, which Python's math module calls as well. The density of a mixture is close to
 * Optuna's, and told apart from it only where two candidates are nearly equal. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ROOT_2 1.4142135623730951
#define PI 3.141592653589793

enum { SMOOTH, STEPS, CHOICES };

/* One parameter of a mixture of K kernels; `parzen.py` has the same fields. */
typedef struct {
  int64_t kind;
  const double *mu, *sigma; /* (K,), of SMOOTH and STEPS */
  double low, high;         /* where the kernels are cut off */
  const double *left, *right; /* (P,): the point itself, or the ends of its step */
  const double *weights;    /* (K, n_choices), of CHOICES; points are then numbers of choices */
  int64_t n_choices;
} Parameter;

const char *ermlab_sources(void) { return SOURCES; }

static double distribution(double a) {
  const double x = a / ROOT_2, bend = 1 / ROOT_2;
  if (x < -bend) return 0.5 * erfc(-x);
  if (x < bend) return 0.5 + 0.5 * erf(x);
  return 1.0 - 0.5 * erfc(x);
}

/* Far to the left: an asymptotic series, until a term changes nothing any more. */
static double log_far_left(double a) {
  const volatile double two = 2.0; /* a power, not a product, which rounds otherwise */
  const double square = pow(a, two);
  const double first = -0.5 * square - log(-a) - 0.5 * log(2 * PI);
  double last = 0.0, sum = 1.0, numerator = 1.0, denominator = 1.0;
  const double factor = 1 / square;
  double sign = 1;
  for (int i = 1; fabs(last - sum) > DBL_EPSILON; i++) {
    last = sum;
    sign = -sign;
    denominator *= factor;
    numerator *= 2 * i - 1;
    sum += sign * numerator * denominator;
  }
  return first + log(sum);
}

void ermlab_log_ndtr(const double *a, int64_t n, double *out) {
  for (int64_t i = 0; i < n; i++)
    out[i] = a[i] > 6     ? -distribution(-a[i])
             : a[i] > -20 ? log(distribution(a[i]))
                          : log_far_left(a[i]);
}

/* The mass between two ends, computed on the side where it does not cancel. */
static double mass_between(double left, double right) {
  if (left > 0) return 0.5 * (erfc(left / ROOT_2) - erfc(right / ROOT_2));
  if (right < 0) return 0.5 * (erfc(-right / ROOT_2) - erfc(-left / ROOT_2));
  return 0.5 * (erf(right / ROOT_2) - erf(left / ROOT_2));
}

/* The mass of a kernel between low and high, between which its middle is. */
static double mass_kept(const Parameter *parameter, int64_t k) {
  const double a = (parameter->low - parameter->mu[k]) / parameter->sigma[k];
  const double b = (parameter->high - parameter->mu[k]) / parameter->sigma[k];
  const double before = a < -9 ? 0 : 0.5 * erfc(-a / ROOT_2);
  const double after = b > 9 ? 0 : 0.5 * erfc(b / ROOT_2);
  return 1 - before - after;
}

/* Number the kernels of a parameter by what they are: equal ones have one number.
 * table: 2^bits places, all -1. Returns how many numbers there are. */
static int64_t number_kernels(const Parameter *parameter, int64_t n_kernels, int64_t *table,
                              int bits, int64_t *first, int64_t *number) {
  int64_t n = 0;
  for (int64_t k = 0; k < n_kernels; k++) {
    uint64_t mu, sigma;
    memcpy(&mu, parameter->mu + k, sizeof mu);
    memcpy(&sigma, parameter->sigma + k, sizeof sigma);
    uint64_t place = (mu * 0x9E3779B97F4A7C15u ^ sigma * 0xC2B2AE3D27D4EB4Fu) >> (64 - bits);
    while (table[place] >= 0) {
      const int64_t other = first[table[place]];
      if (parameter->mu[other] == parameter->mu[k] && parameter->sigma[other] == parameter->sigma[k])
        break;
      place = (place + 1) & ((1u << bits) - 1);
    }
    if (table[place] < 0) {
      first[n] = k;
      table[place] = n++;
    }
    number[k] = table[place];
  }
  return n;
}

/* The masses that have been computed of one parameter: for each kernel that differs, each point. */
typedef struct {
  int64_t *number; /* (K,) */
  double *masses;  /* (numbers, P); negative: not computed yet */
} Known;

static int make_known(const Parameter *parameter, int64_t n_kernels, int64_t n_points,
                      Known *known) {
  int bits = 4;
  while ((1 << bits) < 2 * n_kernels) bits++;
  int64_t *const memory = malloc((2 * n_kernels + (1 << bits)) * sizeof(int64_t));
  if (memory == NULL) return -1;
  known->number = memory;
  int64_t *const first = memory + n_kernels, *const table = first + n_kernels;
  memset(table, -1, (1 << bits) * sizeof(int64_t));
  const int64_t n = number_kernels(parameter, n_kernels, table, bits, first, known->number);
  known->masses = malloc(n * n_points * sizeof(double));
  if (known->masses == NULL) return -1;
  for (int64_t i = 0; i < n * n_points; i++) known->masses[i] = -1;
  return 0;
}

/* The logarithm of the density of a mixture at some points.
 *
 * farthest: in units of sigma; what is farther from a kernel has none of its density.
 * Returns -1 if there is no memory. */
int ermlab_log_density(const Parameter *parameters, int64_t n_parameters, const double *weights,
                       int64_t n_kernels, int64_t n_points, double farthest, double *out) {
  Known *const known = calloc(n_parameters, sizeof(Known));
  int failed = known == NULL;
  for (int64_t d = 0; !failed && d < n_parameters; d++)
    if (parameters[d].kind == STEPS)
      failed = make_known(parameters + d, n_kernels, n_points, known + d);
  for (int64_t p = 0; p < n_points; p++) out[p] = 0;
  for (int64_t k = 0; !failed && k < n_kernels; k++) {
    double factor = weights[k];
    for (int64_t d = 0; d < n_parameters; d++) {
      const Parameter *const each = parameters + d;
      if (each->kind == CHOICES) continue;
      factor /= mass_kept(each, k);
      if (each->kind == SMOOTH) factor /= each->sigma[k] * sqrt(2 * PI);
    }
    for (int64_t p = 0; p < n_points; p++) {
      double exponent = 0;
      int64_t d = 0;
      for (; d < n_parameters; d++) {
        const Parameter *const each = parameters + d;
        if (each->kind == CHOICES) continue;
        const double mu = each->mu[k], reach = farthest * each->sigma[k];
        if (each->left[p] - mu > reach || mu - each->right[p] > reach) break;
        if (each->kind == SMOOTH) {
          const double z = (each->left[p] - mu) / each->sigma[k];
          exponent -= 0.5 * z * z;
        }
      }
      if (d < n_parameters) continue;
      double density = factor * exp(exponent);
      for (d = 0; d < n_parameters; d++) {
        const Parameter *const each = parameters + d;
        if (each->kind == CHOICES)
          density *= each->weights[k * each->n_choices + (int64_t)each->left[p]];
        if (each->kind != STEPS) continue;
        double *const mass = known[d].masses + known[d].number[k] * n_points + p;
        if (*mass < 0)
          *mass = mass_between((each->left[p] - each->mu[k]) / each->sigma[k],
                               (each->right[p] - each->mu[k]) / each->sigma[k]);
        density *= *mass;
      }
      out[p] += density;
    }
  }
  for (int64_t p = 0; p < n_points; p++) out[p] = log(out[p]);
  for (int64_t d = 0; known != NULL && d < n_parameters; d++) {
    free(known[d].number);
    free(known[d].masses);
  }
  free(known);
  return failed ? -1 : 0;
}
