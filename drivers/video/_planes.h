/*
 * Bands of YUV pictures as the rows of samples that libjpeg compresses without conversion.
 *
 * A band is one row of MCUs (ITU T.81, A.2): 8 pixels high, or 16 where colour has half the height. What is
 * packed is split into a scratch small enough to stay in the processor's cache; planes that can be read where
 * they are stay where they are. Must never read outside the planes of a Picture. Nothing here needs the GIL.
 */
#ifndef FARHAND_PLANES_H
#define FARHAND_PLANES_H

#include "_picture.h"

#define MOST_BAND_ROWS 16

/* What jpeg_write_raw_data() takes for one band: rows of each plane, complete up to whole blocks. The
 * pointers lead into the caller's picture or the scratch; it owns neither. */
typedef struct {
    const uint8_t *y[MOST_BAND_ROWS];
    const uint8_t *cb[MOST_BAND_ROWS];
    const uint8_t *cr[MOST_BAND_ROWS];
} BandRows;

/* Whether the format is YUV or GREY, so that take_band() knows it. */
bool has_planes(Format format);

/* How high a band of the format is, in pixels. */
int band_height(Format format);

/* How many bytes of scratch take_band() needs for pictures of this geometry. */
size_t band_scratch_bytes(const Picture *picture);

/* Arrange the band that begins at the pixel row first_row of the picture at source, with the help of scratch.
 * Where the picture ends within the band or within a block, its edge is repeated. With widen, brightness from
 * 16 to 235 and colours from 16 to 240 become the full range from 0 to 255, as JFIF has it (T.871). */
void take_band(const Picture *picture, const uint8_t *source, size_t first_row, bool widen, uint8_t *scratch,
               BandRows *rows);

#endif
