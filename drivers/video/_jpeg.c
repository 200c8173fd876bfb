/*
 * JPEG encoding and frame comparison on libjpeg-turbo's TurboJPEG API; Python sees it through jpeg.py.
 *
 * Responsible for encoding without a copy or a colour conversion where the source allows it, and for
 * comparing two pictures at memcmp speed; both without the GIL. Must never keep state outside an Encoder, nor
 * touch a picture that _picture.c has not proven to lie within its buffer.
 *
 * Only names of the TurboJPEG 2.x API are used (Debian 12 ships 2.1.5); 3.x keeps them all.
 *
 * Ownership, stated once and repeated where it moves: an Encoder owns its TurboJPEG handle and its two
 * scratch buffers from Encoder_new to Encoder_dealloc. A Py_buffer is owned by the function that acquired it
 * and is released on every way out of it. Nothing else outlives a call.
 */
#include "_picture.h"
#include "_planes.h"

#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <turbojpeg.h>

/* A scratch buffer shrinks after this many calls in a row that used less than a quarter of it: soon enough to
 * give memory back after a mode change, late enough that two alternating sizes do not allocate each time. */
#define SMALL_CALLS_BEFORE_SHRINK 32

/* ---- scratch memory ---- */

typedef struct {
    uint8_t *bytes;
    size_t capacity;
    int small_calls;
} Scratch;

/* Make scratch at least needed bytes long; its contents are lost if it moves. The scratch stays owned by its
 * Encoder. Called with the GIL. Returns false with an exception set, and an empty scratch, without memory. */
static bool reserve(Scratch *scratch, size_t needed)
{
    if (needed <= scratch->capacity) {
        scratch->small_calls = needed < scratch->capacity / 4 ? scratch->small_calls + 1 : 0;
        if (scratch->small_calls < SMALL_CALLS_BEFORE_SHRINK) {
            return true;
        }
    }
    PyMem_RawFree(scratch->bytes);
    scratch->capacity = 0;
    scratch->small_calls = 0;
    scratch->bytes = needed == 0 ? NULL : PyMem_RawMalloc(needed);
    if (scratch->bytes == NULL && needed != 0) {
        PyErr_NoMemory();
        return false;
    }
    scratch->capacity = needed;
    return true;
}

/* ---- Encoder ---- */

typedef struct {
    PyObject_HEAD
    tjhandle handle;    /* owned */
    Scratch planes;     /* owned: colour planes taken apart */
    Scratch output;     /* owned: the JPEG before it becomes bytes */
    atomic_flag in_use; /* set while a call works on any of the above, with or without the GIL */
} Encoder;

/* One of enum TJSAMP, as the int that the functions of the library take. */
static int subsampling_of(Format format)
{
    switch (format) {
    case GREY:
        return TJSAMP_GRAY;
    case YUYV:
    case UYVY:
        return TJSAMP_422;
    default:
        return TJSAMP_420;
    }
}

