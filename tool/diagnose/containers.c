/* See containers.h. */
#include "tool/diagnose/containers.h"

#include "tool/diagnose/golang.h"

#include <ctype.h>
#include <string.h>

enum { BASE_BYTES = 256 };

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- names ---- */

void ebb_function_base(const char *function, char *base, size_t size)
{
    size_t length = 0;
    int angle = 0, round = 0;
    for (const char *at = function; *at && length + 1 < size; at++) {
        bool is_operator = length >= 8 && memcmp(base + length - 8, "operator", 8) == 0;
        if (is_operator && angle == 0 && strchr("<>()=-+", *at)) {
            /* operator<, operator->, operator(): the signs are part of the name. */
            base[length++] = *at;
            if ((*at == '(' && at[1] == ')') ||
                (strchr("<>-", *at) && at[1] && strchr("<>=", at[1])))
                base[length++] = *++at;
            if (length + 1 >= size)
                break;
            continue;
        }
        if (*at == '<') {
            angle++;
        } else if (*at == '>' && angle > 0) {
            angle--;
        } else if (angle > 0) {
            continue;
        } else if (*at == ' ' && at[1] == '<') {
            continue; /* operator< <int> */
        } else if (*at == ' ' && round == 0 && !is_operator) {
            length = 0; /* what came before was the return type */
        } else {
            round += (*at == '(') - (*at == ')');
            base[length++] = *at;
        }
    }
    base[length] = '\0';
}

/* A name that only says where: "0x55d0", "python3.11+0x1c8f40". */
static bool is_unnamed(const char *function)
{
    return !*function || starts(function, "0x") || strstr(function, "+0x");
}

/* ---- frames ---- */

enum owner { OWNER_ALLOCATOR, OWNER_CONTAINER, OWNER_RUNTIME, OWNER_LIBRARY, OWNER_USER };

struct view {
    enum owner owner;
    struct ebb_recognised of;
    bool interpreter;
};

/* Redis makes values far from the table that holds them. */
static bool is_redis_constructor(const char *base, const char *executable)
{
    const char *program = ebb_file_name(executable);
    return (strstr(program, "redis") || strstr(program, "valkey") || strstr(program, "keydb")) &&
           ((starts(base, "create") || starts(base, "tryCreate")) && strstr(base, "Object"));
}

static struct view view_frame(const struct ebb_frame *frame, const char *executable)
{
    char base[BASE_BYTES];
    ebb_function_base(frame->function, base, sizeof base);
    struct view view = {.owner = OWNER_USER,
                        .interpreter = ebb_module_is_interpreter(frame->module)};
    view.of = ebb_recognise(frame, base, executable);
    if (view.of.container) {
        view.owner = OWNER_CONTAINER;
        return view;
    }
    if (ebb_name_is_wrapper(base) || is_redis_constructor(base, executable)) {
        view.owner = OWNER_ALLOCATOR;
        return view;
    }
    if (ebb_module_is_runtime(frame->module) || starts(base, "std::") ||
        starts(frame->file, "/usr/include/") || strstr(frame->file, "/c++/") ||
        strcmp(base, "_start") == 0) {
        view.owner = OWNER_RUNTIME;
        return view;
    }
    /* The interpreter's loop stands for the script; what it calls is its library. */
    if (view.interpreter && !ebb_name_is_interpreter_loop(base)) {
        view.owner = OWNER_LIBRARY;
        return view;
    }
    bool main_module = *frame->module && strcmp(frame->module, executable) == 0;
    if (!main_module && ebb_module_is_system(frame->module))
        view.owner = OWNER_LIBRARY;
    return view;
}

bool ebb_frame_is_own(const struct ebb_evidence_stack *stack, size_t index,
                      const struct ebb_program *program)
{
    if (program->go)
        return ebb_go_is_own(&stack->frames[index], program);
    return view_frame(&stack->frames[index], program->executable).owner == OWNER_USER;
}

bool ebb_frame_is_root(const struct ebb_frame *frame)
{
    static const char *const roots[] = {"main",
                                        "_start",
                                        "start_thread",
                                        "clone",
                                        "clone3",
                                        "__libc_start_main",
                                        "__libc_start_call_main",
                                        "execute_native_thread_routine",
                                        "event_base_loop",
                                        "g_main_loop_run",
                                        "uv_run",
                                        "aeMain",
                                        "aeProcessEvents"};
    for (size_t i = 0; i < COUNT(roots); i++)
        if (strcmp(frame->function, roots[i]) == 0)
            return true;
    return ebb_go_is_root(frame);
}

