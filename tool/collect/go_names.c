/* See go_names.h. */
#include "tool/collect/go_names.h"

#include <stdbool.h>
#include <string.h>

/* The end of the brackets that open at `open`, or NULL when they never close. */
static char *closing(char *open)
{
    int depth = 0;
    for (char *at = open; *at; at++) {
        depth += (*at == '[') - (*at == ']');
        if (depth == 0)
            return at;
    }
    return NULL;
}

char *ebb__go_name_normalise(char *name)
{
    static const char dots[] = "...";
    char *to = name;
    bool torn = false; /* a bracket never closes: what follows stays as it is */
    for (char *from = name; *from;) {
        char *close = *from == '[' && !torn ? closing(from) : NULL;
        torn |= *from == '[' && !close;
        *to++ = *from++;
        if (!close || close - from < (long)sizeof dots - 1)
            continue;
        memcpy(to, dots, sizeof dots - 1);
        to += sizeof dots - 1;
        from = close;
    }
    *to = '\0';
    return name;
}
