/* The inventory of this process's maps, for `ebb maps` and the doctor: maps that have a name or are
 * large show themselves in the channel (channel/layout.h).
 *
 * A map is shown when its table grows while it is small, and later when its length differs from what
 * was shown by a sixty-fourth, and by 256 or the half at least; a nested map, when its bytes do, too.
 * The thresholds of growing and shrinking, which every insert and delete compares with anyhow, are set
 * so that those moments are met. Nothing else costs anything.
 *
 * Under the agent the entries go into its record. Otherwise the first map to be shown makes a record,
 * which holds nothing else, and clears away those that killed processes left. EBB_PUBLISH=0 in the
 * environment forbids that. */
#include "channel/modules.h"
#include "channel/sampler.h"
#include "channel/tidy.h"
#include "channel/writer.h"
#include "runtime/containers/level.h"

#include <ebb/nested_map.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum {
    STEPS = 64,                  /* of its length or bytes */
    LEAST_STEP = 256,            /* entries */
    LEAST_STEP_BYTES = 64 << 10, /* of a nested map */
    SMALL = 64,                  /* entries of a map whose shrinking is not worth showing */
};

static_assert(sizeof(struct ebb_map_handle) == sizeof((struct ebb__table *)0)->shown,
              "a table has room for the handle");

/* ---- where to ---- */

typedef bool show_function(struct ebb_map_handle *handle, const struct ebb_map_entry *entry,
                           uint64_t site);

static struct {
    pthread_mutex_t lock;
    struct ebb_writer *writer;
    bool started, off;
} publisher = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void before_fork(void)
{
    pthread_mutex_lock(&publisher.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&publisher.lock);
}

/* Makes a record, at the beginning or in a child by fork. */
static void open_record(void)
{
    const struct ebb_writer_config config = {.period = EBB_SAMPLER_DEFAULT_PERIOD,
                                             .agent_flags = EBB_AGENT_LIBRARY};
    ebb_modules_forget();
    publisher.writer = ebb_writer_open(&config);
    if (!publisher.writer || ebb_writer_publish(publisher.writer) < 0) {
        publisher.off = true;
        return;
    }
    ebb_modules_refresh(publisher.writer);
    ebb_writer_started(publisher.writer);
}

/* What the agent takes maps with; NULL: there is no agent. Asked for without our lock: dlsym waits for
 * the loader's, which is held while constructors run, and one of them may wait for ours. */
static show_function *find_agent(void)
{
    static_assert(EBB_CHANNEL_VERSION == 2, "the agent's name for it has the version");
    static void *agent;
    static bool asked;
    if (!__atomic_load_n(&asked, __ATOMIC_ACQUIRE)) {
        __atomic_store_n(&agent, dlsym(RTLD_DEFAULT, "ebb_agent_map_2"), __ATOMIC_RELAXED);
        __atomic_store_n(&asked, true, __ATOMIC_RELEASE);
    }
    void *found = __atomic_load_n(&agent, __ATOMIC_RELAXED);
    show_function *function;
    memcpy(&function, &found, sizeof function);
    return function;
}

static void start(void)
{
    const char *wanted = getenv("EBB_PUBLISH");
    publisher.started = true;
    publisher.off = getauxval(AT_SECURE) || (wanted && strcmp(wanted, "0") == 0) ||
                    pthread_atfork(before_fork, after_fork, after_fork) != 0;
    if (!publisher.off)
        open_record();
}

/* The record to write into; NULL: none. A map that goes is no reason to make one (`opens`): a child by
 * fork that only frees what it inherited leaves nothing behind. */
static struct ebb_writer *ready(bool opens)
{
    pthread_mutex_lock(&publisher.lock);
    bool starts = opens && !publisher.started;
    if (starts)
        start();
    bool usable = publisher.writer && !publisher.off;
    bool alive = usable && ebb_writer_alive(publisher.writer);
    if (opens && usable && !alive) {
        open_record();
        alive = !publisher.off;
    }
    struct ebb_writer *writer = alive ? publisher.writer : NULL;
    pthread_mutex_unlock(&publisher.lock);
    if (starts && writer)
        ebb_channel_tidy();
    return writer;
}

__attribute__((destructor)) static void end_record(void)
{
    if (publisher.writer && !publisher.off && ebb_writer_alive(publisher.writer))
        ebb_writer_end(publisher.writer);
}

/* ---- what ---- */

