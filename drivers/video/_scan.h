/*
 * The entropy-coded data of a baseline JPEG scan: where it ends, and how much of the picture is in it.
 *
 * Responsible for reading Huffman codes (ITU-T T.81 F.2.2) without making coefficients of them: only what a
 * scan without an end marker needs. Must never read outside the bytes it is given, whatever they are. Nothing
 * here needs the GIL.
 */
#ifndef FARHAND_SCAN_H
#define FARHAND_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_COMPONENTS 3

/* One Huffman table as it stands in a DHT segment: 16 numbers of codes (BITS), then the symbols (HUFFVAL). */
typedef struct {
    uint8_t counts[16];
    uint8_t symbols[256];
    bool defined; /* at least one code */
} HuffmanTable;

/* The tables of T.81 K.3.3, for DC differences and for AC coefficients, each for brightness and for colour:
 * what a device that sends no tables has used. */
#define STANDARD_TABLES 2
extern const HuffmanTable STANDARD[2][STANDARD_TABLES];

/* Fill in table from the available bytes behind the table's class and number. Returns how many bytes it has,
 * or 0 for what is none: more than is there, more codes than fit into their lengths, or, with direct, a
 * symbol that is no length of a DC difference. */
size_t read_huffman_table(HuffmanTable *table, bool direct, const uint8_t *bytes, size_t available);

/* The shape of a scan. Its tables belong to the caller. */
typedef struct {
    int components;
    int blocks[MAX_COMPONENTS]; /* of each component in an MCU */
    const HuffmanTable *direct[MAX_COMPONENTS];
    const HuffmanTable *alternating[MAX_COMPONENTS];
    size_t units;            /* MCUs of the picture */
    size_t restart_interval; /* MCUs between two restart markers; 0 without any */
} ScanShape;

/* The fewest bits that a scan of this shape can have: one code of each kind for each block. */
uint64_t fewest_bits(const ScanShape *shape);

/* Where the data ends: all of bytes up to the first marker that does not belong into it. */
typedef struct {
    size_t length;
    size_t restarts; /* restart markers in it */
    bool ended;      /* whether the marker behind it is the end of the image */
} ScanEnd;

ScanEnd find_scan_end(const uint8_t *bytes, size_t available, bool restarts);

/* Read the codes of at most length bytes. Returns how many whole MCUs there are, up to the shape's units, and
 * in *used the bytes that these take, if they are all. */
size_t count_units(const ScanShape *shape, const uint8_t *bytes, size_t length, size_t *used);

#endif
