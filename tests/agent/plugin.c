/* A library that is loaded and unloaded while the agent watches, or linked, with a constructor that
 * runs before the agent's own. */
#include <stdlib.h>

void *plugin_allocate(size_t size);

static void *volatile kept;

__attribute__((constructor)) static void on_load(void)
{
    const char *count = getenv("PLUGIN_BEFORE_MAIN");
    for (long i = 0; count && i < atol(count); i++)
        kept = malloc(555);
}

__attribute__((noinline)) void *plugin_allocate(size_t size)
{
    char *block = malloc(size);
    if (block)
        block[0] = 1; /* not a tail call */
    return block;
}
