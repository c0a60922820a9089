/* A uthash table that only grows: uthash_map [BYTES_PER_SECOND]. */
#include "pace.h"

#include <stdio.h>
#include <uthash.h>

struct user {
    char name[40];
    char mail[100];
    UT_hash_handle hh;
};

static struct user *users;

__attribute__((noinline)) static void add_user(unsigned long number)
{
    struct user *user = calloc(1, sizeof *user);
    if (!user)
        exit(1);
    snprintf(user->name, sizeof user->name, "user-%lu", number);
    HASH_ADD_STR(users, name, user);
}

int main(int argc, char **argv)
{
    double rate = pace_rate(argc, argv, 1), owed = 0;
    for (unsigned long number = 0;;)
        for (owed += (double)pace(rate); owed >= 208; owed -= 208)
            add_user(number++);
}
