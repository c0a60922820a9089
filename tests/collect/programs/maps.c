/* Maps that do as they are told on standard input, one order a line, each answered by "ok":
 *
 *     put N      N new entries into `sessions`      delete N   the N oldest of them go
 *     clear      empty `sessions`, keep its table   release    and give the table back
 *     other N    N entries into a map without name  fork       go on in a child by fork
 *     many       a thousand maps called "one of many"
 *     nested N   N new entries into `tenants`, in a hundred inner maps */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define EBB_MAP_NAME  sessions
#define EBB_MAP_KEY   uint64_t
#define EBB_MAP_VALUE uint64_t
#include <ebb/map.h>

#define EBB_NESTED_NAME      tenants
#define EBB_NESTED_OUTER_KEY uint64_t
#define EBB_NESTED_INNER_KEY uint64_t
#define EBB_NESTED_VALUE     uint64_t
#include <ebb/nested_map.h>

static struct sessions map, other, many[1000];
static struct tenants nested;

static void create(void)
{
    const struct ebb_map_options options = {.name = "sessions"};
    sessions_init(&map, &options); /* CREATED HERE */
    sessions_init(&other, NULL);
    tenants_init(&nested, &(struct ebb_nested_options){.name = "tenants",
                                                       .max_inner_len = EBB_NESTED_UNLIMITED});
}

static void fill(struct sessions *which, unsigned long count)
{
    static uint64_t next;
    for (unsigned long i = 0; i < count; i++, next++)
        if (sessions_put(which, next, i) < 0)
            exit(1);
}

static void fill_nested(unsigned long count)
{
    static uint64_t next;
    for (unsigned long i = 0; i < count; i++, next++)
        if (tenants_put(&nested, next % 100, next, i) < 0)
            exit(1);
}

static void go_on_in_child(void)
{
    pid_t pid = fork();
    int status;
    if (pid > 0)
        _exit(waitpid(pid, &status, 0) == pid ? 0 : 1);
}

int main(void)
{
    char line[80];
    uint64_t oldest = 0;
    create();
    while (fgets(line, sizeof line, stdin)) {
        char *space = strchr(line, ' ');
        unsigned long count = space ? strtoul(space, NULL, 10) : 0;
        if (strncmp(line, "put", 3) == 0)
            fill(&map, count);
        else if (strncmp(line, "other", 5) == 0)
            fill(&other, count);
        else if (strncmp(line, "delete", 6) == 0)
            for (; count > 0; count--)
                sessions_delete(&map, oldest++);
        else if (strncmp(line, "clear", 5) == 0)
            sessions_clear(&map, EBB_KEEP);
        else if (strncmp(line, "release", 7) == 0)
            sessions_clear(&map, EBB_RELEASE);
        else if (strncmp(line, "fork", 4) == 0)
            go_on_in_child();
        else if (strncmp(line, "nested", 6) == 0)
            fill_nested(count);
        else if (strncmp(line, "many", 4) == 0)
            for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
                const struct ebb_map_options options = {.name = "one of many"};
                sessions_init(&many[i], &options);
                fill(&many[i], 1);
            }
        printf("ok %d\n", (int)getpid());
        fflush(stdout);
    }
    return 0;
}
