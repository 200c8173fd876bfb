/*
 * JPEG encoding and frame comparison on libjpeg-turbo; Python sees it through jpeg.py.
 *
 * Responsible for encoding what has changed, without a copy or a colour conversion where the source allows
 * it, by several threads, and for comparing two pictures at memcmp speed; all without the GIL. Must never
 * keep state outside an Encoder, nor touch a picture that _picture.c has not proven to lie within its buffer.
 *
 * Ownership, stated once and repeated where it moves: an Encoder owns its threads, what they encode with, and
 * the pieces of its last file, from Encoder_new to Encoder_dealloc. A Py_buffer is owned by the function that
 * acquired it and is released on every way out of it. Nothing else outlives a call.
 */
#include "_bands.h"
#include "_compare.h"
#include "_decode.h"
#include "_picture.h"
#include "_planes.h"
#include "_pool.h"
#include "_repair.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#define MOST_THREADS 16
/* A thread is not worth waking for fewer bands: 16 of 1080p take a third of a millisecond on a desk. */
#define LEAST_BANDS_A_THREAD 16
/* So many unchanged bands are encoded again rather than beginning anew behind them, which costs as much. */
#define WIDEST_GAP 1

/* ---- Encoder ---- */

/* What all bands of a file have in common. */
typedef struct {
    Format format;
    int width, height;
    Style style;
} FileKind;

typedef struct {
    PyObject_HEAD
    int threads;
    Pool *pool;                          /* owned; NULL for one thread */
    BandEncoder *encoders[MOST_THREADS]; /* owned: one for each thread, made at its first use */
    Bytes *bands;                        /* owned: the compressed data of each band of the last file */
    size_t *changed;                     /* owned: numbers of the bands to encode */
    size_t band_capacity;                /* how many there is room for in both */
    Bytes head;                          /* owned: what is in front of the bands in the file */
    FileKind kind;                       /* of the last file */
    bool valid;                          /* whether there is a last file */
    char limited_range;                  /* whether YUV pictures have it; Python's to set */
    atomic_flag in_use;                  /* set while a call works on any of the above */
} Encoder;

/* Returns a new reference, or NULL with an exception set. */
static PyObject *Encoder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Encoder *self;
    int threads = 1;

    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "expected no keyword arguments of Encoder");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) > 1) {
        PyErr_Format(PyExc_TypeError, "expected at most 1 argument of Encoder, got %zd",
                     PyTuple_GET_SIZE(args));
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) == 1 &&
        !read_int(PyTuple_GET_ITEM(args, 0), "threads", 1, MOST_THREADS, &threads)) {
        return NULL;
    }
    self = (Encoder *)type->tp_alloc(type, 0); /* zeroed */
    if (self == NULL) {
        return NULL;
    }
    atomic_flag_clear(&self->in_use);
    self->threads = threads;
    if (threads > 1 && (self->pool = pool_new(threads - 1)) == NULL) {
        Py_DECREF(self);
        PyErr_NoMemory();
        return NULL;
    }
    return (PyObject *)self;
}

static void free_bands(Encoder *self)
{
    for (size_t i = 0; i < self->band_capacity; i++) {
        bytes_free(&self->bands[i]);
    }
    PyMem_RawFree(self->bands);
    PyMem_RawFree(self->changed);
    self->bands = NULL;
    self->changed = NULL;
    self->band_capacity = 0;
}

/* Frees all that the Encoder owns. Nobody can be inside encode(): a caller holds a reference. */
static void Encoder_dealloc(PyObject *object)
{
    Encoder *self = (Encoder *)object;
    PyTypeObject *type = Py_TYPE(object);

    pool_free(self->pool);
    for (int i = 0; i < MOST_THREADS; i++) {
        band_encoder_free(self->encoders[i]);
    }
    free_bands(self);
    bytes_free(&self->head);
    type->tp_free(object);
    Py_DECREF(type); /* a heap type is referenced by its instances */
}

/* Have room for count bands, and not for far more. Returns false without memory, and has none then. */
static bool reserve_bands(Encoder *self, size_t count)
{
    if (count <= self->band_capacity && count >= self->band_capacity / 4) {
        return true;
    }
    free_bands(self);
    self->bands = PyMem_RawCalloc(count, sizeof *self->bands);
    self->changed = PyMem_RawMalloc(count * sizeof *self->changed);
    if (self->bands == NULL || self->changed == NULL) {
        PyMem_RawFree(self->bands);
        PyMem_RawFree(self->changed);
        self->bands = NULL;
        self->changed = NULL;
        return false;
    }
    self->band_capacity = count;
    return true;
}

/* What the threads work on together. */
typedef struct {
    Encoder *encoder;
    const Picture *picture;
    const uint8_t *source;
    Style style;
    size_t changed_count;
    int parts;
    atomic_bool failed[MOST_THREADS];
} Work;

