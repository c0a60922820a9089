/* A chat server with a worker thread that resolves users and remembers them in a uthash table by
 * name; guests get a fresh name with every connection.
 *
 * expect: unbounded-map
 * needs: uthash.h */
#include "load.h"

#include <uthash.h>

struct user {
    char name[40];
    char mail[80];
    long joined;
    UT_hash_handle hh;
};

static struct user *users;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct user *resolve(const char *name)
{
    struct user *user;
    HASH_FIND_STR(users, name, user);
    if (user)
        return user;
    user = calloc(1, sizeof *user); /* <- keeps */
    if (!user)
        abort();
    snprintf(user->name, sizeof user->name, "%s", name);
    snprintf(user->mail, sizeof user->mail, "%s@chat.example", name);
    user->joined = time(NULL);
    HASH_ADD_STR(users, name, user); /* <- keeps */
    return user;
}

static void connection(unsigned long number)
{
    char name[40];
    if (number % 3)
        snprintf(name, sizeof name, "member-%lu", number % 2000);
    else
        snprintf(name, sizeof name, "guest-%lx", load_random(number));
    pthread_mutex_lock(&lock);
    resolve(name);
    pthread_mutex_unlock(&lock);
}

static void message(unsigned long number)
{
    char *text = malloc(100 + number % 900);
    if (!text)
        abort();
    memset(text, 't', 100);
    free(text);
}

int main(void)
{
    load_in_thread(15000, connection);
    load_run(2000, message);
}
