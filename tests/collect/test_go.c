/* What Go services say in texts: names, what goroutines wait for, limits; and their processes. */
#include "scratch.h"

#include "tool/collect/go_names.h"
#include "tool/collect/go_waits.h"
#include "tool/collect/ledger.h"
#include "tool/collect/local_go.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- names ---- */

static void test_names(void **state)
{
    static const char *const names[][2] = {
        {"main.main", "main.main"},
        {"main.Keep[go.shape.string]", "main.Keep[...]"},
        {"main.Keep[...]", "main.Keep[...]"},
        {"internal/sync.(*HashTrieMap[go.shape.interface { Any() [2]int },go.shape.int]).Load",
         "internal/sync.(*HashTrieMap[...]).Load"},
        {"a.F[go.shape.int].func1.G[map[string][]int]", "a.F[...].func1.G[...]"},
        {"a.F[]", "a.F[]"},
        {"a.F[ab]", "a.F[ab]"},
        {"a.F[unclosed", "a.F[unclosed"},
        {"a.F]closed[", "a.F]closed["},
        {"[[[", "[[["},
        {"a.F[unclosed.G[go.shape.int]", "a.F[unclosed.G[go.shape.int]"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s", names[i][0]);
        assert_string_equal(ebb__go_name_normalise(name), names[i][1]);
    }
}

/* A service may send any name: one of nothing but brackets must not take for ever. */
static void test_brackets_without_end(void **state)
{
    enum { SIZE = 4 << 20 };
    (void)state;
    char *name = malloc(SIZE + 1);
    assert_non_null(name);
    memset(name, '[', SIZE);
    name[SIZE] = '\0';
    assert_int_equal(strlen(ebb__go_name_normalise(name)), SIZE);
    free(name);
}

/* ---- waits ---- */

static const char text[] = "goroutine 1 [running]:\n"
                           "main.main()\n"
                           "\t/src/shop/main.go:30 +0x1d\n"
                           "\n"
                           "goroutine 18 [chan receive, 5 minutes]:\n"
                           "main.(*pool).next(0xc0000140a8, {0x1, 0x2})\n"
                           "\t/src/my shop/pool.go:41 +0x3f\n"
                           "created by main.start in goroutine 1\n"
                           "\t/src/shop/main.go:12 +0x5d\n"
                           "\n"
                           "goroutine 19 [chan receive, 7 minutes, locked to thread]:\n"
                           "main.(*pool).next(0xc0000140b8, {0x1, 0x2})\n"
                           "\t/src/my shop/pool.go:41 +0x3f\n"
                           "created by main.start in goroutine 1\n"
                           "\t/src/shop/main.go:12 +0x5d\n"
                           "\n"
                           "goroutine 20 [select (no cases)]:\n"
                           "main.Wait[...](...)\n"
                           "\t/src/shop/main.go:50\n"
                           "main.twice()\n"
                           "\t/src/shop/main.go:60 +0x10\n"
                           "...additional frames elided...\n"
                           "created by main.start\n"
                           "\t/src/shop/main.go:13 +0x5d\n";

static const struct ebb_wait *find_wait(const struct ebb_evidence *evidence, const char *reason)
{
    for (size_t i = 0; i < evidence->waits.len; i++)
        if (strcmp(evidence->waits.items[i].reason, reason) == 0)
            return &evidence->waits.items[i];
    fail_msg("nobody waits for %s", reason);
    return NULL;
}

static void test_waits(void **state)
{
    (void)state;
    struct ebb_profile *profile;
    struct ebb_error error = {""};
    assert_int_equal(ebb__go_waits_read(text, sizeof text - 1, "text", &profile, &error), 0);
    struct ebb_ledger *ledger = ebb__ledger_new();
    assert_non_null(ledger);
    /* Twice: the newest takes the place of what was known. */
    assert_int_equal(ebb__ledger_add_waits(ledger, profile), 0);
    assert_int_equal(ebb__ledger_add_waits(ledger, profile), 0);
    const struct ebb_evidence *evidence = ebb__ledger_evidence(ledger);
    assert_int_equal(evidence->waits.len, 3);

    const struct ebb_wait *wait = find_wait(evidence, "chan receive");
    assert_int_equal(wait->goroutines, 2);
    assert_true(wait->longest_s == 7 * 60);
    const struct ebb_evidence_stack *stack = &evidence->stacks.items[wait->stack];
    assert_int_equal(stack->depth, 1);
    assert_string_equal(stack->frames[0].function, "main.(*pool).next");
    assert_string_equal(stack->frames[0].file, "/src/my shop/pool.go");
    assert_int_equal(stack->frames[0].line, 41);

    wait = find_wait(evidence, "select (no cases)");
    assert_int_equal(wait->goroutines, 1);
    assert_true(wait->longest_s == 0);
    stack = &evidence->stacks.items[wait->stack];
    assert_int_equal(stack->depth, 2);
    assert_string_equal(stack->frames[0].function, "main.Wait[...]");
    assert_int_equal(stack->frames[0].line, 50);
    assert_string_equal(stack->frames[1].function, "main.twice");
    assert_string_equal(find_wait(evidence, "running")->reason, "running");
    ebb_profile_free(profile);
    ebb__ledger_free(ledger);
}

static void test_no_waits(void **state)
{
    static const char *const texts[] = {"", "\n", "goroutine profile: total 3\n", "goroutine 1 []",
                                        "<html>goroutine 1 [running]:</html>"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ebb_profile *profile;
        struct ebb_error error = {""};
        int code = ebb__go_waits_read(texts[i], strlen(texts[i]), "text", &profile, &error);
        assert_true(code == 0 || (code == -EBADMSG && *error.text && !profile));
        ebb_profile_free(profile);
    }
}

/* Whatever is cut off or damaged: what is left is read, and nothing beyond the end. */
static void test_damaged_waits(void **state)
{
    (void)state;
    const char *given = getenv("EBB_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("EBB_TEST_SEED=%u\n", seed);
    for (size_t i = 0; i < 3000; i++) {
        size_t length = i < sizeof text ? i : (size_t)rand_r(&seed) % sizeof text;
        char *copy = malloc(length ? length : 1); /* exactly so long, for the sanitizer to see */
        assert_non_null(copy);
        memcpy(copy, text, length);
        for (int flips = i < sizeof text ? 0 : rand_r(&seed) % 6; flips > 0 && length; flips--)
            copy[(size_t)rand_r(&seed) % length] = "\n\t[],()0: +x"[rand_r(&seed) % 11];
        struct ebb_profile *profile;
        struct ebb_error error = {""};
        int code = ebb__go_waits_read(copy, length, "text", &profile, &error);
        assert_true(code == 0 || code == -EBADMSG);
        ebb_profile_free(profile);
        free(copy);
    }
}

/* Goroutines that all wait somewhere else, as text. The caller frees it. */
static char *many_waits(size_t count, size_t *size)
{
    char *made = malloc(count * 120 + 1), *end = made;
    assert_non_null(made);
    for (size_t i = 0; i < count; i++)
        end += sprintf(end,
                       "goroutine %zu [select]:\nmain.wait(0x1)\n\t/src/shop/main.go:%zu +0x1d\n\n",
                       i + 1, i + 1);
    *size = (size_t)(end - made);
    return made;
}

/* The processor time that it takes to count them. */
static double time_of_waits(size_t count)
{
    struct ebb_profile *profile;
    size_t size;
    char *made = many_waits(count, &size);
    assert_int_equal(ebb__go_waits_read(made, size, "text", &profile, NULL), 0);
    struct ebb_ledger *ledger = ebb__ledger_new();
    assert_non_null(ledger);
    clock_t before = clock();
    for (int again = 0; again < 3; again++)
        assert_int_equal(ebb__ledger_add_waits(ledger, profile), 0);
    double spent = (double)(clock() - before);
    const struct ebb_evidence *evidence = ebb__ledger_evidence(ledger);
    assert_int_equal(evidence->waits.len, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(evidence->waits.items[i].goroutines, 1);
    ebb__ledger_free(ledger);
    ebb_profile_free(profile);
    free(made);
    return spent;
}

/* Eight times as many take about eight times as long, not sixty-four times. */
static void test_many_waits(void **state)
{
    (void)state;
    double few = time_of_waits(10000), many = time_of_waits(80000);
    print_message("8 times as many places take %.1f times as long\n", many / few);
    assert_true(many < 32 * few);
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } limits[] = {
        {"1000", 1000},
        {"1000B", 1000},
        {"4KiB", 4096},
        {"512MiB", UINT64_C(512) << 20},
        {"2GiB", UINT64_C(2) << 30},
        {"1TiB", UINT64_C(1) << 40},
        {"off", UINT64_MAX},
        {"", UINT64_MAX},
        {"-5", UINT64_MAX},
        {"5 MiB", UINT64_MAX},
        {"5MB", UINT64_MAX},
        {"9223372036854775807", UINT64_MAX},
        {"99999999999999999999999", UINT64_MAX},
        {"99999999TiB", UINT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (ebb__go_limit_parse(limits[i].text) != limits[i].bytes)
            fail_msg("%s is not %" PRIu64 " bytes", limits[i].text,
                     ebb__go_limit_parse(limits[i].text));
}

/* A profile alone tells the runtime's limit and what is held against it. */
static void test_limit_of_profile(void **state)
{
    static const char heap[] = "heap profile: 1: 600000 [1: 600000] @ heap/1048576\n"
                               "1: 600000 [1: 600000] @ 0x401001\n"
                               "# runtime.MemStats\n# Sys = 5000\n# HeapReleased = 1000\n"
                               "# NumGC = 3\n# Mallocs = 70\n# Frees = 30\n# TotalAlloc = 9000\n";
    (void)state;
    struct ebb_profile *profile;
    assert_int_equal(ebb_profile_read_memory(heap, sizeof heap - 1, "heap", &profile, NULL), 0);
    assert_int_equal(ebb_profile_add_comment(profile, EBB_GO_STATS_COMMENT "GOMEMLIMIT = 8000"), 0);
    struct ebb_ledger *ledger = ebb__ledger_new();
    assert_non_null(ledger);
    struct ebb_sighting sighting = ebb__sighting_at(0);
    assert_int_equal(ebb__ledger_add(ledger, profile, &sighting, "heap", NULL), 0);
    sighting = ebb__sighting_at(1);
    sighting.memory.rss = 100;
    sighting.limit = (struct ebb_limit){3000, 2000, "cgroup", ""};
    assert_int_equal(ebb__ledger_add(ledger, profile, &sighting, "heap", NULL), 0);
    const struct ebb_evidence *evidence = ebb__ledger_evidence(ledger);
    const struct ebb_observation *seen = evidence->observations.items;
    assert_string_equal(evidence->kind, "go");
    assert_int_equal(seen[0].memory.rss, 4000);
    assert_string_equal(seen[0].limit.source, "GOMEMLIMIT");
    assert_int_equal(seen[0].limit.limit_bytes, 8000);
    assert_int_equal(seen[0].limit.used_bytes, 4000);
    assert_int_equal(seen[0].allocs, 70);
    assert_int_equal(seen[0].frees, 30);
    assert_int_equal(seen[0].alloc_bytes, 9000);
    /* What the kernel says goes before, and the limit with the least room. */
    assert_int_equal(seen[1].memory.rss, 100);
    assert_string_equal(seen[1].limit.source, "cgroup");
    /* What Go leaves unnamed in a text is its runtime's. */
    assert_string_equal(evidence->stacks.items[0].frames[0].function, "runtime.0x401000");
    ebb_profile_free(profile);
    ebb__ledger_free(ledger);
}

/* ---- processes of this machine ---- */

static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(file >= 0);
    assert_int_equal(bind(file, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(file, 1), 0);
    assert_int_equal(getsockname(file, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return file;
}

static void test_listener(void **state)
{
    (void)state;
    char line[4096];
    FILE *file = fopen("/proc/self/cmdline", "re");
    assert_non_null(file);
    size_t size = fread(line, 1, sizeof line, file);
    fclose(file);
    assert_true(size > 1);
    unsigned port;
    int listening = listen_somewhere(&port);
    assert_int_equal(ebb__local_listener(port, line, size - 1), getpid());
    assert_int_equal(ebb__local_listener(port, "another", 7), 0);
    close(listening);
    assert_int_equal(ebb__local_listener(port, line, size - 1), 0);
}

static void test_process(void **state)
{
    (void)state;
    char text_[64];
    ebb__go_version_of_process(getpid(), text_);
    assert_string_equal(text_, ""); /* no Go in here */
    double age_s = ebb__age_of_process(getpid());
    assert_true(age_s > -1 && age_s < 3600);
    assert_true(ebb__age_of_process(0) < 0);
    assert_false(ebb__environment_of_process(getpid(), "NO_SUCH_VARIABLE", text_, sizeof text_));
    assert_true(ebb__is_local_address("127.0.0.1"));
    assert_true(ebb__is_local_address("127.3.4.5"));
    assert_true(ebb__is_local_address("::1"));
    assert_false(ebb__is_local_address("192.0.2.1"));
    assert_false(ebb__is_local_address("localhost"));
    assert_false(ebb__is_local_address(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),         cmocka_unit_test(test_brackets_without_end),
        cmocka_unit_test(test_waits),         cmocka_unit_test(test_no_waits),
        cmocka_unit_test(test_damaged_waits), cmocka_unit_test(test_many_waits),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_limit_of_profile),
        cmocka_unit_test(test_listener),      cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
