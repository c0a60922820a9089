/* A service that reloads its configuration once, in the middle of the window: 24 MB more from one
 * moment to the next, and then nothing.
 *
 * expect: healthy */
#include "load.h"

enum { RULES = 100000 };

struct rule {
    char match[120], action[120];
};

static struct rule **rules;
static char *scratch[64];

static void reload(void)
{
    rules = calloc(RULES, sizeof *rules);
    for (size_t i = 0; rules && i < RULES; i++) {
        rules[i] = malloc(sizeof *rules[i]);
        if (!rules[i])
            abort();
        snprintf(rules[i]->match, sizeof rules[i]->match, "path /area/%zu/*", i);
        snprintf(rules[i]->action, sizeof rules[i]->action, "forward to pool %zu", i % 40);
    }
}

static void request(unsigned long number)
{
    if (number == 12 * 2000)
        reload();
    char **slot = &scratch[number % 64];
    free(*slot);
    *slot = malloc(500 + number % 3000);
    if (*slot)
        **slot = 'x';
}

int main(void)
{
    load_run(2000, request);
}
