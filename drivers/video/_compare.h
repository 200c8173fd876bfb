/*
 * Comparison of two pictures of one geometry at the speed of memcmp.
 *
 * Looks at visible bytes only: padding behind a row never matters. Nothing here needs the GIL.
 */
#ifndef FARHAND_COMPARE_H
#define FARHAND_COMPARE_H

#include "_picture.h"

/* Whether a and b, of one format, width and height, have the same visible bytes in height pixel rows from
 * first_row on, both even unless they reach to the end; a row beyond the picture is no difference. */
bool same_rows(const Picture *a, const uint8_t *a_bytes, const Picture *b, const uint8_t *b_bytes,
               size_t first_row, size_t height);

#endif
