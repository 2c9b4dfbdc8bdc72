/* The stacked program of chains of affine maps and activations: forward pass, backward pass and
 * update of K models for many steps, in one call, in single and in double precision.
 *
 * It is right when it agrees with the reference learner (src/ermlab/loop/single.py), and for no
 * other reason. A model is trained on its own, one step after the other, so that its numbers do
 * not depend on the others, and so that its parameters stay in the cache.
 *
 * precision.h holds the code that is compiled for each precision; native/compile.py compiles
 * this file, and native/library.py calls it.
 */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define REAL float
#define INT int32_t
#define NAME(name) name##_f32
#define MANTISSA_BITS 23
#define ROUNDER 12582912.0f /* 1.5 * 2^23: what is added to it is rounded to an integer */
#define LARGEST_EXPONENT 87.0f
#define LARGEST_NUMBER FLT_MAX
#include "precision.h"
#undef REAL
#undef INT
#undef NAME
#undef MANTISSA_BITS
#undef ROUNDER
#undef LARGEST_EXPONENT
#undef LARGEST_NUMBER

#define REAL double
#define INT int64_t
#define NAME(name) name##_f64
#define MANTISSA_BITS 52
#define ROUNDER 6755399441055744.0 /* 1.5 * 2^52 */
#define LARGEST_EXPONENT 708.0
#define LARGEST_NUMBER DBL_MAX
#include "precision.h"

/* The digest of the files that this was compiled from, so that another version is not called. */
const char *ermlab_sources(void) { return SOURCES; }
