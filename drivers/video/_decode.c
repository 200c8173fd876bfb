/* Decoding of JPEG pictures; see _decode.h. */
#include "_decode.h"
#include "_repair.h"

#include <stdio.h>
#include <string.h>

#include <turbojpeg.h>

/* What JPEG calls no colour. */
#define NO_COLOUR 128

typedef struct {
    const uint8_t *jpeg;
    size_t jpeg_bytes;
    uint8_t *target; /* the caller's: three planes, one behind the other, without padding */
    int width;
    int height;
    char problem[256];
} Decoding;

/* ---- colour planes ---- */

/* One row of the target: the mean of two rows above each other, of as many samples as it has itself. */
static void narrow_rows(const uint8_t *restrict upper, const uint8_t *restrict lower,
                        uint8_t *restrict target, size_t samples)
{
    for (size_t i = 0; i < samples; i++) {
        target[i] = (uint8_t)((upper[i] + lower[i] + 1) / 2);
    }
}

/* The same of rows of samples, twice as many as the target has; the last one alone if they are odd. */
static void narrow_squares(const uint8_t *restrict upper, const uint8_t *restrict lower,
                           uint8_t *restrict target, size_t samples)
{
    for (size_t i = 0; i < samples / 2; i++) {
        target[i] =
            (uint8_t)((upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1] + 2) / 4);
    }
    if (samples % 2 != 0) {
        target[samples / 2] = (uint8_t)((upper[samples - 1] + lower[samples - 1] + 1) / 2);
    }
}

/* The same of rows with half as many samples as the target. */
static void widen_rows(const uint8_t *restrict upper, const uint8_t *restrict lower, uint8_t *restrict target,
                       size_t samples)
{
    for (size_t i = 0; i < samples; i++) {
        target[i] = (uint8_t)((upper[i / 2] + lower[i / 2] + 1) / 2);
    }
}

/* Bring a colour plane to half of the picture's sides, rounded up. */
static void resample(const Decoding *decoding, int subsampling, const uint8_t *plane, size_t stride,
                     uint8_t *target)
{
    const size_t width = (size_t)decoding->width, height = (size_t)decoding->height;
    const bool full_height = subsampling != TJSAMP_440;

    for (size_t row = 0; row < half_up(height); row++) {
        const size_t upper_row = full_height ? 2 * row : row;
        const size_t lower_row = full_height && upper_row + 1 < height ? upper_row + 1 : upper_row;
        const uint8_t *upper = plane + stride * upper_row, *lower = plane + stride * lower_row;

        if (subsampling == TJSAMP_422) {
            narrow_rows(upper, lower, target, half_up(width));
        } else if (subsampling == TJSAMP_411) {
            widen_rows(upper, lower, target, half_up(width));
        } else {
            narrow_squares(upper, lower, target, width);
        }
        target += half_up(width);
    }
}

/* ---- the picture ---- */

/* The sides of the target's brightness: those of the picture, an odd one with one more. */
static inline size_t even(int side)
{
    return half_up((size_t)side) * 2;
}

/* Where the library puts each plane: into the target where it has room there, else into *scratch, which the
 * caller owns and frees. Returns false without memory. */
static bool place_planes(const Decoding *decoding, int subsampling, uint8_t **scratch,
                         unsigned char *planes[3], int strides[3])
{
    const size_t width = even(decoding->width), height = even(decoding->height);
    size_t sizes[3] = {0, 0, 0}, at = 0;

    for (int i = 0; i < (subsampling == TJSAMP_GRAY ? 1 : 3); i++) {
        strides[i] = tjPlaneWidth(i, decoding->width, subsampling);
        if (i == 0 && (size_t)strides[i] <= width) {
            strides[i] = (int)width;
        } else if (i == 0 || subsampling != TJSAMP_420) {
            sizes[i] = (size_t)strides[i] * (size_t)tjPlaneHeight(i, decoding->height, subsampling);
        }
    }
    *scratch = NULL;
    if (sizes[0] + sizes[1] + sizes[2] != 0) {
        *scratch = PyMem_RawMalloc(sizes[0] + sizes[1] + sizes[2]);
        if (*scratch == NULL) {
            return false;
        }
    }
    planes[0] = decoding->target;
    planes[1] = decoding->target + width * height;
    planes[2] = planes[1] + width * height / 4;
    for (int i = 0; i < 3; i++) {
        if (sizes[i] != 0) {
            planes[i] = *scratch + at;
            at += sizes[i];
        }
    }
    return true;
}

