/* A server starts a thread per request; the threads end, and nobody joins or detaches them.
 *
 * expect: thread-leak
 * quick: 8 */
#include "load.h"

static int handled;

static void *handle(void *request)
{
    char line[256];
    snprintf(line, sizeof line, "GET /%s", (const char *)request);
    __atomic_add_fetch(&handled, (int)strlen(line) > 0, __ATOMIC_RELAXED);
    free(request);
    return NULL;
}

static void accept_one(unsigned long number)
{
    char *request = malloc(64);
    if (!request)
        abort();
    snprintf(request, 64, "orders/%lu", number);
    pthread_t thread;
    if (pthread_create(&thread, NULL, handle, request) != 0) /* <- keeps */
        free(request);
}

int main(void)
{
    load_run(30, accept_one);
}
