/* ebb maps: the Ebb maps of a process, as they show themselves in its record. */
#include "tool/collect/inventory.h"
#include "tool/commands/command.h"
#include "tool/render/text.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---- */

static int descending(double a, double b)
{
    return (a < b) - (a > b);
}

static int by_name(const struct ebb_listed_map *a, const struct ebb_listed_map *b)
{
    /* Those without a name come last. */
    if (!*a->entry.name || !*b->entry.name)
        return !*a->entry.name - !*b->entry.name;
    return strcmp(a->entry.name, b->entry.name);
}

#define BY(name, value)                                                                            \
    static int by_##name(const struct ebb_listed_map *a, const struct ebb_listed_map *b)           \
    {                                                                                              \
        return descending((double)a->value, (double)b->value);                                     \
    }
BY(len, entry.len)
BY(peak, entry.high_water)
BY(bytes, entry.bytes)
BY(deletes, entry.deletes)
BY(clears, entry.clears)
BY(overflow, entry.overflow_nodes)
BY(age, age_s)

typedef int compare_maps(const struct ebb_listed_map *a, const struct ebb_listed_map *b);

static const struct order {
    const char *name;
    compare_maps *compare;
} orders[] = {
    {"bytes", by_bytes},     {"len", by_len},       {"peak", by_peak}, {"name", by_name},
    {"deletes", by_deletes}, {"clears", by_clears}, {"age", by_age},   {"overflow", by_overflow},
};

static compare_maps *chosen; /* of the list that is sorted now */

static int compare(const void *a, const void *b)
{
    const struct ebb_listed_map *one = a, *other = b;
    int order = chosen(one, other);
    return order ? order : (one->entry.sequence > other->entry.sequence) * 2 - 1;
}

static compare_maps *find_order(const char *name)
{
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(orders[i].name, name) == 0)
            return orders[i].compare;
    return NULL;
}

/* ---- what is printed ---- */

/* The texts of a map, which a program may choose as it likes, as a terminal may see them. */
struct texts {
    const char *name, *function, *file;
};

static const char *plain(struct ebb_arena *arena, const char *text)
{
    const char *shown = ebb_text_plain(arena, text);
    return shown ? shown : "?";
}

static struct texts texts_of(struct ebb_arena *arena, const struct ebb_listed_map *map)
{
    return (struct texts){plain(arena, map->entry.name), plain(arena, map->site.function),
                          plain(arena, map->site.file)};
}

/* ---- as a table ---- */

/* How far the table's last doubling is: "" at rest, else "split 37 %". */
static const char *progress(const struct ebb_map_entry *map, char buffer[static 16])
{
    buffer[0] = 0;
    if (map->resized < map->resize_end)
        snprintf(buffer, 16, "%.0f %%", 100 * (double)map->resized / (double)map->resize_end);
    return buffer[0] ? buffer : "-";
}

static void print_site(const struct texts *texts, int64_t line)
{
    const char *slash = strrchr(texts->file, '/');
    if (!*texts->function)
        fputs("?", stdout);
    else if (*texts->file)
        printf("%s %s:%lld", texts->function, slash ? slash + 1 : texts->file, (long long)line);
    else
        fputs(texts->function, stdout);
}

static void print_table(const struct ebb_inventory *inventory, size_t most, struct ebb_arena *arena)
{
    char bytes[16], each[16], age[24], resize[16];
    size_t count = inventory->maps.len;
    if (count == 0) {
        puts("No Ebb map is listed: maps show themselves when they have a name (options.name) or\n"
             "more than 65536 entries, and hold memory.");
        return;
    }
    printf("%-24s %12s %12s %10s %8s %9s %8s %12s %12s %7s %12s  %s\n", "NAME", "LEN", "PEAK",
           "BYTES", "EACH", "BUCKETS", "SPLIT", "ADDED", "DELETED", "CLEARS", "AGE", "CREATED BY");
    for (size_t i = 0; i < count && i < most; i++) {
        const struct ebb_listed_map *map = &inventory->maps.items[i];
        const struct ebb_map_entry *entry = &map->entry;
        struct texts texts = texts_of(arena, map);
        double length = (double)entry->len;
        uint64_t added = entry->len + entry->deletes;
        printf("%-24s %12llu %12llu %10s %8s %9llu %8s %12llu %12llu %7llu %12s  ",
               *texts.name ? texts.name : "(none)", (unsigned long long)entry->len,
               (unsigned long long)entry->high_water, ebb_format_bytes((double)entry->bytes, bytes),
               entry->len ? ebb_format_bytes((double)entry->bytes / length, each) : "-",
               (unsigned long long)entry->buckets, progress(entry, resize),
               (unsigned long long)added, (unsigned long long)entry->deletes,
               (unsigned long long)entry->clears, ebb_format_duration(map->age_s, age));
        print_site(&texts, map->site.line);
        putchar('\n');
    }
    if (count > most)
        printf("and %zu more; -n %zu shows them all\n", count - most, count);
    if (inventory->dropped)
        printf("%llu times a map found no room in the record\n",
               (unsigned long long)inventory->dropped);
    if (!inventory->alive)
        puts("The process has ended; these are its last numbers.");
}

/* ---- as JSON ---- */

