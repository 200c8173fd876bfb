/* Taking bands of pictures apart into colour planes; see _planes.h. */
#include "_planes.h"

#include <string.h>

#define BLOCK 8
/* Rows in the scratch begin on cache lines, and are long enough for the last whole MCU. */
#define ROW_ALIGNMENT 64

bool has_planes(Format format)
{
    return format == YUYV || format == UYVY || format == GREY || format == NV12 || format == YUV420;
}

int band_height(Format format)
{
    return format == YUYV || format == UYVY || format == GREY ? BLOCK : 2 * BLOCK;
}

static inline size_t align_up(size_t value, size_t alignment)
{
    return (value + alignment - 1) / alignment * alignment;
}

/* Bytes from row to row in the scratch: of brightness, and of each colour. */
static inline size_t luma_stride(const Picture *picture)
{
    return align_up((size_t)picture->width, ROW_ALIGNMENT);
}

static inline size_t chroma_stride(const Picture *picture)
{
    return align_up(half_up((size_t)picture->width), ROW_ALIGNMENT);
}

size_t band_scratch_bytes(const Picture *picture)
{
    return has_planes(picture->format)
               ? (luma_stride(picture) + 2 * chroma_stride(picture)) * MOST_BAND_ROWS
               : 0;
}

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

/* Repeat the last of length samples up to a whole block. */
static inline void complete_row(uint8_t *row, size_t length)
{
    const size_t whole = align_up(length, BLOCK);

    if (length < whole) {
        memset(row + length, row[length - 1], whole - length);
    }
}

static void take_packed(const Picture *picture, const uint8_t *source, size_t first_row, uint8_t *scratch,
                        BandRows *rows)
{
    const size_t w = (size_t)picture->width, h = (size_t)picture->height, stride = picture->planes[0].stride;
    const size_t y_stride = luma_stride(picture), c_stride = chroma_stride(picture);
    uint8_t *y = scratch, *cb = y + BLOCK * y_stride, *cr = cb + BLOCK * c_stride;

    for (size_t i = 0; i < BLOCK; i++) {
        const uint8_t *packed = source + stride * (first_row + i);

        if (first_row + i < h) {
            if (picture->format == YUYV) {
                split_row(packed, y, cb, cr, w / 2, 0, 1);
            } else {
                split_row(packed, y, cb, cr, w / 2, 1, 0);
            }
            complete_row(y, w);
            complete_row(cb, w / 2);
            complete_row(cr, w / 2);
            rows->y[i] = y;
            rows->cb[i] = cb;
            rows->cr[i] = cr;
            y += y_stride;
            cb += c_stride;
            cr += c_stride;
        } else { /* i > 0: a band begins within the picture */
            rows->y[i] = rows->y[i - 1];
            rows->cb[i] = rows->cb[i - 1];
            rows->cr[i] = rows->cr[i - 1];
        }
    }
}

/* Rows of a plane where they are, or copied to where they can be completed. */
static void take_plane(const uint8_t *plane, size_t stride, size_t length, size_t first_row,
                       size_t plane_rows, size_t band_rows, uint8_t *scratch, size_t scratch_stride,
                       const uint8_t **rows)
{
    for (size_t i = 0; i < band_rows; i++) {
        const uint8_t *row = plane + stride * (first_row + i);

        if (first_row + i >= plane_rows) {
            rows[i] = rows[i - 1];
        } else if (length % BLOCK == 0) {
            rows[i] = row;
        } else {
            memcpy(scratch, row, length);
            complete_row(scratch, length);
            rows[i] = scratch;
            scratch += scratch_stride;
        }
    }
}

void take_band(const Picture *picture, const uint8_t *source, size_t first_row, uint8_t *scratch,
               BandRows *rows)
{
    const size_t w = (size_t)picture->width, chroma_w = half_up(w);
    const size_t y_stride = luma_stride(picture), c_stride = chroma_stride(picture);
    const size_t band_rows = (size_t)band_height(picture->format);
    const Plane *luma = &picture->planes[0], *chroma = &picture->planes[1];
    uint8_t *cb = scratch + band_rows * y_stride, *cr = cb + BLOCK * c_stride;

    if (picture->format == YUYV || picture->format == UYVY) {
        take_packed(picture, source, first_row, scratch, rows);
        return;
    }
    take_plane(source, luma->stride, w, first_row, luma->rows, band_rows, scratch, y_stride, rows->y);
    if (picture->format == NV12) {
        const uint8_t *pairs = source + chroma->offset + chroma->stride * (first_row / 2);

        for (size_t i = 0; i < BLOCK; i++) {
            if (first_row / 2 + i < chroma->rows) {
                split_chroma_row(pairs + chroma->stride * i, cb, cr, chroma_w);
                complete_row(cb, chroma_w);
                complete_row(cr, chroma_w);
                rows->cb[i] = cb;
                rows->cr[i] = cr;
                cb += c_stride;
                cr += c_stride;
            } else {
                rows->cb[i] = rows->cb[i - 1];
                rows->cr[i] = rows->cr[i - 1];
            }
        }
    } else if (picture->format == YUV420) {
        take_plane(source + chroma->offset, chroma->stride, chroma_w, first_row / 2, chroma->rows, BLOCK, cb,
                   c_stride, rows->cb);
        take_plane(source + picture->planes[2].offset, chroma->stride, chroma_w, first_row / 2, chroma->rows,
                   BLOCK, cr, c_stride, rows->cr);
    }
}
