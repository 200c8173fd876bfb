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

/* 255/219 and 255/224 in units of 1/128, exact to a quarter of a step over the whole range. */
static inline uint8_t widen_luma(uint8_t value)
{
    const uint16_t wide = (uint16_t)((value < 16 ? 0 : value - 16) * 149 + 64) >> 7;

    return wide > 255 ? 255 : (uint8_t)wide;
}

static inline uint8_t widen_chroma(uint8_t value)
{
    const int16_t wide = (int16_t)(((int16_t)(value - 128) * 146 + 64) >> 7) + 128;

    return wide < 0 ? 0 : wide > 255 ? 255 : (uint8_t)wide;
}

/* One row of pairs of pixels apart. Always inlined with constant offsets and range, so that each caller's
 * loop is vectorised. */
static inline void split_row(const uint8_t *restrict source, uint8_t *restrict y, uint8_t *restrict cb,
                             uint8_t *restrict cr, size_t pairs, const size_t y_at, const size_t c_at,
                             const bool widen)
{
    for (size_t i = 0; i < pairs; i++) {
        const uint8_t left = source[4 * i + y_at], right = source[4 * i + y_at + 2];
        const uint8_t blue = source[4 * i + c_at], red = source[4 * i + c_at + 2];

        y[2 * i] = widen ? widen_luma(left) : left;
        y[2 * i + 1] = widen ? widen_luma(right) : right;
        cb[i] = widen ? widen_chroma(blue) : blue;
        cr[i] = widen ? widen_chroma(red) : red;
    }
}

static inline void split_chroma_row(const uint8_t *restrict source, uint8_t *restrict cb,
                                    uint8_t *restrict cr, size_t pairs, const bool widen)
{
    for (size_t i = 0; i < pairs; i++) {
        cb[i] = widen ? widen_chroma(source[2 * i]) : source[2 * i];
        cr[i] = widen ? widen_chroma(source[2 * i + 1]) : source[2 * i + 1];
    }
}

static void widen_luma_row(const uint8_t *restrict source, uint8_t *restrict target, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        target[i] = widen_luma(source[i]);
    }
}

static void widen_chroma_row(const uint8_t *restrict source, uint8_t *restrict target, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        target[i] = widen_chroma(source[i]);
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

static void take_packed(const Picture *picture, const uint8_t *source, size_t first_row, bool widen,
                        uint8_t *scratch, BandRows *rows)
{
    const size_t w = (size_t)picture->width, h = (size_t)picture->height, stride = picture->planes[0].stride;
    const size_t y_stride = luma_stride(picture), c_stride = chroma_stride(picture);
    uint8_t *y = scratch, *cb = y + BLOCK * y_stride, *cr = cb + BLOCK * c_stride;

    for (size_t i = 0; i < BLOCK; i++) {
        const uint8_t *packed = source + stride * (first_row + i);

        if (first_row + i < h) {
            if (picture->format == YUYV && widen) {
                split_row(packed, y, cb, cr, w / 2, 0, 1, true);
            } else if (picture->format == YUYV) {
                split_row(packed, y, cb, cr, w / 2, 0, 1, false);
            } else if (widen) {
                split_row(packed, y, cb, cr, w / 2, 1, 0, true);
            } else {
                split_row(packed, y, cb, cr, w / 2, 1, 0, false);
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

/* Writes a row of length samples to target. */
typedef void WriteRow(const uint8_t *source, uint8_t *target, size_t length);

static void copy_row(const uint8_t *source, uint8_t *target, size_t length)
{
    memcpy(target, source, length);
}

/* Rows of a plane where they are, or written to where they can be completed: by write if there is one. */
static void take_plane(const uint8_t *plane, size_t stride, size_t length, size_t first_row,
                       size_t plane_rows, size_t band_rows, WriteRow *write, uint8_t *scratch,
                       size_t scratch_stride, const uint8_t **rows)
{
    for (size_t i = 0; i < band_rows; i++) {
        const uint8_t *row = plane + stride * (first_row + i);

        if (first_row + i >= plane_rows) {
            rows[i] = rows[i - 1];
        } else if (length % BLOCK == 0 && write == NULL) {
            rows[i] = row;
        } else {
            (write == NULL ? copy_row : write)(row, scratch, length);
            complete_row(scratch, length);
            rows[i] = scratch;
            scratch += scratch_stride;
        }
    }
}

void take_band(const Picture *picture, const uint8_t *source, size_t first_row, bool widen, uint8_t *scratch,
               BandRows *rows)
{
    const size_t w = (size_t)picture->width, chroma_w = half_up(w);
    const size_t y_stride = luma_stride(picture), c_stride = chroma_stride(picture);
    const size_t band_rows = (size_t)band_height(picture->format);
    const Plane *luma = &picture->planes[0], *chroma = &picture->planes[1];
    uint8_t *cb = scratch + band_rows * y_stride, *cr = cb + BLOCK * c_stride;

    if (picture->format == YUYV || picture->format == UYVY) {
        take_packed(picture, source, first_row, widen, scratch, rows);
        return;
    }
    take_plane(source, luma->stride, w, first_row, luma->rows, band_rows, widen ? widen_luma_row : NULL,
               scratch, y_stride, rows->y);
    if (picture->format == NV12) {
        const uint8_t *pairs = source + chroma->offset + chroma->stride * (first_row / 2);

        for (size_t i = 0; i < BLOCK; i++) {
            if (first_row / 2 + i < chroma->rows) {
                if (widen) {
                    split_chroma_row(pairs + chroma->stride * i, cb, cr, chroma_w, true);
                } else {
                    split_chroma_row(pairs + chroma->stride * i, cb, cr, chroma_w, false);
                }
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
        WriteRow *write = widen ? widen_chroma_row : NULL;

        take_plane(source + chroma->offset, chroma->stride, chroma_w, first_row / 2, chroma->rows, BLOCK,
                   write, cb, c_stride, rows->cb);
        take_plane(source + picture->planes[2].offset, chroma->stride, chroma_w, first_row / 2, chroma->rows,
                   BLOCK, write, cr, c_stride, rows->cr);
    }
}