static json_t *describe(const struct ebb_listed_map *map, struct ebb_arena *arena)
{
    const struct ebb_map_entry *entry = &map->entry;
    struct texts texts = texts_of(arena, map);
    uint64_t added = entry->len + entry->deletes;
    json_t *site = *texts.function
                       ? json_pack("{s:s, s:s, s:I}", "function", texts.function, "file",
                                   texts.file, "line", (json_int_t)map->site.line)
                       : json_null();
    json_t *object = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:o}", "name",
        texts.name, "len", (json_int_t)entry->len, "high_water", (json_int_t)entry->high_water,
        "bytes", (json_int_t)entry->bytes, "buckets", (json_int_t)entry->buckets, "overflow_nodes",
        (json_int_t)entry->overflow_nodes, "added", (json_int_t)added, "deletes",
        (json_int_t)entry->deletes, "clears", (json_int_t)entry->clears, "key_bytes",
        (json_int_t)entry->key_bytes, "value_bytes", (json_int_t)entry->value_bytes, "id",
        (json_int_t)entry->sequence, "age_s", map->age_s, "stale_s", map->stale_s, "site", site);
    if (object && entry->resized < entry->resize_end)
        json_object_set_new(object, "resize",
                            json_pack("{s:I, s:I}", "split", (json_int_t)entry->resized, "of",
                                      (json_int_t)entry->resize_end));
    return object;
}

static int print_json(const struct ebb_inventory *inventory, size_t most, struct ebb_arena *arena)
{
    json_t *list = json_array();
    int failed = 0;
    for (size_t i = 0; i < inventory->maps.len && i < most; i++)
        failed |= json_array_append_new(list, describe(&inventory->maps.items[i], arena));
    json_t *object = json_pack("{s:i, s:i, s:b, s:o, s:I}", "schema", 1, "pid",
                               (int)inventory->identity.pid, "alive", inventory->alive, "maps",
                               list, "dropped", (json_int_t)inventory->dropped);
    failed |= !object || json_dumpf(object, stdout, JSON_INDENT(1)) < 0;
    putchar('\n');
    json_decref(object);
    return failed;
}

/* ---- the command ---- */

static void print_help(void)
{
    puts(
        "Lists the Ebb maps (ebb/map.h) of a process: how long, how large, since when, from "
        "where.\n"
        "\n"
        "  ebb maps [OPTION...] PID\n"
        "\n"
        "  --sort KEY   bytes (the default), len, peak, name, deletes, clears, age or overflow\n"
        "  -n NUMBER    only so many; default: all\n"
        "  --json       one JSON object instead of the table\n"
        "\n"
        "Maps show themselves when they have a name (options.name) or more than 65536 entries.\n"
        "Their numbers are written when a table begins, ends, is cleared, or its length changed\n"
        "by a sixty-fourth (small maps: by 256 entries, or the half): so far they may lag behind.\n"
        "PEAK is as far as that saw it. A process that died leaves its last numbers.\n"
        "EBB_PUBLISH=0 in a program's environment keeps its maps to itself.\n"
        "\n"
        "  ebb maps 4711\n"
        "  ebb maps --sort len -n 5 4711\n"
        "  ebb maps --json 4711 | jq '.maps[0].name'");
}

struct choices {
    bool json;
    size_t most;
    pid_t pid;
};

/* 0 to go on; else the exit status plus 1. */
static int parse(int argc, char **argv, struct choices *choices)
{
    static const struct option known[] = {{"sort", required_argument, NULL, 's'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    char *end;
    *choices = (struct choices){.most = SIZE_MAX};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "n:h", known, NULL)) != -1;)
        switch (option) {
        case 's':
            if (!(chosen = find_order(optarg)))
                return 1 + ebb_command_fail("maps",
                                            "--sort %s: not a key; there are bytes, len, peak, "
                                            "name, deletes, clears, age and overflow",
                                            optarg);
            break;
        case 'n':
            choices->most = strtoul(optarg, &end, 10);
            if (*end || !isdigit((unsigned char)*optarg) || choices->most == 0)
                return 1 + ebb_command_fail("maps", "-n %s: not a number above 0", optarg);
            break;
        case 'j':
            choices->json = true;
            break;
        case 'h':
            print_help();
            return 1;
        default:
            return 1 + ebb_command_fail("maps",
                                        "%s: no such option, or it wants a value; "
                                        "`ebb maps --help` lists them",
                                        argv[optind - 1]);
        }
    if (argc - optind != 1)
        return 1 + ebb_command_fail("maps", "name one process by its PID; `ebb ps` lists those "
                                            "that publish");
    errno = 0;
    long pid = strtol(argv[optind], &end, 10);
    if (*end || errno || pid <= 0 || pid > INT32_MAX)
        return 1 + ebb_command_fail("maps", "%s: not a PID; `ebb ps` lists those that publish",
                                    argv[optind]);
    choices->pid = (pid_t)pid;
    return 0;
}

static int run(int argc, char **argv)
{
    struct choices choices;
    struct ebb_inventory inventory = {0};
    struct ebb_arena arena = {0};
    struct ebb_error error;
    chosen = by_bytes;
    int done = parse(argc, argv, &choices);
    if (done)
        return done - 1;
    if (ebb_inventory_read(choices.pid, &inventory, &error) < 0) {
        ebb_inventory_free(&inventory);
        return ebb_command_fail("maps", "%s", error.text);
    }
    int failed = 0;
    if (inventory.maps.len > 0)
        qsort(inventory.maps.items, inventory.maps.len, sizeof *inventory.maps.items, compare);
    if (!choices.json)
        print_table(&inventory, choices.most, &arena);
    else if (print_json(&inventory, choices.most, &arena))
        failed = ebb_command_fail("maps", "out of memory");
    ebb_arena_free(&arena);
    ebb_inventory_free(&inventory);
    return failed;
}

const struct ebb_command ebb_command_maps = {"maps", "Look", "the Ebb maps of a process", run};
