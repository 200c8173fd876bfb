/* Encoding of bands; see _bands.h. */
#include "_bands.h"
#include "_planes.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
/* After jpeglib.h, which it needs. */
#include <jerror.h>

#ifndef JCS_EXTENSIONS
#error "expected libjpeg-turbo, got a libjpeg that takes no BGR"
#endif

/* Markers (ITU T.81, table B.1). */
#define SOF0 0xC0
#define RST0 0xD0
#define RST7 0xD7
#define SOI 0xD8
#define EOI 0xD9
#define SOS 0xDA

/* Where the height stands in a SOF0 segment, from its marker on: marker, length, precision. */
#define SOF_HEIGHT_AT 5

/* Below this quality nobody sees what the faster transform costs; as TurboJPEG has it. */
#define ACCURATE_DCT_FROM 96

#define FIRST_OUTPUT_BYTES 65536
/* The output shrinks after so many small ones in a row: late enough that a large change now and then does not
 * allocate each time. */
#define SMALL_OUTPUTS_BEFORE_SHRINK 64

/* ---- owned bytes ---- */

bool bytes_reserve(Bytes *bytes, size_t needed)
{
    if (bytes->bytes == NULL || needed > bytes->capacity || needed < bytes->capacity / 4) {
        /* A quarter more, so that pictures that differ a little do not move it each time. */
        const size_t capacity = needed + needed / 4 + 64;

        PyMem_RawFree(bytes->bytes);
        bytes->bytes = PyMem_RawMalloc(capacity);
        bytes->capacity = bytes->bytes == NULL ? 0 : capacity;
        bytes->length = 0;
    }
    return bytes->bytes != NULL;
}

bool bytes_assign(Bytes *bytes, const uint8_t *source, size_t length)
{
    if (!bytes_reserve(bytes, length)) {
        return false;
    }
    memcpy(bytes->bytes, source, length);
    bytes->length = length;
    return true;
}

void bytes_free(Bytes *bytes)
{
    PyMem_RawFree(bytes->bytes);
    *bytes = (Bytes){0};
}

/* ---- libjpeg ---- */

struct BandEncoder {
    struct jpeg_compress_struct jpeg; /* created by band_encoder_new */
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf failed; /* where an error of the library leads to */
    char message[JMSG_LENGTH_MAX]; /* of the last failure */
    bool no_memory;                /* that was its reason */
    Bytes output;  /* owned: the file of the bands that are being encoded */
    int small_outputs; /* in a row that used less than a quarter of it */
    Bytes scratch; /* owned: the band that is being encoded, taken apart */
};

static BandEncoder *encoder_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void fail(j_common_ptr jpeg)
{
    BandEncoder *encoder = encoder_of(jpeg);

    encoder->no_memory = jpeg->err->msg_code == JERR_OUT_OF_MEMORY;
    encoder->errors.format_message(jpeg, encoder->message);
    longjmp(encoder->failed, 1);
}

/* Warnings come from decoders only, and the library prints nothing. */
static void ignore_message(j_common_ptr jpeg, int level)
{
    (void)jpeg;
    (void)level;
}

static void begin_output(j_compress_ptr jpeg)
{
    BandEncoder *encoder = encoder_of((j_common_ptr)jpeg);

    if (!bytes_reserve(&encoder->output, encoder->output.capacity)) {
        ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    }
    encoder->destination.next_output_byte = encoder->output.bytes;
    encoder->destination.free_in_buffer = encoder->output.capacity;
}

/* The library asks for room when there is none left. */
static boolean grow_output(j_compress_ptr jpeg)
{
    BandEncoder *encoder = encoder_of((j_common_ptr)jpeg);
    Bytes *output = &encoder->output;
    const size_t length = output->capacity; /* all of it; free_in_buffer is not to be trusted here */
    uint8_t *larger = PyMem_RawRealloc(output->bytes, length * 2);

    if (larger == NULL) {
        ERREXIT1(jpeg, JERR_OUT_OF_MEMORY, 0);
    }
    output->bytes = larger;
    output->capacity = length * 2;
    encoder->destination.next_output_byte = output->bytes + length;
    encoder->destination.free_in_buffer = length;
    return TRUE;
}

static void end_output(j_compress_ptr jpeg)
{
    BandEncoder *encoder = encoder_of((j_common_ptr)jpeg);

    encoder->output.length = encoder->output.capacity - encoder->destination.free_in_buffer;
}

