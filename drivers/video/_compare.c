/* Comparison of pictures; see _compare.h. */
#include "_compare.h"

#include <string.h>

bool same_rows(const Picture *a, const uint8_t *a_bytes, const Picture *b, const uint8_t *b_bytes,
               size_t first_row, size_t height)
{
    for (int i = 0; i < a->plane_count; i++) {
        const Plane *pa = &a->planes[i], *pb = &b->planes[i];
        const size_t divisor = i == 0 ? 1 : 2; /* colour planes have half the rows */
        size_t row = first_row / divisor, end = (first_row + height + divisor - 1) / divisor;
        size_t chunk = pa->row_bytes, chunks;

        end = end < pa->rows ? end : pa->rows;
        if (row >= end) {
            continue;
        }
        chunks = end - row;
        if (pa->stride == chunk && pb->stride == chunk) { /* no padding: one long comparison */
            chunk *= chunks;
            chunks = 1;
        }
        for (size_t n = 0; n < chunks; n++) {
            if (memcmp(a_bytes + pa->offset + pa->stride * (row + n),
                       b_bytes + pb->offset + pb->stride * (row + n), chunk) != 0) {
                return false;
            }
        }
    }
    return true;
}
