/* tool/serve/pprof.c, text.c: what the endpoints answer, without a network. */
#include "tests/serve/fake_source.h"
#include "tool/serve/pprof.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static double waited;
static bool client_is_there;

static bool wait_for(void *context, double seconds)
{
    (void)context;
    waited += seconds;
    return client_is_there;
}

/* Asks for `path` with up to two parameters; NULL names end the list. */
static struct ebb_response ask_of(struct fake *fake, const char *method, const char *path,
                                  const char *name, const char *value, const char *name2,
                                  const char *value2, const char *body)
{
    const struct ebb_source source = fake_source(fake);
    const struct ebb_parameter parameters[] = {{name, value}, {name2, value2}};
    const struct ebb_request request = {
        .method = method,
        .path = path,
        .parameters = parameters,
        .parameter_count = (name != NULL) + (name2 != NULL),
        .body = body,
        .body_size = body ? strlen(body) : 0,
        .wait = wait_for,
    };
    struct ebb_response response;
    waited = 0;
    client_is_there = true;
    ebb_pprof_answer(&source, &request, &response);
    return response;
}

static struct ebb_response ask(const char *path, const char *name, const char *value)
{
    struct fake fake = {.process_count = 1};
    return ask_of(&fake, "GET", path, name, value, NULL, NULL, NULL);
}

/* The body with a NUL behind it. */
static const char *text_of(struct ebb_response *response)
{
    char *longer = realloc(response->body, response->size + 1);
    assert_non_null(longer);
    response->body = longer;
    longer[response->size] = '\0';
    return longer;
}

static void assert_contains(struct ebb_response *response, const char *part)
{
    if (!strstr(text_of(response), part))
        fail_msg("no '%s' in:\n%s", part, text_of(response));
}

static void assert_status(const char *path, const char *name, const char *value, int status,
                          const char *part)
{
    struct ebb_response response = ask(path, name, value);
    if (response.status != status)
        fail_msg("%s?%s=%s: status %d, expected %d: %s", path, name ? name : "", value ? value : "",
                 response.status, status, text_of(&response));
    if (part)
        assert_contains(&response, part);
    assert_int_equal(response.is_error, status >= 400);
    if (response.is_error)
        assert_string_equal(response.content_type, "text/plain; charset=utf-8");
    free(response.body);
}

static struct ebb_profile *decode(const struct ebb_response *response)
{
    struct ebb_profile *profile;
    struct ebb_error error = {0};
    if (ebb_profile_read_memory(response->body, response->size, "answer", &profile, &error) < 0)
        fail_msg("%s", error.text);
    return profile;
}

static int64_t total(const struct ebb_profile *profile, size_t type)
{
    int64_t sum = 0;
    for (size_t i = 0; i < profile->sample_count; i++)
        sum += profile->values[i * profile->type_count + type];
    return sum;
}

static void heap_is_a_profile(void **state)
{
    (void)state;
    struct ebb_response response = ask("/debug/pprof/heap", "gc", "1");
    assert_int_equal(response.status, 200);
    assert_string_equal(response.content_type, "application/octet-stream");
    assert_string_equal(response.file_name, "heap");
    struct ebb_profile *profile = decode(&response);
    assert_int_equal(profile->type_count, 4);
    assert_int_equal(profile->sample_count, 2);
    ebb_profile_free(profile);
    free(response.body);
}

static void other_profiles_have_their_names(void **state)
{
    (void)state;
    struct ebb_response response = ask("/debug/pprof/allocs", NULL, NULL);
    assert_string_equal(response.file_name, "allocs");
    free(response.body);
    response = ask("/debug/pprof/threadcreate", NULL, NULL);
    assert_string_equal(response.file_name, "threadcreate");
    struct ebb_profile *profile = decode(&response);
    assert_int_equal(total(profile, 0), 3);
    ebb_profile_free(profile);
    free(response.body);
}

static void delta_is_what_changed(void **state)
{
    (void)state;
    struct ebb_response response = ask("/debug/pprof/heap", "seconds", "7");
    assert_int_equal(response.status, 200);
    assert_true(waited == 7);
    assert_string_equal(response.file_name, "heap-delta");
    struct ebb_profile *profile = decode(&response);
    /* Only cache_insert changed, by one sampled block of 512 KiB. */
    assert_int_equal(profile->sample_count, 1);
    assert_in_range(total(profile, 3), 829000, 830000);
    assert_int_equal(profile->duration_ns, 1000000000);
    ebb_profile_free(profile);
    free(response.body);
}

static void nobody_waits_for_a_delta(void **state)
{
    (void)state;
    struct fake fake = {.process_count = 1};
    const struct ebb_source source = fake_source(&fake);
    const struct ebb_parameter seconds = {"seconds", "5"};
    const struct ebb_request request = {.method = "GET",
                                        .path = "/debug/pprof/heap",
                                        .parameters = &seconds,
                                        .parameter_count = 1,
                                        .wait = wait_for};
    struct ebb_response response;
    client_is_there = false;
    ebb_pprof_answer(&source, &request, &response);
    assert_int_equal(response.status, 500);
    assert_int_equal(fake.taken, 1);
    free(response.body);
}