BandEncoder *band_encoder_new(void)
{
    BandEncoder *encoder = PyMem_RawCalloc(1, sizeof *encoder);

    if (encoder == NULL) {
        return NULL;
    }
    encoder->jpeg.err = jpeg_std_error(&encoder->errors);
    encoder->errors.error_exit = fail;
    encoder->errors.emit_message = ignore_message;
    encoder->jpeg.client_data = encoder;
    if (setjmp(encoder->failed) != 0) {
        jpeg_destroy_compress(&encoder->jpeg);
        PyMem_RawFree(encoder);
        return NULL;
    }
    jpeg_create_compress(&encoder->jpeg); /* keeps err and client_data */
    encoder->destination.init_destination = begin_output;
    encoder->destination.empty_output_buffer = grow_output;
    encoder->destination.term_destination = end_output;
    encoder->jpeg.dest = &encoder->destination;
    return encoder;
}

void band_encoder_free(BandEncoder *encoder)
{
    if (encoder != NULL) {
        jpeg_destroy_compress(&encoder->jpeg);
        bytes_free(&encoder->output);
        bytes_free(&encoder->scratch);
        PyMem_RawFree(encoder);
    }
}

size_t band_encoder_bytes(const BandEncoder *encoder)
{
    return sizeof *encoder + encoder->output.capacity + encoder->scratch.capacity;
}

const char *band_encoder_error(const BandEncoder *encoder)
{
    return encoder->no_memory ? NULL : encoder->message;
}

size_t band_count(const Picture *picture)
{
    const size_t band = (size_t)band_height(picture->format);

    return ((size_t)picture->height + band - 1) / band;
}

/* Everything that makes up the file, for the picture's rows from first_row on, height of them. */
static void set_parameters(j_compress_ptr jpeg, const Picture *picture, int height, int quality)
{
    const Format format = picture->format;
    const bool halved = format == NV12 || format == YUV420 || !has_planes(format);
    const unsigned mcu_width = format == GREY ? DCTSIZE : 2 * DCTSIZE;

    jpeg->image_width = (JDIMENSION)picture->width;
    jpeg->image_height = (JDIMENSION)height;
    jpeg->input_components = format == GREY ? 1 : format == BGRX32 ? 4 : 3;
    jpeg->in_color_space = format == GREY     ? JCS_GRAYSCALE
                           : format == RGB24  ? JCS_EXT_RGB
                           : format == BGR24  ? JCS_EXT_BGR
                           : format == BGRX32 ? JCS_EXT_BGRX
                                              : JCS_YCbCr;
    jpeg_set_defaults(jpeg);
    jpeg_set_colorspace(jpeg, format == GREY ? JCS_GRAYSCALE : JCS_YCbCr);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->dct_method = quality < ACCURATE_DCT_FROM ? JDCT_IFAST : JDCT_ISLOW;
    jpeg->raw_data_in = has_planes(format);
    jpeg->comp_info[0].h_samp_factor = format == GREY ? 1 : 2;
    jpeg->comp_info[0].v_samp_factor = halved ? 2 : 1;
    jpeg->restart_interval = (jpeg->image_width + mcu_width - 1) / mcu_width;
}

/* Encode to the encoder's output. Errors of the library leave it by longjmp: nothing here may own anything.
 */
static void compress(BandEncoder *encoder, const Picture *picture, const uint8_t *source, Style style,
                     size_t first_row, size_t end_row)
{
    j_compress_ptr jpeg = &encoder->jpeg;
    const size_t stride = picture->planes[0].stride;
    const size_t band = (size_t)band_height(picture->format);

    set_parameters(jpeg, picture, (int)(end_row - first_row), style.quality);
    jpeg_start_compress(jpeg, TRUE);
    for (size_t row = first_row; row < end_row; row += band) {
        if (jpeg->raw_data_in) {
            BandRows rows;
            /* The library does not write to them, its types are older than const. */
            JSAMPARRAY planes[3] = {(JSAMPARRAY)rows.y, (JSAMPARRAY)rows.cb, (JSAMPARRAY)rows.cr};

            take_band(picture, source, row, style.widen, encoder->scratch.bytes, &rows);
            jpeg_write_raw_data(jpeg, planes, (JDIMENSION)band);
        } else {
            JSAMPROW rows[MOST_BAND_ROWS];
            size_t count = end_row - row < band ? end_row - row : band;

            for (size_t i = 0; i < count; i++) {
                rows[i] = (JSAMPROW)(uintptr_t)(source + stride * (row + i));
            }
            jpeg_write_scanlines(jpeg, rows, (JDIMENSION)count);
        }
    }
    jpeg_finish_compress(jpeg);
}

