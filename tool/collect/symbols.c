/* See symbols.h.
 *
 * Modules are kept as a sorted array of address ranges that do not overlap: a module that is mapped
 * where another one was takes its place. Each names an ELF file (object.h), opened when the first
 * address in it is asked. Answers are cached by address; readable names and paths are cached by the
 * raw strings they come from, because the same function and file are met at many addresses. */
#include "tool/collect/symbols.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/vec.h"
#include "tool/collect/demangle.h"
#include "tool/collect/object.h"
#include "tool/collect/symbolizer.h"
#include "tool/profile/index.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One ELF file, shared by the ranges of its segments. */
struct file {
    const char *path;
    const uint8_t *build_id;
    size_t build_id_size;
    bool tried;
    struct ebb_object *object; /* NULL: not tried, or not usable */
};

struct module {
    struct ebb_symbol_module known; /* strings are ours */
    struct file *file;
};

struct answer {
    uint64_t address;
    const struct ebb_frame *frames;
    size_t count;
};

/* A raw string of an object and its readable form. Objects' strings stay where they are, so their
 * addresses stand for them. */
struct readable {
    const char *directory; /* of a source path, NULL for a function's name */
    const char *raw;
    const char *text;
};

/* What symbolizers of several processes have in common: files are opened and names are read once.
 * Everything an answer refers to lives here. */
struct shared {
    unsigned users;
    struct ebb_arena arena;
    char *debug_path;
    struct files EBB_VEC(struct file *) files;
    struct readables EBB_VEC(struct readable) names;
    struct ebb_index name_index;
};

struct ebb_symbolizer {
    struct shared *shared;
    struct modules EBB_VEC(struct module *) modules; /* by start */
    struct answers EBB_VEC(struct answer) answers;
    struct ebb_index answer_index;
};

/* The answer when memory is short. */
static const struct ebb_frame exhausted = {"(out of memory)", "", "", 0, 0, "", false};

struct ebb_symbolizer *ebb__symbolizer_new_beside(struct ebb_symbolizer *other)
{
    struct ebb_symbolizer *symbolizer = calloc(1, sizeof *symbolizer);
    if (!symbolizer ||
        !(symbolizer->shared = other ? other->shared : calloc(1, sizeof *symbolizer->shared))) {
        free(symbolizer);
        return NULL;
    }
    symbolizer->shared->users++;
    return symbolizer;
}

struct ebb_symbolizer *ebb_symbolizer_new(void)
{
    return ebb__symbolizer_new_beside(NULL);
}

static void shared_free(struct shared *shared)
{
    for (size_t i = 0; i < shared->files.len; i++)
        ebb__object_close(shared->files.items[i]->object);
    ebb_vec_free(&shared->files);
    ebb_vec_free(&shared->names);
    ebb_index_free(&shared->name_index);
    free(shared->debug_path);
    ebb_arena_free(&shared->arena);
    free(shared);
}

void ebb_symbolizer_free(struct ebb_symbolizer *symbolizer)
{
    if (!symbolizer)
        return;
    ebb_vec_free(&symbolizer->modules);
    ebb_vec_free(&symbolizer->answers);
    ebb_index_free(&symbolizer->answer_index);
    if (--symbolizer->shared->users == 0)
        shared_free(symbolizer->shared);
    free(symbolizer);
}

int ebb__symbolizer_debug_path(struct ebb_symbolizer *symbolizer, const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    free(symbolizer->shared->debug_path);
    symbolizer->shared->debug_path = copy;
    return 0;
}

/* ---- modules ---- */

