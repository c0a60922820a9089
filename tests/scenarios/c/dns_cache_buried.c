/* A proxy copies bodies through fresh buffers, 30 MB/s of them, all freed. Beside it a DNS cache
 * without expiry takes in a host name now and then: 300 KB/s, a hundredth.
 *
 * expect: unbounded-map
 * window: 45 */
#include "load.h"

struct host {
    struct host *next;
    char *name;
    unsigned char addresses[8][16];
    int count;
};

struct cache {
    struct host **table;
    size_t mask, used;
};

static struct cache dns;

static void *checked(void *memory)
{
    if (!memory) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count, size));
}

static char *xstrdup(const char *text)
{
    return checked(strdup(text));
}

static size_t hash(const char *name)
{
    size_t value = 5381;
    while (*name)
        value = value * 33 + (unsigned char)*name++;
    return value;
}

static void rehash(struct cache *cache)
{
    size_t mask = cache->table ? cache->mask * 2 + 1 : 255;
    struct host **table = xcalloc(mask + 1, sizeof *table);
    for (size_t i = 0; cache->table && i <= cache->mask; i++)
        while (cache->table[i]) {
            struct host *host = cache->table[i];
            cache->table[i] = host->next;
            host->next = table[hash(host->name) & mask];
            table[hash(host->name) & mask] = host;
        }
    free(cache->table);
    cache->table = table;
    cache->mask = mask;
}

static struct host *cache_put(struct cache *cache, const char *name)
{
    if (!cache->table || cache->used > cache->mask)
        rehash(cache);
    struct host *host = xcalloc(1, sizeof *host); /* <- keeps */
    host->name = xstrdup(name);                   /* <- keeps */
    host->count = 2;
    host->next = cache->table[hash(name) & cache->mask];
    cache->table[hash(name) & cache->mask] = host;
    cache->used++;
    return host;
}

static void lookup(unsigned long number)
{
    char name[64];
    snprintf(name, sizeof name, "shard-%lu.tenant-%lu.example.net", number, number % 91);
    cache_put(&dns, name);
}

static void transfer(unsigned long number)
{
    size_t size = 4096 + load_random(number) % 24576;
    char *in = malloc(size), *out = malloc(size + 64);
    if (in && out) {
        memset(in, 'd', size);
        memcpy(out, in, size);
    }
    free(in);
    free(out);
}

int main(void)
{
    load_in_thread(930, transfer);
    load_run(1600, lookup);
}
