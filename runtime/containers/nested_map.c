/* See ebb/nested_map.h and ebb/impl/nested.h. */
#include "../log.h"
#include "level.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    DEFAULT_INNER_LEN = 1000,
    DEFAULT_TTL_MS = 30 * 60 * 1000,
    AT_A_TIME = 16, /* entries that a call frees of inner maps that are gone */
};

/* ---- inner maps and entries in memory ---- */

static void *outer_key(const struct ebb__nested *nested, const struct ebb__inner *inner)
{
    return (char *)inner + nested->type->outer_at;
}

static void *inner_key(const struct ebb__nested *nested, const struct ebb__entry *entry)
{
    return (char *)entry + nested->type->inner_at;
}

static void *value_of(const struct ebb__nested *nested, const struct ebb__entry *entry)
{
    return (char *)entry + nested->type->value_at;
}

static struct ebb__ref outer_ref(const struct ebb__nested *nested, const struct ebb__inner *inner)
{
    return (struct ebb__ref){inner->hash, outer_key(nested, inner)};
}

static struct ebb__ref inner_ref(const struct ebb__nested *nested, const struct ebb__entry *entry)
{
    return (struct ebb__ref){entry->hash, inner_key(nested, entry)};
}

static size_t text_bytes(bool is_text, const void *key)
{
    return is_text ? (size_t)((const struct ebb_str *)key)->len + 1 : 0;
}

static size_t inner_block(const struct ebb__nested *nested, const void *key)
{
    return nested->type->inner_bytes + text_bytes(nested->type->outer_text, key);
}

static size_t entry_block(const struct ebb__nested *nested, const void *key)
{
    return nested->type->entry_bytes + text_bytes(nested->type->inner_text, key);
}

/* What a block costs with the allocator's own share: in glibc a word, in steps of two. */
static size_t cost(size_t block)
{
    const size_t step = 2 * sizeof(size_t), bytes = block + sizeof(size_t);
    return bytes <= 2 * step ? 2 * step : (bytes + step - 1) / step * step;
}

static void *allocate(const struct ebb__nested *nested, size_t block)
{
    const struct ebb_allocator *allocator = nested->level.refs.table.allocator;
    return allocator->allocate(allocator->context, block, nested->type->alignment);
}

static void release(const struct ebb__nested *nested, void *block, size_t bytes)
{
    const struct ebb_allocator *allocator = nested->level.refs.table.allocator;
    allocator->release(allocator->context, block, bytes, nested->type->alignment);
}

/* Copies a key to `place`; the bytes of a text go to `behind`. */
static void copy_key(void *place, const void *key, size_t size, bool is_text, char *behind)
{
    memcpy(place, key, size);
    if (!is_text)
        return;
    struct ebb_str *text = place;
    if (text->len > 0)
        memcpy(behind, text->data, text->len);
    behind[text->len] = '\0';
    text->data = behind;
}

/* The prefix, here and below, is for profiles: by it the doctor knows a map's memory. */
static struct ebb__entry *ebb__new_entry(const struct ebb__nested *nested, struct ebb__ref ref)
{
    const struct ebb__nested_type *type = nested->type;
    struct ebb__entry *entry = allocate(nested, entry_block(nested, ref.key));
    if (!entry)
        return NULL;
    *entry = (struct ebb__entry){.hash = ref.hash};
    copy_key(inner_key(nested, entry), ref.key, type->inner_size, type->inner_text,
             (char *)entry + type->entry_bytes);
    return entry;
}

static void free_entry(const struct ebb__nested *nested, struct ebb__entry *entry)
{
    release(nested, entry, entry_block(nested, inner_key(nested, entry)));
}

static struct ebb__inner *ebb__new_inner(struct ebb__nested *nested, struct ebb__ref ref)
{
    const struct ebb__nested_type *type = nested->type;
    size_t block = inner_block(nested, ref.key);
    struct ebb__inner *inner = allocate(nested, block);
    if (!inner)
        return NULL;
    *inner = (struct ebb__inner){
        .level.equal = type->inner_equal,
        .hash = ref.hash,
        .serial = ++nested->serials,
        .bytes = cost(block),
        .warn_len_at = nested->warn_inner_len,
        .warn_bytes_at = nested->warn_inner_bytes,
    };
    const struct ebb_map_options options = {.allocator = nested->level.refs.table.allocator,
                                            .site = nested->level.refs.table.site};
    ebb__table_begin(&inner->level.refs.table, &options);
    ebb__table_shown_by_owner(&inner->level.refs.table);
    copy_key(outer_key(nested, inner), ref.key, type->outer_size, type->outer_text,
             (char *)inner + type->inner_bytes);
    return inner;
}