/* Encode one share of the changed bands: neighbours in one go. */
static void encode_part(void *context, int part)
{
    Work *work = context;
    Encoder *self = work->encoder;
    const size_t *changed = self->changed;
    size_t i = work->changed_count * (size_t)part / (size_t)work->parts;
    const size_t end = work->changed_count * ((size_t)part + 1) / (size_t)work->parts;

    while (i < end) {
        const size_t first = changed[i];
        size_t last = first;

        for (i++; i < end && changed[i] - last <= WIDEST_GAP + 1; i++) {
            last = changed[i];
        }
        /* The head is the same whoever makes it. */
        if (!encode_bands(self->encoders[part], work->picture, work->source, work->style, first, last + 1,
                          self->bands, part == 0 && !self->valid ? &self->head : NULL)) {
            work->failed[part] = true;
            return;
        }
    }
}

/* Encode the bands that self->changed names. The caller holds in_use and the buffer behind source, but not
 * the GIL. On false *reason is why, which lives as long as the Encoder; NULL for want of memory. */
static bool encode_changed(Encoder *self, const Picture *picture, const uint8_t *source, Style style,
                           size_t changed_count, const char **reason)
{
    const size_t most_parts = changed_count / LEAST_BANDS_A_THREAD;
    Work work = {.encoder = self,
                 .picture = picture,
                 .source = source,
                 .style = style,
                 .changed_count = changed_count,
                 .parts = self->threads};

    if ((size_t)work.parts > most_parts) {
        work.parts = most_parts > 0 ? (int)most_parts : 1;
    }
    for (int i = 0; i < work.parts; i++) {
        if (self->encoders[i] == NULL && (self->encoders[i] = band_encoder_new()) == NULL) {
            *reason = NULL;
            return false;
        }
    }
    pool_run(self->pool, encode_part, &work, work.parts);
    for (int i = 0; i < work.parts; i++) {
        if (work.failed[i]) {
            *reason = band_encoder_error(self->encoders[i]);
            return false;
        }
    }
    return true;
}

/* Write the numbers of the bands that differ from the last picture to self->changed, and return how many. */
static size_t find_changes(Encoder *self, const Picture *picture, const uint8_t *source, const Picture *last,
                           const uint8_t *last_source)
{
    const size_t height = (size_t)band_height(picture->format), count = band_count(picture);
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (last == NULL || !same_rows(picture, source, last, last_source, i * height, height)) {
            self->changed[found++] = i;
        }
    }
    return found;
}

/* Encode the picture at source, only what has changed since last if that is not NULL. The caller holds in_use
 * and both buffers. Returns a new bytes object, None if nothing has changed, or NULL with an exception set.
 */
static PyObject *encode_picture(Encoder *self, const Picture *picture, const uint8_t *source, int quality,
                                const Picture *last, const uint8_t *last_source)
{
    const bool widen = self->limited_range != 0 && has_planes(picture->format);
    const Style style = {.quality = quality, .widen = widen};
    const FileKind kind = {picture->format, picture->width, picture->height, style};
    const size_t count = band_count(picture);
    const char *reason = NULL;
    size_t changed_count;
    PyObject *file;
    bool done;

    if (!self->valid || kind.format != self->kind.format || kind.width != self->kind.width ||
        kind.height != self->kind.height || kind.style.quality != self->kind.style.quality ||
        kind.style.widen != self->kind.style.widen) {
        last = NULL;
    }
    if (last == NULL) {
        self->valid = false;
        if (!reserve_bands(self, count)) {
            return PyErr_NoMemory();
        }
    }
    Py_BEGIN_ALLOW_THREADS
    changed_count = find_changes(self, picture, source, last, last_source);
    done = changed_count == 0 || encode_changed(self, picture, source, style, changed_count, &reason);
    Py_END_ALLOW_THREADS
    self->valid = done;
    if (!done) {
        return reason == NULL ? PyErr_NoMemory()
                              : PyErr_Format(PyExc_RuntimeError, "libjpeg-turbo: %s", reason);
    }
    self->kind = kind;
    if (changed_count == 0) {
        Py_RETURN_NONE;
    }
    file = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)joined_bytes(&self->head, self->bands, count));
    if (file == NULL) {
        self->valid = false; /* the caller has not got this picture */
        return NULL;
    }
    join_bands(&self->head, self->bands, count, (uint8_t *)PyBytes_AS_STRING(file));
    return file;
}

/* Read the arguments that describe a picture: a buffer, width, height, stride and format from args[0] on, and
 * quality behind them. On true the caller owns *view. */
