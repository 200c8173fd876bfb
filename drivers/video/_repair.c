/* Writing of whole JPEG pictures; see _repair.h. */
#include "_repair.h"
#include "_header.h"

#include <string.h>

/* The bytes of a table in a DHT segment, with its class and number. */
static size_t bytes_of_table(const HuffmanTable *table)
{
    size_t symbols = 0;

    for (size_t i = 0; i < sizeof(table->counts); i++) {
        symbols += table->counts[i];
    }
    return 1 + sizeof(table->counts) + symbols;
}

/* The bytes of the DHT segment with the tables that must be put in; 0 if there are none. */
static size_t inserted_bytes(const Parsed *parsed)
{
    size_t bytes = 0;

    for (int class = 0; class < 2; class++) {
        for (int number = 0; number < STANDARD_TABLES; number++) {
            bytes += parsed->standard[class][number] ? bytes_of_table(&STANDARD[class][number]) : 0;
        }
    }
    return bytes != 0 ? 4 + bytes : 0;
}

static uint8_t *insert_tables(const Parsed *parsed, uint8_t *target)
{
    const size_t bytes = inserted_bytes(parsed);

    if (bytes == 0) {
        return target;
    }
    *target++ = 0xFF;
    *target++ = DHT;
    *target++ = (uint8_t)((bytes - 2) >> 8);
    *target++ = (uint8_t)(bytes - 2);
    for (int class = 0; class < 2; class++) {
        for (int number = 0; number < STANDARD_TABLES; number++) {
            const HuffmanTable *table = &STANDARD[class][number];

            if (parsed->standard[class][number]) {
                const size_t symbols = bytes_of_table(table) - 1 - sizeof(table->counts);

                *target++ = (uint8_t)(class << 4 | number);
                memcpy(target, table->counts, sizeof(table->counts));
                target += sizeof(table->counts);
                memcpy(target, table->symbols, symbols);
                target += symbols;
            }
        }
    }
    return target;
}

static size_t result_bytes(const Parsed *parsed)
{
    size_t bytes = inserted_bytes(parsed) + parsed->scan_header.length + parsed->scan.length + 2;

    for (int i = 0; i < parsed->pieces; i++) {
        bytes += parsed->kept[i].length;
    }
    return bytes;
}

static uint8_t *append(uint8_t *target, const Parsed *parsed, Piece piece)
{
    memcpy(target, parsed->bytes + piece.at, piece.length);
    return target + piece.length;
}

/* Write the whole picture to target, which has result_bytes() bytes. Runs without the GIL. */
static void write_result(const Parsed *parsed, uint8_t *target)
{
    for (int i = 0; i < parsed->pieces; i++) {
        const Piece *piece = &parsed->kept[i];

        target = append(target, parsed, *piece);
        if (parsed->size_at >= piece->at && parsed->size_at < piece->at + piece->length) {
            uint8_t *size = target - piece->length + (parsed->size_at - piece->at);

            size[0] = (uint8_t)(parsed->height >> 8);
            size[1] = (uint8_t)parsed->height;
            size[2] = (uint8_t)(parsed->width >> 8);
            size[3] = (uint8_t)parsed->width;
        }
    }
    target = insert_tables(parsed, target);
    target = append(target, parsed, parsed->scan_header);
    target = append(target, parsed, parsed->scan);
    target[0] = 0xFF;
    target[1] = EOI;
}

/* ---- Python ---- */

void raise_damaged(const char *problem)
{
    PyObject *module = PyImport_ImportModule("drivers.video.frame");
    PyObject *type = module != NULL ? PyObject_GetAttrString(module, "DamagedPictureError") : NULL;

    if (type != NULL) {
        PyErr_SetString(type, problem);
    }
    Py_XDECREF(type);
    Py_XDECREF(module);
}

const char repair_doc[] =
    PyDoc_STR("repair($module, buffer, width, height, /)\n--\n\n"
              "Return the one baseline JPEG picture in buffer, whole and with nothing around it.\n\n"
              "See drivers.video.mjpeg.repair. The buffer is read in place, without the GIL. Raises\n"
              "drivers.video.frame.DamagedPictureError that says what is wrong with the picture.");

/* Owns the view of args[0] while it runs. Returns a new bytes object, or NULL with an exception set. */
PyObject *jpeg_repair(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Parsed parsed = {.length = 0};
    Py_buffer view;
    PyObject *result = NULL;
    bool whole;

    if (!check_count("repair", 3, count) || !read_int(args[1], "width", 1, MAX_SIDE_PX, &parsed.width) ||
        !read_int(args[2], "height", 1, MAX_SIDE_PX, &parsed.height) ||
        !acquire_view(args[0], "buffer", false, &view)) {
        return NULL;
    }
    parsed.bytes = view.buf;
    parsed.length = (size_t)view.len;
    Py_BEGIN_ALLOW_THREADS
    whole = parse(&parsed);
    Py_END_ALLOW_THREADS
    if (!whole) {
        raise_damaged(parsed.problem);
    } else {
        result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)result_bytes(&parsed));
    }
    if (result != NULL) {
        Py_BEGIN_ALLOW_THREADS /* nobody else has the result yet */
        write_result(&parsed, (uint8_t *)PyBytes_AS_STRING(result));
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&view);
    return result;
}
