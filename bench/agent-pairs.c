/* Times malloc and free: `agent-pairs THREADS SIZE SECONDS` prints the nanoseconds of one pair.
 *
 * Each thread keeps a window of live blocks, so that a freed block is not the one just allocated.
 * Printed is the mean over the threads of each one's fastest slice of a hundredth of a second: what
 * the pair costs when nothing else disturbs. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WINDOW 64
#define BATCH  1000

static size_t size;
static double seconds;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void *run(void *argument)
{
    void *window[WINDOW] = {0};
    double fastest = 1, start = now(), slice = start, pairs = 0;
    for (unsigned at = 0;;) {
        for (int i = 0; i < BATCH; i++, at = (at + 1) % WINDOW) {
            free(window[at]);
            window[at] = malloc(size);
            *(volatile char *)window[at] = 1;
        }
        pairs += BATCH;
        double time = now();
        if (time - slice < 0.01)
            continue;
        if ((time - slice) / pairs < fastest)
            fastest = (time - slice) / pairs;
        if (time - start > seconds)
            break;
        slice = now();
        pairs = 0;
    }
    for (int i = 0; i < WINDOW; i++)
        free(window[i]);
    *(double *)argument = fastest;
    return NULL;
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 2;
    size = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;
    seconds = argc > 3 ? strtod(argv[3], NULL) : 0.5;
    pthread_t threads[64];
    double fastest[64], sum = 0;
    if (count < 1 || count > 64 || size == 0)
        return 2;
    for (int i = 0; i < count; i++)
        if (pthread_create(&threads[i], NULL, run, &fastest[i]) != 0)
            return 1;
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += fastest[i];
    }
    printf("%.3f\n", sum / count * 1e9);
    return 0;
}
