/* Reading of JPEG headers; see _header.h. */
#include "_header.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEM = 0x01, SOF0 = 0xC0, SOF1 = 0xC1, RST0 = 0xD0, RST7 = 0xD7, SOI = 0xD8 };
enum { SOS = 0xDA, DQT = 0xDB, DRI = 0xDD, APP0 = 0xE0, APP15 = 0xEF, COM = 0xFE };

#define MAX_BLOCKS 10 /* in an MCU (T.81 B.2.3) */
#define BLOCK_SIDE 8

/* So much of a picture may be missing at its end: a viewer would rather see the rest than nothing. */
#define MISSING_DIVISOR 16

/* Note what is wrong. Returns false, for the caller to return. */
__attribute__((format(printf, 2, 3))) static bool damaged(Parsed *parsed, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(parsed->problem, sizeof(parsed->problem), format, arguments);
    va_end(arguments);
    return false;
}

static inline int be16(const uint8_t *at)
{
    return at[0] << 8 | at[1];
}

static inline size_t units_of(int pixels, int unit)
{
    return (size_t)((pixels + unit - 1) / unit);
}

/* Keep length bytes at at for the result. */
static bool keep(Parsed *parsed, size_t at, size_t length)
{
    Piece *last = parsed->pieces != 0 ? &parsed->kept[parsed->pieces - 1] : NULL;

    if (last != NULL && last->at + last->length == at) {
        last->length += length;
        return true;
    }
    if (parsed->pieces == MAX_PIECES) {
        return damaged(parsed, "expected a header in at most %d pieces, got more by byte %zu", MAX_PIECES,
                       at);
    }
    parsed->kept[parsed->pieces++] = (Piece){at, length};
    return true;
}

/* ---- segments: each gets what lies behind the length, and where the marker is ---- */

static bool read_frame(Parsed *parsed, const uint8_t *body, size_t length, size_t at)
{
    if (parsed->component_count != 0) {
        return damaged(parsed, "expected one frame header, got a second one at byte %zu", at);
    }
    const int count = length >= 6 ? body[5] : 0;

    if (length < 6 || length != 6 + 3 * (size_t)count) {
        return damaged(parsed, "expected a frame header as long as it says at byte %zu, got %zu bytes", at,
                       length);
    }
    const int height = be16(body + 1), width = be16(body + 3);
    int most_across = 1, most_down = 1, blocks = 0;

    if (body[0] != 8) {
        return damaged(parsed, "expected 8 bits for each sample, got %d", body[0]);
    }
    if (count != 1 && count != MAX_COMPONENTS) {
        return damaged(parsed, "expected 1 or 3 components, got %d", count);
    }
    for (int i = 0; i < count; i++) {
        const uint8_t *entry = body + 6 + 3 * i;
        Component *component = &parsed->components[i];

        *component = (Component){entry[0], entry[1] >> 4, entry[1] & 15, entry[2]};
        if (component->across < 1 || component->across > 4 || component->down < 1 || component->down > 4) {
            return damaged(parsed, "expected sampling factors between 1 and 4, got %d x %d",
                           component->across, component->down);
        }
        if (component->quantisation >= TABLES) {
            return damaged(parsed, "expected the number of a quantisation table up to %d, got %d", TABLES - 1,
                           component->quantisation);
        }
        most_across = component->across > most_across ? component->across : most_across;
        most_down = component->down > most_down ? component->down : most_down;
        blocks += component->across * component->down;
    }
    for (int i = 0; i < count; i++) { /* T.81 allows others; no decoder does */
        if (most_across % parsed->components[i].across != 0 || most_down % parsed->components[i].down != 0) {
            return damaged(parsed, "expected sampling factors that divide the largest, got some that do not");
        }
    }
    if (count == 1) { /* not interleaved: its factors mean nothing (T.81 A.2.2) */
        parsed->components[0].across = parsed->components[0].down = 1;
        most_across = most_down = 1;
    } else if (blocks > MAX_BLOCKS) {
        return damaged(parsed, "expected at most %d blocks in a unit, got %d", MAX_BLOCKS, blocks);
    }
    /* Devices that count in units say 1088 for 1080: the data is the same, and is cut to the right size. */
    if (width == 0 || height == 0 ||
        units_of(width, most_across * BLOCK_SIDE) != units_of(parsed->width, most_across * BLOCK_SIDE) ||
        units_of(height, most_down * BLOCK_SIDE) != units_of(parsed->height, most_down * BLOCK_SIDE)) {
        return damaged(parsed, "expected a picture of %d x %d pixels, got %d x %d", parsed->width,
                       parsed->height, width, height);
    }
    parsed->component_count = count;
    parsed->size_at = at + 5;
    return true;
}

