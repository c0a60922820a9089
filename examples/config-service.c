/* config-service: a configuration service with a two-level cache, once leaking and twice bounded.
 *
 *     config-service leaky|bounded|ebb [--seconds N] [--rate N]
 *
 * Tenants ask for their settings, release by release. The service answers from a cache of two maps,
 * one inside the other:
 *
 *     service name  →  ( "setting@release"  →  value )
 *
 * Every release asks for new keys, and nobody ever asks for the old ones again. The leaky variant
 * keeps them all, and the map of every tenant that has left. The bounded variant holds at most
 * MAX_ENTRIES settings per service, the least recently used one goes first, and drops the map of a
 * service that was idle for a while. The ebb variant does so with ebb/nested_map.h, in few lines.
 *
 * The service makes its own load: worker threads play the tenants. It says once a second what it
 * holds, and its peak memory at the end. The first two variants need nothing but libc, so that they
 * can be copied and played with; watch them with `ebb doctor -- config-service leaky`. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    /* The cache. A real service would forget idle maps after half an hour; here a release takes a
     * quarter of a second, so everything else is as much faster. */
    MAX_ENTRIES = 1000,
    IDLE_SECONDS = 3,
    SMALLEST_TABLE = 8,

    /* The load. */
    WORKERS = 2,
    ACTIVE_SERVICES = 48, /* at one time; every second one leaves and a new one comes */
    SETTINGS_PER_SERVICE = 256,
    RELEASES_PER_SECOND = 4,
    DEFAULT_RATE = 60000, /* requests per second, all workers together */
    TICKS_PER_SECOND = 200,
    VALUE_BYTES = 512,
};

static atomic_bool stopping;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint64_t hash_text(const char *text)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return hash;
}

/* ---- the inner map: "setting@release" → value ---- */

struct setting {
    struct setting *next;          /* in its chain */
    struct setting *newer, *older; /* in the order of use */
    uint64_t hash;
    char *key, *value;
};

struct settings {
    struct setting **table; /* chains; `size` is a power of two, 0 before the first insert */
    size_t size, count;
    struct setting *newest, *oldest;
};

static int settings_grow(struct settings *map)
{
    size_t size = map->size ? map->size * 2 : SMALLEST_TABLE;
    struct setting **table = calloc(size, sizeof *table);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < map->size; i++) {
        for (struct setting *setting = map->table[i], *next; setting; setting = next) {
            next = setting->next;
            setting->next = table[setting->hash & (size - 1)];
            table[setting->hash & (size - 1)] = setting;
        }
    }
    free(map->table);
    map->table = table;
    map->size = size;
    return 0;
}

static void use_order_remove(struct settings *map, struct setting *setting)
{
    *(setting->newer ? &setting->newer->older : &map->newest) = setting->older;
    *(setting->older ? &setting->older->newer : &map->oldest) = setting->newer;
}

static void use_order_push(struct settings *map, struct setting *setting)
{
    setting->newer = NULL;
    setting->older = map->newest;
    *(map->newest ? &map->newest->newer : &map->oldest) = setting;
    map->newest = setting;
}

static struct setting *settings_find(struct settings *map, const char *key, uint64_t hash)
{
    if (map->size == 0)
        return NULL;
    struct setting *setting = map->table[hash & (map->size - 1)];
    while (setting && (setting->hash != hash || strcmp(setting->key, key) != 0))
        setting = setting->next;
    return setting;
}

static void setting_free(struct setting *setting)
{
    free(setting->key);
    free(setting->value);
    free(setting);
}

static void settings_remove(struct settings *map, struct setting *setting)
{
    struct setting **link = &map->table[setting->hash & (map->size - 1)];
    while (*link != setting)
        link = &(*link)->next;
    *link = setting->next;
    use_order_remove(map, setting);
    map->count--;
    setting_free(setting);
}

static int settings_insert(struct settings *map, const char *key, uint64_t hash, const char *value)
{
    if (map->count >= map->size && settings_grow(map) < 0)
        return -ENOMEM;
    struct setting *setting = malloc(sizeof *setting);
    if (!setting)
        return -ENOMEM;
    *setting = (struct setting){.hash = hash, .key = strdup(key), .value = strdup(value)};
    if (!setting->key || !setting->value) {
        setting_free(setting);
        return -ENOMEM;
    }
    setting->next = map->table[hash & (map->size - 1)];
    map->table[hash & (map->size - 1)] = setting;
    use_order_push(map, setting);
    map->count++;
    return 0;
}

static void settings_clear(struct settings *map)
{
    for (struct setting *setting = map->newest, *older; setting; setting = older) {
        older = setting->older;
        setting_free(setting);
    }
    free(map->table);
    *map = (struct settings){0};
}

