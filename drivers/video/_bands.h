/*
 * Bands of a picture as pieces of a baseline JPEG file, on libjpeg.
 *
 * Every file has a restart interval of one band (a row of MCUs; ITU T.81, B.2.4.4), so that the compressed
 * data of each band stands for itself: a file can be put together of bands that were encoded at different
 * times and by different threads. Responsible for encoding and for keeping such pieces. Must never call
 * exit(), as libjpeg does by default. Nothing here needs the GIL.
 */
#ifndef FARHAND_BANDS_H
#define FARHAND_BANDS_H

#include "_picture.h"

/* Owned bytes on the raw heap. */
typedef struct {
    uint8_t *bytes;
    size_t capacity;
    size_t length;
} Bytes;

/* Make room for needed bytes, and give back what is far too much; the contents may be lost. False without
 * memory, and then it is empty. */
bool bytes_reserve(Bytes *bytes, size_t needed);

/* The same that holds a copy of length bytes at source. */
bool bytes_assign(Bytes *bytes, const uint8_t *source, size_t length);

void bytes_free(Bytes *bytes);

/* One thread's means to encode. */
typedef struct BandEncoder BandEncoder;

/* NULL without memory. The caller owns it. */
BandEncoder *band_encoder_new(void);

/* NULL is allowed. */
void band_encoder_free(BandEncoder *encoder);

/* What it owns. */
size_t band_encoder_bytes(const BandEncoder *encoder);

/* How many bands a picture has. */
size_t band_count(const Picture *picture);

/* How a picture becomes a file. */
typedef struct {
    int quality; /* 1..100 */
    bool widen;  /* whether YUV has the limited range, and is to get the full one */
} Style;

/* Encode the bands from first to end - 1 of the picture at source, and keep each one's compressed data in its
 * place of bands. The file's head, up to where such data begins, is kept in head unless that is NULL. On
 * false the reason is in band_encoder_error(), and those of the bands are worth nothing. */
bool encode_bands(BandEncoder *encoder, const Picture *picture, const uint8_t *source, Style style,
                  size_t first, size_t end, Bytes *bands, Bytes *head);

/* Why the last call failed; NULL: for want of memory. */
const char *band_encoder_error(const BandEncoder *encoder);

/* How long a file of these pieces is. */
size_t joined_bytes(const Bytes *head, const Bytes *bands, size_t count);

/* Write that file to target. */
void join_bands(const Bytes *head, const Bytes *bands, size_t count, uint8_t *target);

#endif