static bool same_build_id(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

static bool same_module(const struct ebb_symbol_module *a, const struct ebb_symbol_module *b)
{
    return a->start == b->start && a->end == b->end && a->base == b->base &&
           a->offset == b->offset && strcmp(a->path, b->path) == 0 &&
           same_build_id(a->build_id, a->build_id_size, b->build_id, b->build_id_size);
}

/* The first module that ends above the address; the number of modules when there is none. */
static size_t module_at(const struct ebb_symbolizer *symbolizer, uint64_t address)
{
    size_t low = 0, high = symbolizer->modules.len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbolizer->modules.items[middle]->known.end <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct file *file_of(struct ebb_symbolizer *symbolizer,
                            const struct ebb_symbol_module *module)
{
    for (size_t i = 0; i < symbolizer->shared->files.len; i++) {
        struct file *file = symbolizer->shared->files.items[i];
        if (strcmp(file->path, module->path) == 0 &&
            same_build_id(file->build_id, file->build_id_size, module->build_id,
                          module->build_id_size))
            return file;
    }
    struct file *file = ebb_arena_zalloc(&symbolizer->shared->arena, 1, sizeof *file);
    uint8_t *build_id = ebb_arena_alloc(&symbolizer->shared->arena, module->build_id_size + 1);
    const char *path = ebb_arena_strdup(&symbolizer->shared->arena, module->path);
    if (!file || !build_id || !path)
        return NULL;
    if (module->build_id_size > 0)
        memcpy(build_id, module->build_id, module->build_id_size);
    *file =
        (struct file){.path = path, .build_id = build_id, .build_id_size = module->build_id_size};
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    return ebb_vec_push(&symbolizer->shared->files, file) < 0 ? NULL : file;
}

static void forget_answers(struct ebb_symbolizer *symbolizer)
{
    symbolizer->answers.len = 0;
    ebb_index_free(&symbolizer->answer_index);
}

int ebb_symbolizer_add(struct ebb_symbolizer *symbolizer, const struct ebb_symbol_module *module)
{
    if (module->start >= module->end)
        return -EINVAL;
    struct modules *modules = &symbolizer->modules;
    size_t first = module_at(symbolizer, module->start), past = first;
    while (past < modules->len && modules->items[past]->known.start < module->end)
        past++;
    if (past - first == 1 && same_module(&modules->items[first]->known, module))
        return 0;
    struct file *file = file_of(symbolizer, module);
    struct module *added = ebb_arena_zalloc(&symbolizer->shared->arena, 1, sizeof *added);
    /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
    if (!file || !added || ebb_vec_reserve(modules, modules->len + 1) < 0)
        return -ENOMEM;
    *added = (struct module){.known = *module, .file = file};
    added->known.path = file->path;
    added->known.build_id = file->build_id;
    /* Answers given before, "unknown" included, may be wrong now. */
    forget_answers(symbolizer);
    memmove(modules->items + first + 1, modules->items + past,
            /* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
            (modules->len - past) * sizeof *modules->items);
    modules->len = modules->len - (past - first) + 1;
    modules->items[first] = added;
    return 0;
}

static const struct module *find_module(const struct ebb_symbolizer *symbolizer, uint64_t address)
{
    size_t at = module_at(symbolizer, address);
    if (at == symbolizer->modules.len || address < symbolizer->modules.items[at]->known.start)
        return NULL;
    return symbolizer->modules.items[at];
}

const struct ebb_symbol_module *ebb_symbolizer_module(const struct ebb_symbolizer *symbolizer,
                                                      uint64_t address)
{
    const struct module *module = find_module(symbolizer, address);
    return module ? &module->known : NULL;
}

/* ---- names ---- */

/* The readable form of a function's name (`directory` NULL) or of a source path, from the cache;
 * the raw one when memory is short. */
static const char *readable(struct shared *shared, const char *directory, const char *raw)
{
    uint64_t hash = ebb_mix64((uintptr_t)raw ^ ebb_mix64((uintptr_t)directory));
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&shared->name_index, hash, &probe)) != EBB_NONE;)
        if (shared->names.items[i].raw == raw && shared->names.items[i].directory == directory)
            return shared->names.items[i].text;
    const char *text = directory ? ebb__source_path(&shared->arena, directory, raw)
                                 : ebb__demangle(&shared->arena, raw);
    if (!text)
        return raw;
    /* When there is no room in the cache, the text is made anew next time. */
    if (ebb_vec_push(&shared->names, (struct readable){directory, raw, text}) == 0)
        (void)ebb_index_add(&shared->name_index, hash, (uint32_t)shared->names.len - 1);
    return text;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- answers ---- */

/* The readable names of what a function calls, NULL when there are none. */
static const char *const *readable_calls(struct shared *shared,
                                         const struct ebb_object_frame *function)
{
    const char **calls =
        function->call_count
            ? ebb_arena_zalloc(&shared->arena, function->call_count + 1, sizeof *calls)
            : NULL;
    for (unsigned i = 0; calls && i < function->call_count; i++)
        calls[i] = readable(shared, NULL, function->calls[i]);
    return calls;
}

static size_t frames_from_chain(struct shared *shared, const struct module *module,
                                const struct ebb_object_frame *chain, size_t count,
                                struct ebb_frame *frames)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = chain[i].name ? chain[i].name : "";
        const char *linkage = chain[i].linkage_name ? chain[i].linkage_name : name;
        const char *directory = chain[i].directory ? chain[i].directory : "";
        frames[i] = (struct ebb_frame){
            .function = *linkage ? readable(shared, NULL, linkage) : "",
            .system_name = linkage,
            .file = chain[i].file ? readable(shared, directory, chain[i].file) : "",
            .line = chain[i].line,
            .start_line = chain[i].start_line,
            .module = module->known.path,
            .inlined = i + 1 < count,
            .calls = readable_calls(shared, &chain[i]),
        };
        if (!*frames[i].function)
            frames[i].function = frames[i].system_name = "(unnamed)";
    }
    return count;
}

