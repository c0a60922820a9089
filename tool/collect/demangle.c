/* See demangle.h. libiberty's demangler knows the Itanium C++ ABI (C++, D with it, old Rust) and
 * Rust's own scheme; it limits its recursion, and names longer than any real one are left alone. */
#include "tool/collect/demangle.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 16 << 10, LONGEST_READABLE = 64 << 10 };

/* Whether `text`, which begins with a dot, is one of the suffixes compilers append to the name of a
 * function they cloned, split or made local: ".cold", ".constprop.0", ".part.1.isra.0". */
static bool is_clone_suffix(const char *text)
{
    static const char *const suffixes[] = {".cold",     ".constprop", ".isra",       ".part",
                                           ".lto_priv", ".llvm",      ".localalias", ".warm",
                                           ".hot",      ".unlikely",  ".clone",      ".resolver"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t length = strlen(suffixes[i]);
        if (strncmp(text, suffixes[i], length) == 0 && (!text[length] || text[length] == '.'))
            return true;
    }
    return false;
}

/* The length of `name` without symbol version and clone suffixes. */
static size_t plain_length(const char *name)
{
    size_t length = strcspn(name, "@");
    for (const char *dot = strchr(name, '.'); dot && dot < name + length;
         dot = strchr(dot + 1, '.'))
        if (dot > name && is_clone_suffix(dot))
            return (size_t)(dot - name);
    return length;
}

const char *ebb__demangle(struct ebb_arena *arena, const char *name)
{
    size_t length = plain_length(name);
    const char *plain = name;
    if (length == 0 || length > LONGEST_NAME)
        return name;
    if (name[length] && !(plain = ebb_arena_strndup(arena, name, length)))
        return NULL;
    if (plain[0] != '_' || (plain[1] != 'Z' && plain[1] != 'R' && strncmp(plain, "__Z", 3) != 0))
        return plain;
    char *readable = cplus_demangle(plain, DMGL_AUTO);
    if (!readable)
        return plain;
    const char *copy = ebb_arena_strndup(arena, readable, strnlen(readable, LONGEST_READABLE));
    free(readable);
    return copy;
}

const char *ebb__source_path(struct ebb_arena *arena, const char *directory, const char *file)
{
    /* A relative directory, as -ffile-prefix-map leaves, says nothing about where it was. */
    bool joined = file[0] != '/' && directory && directory[0] == '/';
    char *path =
        joined ? ebb_arena_printf(arena, "%s/%s", directory, file) : ebb_arena_strdup(arena, file);
    if (!path)
        return NULL;
    bool absolute = path[0] == '/';
    char *to = path;    /* [path, to): what is straight already, without a slash at its end */
    unsigned depth = 0; /* names in it that ".." can take back */
    for (const char *from = path; *from;) {
        size_t length = strcspn(from, "/");
        const char *next = from + length + (from[length] == '/');
        if (length == 2 && from[0] == '.' && from[1] == '.' && (depth > 0 || absolute)) {
            while (to > path && *--to != '/')
                ;
            depth -= depth > 0;
        } else if (length > 0 && !(length == 1 && from[0] == '.')) {
            bool up = length == 2 && from[0] == '.' && from[1] == '.';
            if (absolute || to > path)
                *to++ = '/';
            memmove(to, from, length);
            to += length;
            depth += !up;
        }
        from = next;
    }
    *to = '\0';
    return path;
}
