/* Checking of arguments and layouts of pictures; see _picture.h. */
#include "_picture.h"

/* The values of drivers.video.frame.PixelFormat, in the order of Format. */
static const char *const FORMAT_NAMES[FORMAT_COUNT] = {
    "YUYV", "UYVY", "RGB24", "BGR24", "BGRX32", "GREY", "NV12", "YUV420",
};

bool check_count(const char *function, Py_ssize_t expected, Py_ssize_t got)
{
    if (expected == got) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "expected %zd positional arguments of %s, got %zd", expected, function,
                 got);
    return false;
}

bool read_int(PyObject *object, const char *name, int low, int high, int *result)
{
    PyObject *index = PyNumber_Index(object);
    long long value;
    int overflow;

    if (index == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "expected %s to be an int, got %.100s", name,
                         Py_TYPE(object)->tp_name);
        }
        return false;
    }
    value = PyLong_AsLongLongAndOverflow(index, &overflow);
    Py_DECREF(index);
    if (overflow != 0) {
        PyErr_Format(PyExc_ValueError, "expected %s between %d and %d, got a number of more than 64 bits",
                     name, low, high);
        return false;
    }
    if (value < low || value > high) {
        PyErr_Format(PyExc_ValueError, "expected %s between %d and %d, got %lld", name, low, high, value);
        return false;
    }
    *result = (int)value;
    return true;
}

bool read_format(PyObject *object, Format *result)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "expected pixel_format to be a str, got %.100s",
                     Py_TYPE(object)->tp_name);
        return false;
    }
    for (int i = 0; i < FORMAT_COUNT; i++) {
        if (PyUnicode_CompareWithASCIIString(object, FORMAT_NAMES[i]) == 0) {
            *result = (Format)i;
            return true;
        }
    }
    PyErr_Format(
        PyExc_ValueError,
        "expected pixel_format to be one of YUYV, UYVY, RGB24, BGR24, BGRX32, GREY, NV12, YUV420, got %.80R",
        object);
    return false;
}

bool describe(Picture *picture, Format format, int width, int height, int stride_bytes)
{
    const size_t w = (size_t)width, h = (size_t)height, stride = (size_t)stride_bytes;
    const size_t chroma_rows = half_up(h);
    size_t least_stride;

    if ((long long)width * height > MAX_PIXELS) {
        PyErr_Format(PyExc_ValueError, "expected at most %lld pixels, got %d x %d", MAX_PIXELS, width,
                     height);
        return false;
    }
    if ((format == YUYV || format == UYVY) && width % 2 != 0) {
        PyErr_Format(PyExc_ValueError, "expected an even width for %s, two pixels share a colour, got %d",
                     FORMAT_NAMES[format], width);
        return false;
    }
    *picture = (Picture){.format = format, .width = width, .height = height, .plane_count = 1};
    picture->planes[0] = (Plane){.stride = stride, .row_bytes = w, .rows = h};
    switch (format) {
    case YUYV:
    case UYVY:
        picture->planes[0].row_bytes = w * 2;
        break;
    case RGB24:
    case BGR24:
        picture->planes[0].row_bytes = w * 3;
        break;
    case BGRX32:
        picture->planes[0].row_bytes = w * 4;
        break;
    case NV12:
        picture->plane_count = 2;
        picture->planes[1] = (Plane){
            .offset = stride * h, .stride = stride, .row_bytes = half_up(w) * 2, .rows = chroma_rows};
        break;
    case YUV420:
        picture->plane_count = 3;
        picture->planes[1] = (Plane){
            .offset = stride * h, .stride = half_up(stride), .row_bytes = half_up(w), .rows = chroma_rows};
        picture->planes[2] = picture->planes[1];
        picture->planes[2].offset += half_up(stride) * chroma_rows;
        break;
    case GREY:
    case FORMAT_COUNT:
        break;
    }
    /* NV12 of an odd width: a row of colour pairs is one byte longer than a row of brightness. */
    least_stride = format == NV12 ? picture->planes[1].row_bytes : picture->planes[0].row_bytes;
    if (stride < least_stride) {
        PyErr_Format(PyExc_ValueError,
                     "expected a stride of at least %zu bytes for %s %d pixels wide, got %d", least_stride,
                     FORMAT_NAMES[format], width, stride_bytes);
        return false;
    }
    /* In 64 bits whatever size_t is: at most 2^31 * 65500 * 2. An offset above that wraps only where size_t
     * has 32 bits, and then the buffer cannot be as long as needed_bytes says, and is refused. */
    uint64_t before_last = (uint64_t)stride * h;
    if (format == NV12) {
        picture->needed_bytes = before_last + (uint64_t)stride * (chroma_rows - 1) +
                                picture->planes[1].row_bytes;
    } else if (format == YUV420) {
        picture->needed_bytes = before_last + (uint64_t)half_up(stride) * (2 * (uint64_t)chroma_rows - 1) +
                                picture->planes[2].row_bytes;
    } else {
        picture->needed_bytes = (uint64_t)stride * (h - 1) + picture->planes[0].row_bytes;
    }
    return true;
}

bool acquire_view(PyObject *object, const char *name, bool writable, Py_buffer *view)
{
    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError, "expected %s to support the buffer protocol, got %.100s", name,
                     Py_TYPE(object)->tp_name);
        return false;
    }
    if (PyObject_GetBuffer(object, view, writable ? PyBUF_WRITABLE : PyBUF_SIMPLE) < 0) {
        PyObject *reason = PyErr_GetRaisedException();

        /* Exporters name the reason in many ways. If it can be had in any shape, that was
         * the reason. */
        if (PyObject_GetBuffer(object, view, PyBUF_FULL_RO) == 0) {
            PyBuffer_Release(view);
            Py_DECREF(reason);
            PyErr_Format(PyExc_ValueError, "expected %s to be C-contiguous%s, got a %.100s that is not", name,
                         writable ? " and writable" : "", Py_TYPE(object)->tp_name);
        } else {
            PyErr_SetRaisedException(reason); /* replaces that of the second attempt */
        }
        return false;
    }
    return true;
}

bool acquire(PyObject *object, const char *name, const Picture *picture, Py_buffer *view)
{
    if (!acquire_view(object, name, false, view)) {
        return false;
    }
    if ((uint64_t)view->len < picture->needed_bytes) {
        PyErr_Format(PyExc_ValueError,
                     "expected %s of at least %llu bytes for %s %d x %d with a stride of %zu, got %zd", name,
                     (unsigned long long)picture->needed_bytes, FORMAT_NAMES[picture->format], picture->width,
                     picture->height, picture->planes[0].stride, view->len);
        PyBuffer_Release(view);
        return false;
    }
    return true;
}