static bool read_picture(PyObject *const *args, Picture *picture, int *quality, Py_buffer *view)
{
    int width, height, stride;
    Format format;

    return read_int(args[1], "width", 1, MAX_SIDE_PX, &width) &&
           read_int(args[2], "height", 1, MAX_SIDE_PX, &height) &&
           read_int(args[3], "stride_bytes", 1, INT_MAX, &stride) && read_format(args[4], &format) &&
           read_int(args[5], "quality", 1, 100, quality) &&
           describe(picture, format, width, height, stride) && acquire(args[0], "buffer", picture, view);
}

/* encode_picture() for one caller at a time. Owns in_use while it runs. */
static PyObject *encode_alone(Encoder *self, const Picture *picture, const uint8_t *source, int quality,
                              const Picture *last, const uint8_t *last_source)
{
    PyObject *file;

    /* Taken last: no Python code runs before it is cleared, so only another thread can find it set. */
    if (atomic_flag_test_and_set(&self->in_use)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "expected one call at a time, got a second one from another thread"
                        " - give each thread its own Encoder");
        return NULL;
    }
    file = encode_picture(self, picture, source, quality, last, last_source);
    atomic_flag_clear(&self->in_use);
    return file;
}

PyDoc_STRVAR(encode_doc,
             "encode($self, buffer, width, height, stride_bytes, pixel_format, quality, /)\n--\n\n"
             "Encode one picture as a baseline JFIF file, quality 1..100.\n\n"
             "YUV is taken as it is, without colour conversion: YUYV and UYVY become 4:2:2, NV12 and\n"
             "YUV420 4:2:0, GREY one component. RGB becomes 4:2:0. There is a restart marker behind each\n"
             "row of MCUs. With limited_range, YUV and grey become full-range. Raises RuntimeError if\n"
             "another thread is encoding with this Encoder, or if the library fails.");

/* Owns the view of args[0] while it runs. Returns a new bytes object, or NULL with an exception set. */
static PyObject *Encoder_encode(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Picture picture;
    Py_buffer view;
    PyObject *file;
    int quality;

    if (!check_count("encode", 6, count) || !read_picture(args, &picture, &quality, &view)) {
        return NULL;
    }
    file = encode_alone((Encoder *)object, &picture, view.buf, quality, NULL, NULL);
    PyBuffer_Release(&view);
    return file;
}

PyDoc_STRVAR(encode_changes_doc,
             "encode_changes($self, buffer, width, height, stride_bytes, pixel_format, quality, last,\n"
             "               last_stride_bytes, /)\n--\n\n"
             "The same as encode(), but None if the picture looks like the last one.\n\n"
             "last is the buffer of the picture that was given to the last call, unchanged since. What\n"
             "is the same in both is not encoded again. All is encoded if size, format or quality are\n"
             "others, or the last call failed.");

/* Owns the views of args[0] and args[6] while it runs. Returns a new bytes object or None, or NULL with an
 * exception set. */
static PyObject *Encoder_encode_changes(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Picture picture, last;
    Py_buffer view, last_view;
    PyObject *file;
    int quality, last_stride;

    if (!check_count("encode_changes", 8, count) ||
        !read_int(args[7], "last_stride_bytes", 1, INT_MAX, &last_stride) ||
        !read_picture(args, &picture, &quality, &view)) {
        return NULL;
    }
    if (!describe(&last, picture.format, picture.width, picture.height, last_stride) ||
        !acquire(args[6], "last", &last, &last_view)) {
        PyBuffer_Release(&view);
        return NULL;
    }
    file = encode_alone((Encoder *)object, &picture, view.buf, quality, &last, last_view.buf);
    PyBuffer_Release(&last_view);
    PyBuffer_Release(&view);
    return file;
}

PyDoc_STRVAR(sizeof_doc, "__sizeof__($self, /)\n--\n\nBytes of the object and of all that it owns.");

static PyObject *Encoder_sizeof(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Encoder *self = (Encoder *)object;
    size_t bytes = (size_t)Py_TYPE(object)->tp_basicsize + self->head.capacity;

    if (atomic_flag_test_and_set(&self->in_use)) {
        PyErr_SetString(PyExc_RuntimeError, "expected no call at the same time, got one");
        return NULL;
    }
    bytes += self->band_capacity * (sizeof *self->bands + sizeof *self->changed);
    for (size_t i = 0; i < self->band_capacity; i++) {
        bytes += self->bands[i].capacity;
    }
    for (int i = 0; i < self->threads; i++) {
        bytes += self->encoders[i] == NULL ? 0 : band_encoder_bytes(self->encoders[i]);
    }
    atomic_flag_clear(&self->in_use);
    return PyLong_FromSize_t(bytes);
}

