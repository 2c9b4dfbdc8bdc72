/* Vectors as wide as the machine's, and the exponential function on them.
 *
 * Rows in memory are padded to whole lines of 64 bytes, which are whole vectors on any machine.
 */

#ifndef LINE_BYTES
#define LINE_BYTES 64
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
#define INLINE static inline __attribute__((always_inline))
#endif

#define VEC NAME(vec)
#define INTS NAME(ints)
#define LANES ((int64_t)(VECTOR_BYTES / sizeof(REAL)))

typedef REAL VEC __attribute__((vector_size(VECTOR_BYTES), may_alias));
typedef INT INTS __attribute__((vector_size(VECTOR_BYTES), may_alias));

INLINE VEC NAME(load)(const REAL *from) { return *(const VEC *)from; }
INLINE void NAME(store)(REAL *to, VEC value) { *(VEC *)to = value; }
INLINE VEC NAME(fill)(REAL value) { return (VEC){0} + value; }
INLINE VEC NAME(choose)(INTS where, VEC yes, VEC no) {
  return (VEC)((where & (INTS)yes) | (~where & (INTS)no));
}

/* exp(x) = 2^n (1 + less_one): returns 2^n for x within the range of exponents, NaN stays. */
INLINE VEC NAME(split_exp)(VEC x, VEC *less_one) {
  x = NAME(choose)(x > (REAL)LARGEST_EXPONENT, NAME(fill)(LARGEST_EXPONENT), x);
  x = NAME(choose)(x < (REAL)-LARGEST_EXPONENT, NAME(fill)(-LARGEST_EXPONENT), x);
  const VEC rounded = x * (REAL)1.4426950408889634 + (REAL)ROUNDER;
  const VEC n = rounded - (REAL)ROUNDER;
  /* log 2 in two parts: n times the first is exact. */
  const VEC r = sizeof(REAL) == 4
                    ? (x - n * (REAL)0.693359375) - n * (REAL)-2.12194440e-4
                    : (x - n * (REAL)6.93147180369123816490e-01) - n * (REAL)1.90821492927058770002e-10;
  VEC sum = NAME(fill)(0);
  if (sizeof(REAL) == 8) { /* the terms r^k / k! that matter for |r| <= log(2) / 2 */
    sum = sum * r + (REAL)1.6059043836821613e-10;
    sum = sum * r + (REAL)2.0876756987868099e-09;
    sum = sum * r + (REAL)2.5052108385441720e-08;
    sum = sum * r + (REAL)2.7557319223985888e-07;
    sum = sum * r + (REAL)2.7557319223985893e-06;
    sum = sum * r + (REAL)2.4801587301587302e-05;
  }
  sum = sum * r + (REAL)1.9841269841269841e-04;
  sum = sum * r + (REAL)1.3888888888888889e-03;
  sum = sum * r + (REAL)8.3333333333333333e-03;
  sum = sum * r + (REAL)4.1666666666666667e-02;
  sum = sum * r + (REAL)1.6666666666666667e-01;
  sum = sum * r + (REAL)0.5;
  *less_one = r + r * r * sum;
  const INT one = (INT)(sizeof(REAL) == 4 ? 127 : 1023);
  return (VEC)(((INTS)rounded - (INTS)NAME(fill)(ROUNDER) + one) << MANTISSA_BITS);
}

INLINE VEC NAME(exponential)(VEC x) {
  VEC less_one;
  const VEC power = NAME(split_exp)(x, &less_one);
  return power + power * less_one;
}

/* tanh(x) = (e - 1) / (e + 1) for e = exp(2 |x|), whose e - 1 is exact near zero. */
INLINE VEC NAME(tangent)(VEC x) {
  const INTS sign = (INTS)x & (INTS)NAME(fill)((REAL)-0.0);
  VEC twice = (VEC)((INTS)x ^ sign) * (REAL)2;
  twice = NAME(choose)(twice > (REAL)80, NAME(fill)(80), twice);
  VEC less_one;
  const VEC power = NAME(split_exp)(twice, &less_one);
  const VEC e = (power - (REAL)1) + power * less_one;
  return (VEC)((INTS)(e / (e + (REAL)2)) | sign);
}