/* Returns a new reference, or NULL with an exception set. */
static PyObject *Encoder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Encoder *self;

    if (PyTuple_GET_SIZE(args) != 0 || (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "expected no arguments of Encoder");
        return NULL;
    }
    self = (Encoder *)type->tp_alloc(type, 0); /* zeroed: empty scratches */
    if (self == NULL) {
        return NULL;
    }
    atomic_flag_clear(&self->in_use);
    self->handle = tjInitCompress();
    if (self->handle == NULL) {
        PyErr_Format(PyExc_RuntimeError, "libjpeg-turbo: %s", tjGetErrorStr2(NULL));
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* Frees all that the Encoder owns. Nobody can be inside encode(): a caller holds a reference. */
static void Encoder_dealloc(PyObject *object)
{
    Encoder *self = (Encoder *)object;
    PyTypeObject *type = Py_TYPE(object);

    if (self->handle != NULL) {
        tjDestroy(self->handle);
    }
    PyMem_RawFree(self->planes.bytes);
    PyMem_RawFree(self->output.bytes);
    type->tp_free(object);
    Py_DECREF(type); /* a heap type is referenced by its instances */
}

/* All the work on pixels: runs without the GIL. The caller holds in_use, the buffer behind source, and
 * scratch buffers that are long enough. Returns 0 and the length of the JPEG in self->output, or -1 with the
 * reason in the handle. */
static int compress_pixels(Encoder *self, const Picture *picture, const uint8_t *source, int quality,
                           unsigned long *jpeg_bytes)
{
    const int subsampling = subsampling_of(picture->format);
    const int stride = (int)picture->planes[0].stride;
    unsigned char *output = self->output.bytes; /* NOREALLOC: stays ours, and no longer than tjBufSize() */
    YuvPlanes yuv;
    int pixels;

    switch (picture->format) {
    case RGB24:
        pixels = TJPF_RGB;
        break;
    case BGR24:
        pixels = TJPF_BGR;
        break;
    case BGRX32:
        pixels = TJPF_BGRX;
        break;
    default:
        take_planes(picture, source, self->planes.bytes, &yuv);
        return tjCompressFromYUVPlanes(self->handle, yuv.planes, picture->width, yuv.strides, picture->height,
                                       subsampling, &output, jpeg_bytes, quality, TJFLAG_NOREALLOC);
    }
    return tjCompress2(self->handle, source, picture->width, stride, picture->height, pixels, &output,
                       jpeg_bytes, subsampling, quality, TJFLAG_NOREALLOC);
}

/* Encode the picture at source. The caller holds in_use and the buffer behind source. Returns a new bytes
 * object, or NULL with an exception set. */
static PyObject *compress(Encoder *self, const Picture *picture, const uint8_t *source, int quality)
{
    unsigned long jpeg_bytes = tjBufSize(picture->width, picture->height, subsampling_of(picture->format));
    int failed;

    /* (unsigned long)-1 and 0 are how versions say "invalid"; describe() excludes both. */
    if (jpeg_bytes == (unsigned long)-1 || jpeg_bytes == 0) {
        PyErr_Format(PyExc_RuntimeError, "libjpeg-turbo: %s", tjGetErrorStr2(NULL));
        return NULL;
    }
    if (!reserve(&self->planes, planes_scratch_bytes(picture)) || !reserve(&self->output, jpeg_bytes)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    failed = compress_pixels(self, picture, source, quality, &jpeg_bytes);
    Py_END_ALLOW_THREADS
    if (failed != 0) {
        PyErr_Format(PyExc_RuntimeError, "libjpeg-turbo: %s", tjGetErrorStr2(self->handle));
        return NULL;
    }
    return PyBytes_FromStringAndSize((const char *)self->output.bytes, (Py_ssize_t)jpeg_bytes);
}

PyDoc_STRVAR(encode_doc,
             "encode($self, buffer, width, height, stride_bytes, pixel_format, quality, /)\n--\n\n"
             "Encode one picture as a baseline JFIF file, quality 1..100.\n\n"
             "YUV is taken as it is, without colour conversion: YUYV and UYVY become 4:2:2, NV12 and\n"
             "YUV420 4:2:0, GREY one component. RGB becomes 4:2:0. Raises RuntimeError if another\n"
             "thread is encoding with this Encoder, or if the library fails.");

/* Owns the view of args[0] while it runs. Returns a new bytes object, or NULL with an exception set. */
static PyObject *Encoder_encode(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    Encoder *self = (Encoder *)object;
    int width, height, stride, quality;
    Format format;
    Picture picture;
    Py_buffer view;
    PyObject *jpeg;

    if (!check_count("encode", 6, count) || !read_int(args[1], "width", 1, MAX_SIDE_PX, &width) ||
        !read_int(args[2], "height", 1, MAX_SIDE_PX, &height) ||
        !read_int(args[3], "stride_bytes", 1, INT_MAX, &stride) || !read_format(args[4], &format) ||
        !read_int(args[5], "quality", 1, 100, &quality) ||
        !describe(&picture, format, width, height, stride) || !acquire(args[0], "buffer", &picture, &view)) {
        return NULL;
    }
    /* Taken last: no Python code runs before it is cleared, so only another thread can find it set. */
    if (atomic_flag_test_and_set(&self->in_use)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "expected one call at a time, got a second one from another thread"
                        " - give each thread its own Encoder");
        jpeg = NULL;
    } else {
        jpeg = compress(self, &picture, view.buf, quality);
        atomic_flag_clear(&self->in_use);
    }
    PyBuffer_Release(&view);
    return jpeg;
}

PyDoc_STRVAR(sizeof_doc,
             "__sizeof__($self, /)\n--\n\nBytes of the object and of the scratch buffers it owns.");

static PyObject *Encoder_sizeof(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const Encoder *self = (const Encoder *)object;

    /* Capacities change under the GIL only (compress reserves before it releases it). */
    return PyLong_FromSize_t((size_t)Py_TYPE(object)->tp_basicsize + self->planes.capacity +
                             self->output.capacity);
}

static PyMethodDef Encoder_methods[] = {
    {"encode", (PyCFunction)(void (*)(void))Encoder_encode, METH_FASTCALL, encode_doc},
    {"__sizeof__", Encoder_sizeof, METH_NOARGS, sizeof_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(Encoder_doc, "A TurboJPEG compressor with its scratch buffers, for one thread at a time.");

static PyType_Slot Encoder_slots[] = {
    {Py_tp_doc, (void *)Encoder_doc},
    {Py_tp_new, Encoder_new},
    {Py_tp_dealloc, Encoder_dealloc},
    {Py_tp_methods, Encoder_methods},
    {0, NULL},
};

static PyType_Spec Encoder_spec = {
    .name = "drivers.video._jpeg.Encoder",
    .basicsize = sizeof(Encoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Encoder_slots,
};

/* ---- comparison ---- */

/* Whether the visible bytes of a and b, two pictures of one geometry, are the same. Runs without the GIL. */
static bool same_pixels(const Picture *a, const uint8_t *a_bytes, const Picture *b, const uint8_t *b_bytes)
{
    for (int i = 0; i < a->plane_count; i++) {
        const Plane *pa = &a->planes[i], *pb = &b->planes[i];
        size_t chunk = pa->row_bytes, chunks = pa->rows;

        if (pa->stride == chunk && pb->stride == chunk) { /* no padding: one long comparison */
            chunk *= chunks;
            chunks = 1;
        }
        for (size_t row = 0; row < chunks; row++) {
            if (memcmp(a_bytes + pa->offset + pa->stride * row, b_bytes + pb->offset + pb->stride * row,
                       chunk) != 0) {
                return false;
            }
        }
    }
    return true;
}

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
    same = same_pixels(&a, view_a.buf, &b, view_b.buf);
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