static bool read_quantisations(Parsed *parsed, const uint8_t *body, size_t length, size_t at)
{
    while (length > 0) {
        const int wide = body[0] >> 4, number = body[0] & 15;
        const size_t table_bytes = 1 + 64 * (size_t)(wide + 1);

        if (wide > 1 || number >= TABLES || length < table_bytes) {
            return damaged(parsed, "expected quantisation tables at byte %zu, got something else", at);
        }
        parsed->quantisations[number] = true;
        body += table_bytes;
        length -= table_bytes;
    }
    return true;
}

static bool read_huffman_tables(Parsed *parsed, const uint8_t *body, size_t length, size_t at)
{
    while (length > 0) {
        const int class = body[0] >> 4, number = body[0] & 15;
        size_t table_bytes = 0;

        if (class <= 1 && number < TABLES) {
            table_bytes =
                read_huffman_table(&parsed->tables[class][number], class == 0, body + 1, length - 1);
        }
        if (table_bytes == 0) {
            return damaged(parsed, "expected Huffman tables at byte %zu, got something else", at);
        }
        body += 1 + table_bytes;
        length -= 1 + table_bytes;
    }
    return true;
}

static bool read_restart_interval(Parsed *parsed, const uint8_t *body, size_t length, size_t at)
{
    if (length != 2) {
        return damaged(parsed, "expected a restart interval of 2 bytes at byte %zu, got %zu", at, length);
    }
    parsed->restart_interval = (size_t)be16(body);
    return true;
}

/* The table that a scan names, the standard one if it was left out; NULL if there is none. */
static const HuffmanTable *table_of(Parsed *parsed, int class, int number)
{
    if (number < TABLES && parsed->tables[class][number].defined) {
        return &parsed->tables[class][number];
    }
    if (number < STANDARD_TABLES) {
        parsed->standard[class][number] = true;
        return &STANDARD[class][number];
    }
    return NULL;
}

static bool read_scan_header(Parsed *parsed, const uint8_t *body, size_t length, size_t at, ScanShape *shape)
{
    const int count = parsed->component_count;
    int most_across = 1, most_down = 1;

    if (count == 0) {
        return damaged(parsed, "expected a frame header before the scan at byte %zu, got none", at);
    }
    if (length != 4 + 2 * (size_t)count || body[0] != count) {
        return damaged(parsed, "expected one scan of all %d components at byte %zu, got another one", count,
                       at);
    }
    *shape = (ScanShape){.components = count, .restart_interval = parsed->restart_interval};
    for (int i = 0; i < count; i++) {
        const Component *component = &parsed->components[i];
        const uint8_t *entry = body + 1 + 2 * i;

        if (entry[0] != component->id) {
            return damaged(parsed, "expected component %d in the scan, got %d", component->id, entry[0]);
        }
        if (!parsed->quantisations[component->quantisation]) {
            return damaged(parsed, "expected the quantisation table %d, got none", component->quantisation);
        }
        shape->direct[i] = table_of(parsed, 0, entry[1] >> 4);
        shape->alternating[i] = table_of(parsed, 1, entry[1] & 15);
        if (shape->direct[i] == NULL || shape->alternating[i] == NULL) {
            return damaged(parsed, "expected the Huffman tables %d and %d, got none", entry[1] >> 4,
                           entry[1] & 15);
        }
        shape->blocks[i] = component->across * component->down;
        most_across = component->across > most_across ? component->across : most_across;
        most_down = component->down > most_down ? component->down : most_down;
    }
    shape->units = units_of(parsed->width, most_across * BLOCK_SIDE) *
                   units_of(parsed->height, most_down * BLOCK_SIDE);
    return true;
}

