/* The inventory of this process's maps, for `ebb maps` and the doctor: maps that have a name or are
 * large show themselves in the channel (channel/layout.h).
 *
 * A map is shown when its table grows while it is small, and later when its length differs by a
 * sixty-fourth from what was shown; the thresholds of growing and shrinking, which every insert and delete
 * compares with anyhow, are set so that those moments are met. Nothing else costs anything.
 *
 * Under the agent the entries go into its record. Otherwise the first map to be shown makes a record,
 * which holds nothing else. EBB_PUBLISH=0 in the environment forbids that. */
#include "channel/modules.h"
#include "channel/sampler.h"
#include "channel/writer.h"

#include <ebb/map.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { STEPS = 64, LEAST_STEP = 256 }; /* of its length; in entries */

static_assert(sizeof(struct ebb_map_handle) == sizeof((struct ebb__table *)0)->shown,
              "a table has room for the handle");

/* ---- where to ---- */

typedef bool show_function(struct ebb_map_handle *handle, const struct ebb_map_entry *entry,
                           uint64_t site);

static struct {
    pthread_mutex_t lock;
    show_function *agent;
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

static void start(void)
{
    publisher.started = true;
    void *agent = dlsym(RTLD_DEFAULT, "ebb_agent_map_2");
    static_assert(EBB_CHANNEL_VERSION == 2, "the agent's name for it has the version");
    memcpy(&publisher.agent, &agent, sizeof agent);
    if (agent)
        return;
    const char *wanted = getenv("EBB_PUBLISH");
    publisher.off = getauxval(AT_SECURE) || (wanted && strcmp(wanted, "0") == 0) ||
                    pthread_atfork(before_fork, after_fork, after_fork) != 0;
    if (!publisher.off)
        open_record();
}

/* The record to write into; NULL: none, or `agent` takes it. */
static struct ebb_writer *ready(show_function **agent)
{
    pthread_mutex_lock(&publisher.lock);
    if (!publisher.started)
        start();
    if (publisher.writer && !publisher.off && !ebb_writer_alive(publisher.writer))
        open_record();
    struct ebb_writer *writer = publisher.off ? NULL : publisher.writer;
    *agent = publisher.agent;
    pthread_mutex_unlock(&publisher.lock);
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
        .high_water = table->high_water,
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

void ebb__table_show(struct ebb__table *table, const struct ebb__layout *layout)
{
    if (table->count < table->show_from)
        return;
    if (table->count > table->high_water)
        table->high_water = table->count;
    show_function *agent;
    struct ebb_writer *writer = ready(&agent);
    struct ebb_map_entry entry = describe(table, layout);
    struct ebb_map_handle handle = {table->shown.sequence, table->shown.index};
    uint64_t site = (uintptr_t)table->site;
    bool shown = agent    ? agent(&handle, &entry, site)
                 : writer ? ebb_writer_map(writer, &handle, &entry, site)
                          : false;
    table->shown.sequence = handle.sequence;
    table->shown.index = handle.index;
    size_t step = table->count / STEPS > LEAST_STEP ? table->count / STEPS : LEAST_STEP;
    table->show_from = 0;
    table->show_at = table->count + step;
    table->show_below = table->count > step ? table->count - step : 0;
    if (!shown && !agent && !writer) { /* never again */
        table->show_from = table->show_at = SIZE_MAX;
        table->show_below = 0;
    }
}

void ebb__table_hide(struct ebb__table *table)
{
    if (!table->shown.sequence)
        return;
    show_function *agent;
    struct ebb_writer *writer = ready(&agent);
    struct ebb_map_handle handle = {table->shown.sequence, table->shown.index};
    if (agent)
        agent(&handle, NULL, 0);
    else if (writer)
        ebb_writer_map_gone(writer, &handle);
    ebb__table_not_shown(table);
}
