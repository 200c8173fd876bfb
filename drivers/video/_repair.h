/*
 * Whole JPEG pictures out of what capture devices send.
 *
 * Responsible for what drivers.video.mjpeg.repair says: what is missing put in, what is too much left out, in
 * one copy. Must never decode a picture that looks whole.
 */
#ifndef FARHAND_REPAIR_H
#define FARHAND_REPAIR_H

#include "_picture.h"

extern const char repair_doc[];

/* The function repair() of the module. Returns a new reference, or NULL with an exception set. */
PyObject *jpeg_repair(PyObject *module, PyObject *const *args, Py_ssize_t count);

/* Raise drivers.video.frame.DamagedPictureError with the text problem. */
void raise_damaged(const char *problem);

#endif
