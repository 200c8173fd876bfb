/*
 * Pictures as I420, which is what H.264 encoders take; Python sees it through i420.py.
 *
 * Responsible for writing any raw picture as three planes of even sides, and for comparing what was written, both
 * without the GIL. Must never keep state, nor touch a picture that _picture.c has not proven to lie within
 * its buffer, nor write behind a target whose length has not been checked.
 *
 * The target holds Y, Cb and Cr one behind the other, rows without padding. Colours are at half size in both
 * directions, so its sides are even: of an odd picture the last column or row is repeated once, because a
 * column that is missing is missed, and one that is there twice is not seen.
 *
 * YUV stays what it is; which brightness and which colour a value means is for the stream to say. RGB becomes
 * BT.709 with the limited range. A colour is the mean of the two or four pixels that share it.
 *
 * Ownership: a Py_buffer is owned by the function that acquired it and is released on every way out of it.
 * Nothing outlives a call.
 */
#include "_picture.h"

#include <limits.h>
#include <string.h>

/* Pixels that are taken apart at a time: two rows of three colours stay in the first level of the cache. */
#define CHUNK_PX 1024

/* What a colour without a colour is in each of the two planes. */
#define NEUTRAL 128

/* ---- rows ---- */

/* Brightness of two pixels and their colour from each of two rows that share it. Always inlined with constant
 * offsets, so that each caller's loop is vectorised; so are all functions here that take offsets. */
static inline void take_pairs(const uint8_t *restrict upper, const uint8_t *restrict lower,
                              uint8_t *restrict y_upper, uint8_t *restrict y_lower, uint8_t *restrict cb,
                              uint8_t *restrict cr, size_t pairs, const size_t y_at, const size_t c_at)
{
    for (size_t i = 0; i < pairs; i++) {
        y_upper[2 * i] = upper[4 * i + y_at];
        y_upper[2 * i + 1] = upper[4 * i + y_at + 2];
        y_lower[2 * i] = lower[4 * i + y_at];
        y_lower[2 * i + 1] = lower[4 * i + y_at + 2];
        cb[i] = (uint8_t)((upper[4 * i + c_at] + lower[4 * i + c_at] + 1) >> 1);
        cr[i] = (uint8_t)((upper[4 * i + c_at + 2] + lower[4 * i + c_at + 2] + 1) >> 1);
    }
}

static void split_chroma(const uint8_t *restrict source, uint8_t *restrict cb, uint8_t *restrict cr,
                         size_t pairs)
{
    for (size_t i = 0; i < pairs; i++) {
        cb[i] = source[2 * i];
        cr[i] = source[2 * i + 1];
    }
}

/* A part of a row of pixels as three rows of colours. */
typedef struct {
    uint8_t r[CHUNK_PX], g[CHUNK_PX], b[CHUNK_PX];
} Colours;

static inline void take_colours(const uint8_t *restrict source, Colours *restrict colours, size_t count,
                                const size_t step, const size_t r_at, const size_t g_at, const size_t b_at)
{
    for (size_t i = 0; i < count; i++) {
        colours->r[i] = source[step * i + r_at];
        colours->g[i] = source[step * i + g_at];
        colours->b[i] = source[step * i + b_at];
    }
}

/* BT.709 with the limited range (ITU-T H.273), in 1/256: Y 16..235, rounded. All sums fit 16 bits, which is
 * what lets eight or more be added at a time. */
static void brightness_of(const Colours *restrict from, uint8_t *restrict y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        y[i] = (uint8_t)((uint16_t)(47 * from->r[i] + 157 * from->g[i] + 16 * from->b[i] + 4224) >> 8);
    }
}

/* Cb and Cr 16..240 of four pixels each. The factors of each add up to 0, so that grey has no colour. */
static void colour_of(const Colours *restrict upper, const Colours *restrict lower, uint8_t *restrict cb,
                      uint8_t *restrict cr, size_t pairs)
{
    for (size_t i = 0; i < pairs; i++) {
        const uint16_t r = (uint16_t)((upper->r[2 * i] + upper->r[2 * i + 1] + lower->r[2 * i] +
                                       lower->r[2 * i + 1] + 2) >> 2);
        const uint16_t g = (uint16_t)((upper->g[2 * i] + upper->g[2 * i + 1] + lower->g[2 * i] +
                                       lower->g[2 * i + 1] + 2) >> 2);
        const uint16_t b = (uint16_t)((upper->b[2 * i] + upper->b[2 * i + 1] + lower->b[2 * i] +
                                       lower->b[2 * i + 1] + 2) >> 2);

        cb[i] = (uint8_t)((uint16_t)(112 * b + 32896 - 26 * r - 86 * g) >> 8);
        cr[i] = (uint8_t)((uint16_t)(112 * r + 32896 - 102 * g - 10 * b) >> 8);
    }
}

