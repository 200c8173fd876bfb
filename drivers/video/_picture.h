/*
 * Pictures in the caller's memory: what their arguments mean, and where their bytes are.
 *
 * Responsible for proving every number and every buffer before a single byte of a picture is read. Must never
 * read one.
 */
#ifndef FARHAND_PICTURE_H
#define FARHAND_PICTURE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* libjpeg's own limit (JPEG_MAX_DIMENSION); the file format ends at 65535. */
#define MAX_SIDE_PX 65500
/* tjBufSize multiplies the padded sides as ints. 16384 x 16384 stays far below INT_MAX with any padding. */
#define MAX_PIXELS (1LL << 28)

typedef enum { YUYV, UYVY, RGB24, BGR24, BGRX32, GREY, NV12, YUV420, FORMAT_COUNT } Format;

typedef struct {
    size_t offset;    /* of the first row, from the start of the buffer */
    size_t stride;    /* bytes from row to row */
    size_t row_bytes; /* visible bytes of a row */
    size_t rows;
} Plane;

/* Where the bytes of a picture are. Built by describe() alone; all its numbers are proven against the limits
 * above. */
typedef struct {
    Format format;
    int width;
    int height;
    int plane_count;
    Plane planes[3];
    uint64_t needed_bytes; /* the least a buffer must hold: up to the last visible byte */
} Picture;

static inline size_t half_up(size_t value)
{
    return (value + 1) / 2;
}

/* Each of these returns false with an exception set, and borrows the objects it is given. */

/* Compare the number of arguments that a function got with what it takes. */
bool check_count(const char *function, Py_ssize_t expected, Py_ssize_t got);

/* Read an int argument between low and high. */
bool read_int(PyObject *object, const char *name, int low, int high, int *result);

/* Read a pixel format by name. */
bool read_format(PyObject *object, Format *result);

/* Fill in picture from width, height and stride, each read by read_int() with a lower bound of 1. */
bool describe(Picture *picture, Format format, int width, int height, int stride_bytes);

/* Acquire object's bytes, to write to them if writable. On true the caller owns *view and must release it; on
 * false there is nothing to release. */
bool acquire_view(PyObject *object, const char *name, bool writable, Py_buffer *view);

/* Acquire object's bytes, at least as many as picture needs. On true the caller owns *view and must release
 * it; on false there is nothing to release. */
bool acquire(PyObject *object, const char *name, const Picture *picture, Py_buffer *view);

#endif