struct ebb_program ebb_program_of(const struct ebb_evidence *evidence)
{
    if (strcmp(evidence->kind, "go") == 0)
        return ebb_go_program(evidence);
    return (struct ebb_program){.executable = evidence->executable};
}

/* ---- words ---- */

/* Whether `word` stands in `text` on its own: set_config, configSet, but not `offset` or `reset`.
 */
static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strcasestr(at, word)); at++) {
        bool begins = at == text || !isalpha((unsigned char)at[-1]) ||
                      (islower((unsigned char)at[-1]) && isupper((unsigned char)*at));
        char after = at[length];
        bool finishes =
            !isalpha((unsigned char)after) || isupper((unsigned char)after) || after == 's';
        if (begins && finishes)
            return true;
    }
    return false;
}

static bool has_any_word(const char *text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (has_word(text, words[i]))
            return true;
    return false;
}

/* The first word of `text` in lower case; what follows it. NULL: there is none. */
static const char *next_word(const char *text, char word[static 16])
{
    while (*text && !isalpha((unsigned char)*text))
        text++;
    if (!*text)
        return NULL;
    size_t length = 0;
    for (const char *start = text; isalpha((unsigned char)*text); text++) {
        if (text > start && isupper((unsigned char)*text) && islower((unsigned char)text[-1]))
            break;
        if (length < 15)
            word[length++] = (char)tolower((unsigned char)*text);
    }
    word[length] = '\0';
    return text;
}

