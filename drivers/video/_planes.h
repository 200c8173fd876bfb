/*
 * YUV pictures as the colour planes that libjpeg-turbo compresses without conversion.
 *
 * Responsible for splitting what is packed and for completing what is odd; planes that can be read where they
 * are stay where they are. Must never read outside the planes of a Picture. Nothing here needs the GIL.
 */
#ifndef FARHAND_PLANES_H
#define FARHAND_PLANES_H

#include "_picture.h"

/* What tjCompressFromYUVPlanes() takes. The pointers lead into the caller's buffer or the scratch; it owns
 * neither. */
typedef struct {
    const unsigned char *planes[3];
    int strides[3];
} YuvPlanes;

/* How many bytes of scratch take_planes() needs for this picture; 0 for formats that are not YUV. */
size_t planes_scratch_bytes(const Picture *picture);

/* Arrange the picture at source, of a YUV format or GREY, as planes, with the help of scratch. */
void take_planes(const Picture *picture, const uint8_t *source, uint8_t *scratch, YuvPlanes *yuv);

#endif
