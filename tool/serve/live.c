/* See live.h. */
#include "tool/serve/live.h"

#include "base/clock.h"
#include "channel/reader.h"
#include "tool/collect/inventory.h"
#include "tool/collect/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ebb_live {
    struct ebb_source source;
    struct ebb_target *target;
    pthread_mutex_t lock;
    uint64_t observed_ns; /* 0: not yet */
};

#define OBSERVE_AGAIN_NS UINT64_C(1000000000)

void ebb_live_lock(struct ebb_live *live)
{
    pthread_mutex_lock(&live->lock);
}

void ebb_live_unlock(struct ebb_live *live)
{
    pthread_mutex_unlock(&live->lock);
}

/* Looking makes children known that were forked since; once a second will do. */
static size_t processes(void *context, pid_t *pids, size_t room)
{
    struct ebb_live *live = context;
    ebb_live_lock(live);
    uint64_t now = ebb_clock_ns();
    if (live->observed_ns == 0 || now - live->observed_ns > OBSERVE_AGAIN_NS) {
        ebb_target_observe(live->target, NULL);
        live->observed_ns = now;
    }
    size_t count = ebb_target_subject_count(live->target);
    if (count > room)
        count = room;
    for (size_t i = 0; i < count; i++)
        pids[i] = ebb_target_subject(live->target, i)->pid;
    ebb_live_unlock(live);
    return count;
}

static int profile(void *context, pid_t pid, const char *name, struct ebb_profile **result,
                   struct ebb_error *error)
{
    struct ebb_live *live = context;
    int code = -ESRCH;
    ebb_live_lock(live);
    for (size_t i = 0; i < ebb_target_subject_count(live->target); i++)
        if (ebb_target_subject(live->target, i)->pid == pid) {
            code = ebb_target_profile(live->target, i, name, result, error);
            ebb_live_unlock(live);
            return code;
        }
    ebb_live_unlock(live);
    return ebb_error_set(error, code, "process %d is gone, and so is its record", (int)pid);
}

/* From the kernel while the process lives, else from its record. */
static size_t command(void *context, pid_t pid, char *buffer, size_t room)
{
    (void)context;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file >= 0 ? read(file, buffer, room) : 0;
    if (file >= 0)
        close(file);
    if (size > 0)
        return (size_t)size;

    struct ebb_reader *reader;
    if (ebb_reader_open(pid, &reader, NULL) < 0)
        return 0;
    const struct ebb_identity *identity = ebb_reader_identity(reader);
    size_t used = identity->command_size < room ? identity->command_size : room;
    memcpy(buffer, identity->command, used);
    ebb_reader_close(reader);
    return used;
}

static int name_addresses(const struct ebb_snapshot *snapshot, const uint64_t *addresses,
                          size_t count,
                          void (*name)(void *out, uint64_t address, const char *function),
                          void *out, struct ebb_error *error)
{
    struct ebb_symbolizer *symbolizer = ebb_symbolizer_new();
    if (!symbolizer)
        return ebb_error_set(error, -ENOMEM, "out of memory");
    int code = 0;
    for (size_t i = 0; i < snapshot->module_count && code == 0; i++) {
        const struct ebb_module *module = &snapshot->modules[i];
        struct ebb_symbol_module known = ebb_symbol_module_of(module);
        if (module->unloaded_ns == 0)
            code = ebb_symbolizer_add(symbolizer, &known);
    }
    for (size_t i = 0; i < count && code == 0; i++) {
        if (!ebb_symbolizer_module(symbolizer, addresses[i]))
            continue;
        size_t depth;
        const struct ebb_frame *frames = ebb_symbolize(symbolizer, addresses[i], false, &depth);
        /* Readers expect one name an address: the function whose machine code it is. */
        if (frames && depth > 0 && strncmp(frames[depth - 1].function, "0x", 2) != 0)
            name(out, addresses[i], frames[depth - 1].function);
    }
    ebb_symbolizer_free(symbolizer);
    return code < 0 ? ebb_error_set(error, code, "%s", strerror(-code)) : 0;
}

static int symbols(void *context, pid_t pid, const uint64_t *addresses, size_t count,
                   void (*name)(void *out, uint64_t address, const char *function), void *out,
                   struct ebb_error *error)
{
    (void)context;
    struct ebb_reader *reader;
    struct ebb_snapshot snapshot = {0};
    int code = ebb_reader_open(pid, &reader, error);
    if (code < 0)
        return code;
    code = ebb_reader_snapshot(reader, &snapshot, error);
    if (code == 0)
        code = name_addresses(&snapshot, addresses, count, name, out, error);
    ebb_snapshot_free(&snapshot);
    ebb_reader_close(reader);
    return code;
}

struct ebb_live *ebb_live_new(struct ebb_target *target)
{
    struct ebb_live *live = calloc(1, sizeof *live);
    if (!live)
        return NULL;
    live->target = target;
    pthread_mutex_init(&live->lock, NULL);
    live->source = (struct ebb_source){live, processes, profile, command, symbols};
    return live;
}

void ebb_live_free(struct ebb_live *live)
{
    if (!live)
        return;
    pthread_mutex_destroy(&live->lock);
    free(live);
}

const struct ebb_source *ebb_live_source(struct ebb_live *live)
{
    return &live->source;
}