/* ---- pictures ---- */

/* Where the planes of a target are. */
typedef struct {
    uint8_t *y, *cb, *cr;
    size_t width, height; /* even; colours have half of each */
} Target;

/* A row of brightness of a picture whose width may be odd. */
static void copy_row(const uint8_t *source, size_t width, uint8_t *target, size_t even_width)
{
    memcpy(target, source, width);
    target[even_width - 1] = target[width - 1];
}

static void write_luma(const Picture *picture, const uint8_t *source, const Target *target)
{
    const size_t h = (size_t)picture->height;

    for (size_t row = 0; row < target->height; row++) {
        copy_row(source + picture->planes[0].stride * (row < h ? row : h - 1), (size_t)picture->width,
                 target->y + target->width * row, target->width);
    }
}

static void write_packed(const Picture *picture, const uint8_t *source, const Target *target)
{
    const size_t h = (size_t)picture->height, stride = picture->planes[0].stride, pairs = target->width / 2;

    for (size_t row = 0; row < target->height; row += 2) {
        const uint8_t *upper = source + stride * row, *lower = row + 1 < h ? upper + stride : upper;
        uint8_t *y_upper = target->y + target->width * row, *y_lower = y_upper + target->width;
        uint8_t *cb = target->cb + pairs * (row / 2), *cr = target->cr + pairs * (row / 2);

        if (picture->format == YUYV) {
            take_pairs(upper, lower, y_upper, y_lower, cb, cr, pairs, 0, 1);
        } else {
            take_pairs(upper, lower, y_upper, y_lower, cb, cr, pairs, 1, 0);
        }
    }
}

/* Count pixels from source as colours, and the last one once more if their number is odd. */
static void take_chunk(Format format, const uint8_t *source, size_t count, Colours *colours)
{
    if (format == RGB24) {
        take_colours(source, colours, count, 3, 0, 1, 2);
    } else if (format == BGR24) {
        take_colours(source, colours, count, 3, 2, 1, 0);
    } else {
        take_colours(source, colours, count, 4, 2, 1, 0);
    }
    if (count % 2 != 0) {
        colours->r[count] = colours->r[count - 1];
        colours->g[count] = colours->g[count - 1];
        colours->b[count] = colours->b[count - 1];
    }
}

static void write_rgb(const Picture *picture, const uint8_t *source, const Target *target)
{
    const size_t w = (size_t)picture->width, h = (size_t)picture->height;
    const size_t stride = picture->planes[0].stride, pixel_bytes = picture->format == BGRX32 ? 4 : 3;
    Colours above, below;

    for (size_t row = 0; row < target->height; row += 2) {
        const uint8_t *upper = source + stride * row, *lower = row + 1 < h ? upper + stride : upper;
        uint8_t *y = target->y + target->width * row;
        uint8_t *cb = target->cb + target->width / 2 * (row / 2), *cr = target->cr + (cb - target->cb);

        for (size_t x = 0; x < w; x += CHUNK_PX) {
            const size_t count = w - x < CHUNK_PX ? w - x : CHUNK_PX, even_count = half_up(count) * 2;

            take_chunk(picture->format, upper + pixel_bytes * x, count, &above);
            take_chunk(picture->format, lower + pixel_bytes * x, count, &below);
            brightness_of(&above, y + x, even_count);
            brightness_of(&below, y + target->width + x, even_count);
            colour_of(&above, &below, cb + x / 2, cr + x / 2, even_count / 2);
        }
    }
}

/* Write the picture at source; target has room for all of it. Runs without the GIL. */
static void write_planes(const Picture *picture, const uint8_t *source, const Target *target)
{
    const size_t pairs = target->width / 2, chroma_rows = target->height / 2;
    const Plane *chroma = &picture->planes[1];

    switch (picture->format) {
    case YUYV:
    case UYVY:
        write_packed(picture, source, target);
        break;
    case RGB24:
    case BGR24:
    case BGRX32:
        write_rgb(picture, source, target);
        break;
    case NV12:
        write_luma(picture, source, target);
        for (size_t row = 0; row < chroma_rows; row++) {
            split_chroma(source + chroma->offset + chroma->stride * row, target->cb + pairs * row,
                         target->cr + pairs * row, pairs);
        }
        break;
    case YUV420:
        write_luma(picture, source, target);
        for (size_t row = 0; row < chroma_rows; row++) {
            memcpy(target->cb + pairs * row, source + chroma->offset + chroma->stride * row, pairs);
            memcpy(target->cr + pairs * row, source + picture->planes[2].offset + chroma->stride * row,
                   pairs);
        }
        break;
    case GREY:
        write_luma(picture, source, target);
        memset(target->cb, NEUTRAL, 2 * pairs * chroma_rows);
        break;
    case FORMAT_COUNT:
        break;
    }
}