static PyMethodDef Encoder_methods[] = {
    {"encode", (PyCFunction)(void (*)(void))Encoder_encode, METH_FASTCALL, encode_doc},
    {"encode_changes", (PyCFunction)(void (*)(void))Encoder_encode_changes, METH_FASTCALL,
     encode_changes_doc},
    {"__sizeof__", Encoder_sizeof, METH_NOARGS, sizeof_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(Encoder_doc, "Encoder(threads=1, /)\n--\n\n"
                          "A JPEG encoder that spreads pictures over threads; for one caller at a time.");

static PyMemberDef Encoder_members[] = {
    {"limited_range", Py_T_BOOL, offsetof(Encoder, limited_range), 0,
     "Whether YUV pictures have the limited range (16 to 235), and are to become full-range ones."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot Encoder_slots[] = {
    {Py_tp_doc, (void *)Encoder_doc},
    {Py_tp_new, Encoder_new},
    {Py_tp_dealloc, Encoder_dealloc},
    {Py_tp_methods, Encoder_methods},
    {Py_tp_members, Encoder_members},
    {0, NULL},
};

static PyType_Spec Encoder_spec = {
    .name = "drivers.video._jpeg.Encoder",
    .basicsize = sizeof(Encoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Encoder_slots,
};

/* ---- comparison ---- */

PyDoc_STRVAR(same_doc,
             "same($module, a, b, width, height, stride_a_bytes, stride_b_bytes, pixel_format, /)\n--\n\n"
             "Whether two pictures of one geometry have the same bytes in the visible part of each row.\n\n"
             "The unused fourth byte of BGRX32 counts as visible: leaving it out would cost the speed of\n"
             "memcmp, and a difference in it alone only costs an encode.");

/* Owns the views of args[0] and args[1] while it runs. Returns a bool, or NULL with an exception set. */
static PyObject *jpeg_same(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    int width, height, stride_a, stride_b;
    Format format;
    Picture a, b;
    Py_buffer view_a, view_b;
    bool same;

    if (!check_count("same", 7, count) || !read_int(args[2], "width", 1, MAX_SIDE_PX, &width) ||
        !read_int(args[3], "height", 1, MAX_SIDE_PX, &height) ||
        !read_int(args[4], "stride_a_bytes", 1, INT_MAX, &stride_a) ||
        !read_int(args[5], "stride_b_bytes", 1, INT_MAX, &stride_b) || !read_format(args[6], &format) ||
        !describe(&a, format, width, height, stride_a) || !describe(&b, format, width, height, stride_b) ||
        !acquire(args[0], "a", &a, &view_a)) {
        return NULL;
    }
    if (!acquire(args[1], "b", &b, &view_b)) {
        PyBuffer_Release(&view_a);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    same = same_rows(&a, view_a.buf, &b, view_b.buf, 0, (size_t)a.height);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view_b);
    PyBuffer_Release(&view_a);
    return PyBool_FromLong(same);
}

/* ---- module ---- */

/* Returns 0, or -1 with an exception set. The module gets its own reference to the type. */
static int jpeg_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &Encoder_spec, NULL);
    int status;

    if (type == NULL) {
        return -1;
    }
    status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static PyMethodDef jpeg_methods[] = {
    {"same", (PyCFunction)(void (*)(void))jpeg_same, METH_FASTCALL, same_doc},
    {"repair", (PyCFunction)(void (*)(void))jpeg_repair, METH_FASTCALL, repair_doc},
    {"decode_i420", (PyCFunction)(void (*)(void))jpeg_decode_i420, METH_FASTCALL, decode_i420_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot jpeg_slots[] = {
    {Py_mod_exec, (void *)jpeg_exec},
    {0, NULL},
};

PyDoc_STRVAR(
    module_doc,
    "JPEG encoding and frame comparison on libjpeg-turbo.\n\n"
    "A picture is given as a C-contiguous buffer, its sides in pixels (1..65500 each, at most 2**28\n"
    "pixels), the bytes from row to row of its first plane, and the name of one of\n"
    "drivers.video.frame.PixelFormat, whose planes lie as drivers.video.frame.Frame says. The buffer is\n"
    "read in place, without the GIL: who changes it meanwhile gets a torn picture. It may be longer than\n"
    "the picture; padding behind a row never matters.\n\n"
    "All functions raise TypeError for a wrong type and ValueError for a wrong value: a side, stride,\n"
    "quality or number of pixels out of range, an unknown format, an odd width of YUYV or UYVY, a stride\n"
    "shorter than a row, a buffer shorter than the picture or not contiguous. Nothing of a picture is read\n"
    "before all of that is checked.");

static struct PyModuleDef jpeg_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "drivers.video._jpeg",
    .m_doc = module_doc,
    .m_size = 0,
    .m_methods = jpeg_methods,
    .m_slots = jpeg_slots,
};

PyMODINIT_FUNC PyInit__jpeg(void)
{
    return PyModuleDef_Init(&jpeg_module);
}
