/* Taking pictures apart into colour planes; see _planes.h. */
#include "_planes.h"

#include <string.h>

/* Rows of planes begin on cache lines. */
#define ROW_ALIGNMENT 64

/* One row of pairs of pixels apart. Always inlined with constant offsets, so that each caller's loop is
 * vectorised. */
static inline void split_row(const uint8_t *restrict source, uint8_t *restrict y, uint8_t *restrict cb,
                             uint8_t *restrict cr, size_t pairs, const size_t y_at, const size_t c_at)
{
    for (size_t i = 0; i < pairs; i++) {
        y[2 * i] = source[4 * i + y_at];
        y[2 * i + 1] = source[4 * i + y_at + 2];
        cb[i] = source[4 * i + c_at];
        cr[i] = source[4 * i + c_at + 2];
    }
}

static void split_chroma_row(const uint8_t *restrict source, uint8_t *restrict cb, uint8_t *restrict cr,
                             size_t pairs)
{
    for (size_t i = 0; i < pairs; i++) {
        cb[i] = source[2 * i];
        cr[i] = source[2 * i + 1];
    }
}

static inline size_t align_up(size_t value)
{
    return (value + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
}

/* Whether the brightness plane must be copied. 4:2:0 reads an even number of bytes and rows of it, which an
 * odd picture does not have: what would be read instead is padding, the next row, or colour. */
static inline bool copies_luma(const Picture *picture)
{
    return (picture->format == NV12 || picture->format == YUV420) &&
           (picture->width % 2 != 0 || picture->height % 2 != 0);
}

size_t planes_scratch_bytes(const Picture *picture)
{
    const size_t w = (size_t)picture->width, h = (size_t)picture->height;
    const size_t luma_bytes = copies_luma(picture) ? align_up(half_up(w) * 2) * half_up(h) * 2 : 0;

    switch (picture->format) {
    case YUYV:
    case UYVY:
        return (align_up(w) + 2 * align_up(w / 2)) * h;
    case NV12:
        return luma_bytes + 2 * align_up(half_up(w)) * half_up(h);
    case YUV420:
        return luma_bytes;
    default:
        return 0;
    }
}

void take_planes(const Picture *picture, const uint8_t *source, uint8_t *scratch, YuvPlanes *yuv)
{
    const size_t w = (size_t)picture->width, h = (size_t)picture->height;
    const Plane *luma = &picture->planes[0], *chroma = &picture->planes[1];

    *yuv = (YuvPlanes){{source, NULL, NULL}, {(int)luma->stride, 0, 0}};
    if (picture->format == YUYV || picture->format == UYVY) {
        const size_t y_stride = align_up(w), c_stride = align_up(w / 2);
        uint8_t *y = scratch, *cb = y + y_stride * h, *cr = cb + c_stride * h;

        for (size_t row = 0; row < h; row++) {
            const uint8_t *packed = source + luma->stride * row;

            if (picture->format == YUYV) {
                split_row(packed, y, cb, cr, w / 2, 0, 1);
            } else {
                split_row(packed, y, cb, cr, w / 2, 1, 0);
            }
            y += y_stride;
            cb += c_stride;
            cr += c_stride;
        }
        *yuv = (YuvPlanes){{y - y_stride * h, cb - c_stride * h, cr - c_stride * h},
                           {(int)y_stride, (int)c_stride, (int)c_stride}};
        return;
    }
    if (copies_luma(picture)) {
        const size_t even_w = half_up(w) * 2, even_h = half_up(h) * 2, y_stride = align_up(even_w);

        for (size_t row = 0; row < even_h; row++) {
            uint8_t *target = scratch + y_stride * row;

            memcpy(target, source + luma->stride * (row < h ? row : h - 1), w);
            target[even_w - 1] = target[w - 1]; /* the edge repeated; no change to an even width */
        }
        yuv->planes[0] = scratch;
        yuv->strides[0] = (int)y_stride;
        scratch += y_stride * even_h;
    }
    if (picture->format == NV12) {
        const size_t c_stride = align_up(half_up(w));
        uint8_t *cb = scratch, *cr = cb + c_stride * chroma->rows;

        for (size_t row = 0; row < chroma->rows; row++) {
            split_chroma_row(source + chroma->offset + chroma->stride * row, cb + c_stride * row,
                             cr + c_stride * row, half_up(w));
        }
        yuv->planes[1] = cb;
        yuv->planes[2] = cr;
        yuv->strides[1] = yuv->strides[2] = (int)c_stride;
    } else if (picture->format == YUV420) {
        yuv->planes[1] = source + chroma->offset;
        yuv->planes[2] = source + picture->planes[2].offset;
        yuv->strides[1] = yuv->strides[2] = (int)chroma->stride;
    }
}