/* Where the compressed data begins in a file of the library; 0 if it is none. *height_at is where its height
 * stands. */
static size_t head_length(const Bytes *file, size_t *height_at)
{
    size_t at = 2; /* behind SOI */

    *height_at = 0;
    while (at + 4 <= file->length && file->bytes[at] == 0xFF) {
        const uint8_t marker = file->bytes[at + 1];
        const size_t length = (size_t)file->bytes[at + 2] << 8 | file->bytes[at + 3];

        if (marker == SOF0) {
            *height_at = at + SOF_HEIGHT_AT;
        }
        at += 2 + length;
        if (marker == SOS) {
            return *height_at != 0 && at + 2 <= file->length ? at : 0;
        }
    }
    return 0;
}

/* Take the compressed data apart at its restart markers; false without memory, or if there are not as many
 * bands as the library was asked for. */
static bool split(const Bytes *file, size_t at, Bytes *bands, size_t count)
{
    const uint8_t *begin = file->bytes + at, *end = file->bytes + file->length - 2; /* in front of EOI */
    const uint8_t *found = begin;
    size_t done = 0;

    while (done < count) {
        found = memchr(found, 0xFF, (size_t)(end - found));
        if (found == NULL) {
            found = end;
        } else if (found[1] < RST0 || found[1] > RST7) { /* a stuffed byte of the data */
            found += 2;
            if (found > end) {
                return false;
            }
            continue;
        }
        if (!bytes_assign(&bands[done], begin, (size_t)(found - begin))) {
            return false;
        }
        done++;
        if (found == end) {
            break;
        }
        found += 2;
        begin = found;
    }
    return done == count && found == end;
}

static bool ready_output(BandEncoder *encoder)
{
    Bytes *output = &encoder->output;
    size_t wanted = output->capacity > FIRST_OUTPUT_BYTES ? output->capacity : FIRST_OUTPUT_BYTES;

    encoder->small_outputs = output->length < wanted / 4 ? encoder->small_outputs + 1 : 0;
    if (encoder->small_outputs >= SMALL_OUTPUTS_BEFORE_SHRINK && wanted > FIRST_OUTPUT_BYTES) {
        encoder->small_outputs = 0;
        bytes_free(output);
        wanted = FIRST_OUTPUT_BYTES;
    }
    return bytes_reserve(output, wanted);
}

bool encode_bands(BandEncoder *encoder, const Picture *picture, const uint8_t *source, Style style,
                  size_t first, size_t end, Bytes *bands, Bytes *head)
{
    const size_t band = (size_t)band_height(picture->format), height = (size_t)picture->height;
    const size_t end_row = end * band < height ? end * band : height;
    size_t at, height_at;

    if (!ready_output(encoder)) {
        goto no_memory;
    }
    if (!bytes_reserve(&encoder->scratch, band_scratch_bytes(picture))) {
        goto no_memory;
    }
    if (setjmp(encoder->failed) != 0) {
        jpeg_abort_compress(&encoder->jpeg);
        return false;
    }
    compress(encoder, picture, source, style, first * band, end_row);
    at = head_length(&encoder->output, &height_at);
    if (at == 0) {
        encoder->no_memory = false;
        snprintf(encoder->message, sizeof encoder->message, "it wrote no baseline file");
        return false;
    }
    if (!split(&encoder->output, at, bands + first, end - first)) {
        goto no_memory;
    }
    if (head != NULL) {
        if (!bytes_assign(head, encoder->output.bytes, at)) {
            goto no_memory;
        }
        head->bytes[height_at] = (uint8_t)(picture->height >> 8);
        head->bytes[height_at + 1] = (uint8_t)picture->height;
    }
    return true;
no_memory:
    encoder->no_memory = true;
    return false;
}

/* ---- the file ---- */

size_t joined_bytes(const Bytes *head, const Bytes *bands, size_t count)
{
    size_t length = head->length + 2 * count; /* a restart marker between two bands, EOI behind the last */

    for (size_t i = 0; i < count; i++) {
        length += bands[i].length;
    }
    return length;
}

void join_bands(const Bytes *head, const Bytes *bands, size_t count, uint8_t *target)
{
    memcpy(target, head->bytes, head->length);
    target += head->length;
    for (size_t i = 0; i < count; i++) {
        memcpy(target, bands[i].bytes, bands[i].length);
        target += bands[i].length;
        *target++ = 0xFF;
        *target++ = i + 1 < count ? (uint8_t)(RST0 + i % 8) : EOI;
    }
}