static bool is_among(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Whether a C++ function has the name of its class. */
static bool is_constructor(const char *base)
{
    const char *colons = strrchr(base, ':');
    size_t length = colons ? strlen(colons + 1) : 0;
    const char *class = colons ? colons - 1 - length : NULL;
    return length > 0 && class >= base && memcmp(class, colons + 1, length) == 0;
}

/* Whether the name says that a table is made: table_new, newVisitedSet, HashMap::HashMap; but not
 * table_new_entry, new_table_node or map_insert. */
static bool names_table_maker(const char *base)
{
    static const char *const nouns[] = {"table", "map",     "hash",  "hashmap", "hashtable",
                                        "dict",  "hashset", "index", "set",     "dictionary"};
    static const char *const makers[] = {"new", "create", "make", "init", "alloc"};
    static const char *const parts[] = {"entry", "node", "item", "key", "value", "slot"};
    char word[16];
    bool maker_before = is_constructor(base), noun = false, noun_made = false, part = false;
    for (const char *at = base; (at = next_word(at, word));) {
        bool maker = is_among(word, makers, COUNT(makers));
        noun_made |= noun && maker;
        maker_before |= maker;
        noun = is_among(word, nouns, COUNT(nouns));
        part = is_among(word, parts, COUNT(parts));
    }
    return (noun && maker_before) || (noun_made && !part);
}

void ebb_place_read_words(struct ebb_place *place, const char *base)
{
    static const char *const grow[] = {"grow",   "resize",  "rehash", "expand", "enlarge",
                                       "extend", "reserve", "double", "widen"};
    static const char *const map[] = {"insert",   "put",      "set",       "intern",  "cache",
                                      "map",      "table",    "dict",      "hash",    "store",
                                      "register", "remember", "memo",      "memoize", "index",
                                      "upsert",   "hashmap",  "hashtable", "add"};
    static const char *const sequence[] = {"append", "push",   "array",  "vec", "vector",
                                           "list",   "buffer", "buf",    "log", "queue",
                                           "slice",  "record", "enqueue"};
    static const char *const make[] = {"new", "create", "make", "node", "entry", "item", "init"};
    place->grow_word = has_any_word(base, grow, COUNT(grow));
    place->map_word = has_any_word(base, map, COUNT(map));
    place->sequence_word = has_any_word(base, sequence, COUNT(sequence));
    place->make_word = has_any_word(base, make, COUNT(make));
    place->makes_table = names_table_maker(base);
}

/* ---- stacks ---- */

/* Whether a C++ map's type has another map among its template arguments. */
static bool holds_container(const char *function)
{
    static const char *const maps[] = {"unordered_map<", "std::map<", "flat_hash_map<",
                                       "unordered_set<", "std::set<"};
    const char *arguments = strchr(function, '<');
    for (size_t i = 0; arguments && i < COUNT(maps); i++)
        if (strstr(arguments, maps[i]))
            return true;
    return false;
}

/* Whether the function works on a map whose values are of the kind of `inner`, as the names of what
 * it calls say; the frames of the inner map alone do not say what holds it. */
static bool uses_map_of(const struct ebb_frame *frame, const struct ebb_container *inner,
                        const char *executable)
{
    for (size_t i = 0; frame->calls && frame->calls[i]; i++) {
        struct ebb_frame callee = {
            .function = frame->calls[i], .file = "", .module = frame->module};
        struct ebb_recognised of = view_frame(&callee, executable).of;
        const char *arguments = strchr(frame->calls[i], '<');
        if (of.container && of.container->kind == EBB_CONTAINER_MAP &&
            holds_container(frame->calls[i]) && strstr(arguments, inner->name))
            return true;
    }
    return false;
}

/* Index of the first frame whose owner is at least `owner`; depth when there is none. */
static size_t first_owned(const struct ebb_evidence_stack *stack, const char *executable,
                          enum owner owner)
{
    size_t i = 0;
    while (i < stack->depth && view_frame(&stack->frames[i], executable).owner < owner)
        i++;
    return i;
}

static size_t find_site(const struct ebb_evidence_stack *stack, const char *executable)
{
    static const enum owner wanted[] = {OWNER_USER, OWNER_LIBRARY, OWNER_RUNTIME, OWNER_CONTAINER};
    for (size_t i = 0; i < COUNT(wanted); i++) {
        size_t site = first_owned(stack, executable, wanted[i]);
        if (site < stack->depth)
            return site;
    }
    return stack->depth - 1;
}

/* Prefers a script's loop with a name over the interpreter's nameless insides. */
static size_t named_site(const struct ebb_evidence_stack *stack, size_t site)
{
    if (!is_unnamed(stack->frames[site].function))
        return site;
    for (size_t i = site + 1; i < stack->depth; i++)
        if (strcmp(stack->frames[i].module, stack->frames[site].module) == 0 &&
            !is_unnamed(stack->frames[i].function) && !ebb_frame_is_root(&stack->frames[i]))
            return i;
    return site;
}

struct ebb_place ebb_place_stack(const struct ebb_evidence_stack *stack,
                                 const struct ebb_program *program)
{
    struct ebb_place place = {0};
    const char *executable = program->executable;
    if (stack->depth == 0)
        return place;
    if (program->go)
        return ebb_go_place(stack, program);
    place.site = find_site(stack, executable);
    if (ebb_module_is_interpreter(stack->frames[place.site].module))
        place.site = named_site(stack, place.site);
    place.interpreter = ebb_module_is_interpreter(stack->frames[place.site].module);
    place.allocator_own = ebb_module_is_allocator(stack->frames[0].module);

    /* From the site towards the leaf: the first container met is the outermost. Text is only a
     * container when nothing holds it. */
    for (size_t i = place.site + 1; i-- > 0;) {
        struct ebb_recognised of = view_frame(&stack->frames[i], executable).of;
        if (!of.container)
            continue;
        bool better = !place.container || (place.container->kind == EBB_CONTAINER_TEXT &&
                                           of.container->kind != EBB_CONTAINER_TEXT);
        if (better) {
            place.container = of.container;
            place.role = of.role;
        } else if (of.container == place.container && of.role > place.role) {
            place.role = of.role;
        }
        if (of.container->kind == EBB_CONTAINER_MAP)
            place.nested |= holds_container(stack->frames[i].function);
        /* What a map's entry holds is an entry's, even when it is a buffer of its own. */
        if (place.container != of.container && place.container->kind == EBB_CONTAINER_MAP &&
            of.container->kind != EBB_CONTAINER_MAP)
            place.role = EBB_ROLE_NODE;
    }
    if (place.container && place.container->kind == EBB_CONTAINER_MAP)
        place.nested |= uses_map_of(&stack->frames[place.site], place.container, executable);
    char base[BASE_BYTES];
    ebb_function_base(stack->frames[place.site].function, base, sizeof base);
    ebb_place_read_words(&place, base);
    return place;
}
