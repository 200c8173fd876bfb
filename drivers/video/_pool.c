/* Threads for slices of pictures; see _pool.h. */
#define _GNU_SOURCE
#include "_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct Pool {
    int wanted;         /* helpers */
    int started;        /* helpers that run */
    pid_t owner;        /* the process in which they do */
    pthread_t *threads; /* owned, wanted long */
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    /* Guarded by lock. */
    PartFunction *function; /* NULL: nothing to do */
    void *context;
    int next, parts; /* the part to be taken next, and how many there are */
    int working;     /* helpers that are at a part */
    bool ending;
};

Pool *pool_new(int helpers)
{
    Pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL) {
        return NULL;
    }
    pool->threads = calloc((size_t)(helpers > 0 ? helpers : 1), sizeof *pool->threads);
    if (pool->threads == NULL) {
        free(pool);
        return NULL;
    }
    pool->wanted = helpers;
    pool->owner = -1;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    return pool;
}

static void *help(void *argument)
{
    Pool *pool = argument;

    pthread_mutex_lock(&pool->lock);
    while (!pool->ending) {
        if (pool->function == NULL || pool->next == pool->parts) {
            pthread_cond_wait(&pool->work, &pool->lock);
            continue;
        }
        const int part = pool->next++;

        pool->working++;
        pthread_mutex_unlock(&pool->lock);
        pool->function(pool->context, part);
        pthread_mutex_lock(&pool->lock);
        pool->working--;
        if (pool->working == 0) {
            pthread_cond_signal(&pool->done);
        }
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Start the helpers that are not there yet; those that cannot be had are done without. */
static void start(Pool *pool)
{
    sigset_t all, before;

    if (pool->owner != getpid()) {
        if (pool->owner != -1) { /* a forked process: threads do not come along, and may have held the lock */
            pthread_mutex_init(&pool->lock, NULL);
            pthread_cond_init(&pool->work, NULL);
            pthread_cond_init(&pool->done, NULL);
            pool->working = 0;
        }
        pool->owner = getpid();
        pool->started = 0;
    }
    if (pool->started == pool->wanted) {
        return;
    }
    sigfillset(&all); /* signals are for the interpreter's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->started < pool->wanted &&
           pthread_create(&pool->threads[pool->started], NULL, help, pool) == 0) {
        pthread_setname_np(pool->threads[pool->started], "jpeg");
        pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void pool_run(Pool *pool, PartFunction *function, void *context, int parts)
{
    if (parts == 1) {
        function(context, 0);
        return;
    }
    start(pool);
    pthread_mutex_lock(&pool->lock);
    pool->function = function;
    pool->context = context;
    pool->next = 0;
    pool->parts = parts;
    pthread_cond_broadcast(&pool->work);
    while (pool->next < pool->parts) {
        const int part = pool->next++;

        pthread_mutex_unlock(&pool->lock);
        function(context, part);
        pthread_mutex_lock(&pool->lock);
    }
    while (pool->working > 0) {
        pthread_cond_wait(&pool->done, &pool->lock);
    }
    pool->function = NULL;
    pthread_mutex_unlock(&pool->lock);
}

void pool_free(Pool *pool)
{
    if (pool == NULL) {
        return;
    }
    if (pool->owner == getpid()) {
        pthread_mutex_lock(&pool->lock);
        pool->ending = true;
        pthread_cond_broadcast(&pool->work);
        pthread_mutex_unlock(&pool->lock);
        for (int i = 0; i < pool->started; i++) {
            pthread_join(pool->threads[i], NULL);
        }
        pthread_cond_destroy(&pool->work);
        pthread_cond_destroy(&pool->done);
        pthread_mutex_destroy(&pool->lock);
    }
    free(pool->threads);
    free(pool);
}
