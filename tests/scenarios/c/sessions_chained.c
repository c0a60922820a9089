/* A web service keeps a session per visitor in a hash table of its own, chained, doubling. Log-in
 * inserts; the log-out handler marks the session as ended and forgets to take it out.
 *
 * expect: unbounded-map
 * quick: 8 */
#include "load.h"

#include <stdbool.h>

struct session {
    struct session *next;
    char *token;
    char user[48];
    time_t last_seen;
    bool ended;
};

static struct {
    struct session **buckets;
    size_t size, count;
} sessions;

static uint64_t hash_text(const char *text)
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

static void sessions_resize(void)
{
    size_t size = sessions.size ? sessions.size * 2 : 64;
    struct session **buckets = calloc(size, sizeof *buckets);
    if (!buckets)
        abort();
    for (size_t i = 0; i < sessions.size; i++)
        for (struct session *at = sessions.buckets[i], *next; at; at = next) {
            next = at->next;
            struct session **head = &buckets[hash_text(at->token) & (size - 1)];
            at->next = *head;
            *head = at;
        }
    free(sessions.buckets);
    sessions.buckets = buckets;
    sessions.size = size;
}

static struct session *login(const char *token, const char *user)
{
    if (sessions.count >= sessions.size)
        sessions_resize();
    struct session *session = calloc(1, sizeof *session); /* <- keeps */
    if (!session)
        abort();
    session->token = strdup(token); /* <- keeps */
    snprintf(session->user, sizeof session->user, "%s", user);
    session->last_seen = time(NULL);
    struct session **head = &sessions.buckets[hash_text(token) & (sessions.size - 1)];
    session->next = *head;
    *head = session;
    sessions.count++;
    return session;
}

static void logout(struct session *session)
{
    session->ended = true;
}

static void visit(unsigned long number)
{
    char token[33], user[32];
    snprintf(token, sizeof token, "%016lx%016lx", load_random(number), load_random(~number));
    snprintf(user, sizeof user, "user-%lu", number % 5000);
    logout(login(token, user));
}

int main(void)
{
    load_run(8000, visit);
}
