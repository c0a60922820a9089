/* Reading a profile of any format: gets the bytes, looks at the beginning, hands over to the reader
 * of that format. */
#include "tool/profile/profile.h"
#include "tool/profile/room.h"
#include "tool/profile/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_WINDOW = 256 << 10 };

int ebb__window_advance(struct ebb_window *window, size_t used, struct ebb_error *error)
{
    const char *name = window->source->name;
    window->size -= used;
    if (window->size)
        memmove(window->bytes, window->bytes + used, window->size);
    if (window->size == window->capacity) {
        size_t grown = window->capacity ? window->capacity * 2 : FIRST_WINDOW;
        unsigned char *bytes = realloc(window->bytes, grown);
        if (!bytes)
            return ebb_error_set(error, -ENOMEM, "%s: out of memory while reading", name);
        window->bytes = bytes;
        window->capacity = grown;
    }
    size_t got, room = window->capacity - window->size;
    int failed = ebb_source_read(window->source, window->bytes + window->size, room, &got, error);
    if (failed)
        return failed;
    window->ended = got < room;
    window->size += got;
    return 0;
}

static int read_window(struct ebb_window *window, struct ebb_profile **profile,
                       struct ebb_error *error)
{
    int failed = ebb__window_advance(window, 0, error);
    if (failed)
        return failed;
    if (window->size == 0)
        return ebb_error_set(error, -EBADMSG, "%s: empty file", window->source->name);
    if (!ebb__legacy_recognised(window->bytes, window->size))
        return ebb__pprof_read(window, profile, error);
    while (!failed && !window->ended)
        failed = ebb__window_advance(window, 0, error);
    if (failed)
        return failed;
    return ebb__legacy_read(window->bytes, window->size, window->source->name, profile, error);
}

int ebb_profile_read_memory(const void *data, size_t size, const char *name,
                            struct ebb_profile **profile, struct ebb_error *error)
{
    *profile = NULL;
    struct ebb_source source;
    int failed = ebb_source_open(&source, data, size, name, error);
    if (failed)
        return failed;
    struct ebb_window window = {.source = &source};
    failed = read_window(&window, profile, error);
    free(window.bytes);
    ebb_source_close(&source);
    return failed;
}

/* All of a file, pipes included; a regular file's size saves growing. */
static int slurp(int fd, const char *path, char **data, size_t *size, struct ebb_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return ebb_error_set(error, -errno, "%s: %s", path, strerror(errno));
    size_t capacity = status.st_size > 0 && (uint64_t)status.st_size < EBB_SOURCE_LIMIT
                          ? (size_t)status.st_size + 1
                          : 64 << 10;
    char *bytes = NULL;
    *size = 0;
    for (;;) {
        if (!bytes || *size == capacity) {
            capacity = bytes ? capacity * 2 : capacity;
            char *grown = capacity < 2 * EBB_SOURCE_LIMIT ? realloc(bytes, capacity) : NULL;
            if (!grown) {
                free(bytes);
                return ebb_error_set(error, -ENOMEM, "%s: too large to read into memory", path);
            }
            bytes = grown;
        }
        ssize_t got = read(fd, bytes + *size, capacity - *size);
        if (got == 0)
            break;
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int failed = -errno;
            free(bytes);
            return ebb_error_set(error, failed, "%s: %s", path, strerror(-failed));
        }
        *size += (size_t)got;
    }
    *data = bytes;
    return 0;
}

int ebb_profile_read_file(const char *path, struct ebb_profile **profile, struct ebb_error *error)
{
    *profile = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ebb_error_set(error, -errno, "%s: %s", path, strerror(errno));
    char *data = NULL;
    size_t size = 0;
    int failed = slurp(fd, path, &data, &size, error);
    close(fd);
    if (failed)
        return failed;
    failed = ebb_profile_read_memory(data, size, path, profile, error);
    free(data);
    return failed;
}
