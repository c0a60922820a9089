/* Go programs: whose frames are whose, and reports on services with a known answer. The stacks are
 * those that Go 1.19 (classic maps) and Go 1.24 and later (Swiss maps) show. */
#include "tests/diagnose/tests.h"

#include "tests/diagnose/simulate.h"
#include "tool/diagnose/diagnose.h"
#include "tool/diagnose/golang.h"

#include <string.h>

/* ---- frames ---- */

static void check_site(const char *frames, const char *main_file, const char *site,
                       const char *container)
{
    struct sim sim;
    sim_start(&sim, 1, 30);
    sim.evidence.kind = "go";
    struct ebb_frame main_frame = {"main.main", "main.main", main_file, 9, 0, "", false};
    struct ebb_evidence_stack main_stack = {&main_frame, 1, false};
    assert_int_equal(ebb_vec_push(&sim.evidence.stacks, main_stack), 0);
    uint32_t stack = sim_stack(&sim, frames);
    struct ebb_program program = ebb_program_of(&sim.evidence);
    const struct ebb_evidence_stack *read = &sim.evidence.stacks.items[stack];
    struct ebb_place place = ebb_place_stack(read, &program);
    if (strcmp(read->frames[place.site].function, site) != 0)
        fail_msg("%s\nexpected the site %s, got %s", frames, site,
                 read->frames[place.site].function);
    assert_string_equal(place.container ? place.container->name : "none", container);
    sim_free_all(&sim);
}

static void sites_are_the_main_modules(void **state)
{
    /* hosts that begin like packages of the standard library, and like names of the compiler's */
    const char *etcd = "go.etcd.io/etcd/main.go";
    check_site("go.etcd.io/etcd/mvcc/backend.(*bucketBuffer).Copy#198 < "
               "go.etcd.io/etcd/mvcc/backend.(*backend).readTx#12 < "
               "github.com/grpc-ecosystem/go-grpc-prometheus.UnaryServerInterceptor#107 < "
               "google.golang.org/grpc.(*Server).handleStream#9 < runtime.goexit#1",
               etcd, "go.etcd.io/etcd/mvcc/backend.(*bucketBuffer).Copy", "none");
    check_site("go.uber.org/zap/internal/bufferpool.Get#9 < go.uber.org/zap.New#3 < "
               "github.com/caddyserver/caddy/v2/modules/caddyhttp.(*Server).ServeHTTP#7 < "
               "net/http.(*conn).serve#3 < runtime.goexit#1",
               "github.com/caddyserver/caddy/v2/cmd/caddy/main.go",
               "github.com/caddyserver/caddy/v2/modules/caddyhttp.(*Server).ServeHTTP", "none");
    /* nothing of the main module: the deepest of what it depends on */
    check_site("bytes.growSlice#1 < bytes.(*Buffer).Write#2 < go.uber.org/zap.New#3 < "
               "google.golang.org/grpc.(*Server).handleStream#9 < runtime.goexit#1",
               etcd, "go.uber.org/zap.New", "bytes.Buffer");
    check_site("go.(*struct { net/http.x }).y#1 < main.f#3 < runtime.goexit#1", "/src/main.go",
               "main.f", "none");
}

int test_go(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_the_main_modules),
    };
    return cmocka_run_group_tests_name("go", tests, NULL, NULL);
}
