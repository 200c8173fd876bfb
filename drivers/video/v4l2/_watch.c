/*
 * Waiting for a picture that looks different from the last one, without a word of Python for those that do not.
 *
 * Responsible for the cheap case, a screen that stands still: taking filled buffers of a V4L2 capture, comparing
 * them and giving them back, all without the GIL. Whatever is not that (a change, damage, silence, an error) is
 * left to Python. Must never keep anything from one call to the next.
 */
#include "../_compare.h"
#include "../_picture.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include <linux/videodev2.h>

#define MOST_BUFFERS VIDEO_MAX_FRAME

typedef struct {
    /* What is asked for. */
    int fd, stop_fd, type;
    bool multiplanar;
    Picture picture;
    size_t whole_bytes;
    Py_buffer maps[MOST_BUFFERS]; /* owned, map_count of them */
    int map_count;
    Py_buffer last; /* owned */
    double show_after_s, silence_s;
    /* What is kept up to date. */
    long long sequence; /* of the last picture; -1 before the first */
    double period_s, due_s;
    /* What has come of it. */
    bool found;
    int error; /* of errno; 0 if there was none */
    struct v4l2_buffer buffer;
    struct v4l2_plane plane;
    unsigned long unchanged, missed, limited;
} Watch;

static double monotonic_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Describe watch->buffer as empty, of the index given. */
static void prepare(Watch *watch, unsigned index)
{
    watch->buffer = (struct v4l2_buffer){
        .index = index, .type = (unsigned)watch->type, .memory = V4L2_MEMORY_MMAP};
    if (watch->multiplanar) {
        watch->plane = (struct v4l2_plane){0};
        watch->buffer.m.planes = &watch->plane;
        watch->buffer.length = 1;
    }
}

static int request(int fd, unsigned long number, void *argument)
{
    int result;

    do {
        result = ioctl(fd, number, argument);
    } while (result < 0 && errno == EINTR);
    return result;
}

/* The rule of formats.RateLimit.admits(), word for word. */
static bool admits(Watch *watch, double time_s)
{
    const double early = 0.1;

    if (isnan(watch->due_s) || time_s >= watch->due_s + watch->period_s) {
        watch->due_s = time_s + watch->period_s;
        return true;
    }
    if (time_s < watch->due_s - early * watch->period_s) {
        return false;
    }
    watch->due_s += watch->period_s;
    return true;
}

static void count_missed(Watch *watch)
{
    const uint32_t sequence = watch->buffer.sequence;

    if (watch->sequence >= 0) {
        /* Some drivers repeat a number, or count back after a disturbance. */
        const uint32_t step = sequence - (uint32_t)watch->sequence;

        if (step > 1 && step < 0x80000000U) {
            watch->missed += step - 1;
        }
    }
    watch->sequence = sequence;
}

static size_t data_offset(const Watch *watch)
{
    return watch->multiplanar ? watch->plane.data_offset : 0;
}

static size_t used_bytes(const Watch *watch)
{
    return watch->multiplanar ? watch->plane.bytesused : watch->buffer.bytesused;
}

/* Whether the buffer that was taken holds a whole picture of the kind that can be compared. */
static bool is_whole(const Watch *watch)
{
    const size_t offset = data_offset(watch);

    return (watch->buffer.flags & V4L2_BUF_FLAG_ERROR) == 0 &&
           watch->buffer.index < (unsigned)watch->map_count && used_bytes(watch) >= offset &&
           used_bytes(watch) - offset >= watch->whole_bytes &&
           (uint64_t)watch->maps[watch->buffer.index].len >= offset + watch->picture.needed_bytes;
}

static bool looks_the_same(const Watch *watch)
{
    const uint8_t *map = watch->maps[watch->buffer.index].buf;

    return same_rows(&watch->picture, map + data_offset(watch), &watch->picture, watch->last.buf, 0,
                     (size_t)watch->picture.height);
}

/* Take pictures and give them back, until one is worth a look, or there is a reason to stop. Runs without the GIL. */
static void run(Watch *watch)
{
    const double begin_s = monotonic_s();
    double last_s = begin_s;

    for (;;) {
        struct pollfd fds[2] = {{.fd = watch->fd, .events = POLLIN}, {.fd = watch->stop_fd, .events = POLLIN}};
        double now_s = monotonic_s();
        const double left_s = last_s + watch->silence_s - now_s;

        if (left_s <= 0 || (poll(fds, 2, (int)ceil(left_s * 1000)) < 0 && errno != EINTR) ||
            fds[1].revents != 0 || (fds[0].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
            return;
        }
        if ((fds[0].revents & POLLIN) == 0) {
            continue;
        }
        prepare(watch, 0);
        if (request(watch->fd, VIDIOC_DQBUF, &watch->buffer) < 0) {
            if (errno == EAGAIN) {
                continue;
            }
            watch->error = errno;
            return;
        }
        last_s = now_s = monotonic_s();
        count_missed(watch);
        if (!is_whole(watch)) {
            watch->found = true;
            return;
        }
        double time_s = now_s;

        if ((watch->buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC) {
            time_s = (double)watch->buffer.timestamp.tv_sec + (double)watch->buffer.timestamp.tv_usec * 1e-6;
            time_s = time_s < now_s ? time_s : now_s;
        }
        if (watch->period_s > 0 && !admits(watch, time_s)) {
            watch->limited++;
        } else if (now_s - begin_s < watch->show_after_s && looks_the_same(watch)) {
            watch->unchanged++;
        } else {
            watch->found = true;
            return;
        }
        prepare(watch, watch->buffer.index);
        if (request(watch->fd, VIDIOC_QBUF, &watch->buffer) < 0) {
            watch->error = errno;
            return;
        }
    }
}

static void release_maps(Watch *watch)
{
    for (int i = 0; i < watch->map_count; i++) {
        PyBuffer_Release(&watch->maps[i]);
    }
    watch->map_count = 0;
}

/* Take views of all buffers in the tuple. On false none is left, and an exception is set. */
static bool acquire_maps(Watch *watch, PyObject *maps)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(maps);

    if (count > MOST_BUFFERS) {
        PyErr_Format(PyExc_ValueError, "expected at most %d buffers, got %zd", MOST_BUFFERS, count);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(maps, i), &watch->maps[i], PyBUF_SIMPLE) < 0) {
            release_maps(watch);
            return false;
        }
        watch->map_count++;
    }
    return true;
}