/* ---- the outer map: service name → its settings ---- */

struct service {
    struct service *next; /* in its chain */
    uint64_t hash;
    char *name;
    pthread_mutex_t lock; /* guards what follows */
    struct settings settings;
    double used_s; /* when somebody last asked */
};

struct config_cache {
    pthread_rwlock_t lock; /* read to use a service, write to add or drop one */
    struct service **table;
    size_t size, count;
    bool bounded;
    atomic_size_t entries; /* in all inner maps */
};

static struct service *find_service(struct config_cache *cache, const char *name)
{
    uint64_t hash = hash_text(name);
    struct service *service = cache->size ? cache->table[hash & (cache->size - 1)] : NULL;
    while (service && (service->hash != hash || strcmp(service->name, name) != 0))
        service = service->next;
    return service;
}

static int grow_services(struct config_cache *cache)
{
    size_t size = cache->size ? cache->size * 2 : SMALLEST_TABLE;
    struct service **table = calloc(size, sizeof *table);
    if (!table)
        return -ENOMEM;
    for (size_t i = 0; i < cache->size; i++) {
        for (struct service *service = cache->table[i], *next; service; service = next) {
            next = service->next;
            service->next = table[service->hash & (size - 1)];
            table[service->hash & (size - 1)] = service;
        }
    }
    free(cache->table);
    cache->table = table;
    cache->size = size;
    return 0;
}

/* The caller holds the cache's lock for writing. */
static struct service *add_service(struct config_cache *cache, const char *name)
{
    if (cache->count >= cache->size && grow_services(cache) < 0)
        return NULL;
    struct service *service = calloc(1, sizeof *service);
    if (!service)
        return NULL;
    service->name = strdup(name);
    if (!service->name) {
        free(service);
        return NULL;
    }
    pthread_mutex_init(&service->lock, NULL);
    service->hash = hash_text(name);
    service->used_s = now_s();
    service->next = cache->table[service->hash & (cache->size - 1)];
    cache->table[service->hash & (cache->size - 1)] = service;
    cache->count++;
    return service;
}

static int ensure_service(struct config_cache *cache, const char *name)
{
    pthread_rwlock_wrlock(&cache->lock);
    struct service *service = find_service(cache, name);
    if (!service)
        service = add_service(cache, name);
    pthread_rwlock_unlock(&cache->lock);
    return service ? 0 : -ENOMEM;
}

/* Copies the value of a setting; false when the cache does not hold it. */
static bool get_config(struct config_cache *cache, const char *name, const char *key,
                       char value[VALUE_BYTES])
{
    bool found = false;
    pthread_rwlock_rdlock(&cache->lock);
    struct service *service = find_service(cache, name);
    if (service) {
        pthread_mutex_lock(&service->lock);
        struct setting *setting = settings_find(&service->settings, key, hash_text(key));
        if (setting) {
            use_order_remove(&service->settings, setting);
            use_order_push(&service->settings, setting);
            snprintf(value, VALUE_BYTES, "%s", setting->value);
            found = true;
        }
        service->used_s = now_s();
        pthread_mutex_unlock(&service->lock);
    }
    pthread_rwlock_unlock(&cache->lock);
    return found;
}

/* Remembers the value of a setting. In the leaky variant nothing ever leaves the map again. */
static int set_config(struct config_cache *cache, const char *name, const char *key,
                      const char *value)
{
    pthread_rwlock_rdlock(&cache->lock);
    struct service *service;
    while (!(service = find_service(cache, name))) {
        pthread_rwlock_unlock(&cache->lock);
        if (ensure_service(cache, name) < 0)
            return -ENOMEM;
        pthread_rwlock_rdlock(&cache->lock);
    }

    int status = 0;
    uint64_t hash = hash_text(key);
    struct settings *settings = &service->settings;
    pthread_mutex_lock(&service->lock);
    if (!settings_find(settings, key, hash)) {
        if (cache->bounded && settings->count >= MAX_ENTRIES) {
            settings_remove(settings, settings->oldest);
            atomic_fetch_sub(&cache->entries, 1);
        }
        status = settings_insert(settings, key, hash, value);
        if (status == 0)
            atomic_fetch_add(&cache->entries, 1);
    }
    pthread_mutex_unlock(&service->lock);
    pthread_rwlock_unlock(&cache->lock);
    return status;
}

