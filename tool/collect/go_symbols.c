/* See go_symbols.h. */
#include "tool/collect/go_symbols.h"

#include "base/hash.h"
#include "tool/collect/go_names.h"
#include "tool/profile/rewrite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ebb__go_symbols_free(struct ebb_go_symbols *symbols)
{
    ebb_vec_free(&symbols->list);
    ebb_vec_free(&symbols->normal);
    ebb_index_free(&symbols->index);
    ebb_arena_free(&symbols->arena);
}

/* ---- addresses ---- */

/* Where it is in the list, or EBB_NONE. */
static uint32_t find(const struct ebb_go_symbols *symbols, uint64_t address)
{
    size_t probe = 0;
    uint32_t i;
    while ((i = ebb_index_probe(&symbols->index, ebb_mix64(address), &probe)) != EBB_NONE)
        if (symbols->list.items[i].address == address)
            break;
    return i;
}

static int add(struct ebb_go_symbols *symbols, uint64_t address, const char *name)
{
    struct ebb_go_symbol symbol = {address, name};
    return symbols->list.len >= EBB_NONE - 1 || ebb_vec_push(&symbols->list, symbol) < 0 ||
                   ebb_index_add(&symbols->index, ebb_mix64(address),
                                 (uint32_t)symbols->list.len - 1) < 0
               ? -ENOMEM
               : 0;
}

bool ebb__go_symbols_have(const struct ebb_go_symbols *symbols, uint64_t address)
{
    return find(symbols, address) != EBB_NONE;
}

int ebb__go_symbols_give_up(struct ebb_go_symbols *symbols, uint64_t address)
{
    return ebb__go_symbols_have(symbols, address) ? 0 : add(symbols, address, "");
}

int ebb__go_symbols_read(struct ebb_go_symbols *symbols, const char *text)
{
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char *end;
        size_t length = strcspn(line, "\r\n");
        if (strncmp(line, "0x", 2) != 0)
            continue;
        uint64_t address = strtoull(line, &end, 16);
        if (*end != ' ' || end >= line + length || ebb__go_symbols_have(symbols, address))
            continue;
        char *name = ebb_arena_strndup(&symbols->arena, end + 1, (size_t)(line + length - end) - 1);
        if (!name || add(symbols, address, ebb__go_name_normalise(name)) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* ---- profiles ---- */

static bool is_runtime(const char *name)
{
    return strncmp(name, "runtime.", 8) == 0 || strncmp(name, "internal/runtime/", 17) == 0;
}

/* Adds one named line; 0 or -ENOMEM. Whether the text says where in the runtime an address lies
 * depends on which stacks it is in, so that is left out: a stack must look the same each time. */
static int add_named(struct ebb_go_symbols *symbols, struct ebb_profile_builder *to,
                     struct ebb_line_list *lines, const char *name, const char *file, int64_t line,
                     int64_t start_line)
{
    bool placed = !is_runtime(name);
    struct ebb_line added = {.line = placed ? line : 0};
    const char *shown = name;
    if (strchr(name, '[')) {
        size_t size = strlen(name) + 1;
        if (ebb_vec_reserve(&symbols->normal, size) < 0)
            return -ENOMEM;
        shown = ebb__go_name_normalise(memcpy(symbols->normal.items, name, size));
    }
    added.function =
        ebb_profile_builder_function(to, shown, shown, placed ? file : "", placed ? start_line : 0);
    return ebb_vec_push(lines, added);
}

/* The lines of a location. */
static int choose_lines(void *context, const struct ebb_profile *from, size_t index,
                        struct ebb_profile_builder *to, struct ebb_line_list *lines)
{
    struct ebb_go_symbols *symbols = context;
    const struct ebb_location *location = &from->locations[index];
    if (location->line_count == 0) {
        uint32_t found = find(symbols, location->address);
        const char *name = found == EBB_NONE ? "" : symbols->list.items[found].name;
        if (strcmp(name, "runtime.goexit") == 0)
            return 0;
        return !*name || add_named(symbols, to, lines, name, "", 0, 0) == 0 ? 1 : -ENOMEM;
    }
    for (uint32_t i = 0; i < location->line_count; i++) {
        const struct ebb_line *line = &from->lines[location->first_line + i];
        const struct ebb_function *function = &from->functions[line->function];
        if (add_named(symbols, to, lines, ebb_profile_string(from, function->name),
                      ebb_profile_string(from, function->file), line->line,
                      function->start_line) < 0)
            return -ENOMEM;
    }
    return 1;
}

int ebb__go_symbols_apply(struct ebb_go_symbols *symbols, struct ebb_profile **profile,
                          struct ebb_error *error)
{
    struct ebb_profile *named = NULL;
    int code = ebb_profile_rewrite(*profile, (*profile)->stack_start, (*profile)->stack_start + 1,
                                   choose_lines, symbols, &named, error);
    ebb_profile_free(*profile);
    *profile = named;
    return code;
}
