/* Products of matrices that fit the cache: C[r, :] = start + sum_k A[r, k] B[k, :].
 *
 * B and C have padded rows; A is read number by number, so that it may also be read by columns.
 * A block of C stays in registers for the whole sum.
 */

#ifndef BLOCK_VECTORS
#if VECTOR_BYTES == 64 /* 32 registers: 24 for sums, the others for the operands */
#define BLOCK_VECTORS 4
#define BLOCK_ROWS(n_vectors) ((n_vectors) <= 2 ? 12 : (n_vectors) == 3 ? 8 : 6)
#else /* 16 registers */
#define BLOCK_VECTORS 2
#define BLOCK_ROWS(n_vectors) ((n_vectors) == 1 ? 8 : 5)
#endif
#endif

typedef struct {
  const REAL *a;
  int64_t a_row, a_column; /* numbers from one row, one column of A to the next */
  const REAL *b;
  int64_t b_row;
  REAL *c;
  int64_t c_row;
  const REAL *start; /* a row that every row of C starts from, or NULL */
  int64_t n_sums;    /* k runs to here */
} NAME(Product);

INLINE void NAME(block)(const NAME(Product) * p, int64_t row, int64_t column, const int n_rows,
                        const int n_vectors) {
  VEC sums[12][BLOCK_VECTORS];
  const REAL *a = p->a + row * p->a_row, *b = p->b + column;
#pragma GCC unroll 4
  for (int v = 0; v < n_vectors; v++) {
    const VEC first = p->start ? NAME(load)(p->start + column + v * LANES) : NAME(fill)(0);
#pragma GCC unroll 12
    for (int r = 0; r < n_rows; r++) sums[r][v] = first;
  }
  for (int64_t k = 0; k < p->n_sums; k++) {
    VEC line[BLOCK_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; v++) line[v] = NAME(load)(b + v * LANES);
#pragma GCC unroll 12
    for (int r = 0; r < n_rows; r++) {
      const REAL factor = a[r * p->a_row];
#pragma GCC unroll 4
      for (int v = 0; v < n_vectors; v++) sums[r][v] += factor * line[v];
    }
    a += p->a_column;
    b += p->b_row;
  }
#pragma GCC unroll 12
  for (int r = 0; r < n_rows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < n_vectors; v++)
      NAME(store)(p->c + (row + r) * p->c_row + column + v * LANES, sums[r][v]);
}

#define CASE(n_rows, n_vectors)                                                                    \
  case n_rows:                                                                                     \
    NAME(block)(p, row, column, n_rows, n_vectors);                                                \
    break;

/* All rows of some columns, in blocks of about equal heights. */
#define PANEL(n_vectors, CASES)                                                                    \
  static void NAME(panel##n_vectors)(const NAME(Product) * p, int64_t n_rows, int64_t column) {    \
    int64_t n_blocks = (n_rows + BLOCK_ROWS(n_vectors) - 1) / BLOCK_ROWS(n_vectors);               \
    for (int64_t row = 0, height; row < n_rows; row += height, n_blocks--) {                       \
      height = (n_rows - row) / n_blocks;                                                          \
      switch (height) { CASES }                                                                    \
    }                                                                                              \
  }

#define CASES5(n) CASE(1, n) CASE(2, n) CASE(3, n) CASE(4, n) CASE(5, n)
#define CASES8(n) CASES5(n) CASE(6, n) CASE(7, n) CASE(8, n)
#define CASES12(n) CASES8(n) CASE(9, n) CASE(10, n) CASE(11, n) CASE(12, n)

#if VECTOR_BYTES == 64
PANEL(1, CASES12(1))
PANEL(2, CASES12(2))
PANEL(3, CASES8(3))
PANEL(4, CASES5(4) CASE(6, 4))
#else
PANEL(1, CASES8(1))
PANEL(2, CASES5(2))
#endif

/* n_rows and n_columns of C; the columns are rounded up to whole vectors. */
static void NAME(multiply)(const NAME(Product) * p, int64_t n_rows, int64_t n_columns) {
  const int64_t n_vectors = (n_columns + LANES - 1) / LANES;
  int64_t n_panels = (n_vectors + BLOCK_VECTORS - 1) / BLOCK_VECTORS;
  for (int64_t done = 0, width; done < n_vectors; done += width, n_panels--) {
    width = (n_vectors - done) / n_panels;
    const int64_t column = done * LANES;
    switch (width) {
      case 1: NAME(panel1)(p, n_rows, column); break;
      case 2: NAME(panel2)(p, n_rows, column); break;
#if VECTOR_BYTES == 64
      case 3: NAME(panel3)(p, n_rows, column); break;
      case 4: NAME(panel4)(p, n_rows, column); break;
#endif
    }
  }
}
