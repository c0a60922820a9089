/* Sessions in a doubling hash table, none of which ever goes: even growth with jumps, under a limit of
 * the address space. It ends when an allocation fails.
 *
 * limit: 400M
 * under: ulimit */
#include "../load.h"

struct session {
    struct session *next;
    uint64_t id;
    char data[200];
};

static struct session **table;
static size_t size, count;

static void grow(void)
{
    size_t larger = size ? size * 2 : 1024;
    struct session **fresh = calloc(larger, sizeof *fresh);
    if (!fresh)
        abort();
    for (size_t i = 0; i < size; i++)
        while (table[i]) {
            struct session *session = table[i];
            table[i] = session->next;
            session->next = fresh[session->id & (larger - 1)];
            fresh[session->id & (larger - 1)] = session;
        }
    free(table);
    table = fresh;
    size = larger;
}

static void login(unsigned long number)
{
    if (count++ >= size)
        grow();
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        abort();
    session->id = load_random(number);
    session->next = table[session->id & (size - 1)];
    table[session->id & (size - 1)] = session;
}

int main(void)
{
    load_run(18000, login);
}