/* Drops the maps of services that nobody has asked about for `idle_s` seconds. */
static void prune_idle_services(struct config_cache *cache, double idle_s)
{
    double now = now_s();
    pthread_rwlock_wrlock(&cache->lock);
    for (size_t i = 0; i < cache->size; i++) {
        struct service **link = &cache->table[i];
        while (*link) {
            struct service *service = *link;
            if (now - service->used_s < idle_s) {
                link = &service->next;
                continue;
            }
            *link = service->next;
            cache->count--;
            atomic_fetch_sub(&cache->entries, service->settings.count);
            settings_clear(&service->settings);
            pthread_mutex_destroy(&service->lock);
            free(service->name);
            free(service);
        }
    }
    pthread_rwlock_unlock(&cache->lock);
}

/* ---- the same on ebb/nested_map.h ---- */

#define EBB_NESTED_NAME configs
#define EBB_NESTED_OUTER_STR
#define EBB_NESTED_INNER_STR
#define EBB_NESTED_VALUE              char *
#define EBB_NESTED_DROP_VALUE(value)  free(value)
#define EBB_NESTED_VALUE_BYTES(value) (strlen(value) + 1)
#include <ebb/nested_map.h>

struct ebb_cache {
    pthread_mutex_t lock; /* reading counts as a use, and so writes too */
    struct configs map;
};

static const struct ebb_nested_options limits = {
    .name = "configs",
    .max_inner_len = MAX_ENTRIES,
    .ttl_ms = IDLE_SECONDS * 1000,
    .max_bytes = (size_t)64 << 20,
};

static bool ebb_get_config(struct ebb_cache *cache, const char *name, const char *key,
                           char value[VALUE_BYTES])
{
    pthread_mutex_lock(&cache->lock);
    char **found = configs_get(&cache->map, ebb_str(name), ebb_str(key));
    if (found)
        snprintf(value, VALUE_BYTES, "%s", *found);
    pthread_mutex_unlock(&cache->lock);
    return found != NULL;
}

static int ebb_set_config(struct ebb_cache *cache, const char *name, const char *key,
                          const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    pthread_mutex_lock(&cache->lock);
    int status = configs_put(&cache->map, ebb_str(name), ebb_str(key), copy);
    pthread_mutex_unlock(&cache->lock);
    if (status < 0)
        free(copy);
    return status;
}

/* ---- the load ---- */

struct worker {
    pthread_t thread;
    struct config_cache *cache;
    struct ebb_cache *ebb; /* NULL: another variant runs */
    uint64_t random;
    unsigned rate; /* requests per second */
    double started_s;
    atomic_ulong requests;
};

/* xorshift64* (Marsaglia; Vigna). */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/* Stands for the slow place where configuration really lives. */
static void load_from_database(const char *name, const char *key, uint64_t random,
                               char value[VALUE_BYTES])
{
    int length = snprintf(value, VALUE_BYTES,
                          "{\"service\":\"%s\",\"key\":\"%s\",\"timeout_ms\":%u,\"retries\":%u,"
                          "\"endpoints\":[",
                          name, key, (unsigned)(random % 5000), (unsigned)(random >> 13) % 8);
    unsigned endpoints = 1 + (unsigned)(random >> 20) % 5;
    for (unsigned i = 0; i < endpoints; i++)
        length += snprintf(value + length, VALUE_BYTES - (size_t)length,
                           "%s\"https://10.%u.%u.%u:8443\"", i ? "," : "",
                           (unsigned)(random >> 24) & 255, (unsigned)(random >> 32) & 255, i);
    snprintf(value + length, VALUE_BYTES - (size_t)length, "]}");
}

static int handle_request(struct worker *worker)
{
    double age = now_s() - worker->started_s;
    uint64_t random = next_random(&worker->random);
    unsigned tenant = (unsigned)age + (unsigned)(random >> 8) % ACTIVE_SERVICES;
    unsigned release = (unsigned)(age * RELEASES_PER_SECOND);
    char name[64], key[96], value[VALUE_BYTES];
    snprintf(name, sizeof name, "tenant-%05u.checkout", tenant);
    snprintf(key, sizeof key, "gateway/route/%03u/policy@release-%u",
             (unsigned)(random >> 40) % SETTINGS_PER_SERVICE, release);

    if (worker->ebb ? ebb_get_config(worker->ebb, name, key, value)
                    : get_config(worker->cache, name, key, value))
        return 0;
    load_from_database(name, key, random, value);
    return worker->ebb ? ebb_set_config(worker->ebb, name, key, value)
                       : set_config(worker->cache, name, key, value);
}

static void *serve_requests(void *context)
{
    struct worker *worker = context;
    unsigned long done = 0;
    while (!atomic_load(&stopping)) {
        unsigned long due = (unsigned long)((now_s() - worker->started_s) * worker->rate);
        for (; done < due && !atomic_load_explicit(&stopping, memory_order_relaxed); done++) {
            if (handle_request(worker) < 0) {
                fputs("config-service: out of memory\n", stderr);
                exit(1);
            }
        }
        atomic_store(&worker->requests, done);
        nanosleep(&(struct timespec){.tv_nsec = 1000000000 / TICKS_PER_SECOND}, NULL);
    }
    return NULL;
}

