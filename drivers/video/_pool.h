/*
 * A few threads that help with one piece of work at a time.
 *
 * Responsible for starting them at the first use and ending them with the pool. The caller does its share,
 * and all of it where no thread can be had. Nothing here needs the GIL, and none of the threads ever runs
 * Python.
 */
#ifndef FARHAND_POOL_H
#define FARHAND_POOL_H

#include <stdbool.h>

typedef struct Pool Pool;

/* One of the parts of a piece of work. Parts run at the same time. */
typedef void PartFunction(void *context, int part);

/* A pool of helpers threads, none of which runs yet; NULL without memory. The caller owns it. */
Pool *pool_new(int helpers);

/* Run function for each part from 0 to parts - 1, in this thread and the others; return when all are done.
 * One call at a time. */
void pool_run(Pool *pool, PartFunction *function, void *context, int parts);

/* End the threads and free the pool; NULL is allowed. No call may be running. */
void pool_free(Pool *pool);

#endif
