/* Reading of entropy-coded data; see _scan.h. */
#include "_scan.h"

#include <string.h>

enum { STUFFING = 0x00, RST0 = 0xD0, RST7 = 0xD7, EOI = 0xD9, PREFIX = 0xFF };

/* Codes of up to this many bits are looked up at once: nearly all of them. */
#define LOOKUP_BITS 8
#define MAX_CODE_BITS 16
#define BLOCK_COEFFICIENTS 64

/* ---- tables ---- */

const HuffmanTable STANDARD[2][STANDARD_TABLES] = {
    {
        {{0, 1, 5, 1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, true},
        {{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, true},
    },
    {
        {{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125},
         {0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
          0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
          0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
          0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
          0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
          0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
          0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
          0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
          0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
          0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
          0xF9, 0xFA},
         true},
        {{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119},
         {0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
          0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
          0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
          0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
          0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
          0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
          0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
          0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
          0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
          0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
          0xF9, 0xFA},
         true},
    },
};

size_t read_huffman_table(HuffmanTable *table, bool direct, const uint8_t *bytes, size_t available)
{
    size_t symbols = 0;
    uint32_t next_code = 0;

    if (available < sizeof(table->counts)) {
        return 0;
    }
    memcpy(table->counts, bytes, sizeof(table->counts));
    for (int bits = 1; bits <= MAX_CODE_BITS; bits++) {
        next_code = (next_code << 1) + table->counts[bits - 1];
        symbols += table->counts[bits - 1];
        /* The code of ones alone is reserved (T.81 C.2), so the next one always fits too. */
        if (next_code >= 1U << bits) {
            return 0;
        }
    }
    if (symbols > sizeof(table->symbols) || symbols > available - sizeof(table->counts)) {
        return 0;
    }
    memcpy(table->symbols, bytes + sizeof(table->counts), symbols);
    for (size_t i = 0; direct && i < symbols; i++) {
        if (table->symbols[i] > 15) {
            return 0;
        }
    }
    table->defined = symbols != 0;
    return sizeof(table->counts) + symbols;
}

/* A table made ready for reading. */
typedef struct {
    uint16_t lookup[1 << LOOKUP_BITS]; /* length << 8 | symbol; 0 for a longer code */
    int32_t beyond[MAX_CODE_BITS + 1]; /* the first value of so many bits that is no code of that length */
    int32_t offset[MAX_CODE_BITS + 1]; /* of a code's symbol, less the code */
    const uint8_t *symbols;
} Codes;

static void prepare(Codes *codes, const HuffmanTable *table)
{
    int32_t code = 0, symbol = 0;

    memset(codes->lookup, 0, sizeof(codes->lookup));
    codes->symbols = table->symbols;
    for (int bits = 1; bits <= MAX_CODE_BITS; bits++) {
        const int32_t count = table->counts[bits - 1];

        code <<= 1;
        codes->offset[bits] = symbol - code;
        for (int32_t i = 0; bits <= LOOKUP_BITS && i < count; i++) {
            const int spare = LOOKUP_BITS - bits;

            for (int32_t tail = 0; tail < 1 << spare; tail++) {
                codes->lookup[(code + i) << spare | tail] =
                    (uint16_t)(bits << 8 | table->symbols[symbol + i]);
            }
        }
        code += count;
        symbol += count;
        codes->beyond[bits] = count != 0 ? code : 0;
    }
}

static int shortest_code(const HuffmanTable *table)
{
    for (int bits = 1; bits <= MAX_CODE_BITS; bits++) {
        if (table->counts[bits - 1] != 0) {
            return bits;
        }
    }
    return 0;
}

uint64_t fewest_bits(const ScanShape *shape)
{
    int unit_bits = 0;

    for (int i = 0; i < shape->components; i++) {
        unit_bits +=
            shape->blocks[i] * (shortest_code(shape->direct[i]) + shortest_code(shape->alternating[i]));
    }
    return (uint64_t)shape->units * (uint64_t)unit_bits;
}

/* ---- markers ---- */

ScanEnd find_scan_end(const uint8_t *bytes, size_t available, bool restarts)
{
    ScanEnd found = {.length = available};
    const uint8_t *at = bytes, *const end = bytes + available;

    while (at < end && (at = memchr(at, PREFIX, (size_t)(end - at))) != NULL) {
        if (at + 1 == end) { /* half a marker */
            found.length--;
            break;
        }
        const uint8_t code = at[1];

        if (code == PREFIX) { /* a fill byte */
            at++;
        } else if (code == STUFFING) {
            at += 2;
        } else if (restarts && code >= RST0 && code <= RST7) {
            found.restarts++;
            at += 2;
        } else {
            found.length = (size_t)(at - bytes);
            found.ended = code == EOI;
            break;
        }
    }
    return found;
}

/* ---- codes ---- */

typedef struct {
    const uint8_t *start;
    const uint8_t *at; /* the next byte that is not in waiting */
    const uint8_t *end;
    uint64_t waiting; /* the lowest bits of it */
    int bits;         /* how many of them */
} Reader;

/* Make as many bits wait as there are, up to a marker; at least 32 if there are so many. */
static void fill(Reader *reader)
{
    while (reader->bits <= 56 && reader->at < reader->end) {
        const uint8_t byte = *reader->at;

        if (byte == PREFIX) {
            if (reader->end - reader->at < 2 || reader->at[1] != STUFFING) {
                return;
            }
            reader->at++;
        }
        reader->at++;
        reader->waiting = reader->waiting << 8 | byte;
        reader->bits += 8;
    }
}

/* The next count bits (1..16), with zeros where there are none. */
static inline uint32_t peek(const Reader *reader, int count)
{
    const int spare = reader->bits - count;

    const uint64_t bits = spare >= 0 ? reader->waiting >> spare : reader->waiting << -spare;

    return (uint32_t)bits & ((1U << count) - 1);
}

/* Whether there were count bits to skip. */
static inline bool skip(Reader *reader, int count)
{
    reader->bits -= count;
    return reader->bits >= 0;
}

/* The next symbol, or -1 if there is none. */
static inline int next_symbol(Reader *reader, const Codes *codes)
{
    uint32_t entry;
    int bits;

    if (reader->bits < 32) { /* a code and the bits behind it */
        fill(reader);
    }
    entry = codes->lookup[peek(reader, LOOKUP_BITS)];
    if (entry != 0) {
        return skip(reader, (int)(entry >> 8)) ? (int)(entry & 0xFF) : -1;
    }
    for (bits = LOOKUP_BITS + 1; bits <= MAX_CODE_BITS; bits++) {
        const int32_t code = (int32_t)peek(reader, bits);

        if (code < codes->beyond[bits]) {
            return skip(reader, bits) ? codes->symbols[code + codes->offset[bits]] : -1;
        }
    }
    return -1;
}

/* Read one block; false if it is not all there, or is none. */
static bool read_block(Reader *reader, const Codes *direct, const Codes *alternating)
{
    int symbol = next_symbol(reader, direct), at = 1;

    if (symbol < 0 || !skip(reader, symbol)) {
        return false;
    }
    while (at < BLOCK_COEFFICIENTS) {
        symbol = next_symbol(reader, alternating);
        if (symbol < 0) {
            return false;
        }
        const int run = symbol >> 4, size = symbol & 15;

        if (size == 0 && run != 15) { /* the end of the block */
            return true;
        }
        if (!skip(reader, size)) {
            return false;
        }
        at += run + 1;
    }
    return at == BLOCK_COEFFICIENTS;
}

/* The bytes up to the last one of which a bit was read. */
static size_t used_bytes(const Reader *reader)
{
    const uint8_t *at = reader->at;

    for (int unread = reader->bits / 8; unread > 0; unread--) {
        at -= at - reader->start >= 2 && at[-1] == STUFFING && at[-2] == PREFIX ? 2 : 1;
    }
    return (size_t)(at - reader->start);
}

/* Go on behind the restart marker that must be next. */
static bool pass_restart(Reader *reader)
{
    if (reader->bits >= 8) {
        return false;
    }
    reader->bits = 0;
    while (reader->end - reader->at >= 2 && reader->at[0] == PREFIX) {
        const uint8_t code = reader->at[1];

        if (code >= RST0 && code <= RST7) {
            reader->at += 2;
            return true;
        }
        if (code != PREFIX) {
            return false;
        }
        reader->at++;
    }
    return false;
}

size_t count_units(const ScanShape *shape, const uint8_t *bytes, size_t length, size_t *used)
{
    Codes direct[MAX_COMPONENTS], alternating[MAX_COMPONENTS];
    Reader reader = {.start = bytes, .at = bytes, .end = bytes + length};

    for (int i = 0; i < shape->components; i++) {
        prepare(&direct[i], shape->direct[i]);
        prepare(&alternating[i], shape->alternating[i]);
    }
    for (size_t unit = 0; unit < shape->units; unit++) {
        if (shape->restart_interval != 0 && unit != 0 && unit % shape->restart_interval == 0 &&
            !pass_restart(&reader)) {
            return unit;
        }
        for (int i = 0; i < shape->components; i++) {
            for (int block = 0; block < shape->blocks[i]; block++) {
                if (!read_block(&reader, &direct[i], &alternating[i])) {
                    return unit;
                }
            }
        }
    }
    *used = used_bytes(&reader);
    return shape->units;
}