/* Find out where the scan's data ends, and whether enough of it is there. */
static bool read_scan(Parsed *parsed, const ScanShape *shape)
{
    const size_t at = parsed->scan_header.at + parsed->scan_header.length;
    const ScanEnd end = find_scan_end(parsed->bytes + at, parsed->length - at, shape->restart_interval != 0);
    const uint64_t fewest = fewest_bits(shape) / 8;
    const size_t restarts =
        shape->restart_interval != 0 ? (shape->units - 1) / shape->restart_interval : 0;
    size_t used;

    parsed->scan = (Piece){at, end.length};
    if (end.length < fewest - fewest / MISSING_DIVISOR || end.length == 0) {
        return damaged(parsed, "expected a scan of at least %llu bytes, got %zu", (unsigned long long)fewest,
                       end.length);
    }
    if (end.ended && end.restarts == restarts) {
        return true;
    }
    const size_t units = count_units(shape, parsed->bytes + at, end.length, &used);

    if (units == shape->units) {
        parsed->scan.length = used;
        return true;
    }
    if (units < shape->units - shape->units / MISSING_DIVISOR) {
        return damaged(parsed, "expected a scan of %zu units, got one that breaks off after %zu",
                       shape->units, units);
    }
    return true;
}

/* ---- the whole ---- */

/* Read one segment other than the scan's. */
static bool read_segment(Parsed *parsed, int marker, const uint8_t *body, size_t length, size_t at)
{
    switch (marker) {
    case SOF0:
    case SOF1:
        return read_frame(parsed, body, length, at);
    case DHT:
        return read_huffman_tables(parsed, body, length, at);
    case DQT:
        return read_quantisations(parsed, body, length, at);
    case DRI:
        return read_restart_interval(parsed, body, length, at);
    default:
        return true;
    }
}

static bool is_known(int marker)
{
    return marker == SOF0 || marker == SOF1 || marker == DHT || marker == SOS || marker == DQT ||
           marker == DRI || (marker >= APP0 && marker <= APP15) || marker == COM;
}

/* Where a marker is from at on, that is no fill byte; the length if there is none. */
static size_t next_marker(const Parsed *parsed, size_t at)
{
    for (; at + 1 < parsed->length; at++) {
        if (parsed->bytes[at] == 0xFF && parsed->bytes[at + 1] != 0xFF && parsed->bytes[at + 1] != 0) {
            return at;
        }
    }
    return parsed->length;
}

static size_t find_start(const Parsed *parsed)
{
    for (size_t at = 0; at + 2 < parsed->length; at++) {
        const uint8_t *found = memchr(parsed->bytes + at, 0xFF, parsed->length - 2 - at);

        if (found == NULL) {
            break;
        }
        at = (size_t)(found - parsed->bytes);
        if (found[1] == SOI && found[2] == 0xFF) {
            return at;
        }
    }
    return parsed->length;
}

/* Begin a picture at at; forgets what was read before. */
static bool begin(Parsed *parsed, size_t at)
{
    *parsed = (Parsed){
        .bytes = parsed->bytes, .length = parsed->length, .width = parsed->width, .height = parsed->height};
    return keep(parsed, at, 2);
}

bool parse(Parsed *parsed)
{
    ScanShape shape;
    size_t at = find_start(parsed);

    if (at == parsed->length) {
        return damaged(parsed, "expected the start of a JPEG picture, got none in %zu bytes", parsed->length);
    }
    (void)begin(parsed, at);
    at += 2;
    while ((at = next_marker(parsed, at)) != parsed->length) {
        const int marker = parsed->bytes[at + 1];
        size_t length;

        if (marker == SOI || marker == TEM || (marker >= RST0 && marker <= RST7)) {
            if (marker == SOI) {
                (void)begin(parsed, at);
            }
            at += 2;
            continue;
        }
        if (marker == EOI) {
            break;
        }
        if (!is_known(marker)) {
            return damaged(parsed, "expected a baseline JPEG picture, got the marker FF %02X at byte %zu",
                           (unsigned)marker, at);
        }
        length = parsed->length - at >= 4 ? (size_t)be16(parsed->bytes + at + 2) : 0;
        if (length < 2 || length > parsed->length - at - 2) {
            return damaged(parsed,
                           "expected the segment FF %02X at byte %zu to end within %zu bytes, got %zu",
                           (unsigned)marker, at, parsed->length, length);
        }
        const uint8_t *body = parsed->bytes + at + 4;

        if (marker == SOS) {
            parsed->scan_header = (Piece){at, 2 + length};
            return read_scan_header(parsed, body, length - 2, at, &shape) && read_scan(parsed, &shape);
        }
        if (!read_segment(parsed, marker, body, length - 2, at) || !keep(parsed, at, 2 + length)) {
            return false;
        }
        at += 2 + length;
    }
    return damaged(parsed, "expected a scan, got none in %zu bytes", parsed->length);
}