static struct ebb_map_entry describe(const struct ebb__table *table,
                                     const struct ebb__layout *layout)
{
    size_t buckets = ebb__table_buckets(table), full = table->mask / EBB__GROUP + 1;
    struct ebb_map_entry entry = {
        .len = table->count,
        .buckets = table->capacity ? buckets : 0,
        .bytes = ebb__table_bytes(table, layout),
        .overflow_nodes = table->nodes,
        .deletes = table->deletes,
        .clears = table->clears,
        .resized = buckets - full / 2,
        .resize_end = full - full / 2,
        .key_bytes = (uint32_t)layout->key_bytes,
        .value_bytes = (uint32_t)layout->value_bytes,
        .flags = table->no_shrink ? EBB_MAP_NO_SHRINK : 0,
    };
    entry.mapped_bytes = table->paged ? entry.bytes - table->nodes * layout->node_bytes : 0;
    for (size_t i = 0; table->name && table->name[i] && i + 1 < sizeof entry.name; i++)
        entry.name[i] = table->name[i];
    return entry;
}

/* Writes `entry` for the map whose (outer) table this is. False: nothing is ever published here. */
static bool publish(struct ebb__table *table, struct ebb_map_entry *entry)
{
    if (entry->len > table->high_water)
        table->high_water = entry->len;
    entry->high_water = table->high_water;
    show_function *agent = find_agent();
    struct ebb_writer *writer = agent ? NULL : ready(true);
    struct ebb_map_handle handle = {table->shown.sequence, table->shown.index};
    uint64_t site = (uintptr_t)table->site;
    if (agent)
        agent(&handle, entry, site);
    else if (writer)
        ebb_writer_map(writer, &handle, entry, site);
    table->shown.sequence = handle.sequence;
    table->shown.index = handle.index;
    return agent || writer;
}

/* The amounts between which what was shown is good enough: a sixty-fourth more or less, or `least`;
 * where that is more than all, twice or half of it; what is below `small` shrinks unseen. */
static void set_thresholds(size_t amount, size_t least, size_t small, size_t *above, size_t *below)
{
    size_t step = amount / STEPS > least ? amount / STEPS : least;
    *above = amount + (step < amount || amount == 0 ? step : amount);
    *below = amount < small ? 0 : amount > 2 * step ? amount - step : amount / 2;
}

void ebb__table_show(struct ebb__table *table, const struct ebb__layout *layout)
{
    if (table->count < table->show_from)
        return;
    struct ebb_map_entry entry = describe(table, layout);
    table->show_from = 0;
    if (publish(table, &entry)) {
        set_thresholds(table->count, LEAST_STEP, SMALL, &table->show_at, &table->show_below);
    } else { /* never again */
        table->show_from = table->show_at = SIZE_MAX;
        table->show_below = 0;
    }
}

void ebb__nested_show(struct ebb__nested *nested, const struct ebb__layout *layout)
{
    struct ebb__table *table = &nested->level.refs.table;
    struct ebb_map_entry entry = describe(table, layout);
    entry.len = nested->len;
    entry.bytes = ebb__nested_bytes(nested);
    entry.deletes = nested->puts - nested->len;
    entry.key_bytes = entry.value_bytes = 0; /* differ from entry to entry */
    entry.flags |= EBB_MAP_NESTED;
    if (publish(table, &entry)) {
        set_thresholds(nested->len, LEAST_STEP, SMALL, &nested->show_at, &nested->show_below);
        set_thresholds(nested->bytes, LEAST_STEP_BYTES, LEAST_STEP_BYTES, &nested->show_bytes_at,
                       &nested->show_bytes_below);
    } else {
        nested->show_at = nested->show_bytes_at = SIZE_MAX;
        nested->show_below = nested->show_bytes_below = 0;
    }
}

void ebb__table_not_shown(struct ebb__table *table)
{
    table->show_from = table->show_at = SIZE_MAX;
    table->show_below = table->shown.sequence = table->shown.index = 0;
    if (table->shown_by_owner)
        return;
    table->show_from = table->name ? 0 : EBB__SHOWN_UNNAMED;
    table->show_at = table->name ? EBB__SHOWN_NAMED : EBB__SHOWN_UNNAMED;
}

void ebb__table_shown_by_owner(struct ebb__table *table)
{
    table->shown_by_owner = true;
    ebb__table_not_shown(table);
}

void ebb__table_hide(struct ebb__table *table)
{
    if (!table->shown.sequence)
        return;
    show_function *agent = find_agent();
    struct ebb_writer *writer = agent ? NULL : ready(false);
    struct ebb_map_handle handle = {table->shown.sequence, table->shown.index};
    if (agent)
        agent(&handle, NULL, 0);
    else if (writer)
        ebb_writer_map_gone(writer, &handle);
    ebb__table_not_shown(table);
}