/* Its entries are freed already, or were never there. */
static void free_inner(struct ebb__nested *nested, struct ebb__inner *inner)
{
    ebb__level_free(&inner->level);
    release(nested, inner, inner_block(nested, outer_key(nested, inner)));
}

/* ---- order of use ---- */

#define UNLINK(list, node)                                                                         \
    do {                                                                                           \
        *((node)->newer ? &(node)->newer->older : &(list)->newest) = (node)->older;                \
        *((node)->older ? &(node)->older->newer : &(list)->oldest) = (node)->newer;                \
    } while (0)

#define PUSH(list, node)                                                                           \
    do {                                                                                           \
        (node)->newer = NULL;                                                                      \
        (node)->older = (list)->newest;                                                            \
        *((list)->newest ? &(list)->newest->newer : &(list)->oldest) = (node);                     \
        (list)->newest = (node);                                                                   \
    } while (0)

static uint64_t now_ms(const struct ebb__nested *nested)
{
    if (nested->clock_ms)
        return nested->clock_ms(nested->clock_context);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool has_expired(const struct ebb__nested *nested, const struct ebb__inner *inner,
                        uint64_t now)
{
    return nested->ttl_ms != EBB_NESTED_UNLIMITED && now > inner->used_ms &&
           now - inner->used_ms >= nested->ttl_ms;
}

static void use_inner(struct ebb__nested *nested, struct ebb__inner *inner, uint64_t now)
{
    inner->used_ms = now;
    if (nested->newest == inner)
        return;
    UNLINK(nested, inner);
    PUSH(nested, inner);
}

static void use_entry(struct ebb__inner *inner, struct ebb__entry *entry)
{
    if (inner->newest == entry)
        return;
    UNLINK(inner, entry);
    PUSH(inner, entry);
}

/* ---- bytes ---- */

static void charge(struct ebb__nested *nested, struct ebb__inner *inner, size_t more, size_t less)
{
    inner->bytes += more - less;
    nested->bytes += more - less;
}

static void charge_table(struct ebb__nested *nested, struct ebb__inner *inner)
{
    size_t bytes = ebb__level_bytes(&inner->level);
    charge(nested, inner, bytes, inner->table_bytes);
    inner->table_bytes = bytes;
}

static size_t entry_cost(const struct ebb__nested *nested, const struct ebb__entry *entry)
{
    return cost(entry_block(nested, inner_key(nested, entry))) +
           nested->type->value_bytes(value_of(nested, entry));
}

size_t ebb__nested_bytes(const struct ebb__nested *nested)
{
    return nested->bytes + ebb__level_bytes(&nested->level);
}

/* What the smallest inner map with one entry would cost. */
static size_t cost_alone(const struct ebb__nested *nested, struct ebb__ref outer,
                         struct ebb__ref inner, size_t value_bytes)
{
    const size_t slot = sizeof(struct ebb__ref);
    size_t table = EBB__FIRST_SLOTS * slot + 2 * EBB__GROUP + sizeof(void *);
    size_t blocks = cost(inner_block(nested, outer.key)) + cost(entry_block(nested, inner.key));
    return value_bytes > SIZE_MAX - table - blocks ? SIZE_MAX : table + blocks + value_bytes;
}

/* ---- letting go ---- */

/* Takes an inner map out; it is then the caller's. */
static void detach(struct ebb__nested *nested, struct ebb__inner *inner)
{
    ebb__level_remove(&nested->level, outer_ref(nested, inner));
    UNLINK(nested, inner);
    nested->len -= ebb__level_len(&inner->level);
    nested->detached++;
}

/* Its entries go in steps, by free_some. */
static void let_die(struct ebb__nested *nested, struct ebb__inner *inner)
{
    detach(nested, inner);
    inner->older = nested->dying;
    nested->dying = inner;
}

/* Frees an inner map that is detached, at most `most` of its entries; true: it is gone. */
static bool free_part(struct ebb__nested *nested, struct ebb__inner *inner, size_t most)
{
    while (inner->oldest && most-- > 0) {
        struct ebb__entry *entry = inner->oldest;
        charge(nested, inner, 0, entry_cost(nested, entry));
        UNLINK(inner, entry);
        nested->type->drop_value(value_of(nested, entry));
        free_entry(nested, entry);
    }
    if (inner->oldest)
        return false;
    nested->bytes -= inner->bytes;
    free_inner(nested, inner);
    return true;
}

static void free_some(struct ebb__nested *nested, size_t most)
{
    struct ebb__inner *inner = nested->dying;
    if (!inner)
        return;
    struct ebb__inner *next = inner->older;
    if (free_part(nested, inner, most))
        nested->dying = next;
}

static bool expire_oldest(struct ebb__nested *nested, uint64_t now)
{
    if (!nested->oldest || !has_expired(nested, nested->oldest, now))
        return false;
    nested->expired_inner_maps++;
    let_die(nested, nested->oldest);
    return true;
}

static void show_when_due(struct ebb__nested *nested)
{
    if (nested->len >= nested->show_at || nested->len < nested->show_below ||
        nested->bytes >= nested->show_bytes_at || nested->bytes < nested->show_bytes_below)
        ebb__nested_show(nested, ebb__level_layout());
}

/* The share of every call: a step of what is to be done. */
static void tidy(struct ebb__nested *nested, uint64_t now)
{
    expire_oldest(nested, now);
    free_some(nested, AT_A_TIME);
    show_when_due(nested);
}

/* It is not in the inventory: from how many entries on it belongs there. */
static void not_shown(struct ebb__nested *nested)
{
    nested->show_at = nested->level.refs.table.name ? 1 : EBB__SHOWN_UNNAMED;
    nested->show_below = nested->show_bytes_below = 0;
    nested->show_bytes_at = SIZE_MAX;
}

/* Takes an entry out and frees it; with `taken` the value is kept there. */
static void remove_entry(struct ebb__nested *nested, struct ebb__inner *inner,
                         struct ebb__entry *entry, void *taken, size_t value_size)
{
    ebb__level_remove(&inner->level, inner_ref(nested, entry));
    UNLINK(inner, entry);
    nested->len--;
    charge(nested, inner, 0, entry_cost(nested, entry));
    charge_table(nested, inner);
    if (taken)
        memcpy(taken, value_of(nested, entry), value_size);
    else
        nested->type->drop_value(value_of(nested, entry));
    free_entry(nested, entry);
}

static void free_when_empty(struct ebb__nested *nested, struct ebb__inner *inner)
{
    if (ebb__level_len(&inner->level) > 0)
        return;
    detach(nested, inner);
    free_part(nested, inner, 0);
}

/* ---- keeping within bounds ---- */

static void evict_entry(struct ebb__nested *nested, struct ebb__inner *inner)
{
    nested->evicted_entries++;
    remove_entry(nested, inner, inner->oldest, NULL, 0);
}

/* Makes an inner map keep its limits; its newest entry stays. */
static void bound_inner(struct ebb__nested *nested, struct ebb__inner *inner)
{
    while (ebb__level_len(&inner->level) > nested->max_inner_len)
        evict_entry(nested, inner);
    while (inner->bytes > nested->max_inner_bytes) {
        if (ebb__level_tighten(&inner->level))
            charge_table(nested, inner);
        else if (inner->oldest != inner->newest)
            evict_entry(nested, inner);
        else
            return;
    }
}

/* Makes all together keep to their ceiling; of the newest inner map the newest entry stays. */
static void bound_all(struct ebb__nested *nested)
{
    while (ebb__nested_bytes(nested) > nested->max_bytes) {
        struct ebb__inner *inner = nested->newest;
        if (nested->dying) {
            free_some(nested, AT_A_TIME);
        } else if (nested->oldest != inner) {
            nested->evicted_inner_maps++;
            let_die(nested, nested->oldest);
        } else if (ebb__level_tighten(&nested->level)) {
            continue;
        } else if (ebb__level_tighten(&inner->level)) {
            charge_table(nested, inner);
        } else if (inner->oldest != inner->newest) {
            evict_entry(nested, inner);
        } else {
            return;
        }
    }
}

/* ---- warnings ---- */

enum { LONGEST_KEY = 80 }; /* characters of it in a line of the log */

/* A key, which may come from strangers, as one line shows it. */
static const char *say_key(const struct ebb_str *key, char line[static LONGEST_KEY + 8])
{
    char *end = line;
    *end = '\0';
    for (uint32_t i = 0; key && i < key->len && end < line + LONGEST_KEY; i++) {
        unsigned char byte = (unsigned char)key->data[i];
        end += sprintf(end, byte >= ' ' && byte < 0x7f ? "%c" : "\\x%02x", byte);
    }
    if (key && end >= line + LONGEST_KEY)
        strcpy(end, "...");
    return line;
}

static void warn(const struct ebb__nested *nested, const struct ebb__inner *inner)
{
    const struct ebb_nested_warning warning = {
        .name = nested->level.refs.table.name,
        .outer = inner ? outer_key(nested, inner) : NULL,
        .len = inner ? ebb__level_len(&inner->level) : nested->len,
        .bytes = inner ? inner->bytes : ebb__nested_bytes(nested),
    };
    if (nested->warn) {
        nested->warn(nested->warn_context, &warning);
        return;
    }
    const char *name = warning.name ? warning.name : "(without a name)";
    const struct ebb_str *text = inner && nested->type->outer_text ? warning.outer : NULL;
    char key[LONGEST_KEY + 8];
    if (!inner)
        ebb__log(
            "ebb: nested map %s holds %zu entries, %zu bytes; lower its limits or delete what is "
            "no longer needed",
            name, warning.len, warning.bytes);
    else
        ebb__log("ebb: nested map %s: the inner map%s%s holds %zu entries, %zu bytes; lower "
                 "max_inner_len or delete what is no longer needed",
                 name, text ? " " : "", say_key(text, key), warning.len, warning.bytes);
}

static size_t doubled(size_t reached)
{
    return reached > SIZE_MAX / 2 ? SIZE_MAX : 2 * reached;
}

static void warn_when_due(struct ebb__nested *nested, struct ebb__inner *inner)
{
    if (ebb__level_len(&inner->level) >= inner->warn_len_at ||
        inner->bytes >= inner->warn_bytes_at) {
        if (ebb__level_len(&inner->level) >= inner->warn_len_at)
            inner->warn_len_at = doubled(ebb__level_len(&inner->level));
        if (inner->bytes >= inner->warn_bytes_at)
            inner->warn_bytes_at = doubled(inner->bytes);
        warn(nested, inner);
    }
    if (nested->warn_at == SIZE_MAX)
        return;
    size_t bytes = ebb__nested_bytes(nested);
    if (bytes >= nested->warn_at) {
        nested->warn_at = doubled(bytes);
        warn(nested, NULL);
    }
}

/* ---- finding ---- */

/* The inner map of a key, expired or not. */
static struct ebb__inner *find_any_inner(const struct ebb__nested *nested, struct ebb__ref outer)
{
    const char *key = ebb__level_find(&nested->level, outer);
    return key ? (struct ebb__inner *)(key - nested->type->outer_at) : NULL;
}

static struct ebb__entry *find_entry(const struct ebb__nested *nested,
                                     const struct ebb__inner *inner, struct ebb__ref ref)
{
    const char *key = ebb__level_find(&inner->level, ref);
    return key ? (struct ebb__entry *)(key - nested->type->inner_at) : NULL;
}

const struct ebb__inner *ebb__nested_find_inner(const struct ebb__nested *nested,
                                                struct ebb__ref outer)
{
    const struct ebb__inner *inner = find_any_inner(nested, outer);
    return inner && !has_expired(nested, inner, now_ms(nested)) ? inner : NULL;
}

/* The same in a call that may change the map: one that has expired is let go. */
static struct ebb__inner *find_inner(struct ebb__nested *nested, struct ebb__ref outer,
                                     uint64_t now)
{
    struct ebb__inner *inner = find_any_inner(nested, outer);
    if (!inner || !has_expired(nested, inner, now))
        return inner;
    nested->expired_inner_maps++;
    let_die(nested, inner);
    return NULL;
}

const void *ebb__nested_peek(const struct ebb__nested *nested, struct ebb__ref outer,
                             struct ebb__ref inner)
{
    const struct ebb__inner *map = ebb__nested_find_inner(nested, outer);
    struct ebb__entry *entry = map ? find_entry(nested, map, inner) : NULL;
    return entry ? value_of(nested, entry) : NULL;
}

void *ebb__nested_get(struct ebb__nested *nested, struct ebb__ref outer, struct ebb__ref inner)
{
    uint64_t now = now_ms(nested);
    struct ebb__inner *map = find_inner(nested, outer, now);
    struct ebb__entry *entry = NULL;
    if (map) {
        use_inner(nested, map, now);
        entry = find_entry(nested, map, inner);
        if (entry)
            use_entry(map, entry);
    }
    tidy(nested, now);
    return entry ? value_of(nested, entry) : NULL;
}

/* ---- putting ---- */

/* Makes a fresh inner map findable; -ENOMEM: it is not. */
static int attach(struct ebb__nested *nested, struct ebb__inner *inner)
{
    if (ebb__level_add(&nested->level, outer_ref(nested, inner)) < 0)
        return -ENOMEM;
    PUSH(nested, inner);
    nested->bytes += inner->bytes;
    return 0;
}

/* A table that doubles beyond the limit would take half of the entries with it, and stay: where it
 * would, the oldest entry goes before. */
static void evict_before_growth(struct ebb__nested *nested, struct ebb__inner *inner)
{
    while (ebb__level_is_full(&inner->level) && inner->oldest != inner->newest &&
           inner->bytes + inner->table_bytes > nested->max_inner_bytes)
        evict_entry(nested, inner);
}

/* A new entry in `map`, or, when that is NULL, in an inner map that is made for it. The inner map is
 * attached last, with its entry in it: there is never an empty one. NULL: out of memory, nothing
 * changed. */
static struct ebb__entry *add_entry(struct ebb__nested *nested, struct ebb__inner **map,
                                    struct ebb__ref outer, struct ebb__ref inner)
{
    struct ebb__inner *into = *map ? *map : ebb__new_inner(nested, outer);
    struct ebb__entry *entry = into ? ebb__new_entry(nested, inner) : NULL;
    if (entry && *map) /* not earlier: the key given may be that of what goes */
        evict_before_growth(nested, into);
    if (entry && ebb__level_add(&into->level, inner_ref(nested, entry)) == 0) {
        if (*map || attach(nested, into) == 0) {
            PUSH(into, entry);
            nested->len++;
            nested->puts++;
            *map = into;
            return entry;
        }
        ebb__level_remove(&into->level, inner_ref(nested, entry));
    }
    if (entry)
        free_entry(nested, entry);
    if (into && !*map)
        free_inner(nested, into);
    else if (into)
        charge_table(nested, into); /* which may have grown all the same */
    return NULL;
}

int ebb__nested_place(struct ebb__nested *nested, struct ebb__ref outer, struct ebb__ref inner,
                      size_t value_bytes, bool replaces, void **place, bool *inserted)
{
    uint64_t now = now_ms(nested);
    struct ebb__inner *map = find_inner(nested, outer, now);
    struct ebb__entry *entry = map ? find_entry(nested, map, inner) : NULL;
    *inserted = false;
    size_t alone = cost_alone(nested, outer, inner, value_bytes);
    if ((!entry || replaces) && (alone > nested->max_inner_bytes || alone > nested->max_bytes))
        return -E2BIG;
    if (entry) {
        use_entry(map, entry);
        if (replaces)
            charge(nested, map, value_bytes, nested->type->value_bytes(value_of(nested, entry)));
    } else {
        entry = add_entry(nested, &map, outer, inner);
        if (!entry)
            return -ENOMEM;
        *inserted = true;
        charge(nested, map, cost(entry_block(nested, inner.key)) + value_bytes, 0);
        charge_table(nested, map);
    }
    use_inner(nested, map, now);
    bound_inner(nested, map);
    tidy(nested, now); /* not earlier: the keys given may be those of what goes */
    bound_all(nested);
    warn_when_due(nested, map);
    *place = value_of(nested, entry);
    return 0;
}

/* ---- deleting ---- */

bool ebb__nested_delete(struct ebb__nested *nested, struct ebb__ref outer, struct ebb__ref inner,
                        void *taken, size_t value_size)
{
    uint64_t now = now_ms(nested);
    struct ebb__inner *map = find_inner(nested, outer, now);
    struct ebb__entry *entry = map ? find_entry(nested, map, inner) : NULL;
    if (entry) {
        remove_entry(nested, map, entry, taken, value_size);
        free_when_empty(nested, map);
    }
    tidy(nested, now);
    return entry != NULL;
}

bool ebb__nested_delete_inner(struct ebb__nested *nested, struct ebb__ref outer)
{
    uint64_t now = now_ms(nested);
    struct ebb__inner *map = find_inner(nested, outer, now);
    if (map) {
        detach(nested, map);
        free_part(nested, map, SIZE_MAX);
    }
    tidy(nested, now);
    return map != NULL;
}

void ebb__nested_clear(struct ebb__nested *nested, enum ebb_clear what)
{
    nested->detached++;
    ebb__level_clear(&nested->level, what);
    while (nested->newest) {
        struct ebb__inner *inner = nested->newest;
        UNLINK(nested, inner);
        free_part(nested, inner, SIZE_MAX);
    }
    while (nested->dying)
        free_some(nested, SIZE_MAX);
    nested->len = 0;
    if (what == EBB_RELEASE)
        not_shown(nested);
    else
        show_when_due(nested);
}

bool ebb__nested_maintain(struct ebb__nested *nested, uint64_t budget_ns)
{
    uint64_t now = now_ms(nested), begun = ebb__now_ns();
    bool more = true;
    do {
        if (nested->dying)
            free_some(nested, AT_A_TIME);
        else
            more = expire_oldest(nested, now) || ebb__level_maintain(&nested->level);
    } while (more && ebb__now_ns() - begun < budget_ns);
    show_when_due(nested);
    return more;
}

/* ---- walks ---- */

static void enter(struct ebb__nested_walk *walk, struct ebb__inner *inner)
{
    walk->inside = true;
    walk->inner_map = inner;
    walk->outer = outer_ref(walk->nested, inner);
    walk->serial = inner->serial;
    walk->detached = walk->nested->detached;
    walk->entries = ebb__level_walk(&inner->level);
}

static void leave(struct ebb__nested_walk *walk)
{
    if (walk->inside)
        ebb__level_walk_end(&walk->entries);
    walk->inside = false;
}

/* Whether the inner map the walk is in can still be found; only then may it be read. */
static bool is_attached(struct ebb__nested_walk *walk)
{
    const struct ebb__nested *nested = walk->nested;
    if (walk->detached != nested->detached) {
        /* Another one may be where it was, with the same key. */
        if (!ebb__level_holds(&nested->level, walk->outer) ||
            walk->inner_map->serial != walk->serial)
            return false;
        walk->detached = nested->detached;
    }
    return !has_expired(nested, walk->inner_map, now_ms(nested));
}

struct ebb__nested_walk ebb__nested_walk_begin(struct ebb__nested *nested,
                                               enum ebb__nested_levels levels,
                                               struct ebb__ref outer)
{
    struct ebb__nested_walk walk = {.nested = nested, .levels = levels};
    walk.inner_maps = ebb__level_walk(&nested->level);
    struct ebb__inner *inner = levels == EBB__ONE_INNER
                                   ? (struct ebb__inner *)ebb__nested_find_inner(nested, outer)
                                   : NULL;
    if (inner)
        enter(&walk, inner);
    return walk;
}

/* Goes on to the next entry of the inner map the walk is in; false: there is none. */
static bool next_inside(struct ebb__nested_walk *walk)
{
    if (walk->inside && is_attached(walk) && ebb__level_walk_next(&walk->entries)) {
        walk->inner = *walk->entries.key;
        walk->entry =
            (struct ebb__entry *)((const char *)walk->inner.key - walk->nested->type->inner_at);
        return true;
    }
    walk->out_of_memory |= walk->inside && walk->entries.out_of_memory;
    leave(walk);
    return false;
}

bool ebb__nested_walk_next(struct ebb__nested_walk *walk)
{
    const struct ebb__nested *nested = walk->nested;
    walk->entry = NULL;
    for (;;) {
        if (walk->levels != EBB__OUTER_LEVEL && next_inside(walk))
            return true;
        leave(walk);
        if (walk->levels == EBB__ONE_INNER || walk->out_of_memory ||
            !ebb__level_walk_next(&walk->inner_maps)) {
            walk->out_of_memory |= walk->inner_maps.out_of_memory;
            return false;
        }
        struct ebb__inner *inner =
            (struct ebb__inner *)((const char *)walk->inner_maps.key->key - nested->type->outer_at);
        if (has_expired(nested, inner, now_ms(nested)))
            continue;
        enter(walk, inner);
        if (walk->levels == EBB__OUTER_LEVEL)
            return true;
    }
}

bool ebb__nested_walk_delete(struct ebb__nested_walk *walk)
{
    struct ebb__nested *nested = walk->nested;
    struct ebb__inner *inner = walk->inner_map;
    if (!walk->inside || !is_attached(walk))
        return false;
    if (walk->levels == EBB__OUTER_LEVEL) {
        detach(nested, inner);
        free_part(nested, inner, SIZE_MAX);
        show_when_due(nested);
        return true;
    }
    if (!walk->entry || !ebb__level_holds(&inner->level, walk->inner))
        return false;
    remove_entry(nested, inner, walk->entry, NULL, 0);
    walk->entry = NULL;
    free_when_empty(nested, inner);
    show_when_due(nested);
    return true;
}

void ebb__nested_walk_end(struct ebb__nested_walk *walk)
{
    leave(walk);
    ebb__level_walk_end(&walk->inner_maps);
}

/* ---- a nested map's life ---- */

static void clear_table(struct ebb__table *table, enum ebb_clear what)
{
    ebb__nested_clear((struct ebb__nested *)table, what);
}

static size_t or_unlimited(size_t limit)
{
    return limit ? limit : EBB_NESTED_UNLIMITED;
}

void ebb__nested_begin(struct ebb__nested *nested, const struct ebb__nested_type *type,
                       const struct ebb_nested_options *options)
{
    static const struct ebb_nested_options defaults;
    if (!options)
        options = &defaults;
    *nested = (struct ebb__nested){
        .level.equal = type->outer_equal,
        .type = type,
        .max_inner_len = options->max_inner_len ? options->max_inner_len : DEFAULT_INNER_LEN,
        .max_inner_bytes = or_unlimited(options->max_inner_bytes),
        .max_bytes = or_unlimited(options->max_bytes),
        .ttl_ms = options->ttl_ms ? options->ttl_ms : DEFAULT_TTL_MS,
        .warn_inner_len = or_unlimited(options->warn_inner_len),
        .warn_inner_bytes = or_unlimited(options->warn_inner_bytes),
        .warn_at = or_unlimited(options->warn_bytes),
        .warn = options->warn,
        .warn_context = options->warn_context,
        .clock_ms = options->clock_ms,
        .clock_context = options->clock_context,
    };
    const struct ebb_map_options table = {.name = options->name,
                                          .site = __builtin_return_address(0),
                                          .allocator = options->allocator,
                                          .seed = options->seed};
    ebb__table_begin(&nested->level.refs.table, &table);
    ebb__table_shown_by_owner(&nested->level.refs.table);
    not_shown(nested);
    nested->level.refs.table.clear = clear_table;
}

void ebb__nested_free(struct ebb__nested *nested)
{
    ebb__nested_clear(nested, EBB_RELEASE);
}

struct ebb_nested_stats ebb__nested_stats(const struct ebb__nested *nested)
{
    size_t dying = 0;
    for (const struct ebb__inner *inner = nested->dying; inner; inner = inner->older)
        dying += inner->bytes;
    return (struct ebb_nested_stats){
        .len = nested->len,
        .inner_maps = ebb__level_len(&nested->level),
        .bytes = ebb__nested_bytes(nested),
        .dying_bytes = dying,
        .evicted_entries = nested->evicted_entries,
        .evicted_inner_maps = nested->evicted_inner_maps,
        .expired_inner_maps = nested->expired_inner_maps,
    };
}
