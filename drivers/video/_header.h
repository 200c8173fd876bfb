/*
 * What stands in the header of a JPEG picture, and where its scan is.
 *
 * Responsible for reading the segments (ITU-T T.81 annex B) up to the scan, and for the judgement whether a
 * picture can be shown. Must never read outside the caller's bytes, nor believe a length or a number in them.
 * Nothing here needs the GIL.
 */
#ifndef FARHAND_HEADER_H
#define FARHAND_HEADER_H

#include "_scan.h"

#define TABLES 4 /* of each kind */

/* Where a header has more gaps than this, it is not one. */
#define MAX_PIECES 64

enum { DHT = 0xC4, EOI = 0xD9 };

typedef struct {
    size_t at;
    size_t length;
} Piece;

typedef struct {
    uint8_t id;
    uint8_t across; /* sampling factors */
    uint8_t down;
    uint8_t quantisation;
} Component;

typedef struct {
    const uint8_t *bytes; /* the caller's */
    size_t length;
    int width; /* that the picture must have */
    int height;

    Piece kept[MAX_PIECES]; /* of the header, up to the scan's own segment */
    int pieces;
    Component components[MAX_COMPONENTS];
    int component_count; /* 0: no frame header yet */
    size_t size_at;      /* of the height and width in it */
    bool quantisations[TABLES];
    HuffmanTable tables[2][TABLES]; /* direct, alternating */
    bool standard[2][STANDARD_TABLES]; /* which ones must be put in */
    size_t restart_interval;
    Piece scan_header;
    Piece scan;

    char problem[160];
} Parsed;

/* Read parsed->bytes, whose length and wanted size are set too, all else zero. On false, parsed->problem says
 * what is wrong; of the rest nothing is to be used then. */
bool parse(Parsed *parsed);

#endif