static void bad_requests_are_refused(void **state)
{
    (void)state;
    static const char *const seconds[] = {
        "", "0", "-1", "x", "1x", "1.5", "1e9", "99999999999999999999", "86401"};
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++)
        assert_status("/debug/pprof/heap", "seconds", seconds[i], 400, "seconds");
    assert_status("/debug/pprof/heap", "pid", "x", 400, "pid");
    assert_status("/debug/pprof/heap", "pid", "77", 404, "77");
    assert_status("/debug/pprof/nonsense", NULL, NULL, 404, "Unknown profile");
    assert_status("/debug/pprof/heap/", NULL, NULL, 404, "Unknown profile");
    assert_status("/etc/passwd", NULL, NULL, 404, "/debug/pprof/");
    assert_status("", NULL, NULL, 404, NULL);

    struct fake fake = {.process_count = 1};
    struct ebb_response response =
        ask_of(&fake, "GET", "/debug/pprof/heap", "seconds", "3", "debug", "1", NULL);
    assert_int_equal(response.status, 400);
    assert_true(waited == 0);
    free(response.body);
}

static void profiles_of_go_have_a_reason(void **state)
{
    (void)state;
    assert_status("/debug/pprof/goroutine", NULL, NULL, 404, "no goroutines");
    assert_status("/debug/pprof/profile", "seconds", "30", 404, "perf(1)");
    assert_status("/debug/pprof/mutex", NULL, NULL, 404, "mutex: ");
    assert_status("/debug/pprof/block", NULL, NULL, 404, "block: ");
    assert_status("/debug/pprof/trace", NULL, NULL, 404, "trace: ");
}

static void methods_are_checked(void **state)
{
    (void)state;
    struct fake fake = {.process_count = 1};
    static const char *const refused[] = {"POST", "PUT", "DELETE", "OPTIONS", "get", ""};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct ebb_response response =
            ask_of(&fake, refused[i], "/debug/pprof/heap", NULL, NULL, NULL, NULL, NULL);
        assert_int_equal(response.status, 405);
        assert_string_equal(response.allow, "GET, HEAD");
        free(response.body);
    }
    struct ebb_response response =
        ask_of(&fake, "DELETE", "/debug/pprof/symbol", NULL, NULL, NULL, NULL, NULL);
    assert_string_equal(response.allow, "GET, HEAD, POST");
    free(response.body);
    assert_int_equal(fake.taken, 0);
}

static void failures_carry_their_line(void **state)
{
    (void)state;
    struct fake fake = {.process_count = 1, .fail = -EBADMSG};
    static const char *const paths[] = {"/debug/pprof/heap", "/debug/pprof/symbol"};
    for (size_t i = 0; i < 2; i++) {
        struct ebb_response response =
            ask_of(&fake, "GET", paths[i], "0x401000", NULL, NULL, NULL, NULL);
        assert_int_equal(response.status, 500);
        assert_contains(&response, "torn\n");
        free(response.body);
    }
    struct fake empty = {0};
    struct ebb_response response =
        ask_of(&empty, "GET", "/debug/pprof/heap", NULL, NULL, NULL, NULL, NULL);
    assert_int_equal(response.status, 503);
    free(response.body);
}

/* The legacy form holds what was sampled; scaled back, it is the profile again. */
static void text_scales_back(void **state)
{
    (void)state;
    struct ebb_response response = ask("/debug/pprof/heap", "debug", "1");
    assert_string_equal(response.content_type, "text/plain; charset=utf-8");
    assert_string_equal(response.file_name, "");
    assert_contains(&response, "heap profile: 6: 524788 [12: 1049575] @ heap/1048576\n");
    assert_contains(&response, "\n1: 524288 [2: 1048575] @ 0x401001 0x403001\n");
    assert_contains(&response, "\n5: 500 [10: 1000] @ 0x402001 0x403001\n");
    assert_contains(&response, "#\t0x401000\tcache_insert\t/src/fake.c:17\n");
    assert_contains(&response, "\nMAPPED_LIBRARIES:\n00400000-00500000 r-xp ");
    free(response.body);

    response = ask("/debug/pprof/threadcreate", "debug", "1");
    assert_contains(&response, "threadcreate profile: total 3\n3 @ 0x403001\n");
    free(response.body);
}

