/* See lab.h. */
#include "lab/lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7 };

uint64_t lab_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

double lab_time(void (*prepare)(void *), void (*work)(void *), void *context, unsigned times)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        if (prepare)
            prepare(context);
        uint64_t start = lab_now_ns();
        for (unsigned i = 0; i < times; i++)
            work(context);
        double each = (double)(lab_now_ns() - start) / times;
        if (round == 0 || each < best)
            best = each;
    }
    return best;
}

void lab_use(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

/* ---- an allocator that counts ---- */

struct lab_memory lab_memory;

static void count(size_t size)
{
    lab_memory.taken += size;
    lab_memory.held += size;
    if (lab_memory.held > lab_memory.peak)
        lab_memory.peak = lab_memory.held;
}

static void *allocate(void *context, size_t size, size_t alignment)
{
    void *block = ebb_allocator_default.allocate(context, size, alignment);
    if (block)
        count(size);
    return block;
}

static void release(void *context, void *block, size_t size, size_t alignment)
{
    ebb_allocator_default.release(context, block, size, alignment);
    lab_memory.held -= size;
}

const struct ebb_allocator lab_allocator = {.allocate = allocate, .release = release};

/* ---- resident memory ---- */

static double resident_now(void)
{
    unsigned long all = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &all, &resident) != 2)
        resident = 0;
    fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static double resident_peak(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss * 1024 / 1e6;
}

void lab_resident(void (*work)(void *), void *context, double *peak, double *end)
{
    int ends[2], status = -1;
    double got[2];
    *peak = *end = NAN;
    if (pipe(ends) < 0)
        return;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        double before = resident_now();
        work(context);
        double found[2] = {resident_peak() - before, resident_now() - before};
        _exit(write(ends[1], found, sizeof found) != sizeof found);
    }
    close(ends[1]);
    ssize_t size = pid < 0 ? -1 : read(ends[0], got, sizeof got);
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0 || size != sizeof got)
        return;
    *peak = got[0] > 0 ? got[0] : 0;
    *end = got[1] > 0 ? got[1] : 0;
}