/* Returns a new tuple, or NULL with an exception set. */
static PyObject *outcome(const Watch *watch)
{
    PyObject *found;

    if (watch->error != 0) {
        errno = watch->error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (watch->found) {
        const struct v4l2_buffer *buffer = &watch->buffer;

        found = Py_BuildValue("(InnIIdd)", buffer->index, (Py_ssize_t)data_offset(watch),
                              (Py_ssize_t)used_bytes(watch), buffer->sequence, buffer->flags,
                              (double)buffer->timestamp.tv_sec + (double)buffer->timestamp.tv_usec * 1e-6,
                              monotonic_s());
    } else {
        found = Py_NewRef(Py_None);
    }
    return found == NULL ? NULL
                         : Py_BuildValue("(NLkkkd)", found, watch->sequence, watch->unchanged, watch->missed,
                                         watch->limited, watch->due_s);
}

PyDoc_STRVAR(
    wait_for_change_doc,
    "wait_for_change($module, fd, stop_fd, buffer_type, multiplanar, maps, whole_bytes, last, width,\n"
    "                height, stride_bytes, pixel_format, sequence, period_s, due_s, show_after_s,\n"
    "                silence_s, /)\n--\n\n"
    "Take pictures of the capture fd and give back at once those that look like last (blocking).\n\n"
    "maps is a tuple of the mapped buffers by their index, last the picture that is not to be\n"
    "changed meanwhile; a whole one has whole_bytes. sequence is the number of the last picture,\n"
    "-1 before the first; period_s and due_s are those of formats.RateLimit (0: no limit; NaN:\n"
    "nothing is due yet). Ends with a picture that looks different, or is damaged, or comes after\n"
    "show_after_s whatever it looks like; without one after silence_s without any picture, when\n"
    "stop_fd becomes readable, or when the capture has something to say.\n\n"
    "Returns (found, sequence, unchanged, missed, limited, due_s): found is None or a tuple (index,\n"
    "offset, used bytes, sequence, flags, time stamp, time of dequeueing) of a buffer that is the\n"
    "caller's now; the numbers of pictures that looked the same, that were lost before us, and\n"
    "that came above the rate limit. Raises OSError of the requests, TypeError and ValueError for\n"
    "arguments that contradict themselves.");

static PyObject *wait_for_change(PyObject *Py_UNUSED(module), PyObject *args)
{
    Watch watch = {0};
    PyObject *maps, *last, *format_name;
    int width, height, stride, multiplanar;
    Py_ssize_t whole_bytes;
    Format format;

    if (!PyArg_ParseTuple(args, "iiipO!nOiiiOLdddd:wait_for_change", &watch.fd, &watch.stop_fd, &watch.type,
                          &multiplanar, &PyTuple_Type, &maps, &whole_bytes, &last, &width, &height, &stride,
                          &format_name, &watch.sequence, &watch.period_s, &watch.due_s, &watch.show_after_s,
                          &watch.silence_s) ||
        !read_format(format_name, &format)) {
        return NULL;
    }
    if (width < 1 || width > MAX_SIDE_PX || height < 1 || height > MAX_SIDE_PX || stride < 1 ||
        whole_bytes < 1) {
        return PyErr_Format(PyExc_ValueError, "expected a picture, got %d x %d pixels of %zd bytes", width,
                            height, whole_bytes);
    }
    watch.multiplanar = multiplanar != 0;
    watch.whole_bytes = (size_t)whole_bytes;
    if (!describe(&watch.picture, format, width, height, stride) ||
        !acquire(last, "last", &watch.picture, &watch.last)) {
        return NULL;
    }
    if (!acquire_maps(&watch, maps)) {
        PyBuffer_Release(&watch.last);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    run(&watch);
    Py_END_ALLOW_THREADS
    release_maps(&watch);
    PyBuffer_Release(&watch.last);
    return outcome(&watch);
}

/* ---- module ---- */

static PyMethodDef watch_methods[] = {
    {"wait_for_change", wait_for_change, METH_VARARGS, wait_for_change_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot watch_slots[] = {
    {0, NULL},
};

static struct PyModuleDef watch_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "drivers.video.v4l2._watch",
    .m_doc = "Waiting for a change of a captured picture.",
    .m_size = 0,
    .m_methods = watch_methods,
    .m_slots = watch_slots,
};

PyMODINIT_FUNC PyInit__watch(void)
{
    return PyModuleDef_Init(&watch_module);
}
