/*
 * JPEG pictures as planes of brightness and colour, for an encoder of video.
 *
 * Responsible for decoding into the caller's planes, and for the size of the colour planes that 4:2:0 wants.
 * Must never convert colours: what comes out is in JFIF's, as the file is.
 */
#ifndef FARHAND_DECODE_H
#define FARHAND_DECODE_H

#include "_picture.h"

extern const char decode_i420_doc[];

/* The function decode_i420() of the module. Returns a new reference, or NULL with an exception set. */
PyObject *jpeg_decode_i420(PyObject *module, PyObject *const *args, Py_ssize_t count);

#endif
