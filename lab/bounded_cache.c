/* L13: a two-level cache that only grows, against one with limits.
 *
 * 400 tenants ask for 2 000 settings each, of 256 bytes, and never for an old one again. The article's
 * service died at 4 GB; here the unbounded one is a tenth of that. */
#include "lab/lab.h"

#include <ebb/str.h>

#include <stdio.h>

struct setting {
    char text[256];
};

#define EBB_NESTED_NAME settings
#define EBB_NESTED_OUTER_STR
#define EBB_NESTED_INNER_STR
#define EBB_NESTED_VALUE struct setting
#include <ebb/nested_map.h>

enum { TENANTS = 400, SETTINGS = 2000 };

static void fill(void *context)
{
    static struct settings map; /* the process ends with it */
    char tenant[32], setting[32];
    settings_init(&map, context);
    for (int i = 0; i < SETTINGS; i++)
        for (int k = 0; k < TENANTS; k++) {
            snprintf(tenant, sizeof tenant, "tenant-%d", k);
            snprintf(setting, sizeof setting, "setting-%d", i);
            struct setting value = {{0}};
            settings_put(&map, ebb_str(tenant), ebb_str(setting), value);
        }
}

static void measure(struct lab *lab, const char *what, const char *claim,
                    struct ebb_nested_options options)
{
    double peak, end;
    lab_resident(fill, &options, &peak, &end);
    lab_row(lab, what, "MB", claim, peak);
}

static void run(struct lab *lab)
{
    measure(lab, "unbounded: peak memory", "4000, then out of memory",
            (struct ebb_nested_options){.max_inner_len = EBB_NESTED_UNLIMITED});
    measure(lab, "at most 1000 per tenant, 64 MB in all: peak memory", "800",
            (struct ebb_nested_options){.max_inner_len = 1000, .max_bytes = 64 << 20});
}

const struct lab_experiment lab_bounded_cache = {
    "L13", "A two-level cache without limits and with them", "A3", "bounded_cache.go", run};