/* The frame of code without a name: the module and where in its file, which is the same in every
 * run; a bare address outside any module. */
static struct ebb_frame unnamed_frame(struct ebb_symbolizer *symbolizer,
                                      const struct module *module, uint64_t address)
{
    struct ebb_frame frame = exhausted;
    char *name = module
                     ? ebb_arena_printf(&symbolizer->shared->arena, "%s+0x%" PRIx64,
                                        base_name(module->known.path), address - module->known.base)
                     : ebb_arena_printf(&symbolizer->shared->arena, "0x%" PRIx64, address);
    if (name)
        frame.function = frame.system_name = name;
    if (module)
        frame.module = module->known.path;
    return frame;
}

/* Looks an address up in the module's file. Returns the frames in the arena, NULL: out of memory.
 */
static const struct ebb_frame *look_up(struct ebb_symbolizer *symbolizer, uint64_t address,
                                       size_t *count)
{
    struct ebb_object_frame chain[EBB_OBJECT_MAX_CHAIN];
    const struct module *module = find_module(symbolizer, address);
    *count = 0;
    if (module) {
        struct file *file = module->file;
        if (!file->tried) {
            file->tried = true;
            file->object = ebb__object_open(file->path, file->build_id, file->build_id_size,
                                            &symbolizer->shared->debug_path);
        }
        if (file->object)
            *count = ebb__object_chain(file->object, address - module->known.base, chain);
    }
    struct ebb_frame *frames =
        ebb_arena_alloc(&symbolizer->shared->arena, (*count ? *count : 1) * sizeof *frames);
    if (!frames)
        return NULL;
    if (*count > 0) {
        *count = frames_from_chain(symbolizer->shared, module, chain, *count, frames);
    } else {
        frames[0] = unnamed_frame(symbolizer, module, address);
        *count = 1;
    }
    return frames;
}

const struct ebb_frame *ebb_symbolize(struct ebb_symbolizer *symbolizer, uint64_t address,
                                      bool is_return_address, size_t *count)
{
    if (is_return_address && address > 0)
        address--; /* the call itself: the return address may belong to the next line or function */
    uint64_t hash = ebb_mix64(address);
    size_t probe = 0;
    for (uint32_t i; (i = ebb_index_probe(&symbolizer->answer_index, hash, &probe)) != EBB_NONE;) {
        if (symbolizer->answers.items[i].address == address) {
            *count = symbolizer->answers.items[i].count;
            return symbolizer->answers.items[i].frames;
        }
    }
    struct answer answer = {.address = address};
    if (!(answer.frames = look_up(symbolizer, address, &answer.count))) {
        *count = 1;
        return &exhausted;
    }
    if (ebb_vec_push(&symbolizer->answers, answer) == 0)
        (void)ebb_index_add(&symbolizer->answer_index, hash, (uint32_t)symbolizer->answers.len - 1);
    *count = answer.count;
    return answer.frames;
}
