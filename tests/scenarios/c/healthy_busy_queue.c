/* A queue between two threads: the producer comes in waves, the consumer works at an even pace, so the
 * queue is now long, now empty.
 *
 * expect: healthy
 * window: 30 */
#include "load.h"

struct job {
    struct job *next;
    char input[240];
};

static struct job *first, **last = &first;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void produce(unsigned long number)
{
    if (number / 6000 % 3 == 2) /* a pause after every two waves */
        return;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        abort();
    snprintf(job->input, sizeof job->input, "job %lu", number);
    pthread_mutex_lock(&lock);
    *last = job;
    last = &job->next;
    pthread_mutex_unlock(&lock);
}

static void consume(unsigned long number)
{
    (void)number;
    pthread_mutex_lock(&lock);
    struct job *job = first;
    if (job && !(first = job->next))
        last = &first;
    pthread_mutex_unlock(&lock);
    free(job);
}

int main(void)
{
    load_in_thread(4300, consume);
    load_run(6000, produce);
}