static void text_is_read_as_the_same_profile(void **state)
{
    (void)state;
    struct ebb_response text = ask("/debug/pprof/heap", "debug", "1");
    struct ebb_response binary = ask("/debug/pprof/heap", NULL, NULL);
    struct ebb_profile *from_text = decode(&text), *from_binary = decode(&binary);
    assert_int_equal(from_text->sample_count, from_binary->sample_count);
    for (size_t type = 0; type < 4; type++) {
        struct ebb_error error;
        const char *name = ebb_profile_string(from_binary, from_binary->types[type].type);
        int index = ebb_profile_value_index(from_text, name, &error);
        assert_true(index >= 0);
        double expected = (double)total(from_binary, type);
        assert_true(fabs((double)total(from_text, (size_t)index) - expected) < 0.001 * expected);
    }
    ebb_profile_free(from_text);
    ebb_profile_free(from_binary);
    free(text.body);
    free(binary.body);
}

static void debug_zero_is_binary(void **state)
{
    (void)state;
    static const char *const zeroes[] = {"0", "", "no"};
    for (size_t i = 0; i < 3; i++) {
        struct ebb_response response = ask("/debug/pprof/heap", "debug", zeroes[i]);
        assert_string_equal(response.content_type, "application/octet-stream");
        free(response.body);
    }
}

static void command_line_is_nul_separated(void **state)
{
    (void)state;
    static const char expected[] = "/usr/bin/fake\0--name=<b>&\"x\"";
    struct ebb_response response = ask("/debug/pprof/cmdline", NULL, NULL);
    assert_int_equal(response.size, sizeof expected - 1);
    assert_memory_equal(response.body, expected, sizeof expected - 1);
    free(response.body);
}

static void symbols_by_query_and_body(void **state)
{
    (void)state;
    static const char both[] = "num_symbols: 1\n0x401000 cache_insert\n0x402000 parse\n";
    struct ebb_response response = ask("/debug/pprof/symbol", NULL, NULL);
    assert_string_equal(text_of(&response), "num_symbols: 1\n");
    free(response.body);
    response = ask("/debug/pprof/symbol", "0x401000 0x402000", NULL);
    assert_string_equal(text_of(&response), both);
    free(response.body);
    struct fake fake = {.process_count = 1};
    response = ask_of(&fake, "POST", "/debug/pprof/symbol", NULL, NULL, NULL, NULL,
                      "0x401000+0x402000+0x77");
    assert_string_equal(text_of(&response), both);
    free(response.body);
}

/* Whatever comes as addresses, the answer is well-formed. */
static void symbols_take_any_bytes(void **state)
{
    (void)state;
    unsigned seed = 4711;
    print_message("seed %u\n", seed);
    static const char alphabet[] = "0xX+ ,afg9\n%\xff";
    for (int round = 0; round < 3000; round++) {
        char body[64] = {0};
        for (int i = 0; i < 1 + round % 63; i++)
            body[i] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        struct fake fake = {.process_count = 1};
        struct ebb_response response =
            ask_of(&fake, "POST", "/debug/pprof/symbol", NULL, NULL, NULL, NULL, body);
        assert_int_equal(response.status, 200);
        assert_memory_equal(response.body, "num_symbols: 1\n", 15);
        free(response.body);
    }
    assert_status("/debug/pprof/symbol", "0x0000000000000000000000000000401000", NULL, 200, NULL);
}

static void index_lists_processes_and_escapes(void **state)
{
    (void)state;
    struct fake fake = {.process_count = 2};
    struct ebb_response response =
        ask_of(&fake, "GET", "/debug/pprof/", NULL, NULL, NULL, NULL, NULL);
    assert_string_equal(response.content_type, "text/html; charset=utf-8");
    assert_contains(&response, "/usr/bin/fake --name=&lt;b&gt;&amp;&quot;x&quot;");
    assert_contains(&response, "heap?pid=42&amp;debug=1");
    free(response.body);

    response = ask("/", NULL, NULL);
    assert_int_equal(response.status, 302);
    assert_string_equal(response.location, "/debug/pprof/");
    free(response.body);
}

static void a_process_can_be_picked(void **state)
{
    (void)state;
    struct fake fake = {.process_count = 2};
    struct ebb_response response =
        ask_of(&fake, "GET", "/debug/pprof/cmdline", "pid", "42", NULL, NULL, NULL);
    assert_string_equal(text_of(&response) + strlen("/usr/bin/fake") + 1, "child");
    free(response.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heap_is_a_profile),
        cmocka_unit_test(other_profiles_have_their_names),
        cmocka_unit_test(delta_is_what_changed),
        cmocka_unit_test(nobody_waits_for_a_delta),
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(profiles_of_go_have_a_reason),
        cmocka_unit_test(methods_are_checked),
        cmocka_unit_test(failures_carry_their_line),
        cmocka_unit_test(text_scales_back),
        cmocka_unit_test(text_is_read_as_the_same_profile),
        cmocka_unit_test(debug_zero_is_binary),
        cmocka_unit_test(command_line_is_nul_separated),
        cmocka_unit_test(symbols_by_query_and_body),
        cmocka_unit_test(symbols_take_any_bytes),
        cmocka_unit_test(index_lists_processes_and_escapes),
        cmocka_unit_test(a_process_can_be_picked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
