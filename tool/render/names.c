/* Names. See names.h. */
#include "tool/render/names.h"

#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Removes everything between `open` and `close`, nested pairs included, unless they do not pair up.
 */
static void remove_between(char *text, char open, char close)
{
    int depth = 0;
    for (const char *at = text; *at; at++) {
        depth += *at == open ? 1 : *at == close ? -1 : 0;
        if (depth < 0)
            return;
    }
    if (depth != 0)
        return;
    char *to = text;
    for (const char *at = text; *at; at++) {
        depth += *at == open;
        if (depth == 0)
            *to++ = *at;
        depth -= *at == close;
    }
    *to = '\0';
}

/* Whether it has C++ decoration to take off; Go's and Java's own brackets stay. */
static bool looks_decorated(const char *name)
{
    if (strstr(name, ".<") || strstr(name, "])."))
        return false;
    return strpbrk(name, "<>[]") || strstr(name, "::");
}

static const char *demangle(struct ebb_arena *arena, const char *mangled, bool *failed)
{
    char *readable = cplus_demangle(mangled, DMGL_NO_OPTS);
    if (!readable)
        return NULL;
    remove_between(readable, '<', '>');
    const char *kept = ebb_arena_strdup(arena, readable);
    *failed = !kept;
    free(readable);
    return kept;
}

const char *ebb_name_shown(struct ebb_arena *arena, const char *name, const char *system_name)
{
    if (*name && strcmp(name, system_name) != 0)
        return name;
    bool failed = false;
    if (strncmp(system_name, "_Z", 2) == 0 || strncmp(system_name, "_R", 2) == 0 ||
        strncmp(system_name, "__Z", 3) == 0) {
        const char *readable = demangle(arena, system_name + (system_name[1] == '_'), &failed);
        if (readable || failed)
            return readable;
    }
    if (!looks_decorated(system_name))
        return system_name;
    char *bare = ebb_arena_strdup(arena, system_name);
    if (bare) {
        remove_between(bare, '(', ')');
        remove_between(bare, '<', '>');
    }
    return bare;
}

static const char *base_name(const char *path, size_t length, size_t *base_length)
{
    while (length > 1 && path[length - 1] == '/')
        length--;
    size_t start = length;
    while (start > 0 && path[start - 1] != '/')
        start--;
    *base_length = length - start;
    return path + start;
}

static const char *cut_to_source(struct ebb_arena *arena, const char *path, const char *source_path)
{
    while (source_path && *source_path) {
        size_t length = strcspn(source_path, ":"), base_length;
        const char *base = base_name(source_path, length, &base_length);
        char *wanted = ebb_arena_printf(arena, "/%.*s/", (int)base_length, base);
        if (!wanted)
            return NULL;
        const char *found = base_length ? strstr(path, wanted) : NULL;
        if (found)
            return found + base_length + 2;
        source_path += length + (source_path[length] == ':');
    }
    static const char *const build_roots[] = {"/proc/self/cwd/./", "/proc/self/cwd/"};
    for (size_t i = 0; i < 2; i++)
        if (strncmp(path, build_roots[i], strlen(build_roots[i])) == 0)
            return path + strlen(build_roots[i]);
    return path;
}

/* Whether it holds "//", "/./", "/../" or ends in one: most paths do not. */
static bool is_straight(const char *path)
{
    if (path[0] == '.' && (path[1] == '/' || path[1] == '\0' || path[1] == '.'))
        return false;
    for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/'))
        if (at[1] == '/' || at[1] == '.' || (at[1] == '\0' && at != path))
            return false;
    return true;
}

/* Resolves "." and ".." as text, after the rules of lexical path cleaning (Rob Pike, "Lexical File
 * Names in Plan 9", 2000). */
static const char *straighten(struct ebb_arena *arena, const char *path)
{
    bool rooted = *path == '/';
    char *straight = ebb_arena_alloc(arena, strlen(path) + 2), *to = straight;
    if (!straight)
        return NULL;
    if (rooted)
        *to++ = '/';
    char *floor = to; /* ".." does not go below */
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        bool up = length == 2 && strncmp(at, "..", 2) == 0;
        if (up && to > floor) {
            while (to > floor && to[-1] != '/')
                to--;
            if (to > floor)
                to--;
        } else if (length > 0 && !(length == 1 && *at == '.') && !(up && rooted)) {
            if (to > straight && to[-1] != '/')
                *to++ = '/';
            memmove(to, at, length);
            to += length;
            if (up)
                floor = to;
        }
        at += length + (at[length] == '/');
    }
    if (to == straight)
        *to++ = '.';
    *to = '\0';
    return straight;
}

const char *ebb_path_shown(struct ebb_arena *arena, const char *path, const char *source_path)
{
    if (!*path)
        return path;
    const char *cut = cut_to_source(arena, path, source_path);
    if (!cut || !*cut || is_straight(cut))
        return cut;
    return straighten(arena, cut);
}
