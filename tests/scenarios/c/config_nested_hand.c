/* The same idea without a library: environments -> services -> settings, hand-written tables that
 * point to hand-written tables. Feature flags are written with a version in their name.
 *
 * expect: unbounded-nested-map */
#include "load.h"

struct setting {
    struct setting *next;
    char key[48];
    char value[64];
};

struct table {
    struct setting **buckets;
    size_t size, count;
};

struct environment {
    struct environment *next;
    char name[24];
    struct table settings;
};

static struct environment *environments[64];

static size_t hash(const char *text)
{
    size_t value = 0;
    while (*text)
        value = value * 131 + (unsigned char)*text++;
    return value;
}

static struct environment *environment_of(const char *name)
{
    struct environment **head = &environments[hash(name) % 64];
    for (struct environment *at = *head; at; at = at->next)
        if (strcmp(at->name, name) == 0)
            return at;
    struct environment *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    snprintf(made->name, sizeof made->name, "%s", name);
    made->next = *head;
    return *head = made;
}

static void table_grow(struct table *table)
{
    size_t size = table->size ? table->size * 2 : 8;
    struct setting **buckets = calloc(size, sizeof *buckets); /* <- keeps */
    if (!buckets)
        abort();
    for (size_t i = 0; i < table->size; i++)
        while (table->buckets[i]) {
            struct setting *setting = table->buckets[i];
            table->buckets[i] = setting->next;
            setting->next = buckets[hash(setting->key) % size];
            buckets[hash(setting->key) % size] = setting;
        }
    free(table->buckets);
    table->buckets = buckets;
    table->size = size;
}

static void set_flag(const char *environment, const char *key, const char *value)
{
    struct table *table = &environment_of(environment)->settings;
    if (table->count >= table->size)
        table_grow(table);                                /* <- keeps */
    struct setting *setting = calloc(1, sizeof *setting); /* <- keeps */
    if (!setting)
        abort();
    snprintf(setting->key, sizeof setting->key, "%s", key);
    snprintf(setting->value, sizeof setting->value, "%s", value);
    setting->next = table->buckets[hash(key) % table->size];
    table->buckets[hash(key) % table->size] = setting;
    table->count++;
}

static void release(unsigned long number)
{
    char environment[24], key[48];
    snprintf(environment, sizeof environment, "review-%lu", load_random(number) % 400);
    snprintf(key, sizeof key, "flag/checkout/v%lu", number);
    set_flag(environment, key, "enabled");
}

int main(void)
{
    load_run(16000, release);
}