/* ---- functions of the module ---- */

/* Acquire object's bytes, needed_bytes of them or more, to be read, or written if flags is PyBUF_WRITABLE. On
 * true the caller owns *view; on false there is an exception and nothing to release. */
static bool acquire_bytes(PyObject *object, const char *name, size_t needed_bytes, int flags, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, flags) < 0) {
        return false;
    }
    if ((size_t)view->len < needed_bytes) {
        PyErr_Format(PyExc_ValueError, "expected %s of at least %zu bytes, got %zd", name, needed_bytes,
                     view->len);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}

PyDoc_STRVAR(write_doc,
             "write($module, buffer, width, height, stride_bytes, pixel_format, target, /)\n--\n\n"
             "Write a picture to target, a writable buffer that does not overlap it, as Y, Cb and Cr of even\n"
             "sides without padding: w * h * 3 / 2 bytes of sides rounded up. Behind them it stays as it is.");

/* Owns the views of args[0] and args[5] while it runs. Returns None, or NULL with an exception set. */
static PyObject *i420_write(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    int width, height, stride;
    size_t pixels;
    Format format;
    Picture picture;
    Py_buffer source, view;
    Target target;

    if (!check_count("write", 6, count) || !read_int(args[1], "width", 1, MAX_SIDE_PX, &width) ||
        !read_int(args[2], "height", 1, MAX_SIDE_PX, &height) ||
        !read_int(args[3], "stride_bytes", 1, INT_MAX, &stride) || !read_format(args[4], &format) ||
        !describe(&picture, format, width, height, stride) || !acquire(args[0], "buffer", &picture, &source)) {
        return NULL;
    }
    target.width = half_up((size_t)width) * 2;
    target.height = half_up((size_t)height) * 2;
    pixels = target.width * target.height; /* describe() has limited it */
    if (!acquire_bytes(args[5], "target", pixels / 2 * 3, PyBUF_WRITABLE, &view)) {
        PyBuffer_Release(&source);
        return NULL;
    }
    target.y = view.buf;
    target.cb = target.y + pixels;
    target.cr = target.cb + pixels / 4;
    Py_BEGIN_ALLOW_THREADS
    write_planes(&picture, source.buf, &target);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    PyBuffer_Release(&source);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(same_doc, "same($module, a, b, /)\n--\n\n"
                       "Whether two buffers have the same bytes and as many of them.");

/* Owns the views of both arguments while it runs. Returns a bool, or NULL with an exception set. */
static PyObject *i420_same(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer a, b;
    bool same;

    if (!check_count("same", 2, count) || !acquire_bytes(args[0], "a", 0, PyBUF_SIMPLE, &a)) {
        return NULL;
    }
    if (!acquire_bytes(args[1], "b", 0, PyBUF_SIMPLE, &b)) {
        PyBuffer_Release(&a);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    same = a.len == b.len && memcmp(a.buf, b.buf, (size_t)a.len) == 0;
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&b);
    PyBuffer_Release(&a);
    return PyBool_FromLong(same);
}

/* ---- module ---- */

static PyMethodDef i420_methods[] = {
    {"write", (PyCFunction)(void (*)(void))i420_write, METH_FASTCALL, write_doc},
    {"same", (PyCFunction)(void (*)(void))i420_same, METH_FASTCALL, same_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot i420_slots[] = {
    {0, NULL},
};

PyDoc_STRVAR(module_doc,
             "Pictures as I420.\n\n"
             "A picture is given as to drivers.video._jpeg, with the same rules for its numbers and its\n"
             "buffer. All functions raise TypeError for a wrong type, ValueError for a wrong value, and\n"
             "BufferError for a target that cannot be written or a buffer that is not contiguous.");

static struct PyModuleDef i420_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "drivers.video._i420",
    .m_doc = module_doc,
    .m_size = 0,
    .m_methods = i420_methods,
    .m_slots = i420_slots,
};

PyMODINIT_FUNC PyInit__i420(void)
{
    return PyModuleDef_Init(&i420_module);
}
