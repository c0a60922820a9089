/* Finding and splitting source files. See sources.h. */
#include "tool/render/sources.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST = 64 << 20 };

/* Opens a regular file of sensible size, or -1. */
static int open_source(const char *path, size_t *size)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file < 0)
        return -1;
    if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > LARGEST) {
        close(file);
        return -1;
    }
    *size = (size_t)status.st_size;
    return file;
}

/* Tries `directory` and its parents with `path` after them. */
static int open_below(const char *directory, size_t length, const char *path, char full[PATH_MAX],
                      size_t *size)
{
    for (;;) {
        if (snprintf(full, PATH_MAX, "%.*s/%s", (int)length, directory, path) < PATH_MAX) {
            int file = open_source(full, size);
            if (file >= 0)
                return file;
        }
        while (length > 0 && directory[length - 1] != '/')
            length--;
        while (length > 0 && directory[length - 1] == '/')
            length--;
        if (length == 0)
            return -1;
    }
}

static int find(const struct ebb_sources *sources, const char *path, char full[PATH_MAX],
                size_t *size)
{
    const char *directories = sources->search_path ? sources->search_path : "";
    while (*directories) {
        size_t length = strcspn(directories, ":");
        const char *end = path + strspn(path, "/");
        while (length && end && *end) {
            int file = open_below(directories, length, end, full, size);
            if (file >= 0)
                return file;
            end = strchr(end, '/');
            end = end ? end + strspn(end, "/") : NULL;
        }
        directories += length + (directories[length] == ':');
    }
    if (snprintf(full, PATH_MAX, "%s", path) >= PATH_MAX)
        return -1;
    return open_source(full, size);
}

static char *read_all(struct ebb_arena *arena, int file, size_t size)
{
    char *text = ebb_arena_alloc(arena, size + 1);
    size_t length = 0;
    while (text && length < size) {
        ssize_t got = read(file, text + length, size - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    if (text)
        text[length] = '\0';
    return text;
}

/* Cuts the text into lines in place. A NUL inside, as binary files have, ends it. */
static bool split(struct ebb_arena *arena, char *text, struct ebb_source_file *source)
{
    size_t count = 0;
    for (const char *at = text; *at; count++)
        at += strcspn(at, "\n") + (at[strcspn(at, "\n")] != '\0');
    const char **lines = ebb_arena_zalloc(arena, count + 1, sizeof *lines);
    if (!lines)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t length = strcspn(text, "\n");
        lines[i] = text;
        text[length] = '\0';
        if (length > 0 && text[length - 1] == '\r')
            text[length - 1] = '\0';
        text += length + 1;
    }
    source->lines = lines;
    source->line_count = count;
    return true;
}

static bool load(struct ebb_sources *sources, struct ebb_source_file *source)
{
    char full[PATH_MAX];
    size_t size;
    int file = *source->wanted ? find(sources, source->wanted, full, &size) : -1;
    if (file < 0)
        return true;
    char *text = read_all(&sources->arena, file, size);
    close(file);
    source->found = ebb_arena_strdup(&sources->arena, full);
    return text && source->found && split(&sources->arena, text, source);
}

const struct ebb_source_file *ebb_sources_get(struct ebb_sources *sources, const char *path)
{
    for (size_t i = 0; i < sources->files.len; i++)
        if (strcmp(sources->files.items[i]->wanted, path) == 0)
            return sources->files.items[i];
    struct ebb_source_file *source = ebb_arena_zalloc(&sources->arena, 1, sizeof *source);
    if (!source || !(source->wanted = ebb_arena_strdup(&sources->arena, path)) ||
        !load(sources, source) || ebb_vec_push(&sources->files, source) < 0)
        return NULL;
    return source;
}

void ebb_sources_free(struct ebb_sources *sources)
{
    ebb_vec_free(&sources->files);
    ebb_arena_free(&sources->arena);
}