/* Sleeps until the service is `second` seconds old; a signal ends the sleep. */
static void sleep_until_second(double started_s, unsigned second)
{
    double until = started_s + second;
    struct timespec at = {.tv_sec = (time_t)until};
    at.tv_nsec = (long)((until - (double)at.tv_sec) * 1e9);
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void stop(int signal)
{
    (void)signal;
    atomic_store(&stopping, true);
}

static int usage(void)
{
    fputs("usage: config-service leaky|bounded|ebb [--seconds N] [--rate REQUESTS_PER_SECOND]\n",
          stderr);
    return 2;
}

/* Whole positive numbers only; 0 when it is none. */
static unsigned parse_count(const char *text)
{
    char *end;
    unsigned long count = strtoul(text, &end, 10);
    return *text < '0' || *text > '9' || *end || count > 100000000 ? 0 : (unsigned)count;
}

/* Starts the load. Signals stay with the main thread, whose sleep they cut short. */
static int start_workers(struct worker workers[WORKERS], struct config_cache *cache,
                         struct ebb_cache *ebb, unsigned rate, double started_s)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int status = 0;
    for (unsigned i = 0; i < WORKERS && status == 0; i++) {
        workers[i].cache = cache;
        workers[i].ebb = ebb;
        workers[i].random = i + 1;
        workers[i].rate = (rate + WORKERS - 1) / WORKERS;
        workers[i].started_s = started_s;
        status = pthread_create(&workers[i].thread, NULL, serve_requests, &workers[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    return status;
}

static void say_status(const struct worker workers[WORKERS], size_t entries, size_t services,
                       unsigned second)
{
    unsigned long requests = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        requests += atomic_load(&workers[i].requests);
    fprintf(stderr, "config-service: %3u s  %9lu requests  %8zu entries in %zu services\n", second,
            requests, entries, services);
}

/* Once a second: drops what is idle, and says what is there. */
static void look_after(struct config_cache *cache, const struct worker workers[WORKERS],
                       unsigned second)
{
    if (cache->bounded)
        prune_idle_services(cache, IDLE_SECONDS);
    pthread_rwlock_rdlock(&cache->lock);
    size_t services = cache->count;
    pthread_rwlock_unlock(&cache->lock);
    say_status(workers, atomic_load(&cache->entries), services, second);
}

static void ebb_look_after(struct ebb_cache *cache, const struct worker workers[WORKERS],
                           unsigned second)
{
    enum { BUDGET_NS = 1000000 };
    pthread_mutex_lock(&cache->lock);
    configs_maintain(&cache->map, BUDGET_NS);
    size_t entries = configs_len(&cache->map), services = configs_inner_maps(&cache->map);
    pthread_mutex_unlock(&cache->lock);
    say_status(workers, entries, services, second);
}

static bool is_variant(const char *word)
{
    return strcmp(word, "leaky") == 0 || strcmp(word, "bounded") == 0 || strcmp(word, "ebb") == 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 'r'}, {0}};
    unsigned seconds = 0, rate = DEFAULT_RATE;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        unsigned count = option == '?' ? 0 : parse_count(optarg);
        if (count == 0)
            return usage();
        *(option == 's' ? &seconds : &rate) = count;
    }
    if (argc - optind != 1 || !is_variant(argv[optind]))
        return usage();

    static struct worker workers[WORKERS];
    struct config_cache cache = {.bounded = strcmp(argv[optind], "bounded") == 0};
    pthread_rwlock_init(&cache.lock, NULL);
    struct ebb_cache nested = {.lock = PTHREAD_MUTEX_INITIALIZER};
    configs_init(&nested.map, &limits);
    struct ebb_cache *ebb = strcmp(argv[optind], "ebb") == 0 ? &nested : NULL;
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    double started_s = now_s();
    if (start_workers(workers, &cache, ebb, rate, started_s) != 0) {
        fputs("config-service: cannot start a thread\n", stderr);
        return 1;
    }

    for (unsigned second = 1; !atomic_load(&stopping); second++) {
        sleep_until_second(started_s, second);
        if (ebb)
            ebb_look_after(ebb, workers, second);
        else
            look_after(&cache, workers, second);
        if (second == seconds)
            atomic_store(&stopping, true);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i].thread, NULL);

    /* What the cache holds goes with the process. */
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    fprintf(stderr, "config-service: peak RSS %ld MiB\n", used.ru_maxrss / 1024);
    return 0;
}
