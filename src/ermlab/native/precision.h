/* All that is compiled for each precision, in the order of use. */

#include "vectors.h"
#include "products.h"
#include "pointwise.h"
#include "losses.h"
#include "rules.h"
#include "training.h"