/* Bring what is in planes into the target, where it is not there yet. */
static void finish_planes(const Decoding *decoding, int subsampling, unsigned char *const planes[3],
                          const int strides[3])
{
    const size_t width = (size_t)decoding->width, height = (size_t)decoding->height;
    const size_t stride = even(decoding->width), rows = even(decoding->height);
    uint8_t *colour = decoding->target + stride * rows;

    for (size_t row = 0; row < height; row++) {
        uint8_t *target = decoding->target + stride * row;

        if (planes[0] != decoding->target) {
            memcpy(target, planes[0] + (size_t)strides[0] * row, width);
        }
        target[stride - 1] = target[width - 1]; /* no change to an even width */
    }
    if (rows != height) {
        memcpy(decoding->target + stride * height, decoding->target + stride * (height - 1), stride);
    }
    if (subsampling == TJSAMP_GRAY) {
        memset(colour, NO_COLOUR, stride * rows / 2);
    } else if (subsampling != TJSAMP_420) {
        resample(decoding, subsampling, planes[1], (size_t)strides[1], colour);
        resample(decoding, subsampling, planes[2], (size_t)strides[2], colour + stride * rows / 4);
    }
}

enum { DECODED, DAMAGED, NO_MEMORY };

static int refuse(Decoding *decoding, const char *reason)
{
    snprintf(decoding->problem, sizeof(decoding->problem), "expected a JPEG picture, got: %s", reason);
    return DAMAGED;
}

static int decode_with(tjhandle handle, Decoding *decoding)
{
    unsigned char *planes[3];
    int strides[3], width, height, subsampling, colours, result = DECODED;
    uint8_t *scratch;

    if (tjDecompressHeader3(handle, decoding->jpeg, (unsigned long)decoding->jpeg_bytes, &width, &height,
                            &subsampling, &colours) != 0) {
        return refuse(decoding, tjGetErrorStr2(handle));
    }
    if (colours != TJCS_YCbCr && colours != TJCS_GRAY) {
        return refuse(decoding, "colours other than YCbCr");
    }
    if (width != decoding->width || height != decoding->height) {
        snprintf(decoding->problem, sizeof(decoding->problem),
                 "expected a picture of %d x %d pixels, got %d x %d", decoding->width, decoding->height,
                 width, height);
        return DAMAGED;
    }
    if (!place_planes(decoding, subsampling, &scratch, planes, strides)) {
        return NO_MEMORY;
    }
    /* A warning is a picture with a flaw, which a viewer of the file would see too. */
    if (tjDecompressToYUVPlanes(handle, decoding->jpeg, (unsigned long)decoding->jpeg_bytes, planes, width,
                                strides, height, TJFLAG_LIMITSCANS) != 0 &&
        tjGetErrorCode(handle) != TJERR_WARNING) {
        result = refuse(decoding, tjGetErrorStr2(handle));
    } else {
        finish_planes(decoding, subsampling, planes, strides);
    }
    PyMem_RawFree(scratch);
    return result;
}

/* Runs without the GIL. The caller holds the buffers behind decoding. */
static int decode(Decoding *decoding)
{
    tjhandle handle = tjInitDecompress();
    int result;

    if (handle == NULL) {
        return NO_MEMORY;
    }
    result = decode_with(handle, decoding);
    tjDestroy(handle);
    return result;
}

/* ---- Python ---- */

const char decode_i420_doc[] =
    PyDoc_STR("decode_i420($module, buffer, target, width, height, /)\n--\n\n"
              "Decode the JPEG picture in buffer into the writable buffer target.\n\n"
              "See drivers.video.mjpeg.decode_i420. Both buffers are used in place, without the GIL. Raises\n"
              "drivers.video.frame.DamagedPictureError that says what is wrong with the picture.");

/* Owns the views of args[0] and args[1] while it runs. Returns None, or NULL with an exception set. */
PyObject *jpeg_decode_i420(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Decoding decoding = {.jpeg = NULL};
    Py_buffer source, target;
    int result;

    if (!check_count("decode_i420", 4, count) ||
        !read_int(args[2], "width", 1, MAX_SIDE_PX, &decoding.width) ||
        !read_int(args[3], "height", 1, MAX_SIDE_PX, &decoding.height)) {
        return NULL;
    }
    if ((long long)decoding.width * decoding.height > MAX_PIXELS) {
        return PyErr_Format(PyExc_ValueError, "expected at most %lld pixels, got %d x %d", MAX_PIXELS,
                            decoding.width, decoding.height);
    }
    const size_t needed = even(decoding.width) * even(decoding.height) / 2 * 3;

    if (!acquire_view(args[0], "buffer", false, &source)) {
        return NULL;
    }
    if (!acquire_view(args[1], "target", true, &target)) {
        PyBuffer_Release(&source);
        return NULL;
    }
    if ((size_t)target.len < needed) {
        PyErr_Format(PyExc_ValueError, "expected target of at least %zu bytes for %d x %d pixels, got %zd",
                     needed, decoding.width, decoding.height, target.len);
        PyBuffer_Release(&target);
        PyBuffer_Release(&source);
        return NULL;
    }
    decoding.jpeg = source.buf;
    decoding.jpeg_bytes = (size_t)source.len;
    decoding.target = target.buf;
    Py_BEGIN_ALLOW_THREADS
    result = decode(&decoding);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&target);
    PyBuffer_Release(&source);
    if (result == NO_MEMORY) {
        return PyErr_NoMemory();
    }
    if (result == DAMAGED) {
        raise_damaged(decoding.problem);
        return NULL;
    }
    Py_RETURN_NONE;
}
