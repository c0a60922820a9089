/* Stacks as real programs have them: where is the user's own code, and which container is at work?
 */
#include "tests/diagnose/tests.h"

#include "tests/diagnose/simulate.h"
#include "tool/diagnose/containers.h"

#include <string.h>

static struct ebb_place read_stack(struct sim *sim, const char *frames)
{
    uint32_t stack = sim_stack(sim, frames);
    struct ebb_program program = ebb_program_of(&sim->evidence);
    return ebb_place_stack(&sim->evidence.stacks.items[stack], &program);
}

static void check(const char *executable, const char *frames, const char *site,
                  const char *container, enum ebb_role role)
{
    struct sim sim;
    sim_start(&sim, 1, 30);
    sim.evidence.executable = executable;
    uint32_t stack = sim_stack(&sim, frames);
    struct ebb_place place = read_stack(&sim, frames);
    const char *found = sim.evidence.stacks.items[stack].frames[place.site].function;
    if (strcmp(found, site) != 0)
        fail_msg("%s\nexpected the site %s, got %s", frames, site, found);
    const char *name = place.container ? place.container->name : "none";
    if (strcmp(name, container ? container : "none") != 0)
        fail_msg("%s\nexpected %s, got %s", frames, container ? container : "none", name);
    if (place.role != role)
        fail_msg("%s\nexpected role %d, got %d", frames, role, place.role);
    sim_free_all(&sim);
}

static void sites_are_the_users_own(void **state)
{
    const char *app = "/app/server";
    check(app, "malloc@c < insert#7 < main#9", "insert", NULL, EBB_ROLE_NONE);
    check(app, "malloc@c < xmalloc#2 < insert#7 < main#9", "insert", NULL, EBB_ROLE_NONE);
    check(app, "strdup@c < insert#7 < main#9", "insert", NULL, EBB_ROLE_NONE);
    check(app, "__vasprintf_internal@c < g_strdup_printf@g < name_of#4 < main#9", "name_of", NULL,
          EBB_ROLE_NONE);
    check(app, "malloc@c < node_alloc#2 < insert#7 < main#9", "insert", NULL, EBB_ROLE_NONE);
    check(app, "malloc@c < xmlNewNode@x < xmlParse@x < read_feed#7 < main#9", "read_feed", NULL,
          EBB_ROLE_NONE);
    /* nothing but libraries: the deepest that is no allocator */
    check(app, "malloc@c < xmlNewNode@x < start_thread@c", "xmlNewNode", NULL, EBB_ROLE_NONE);
    check(app, "malloc@c", "malloc", NULL, EBB_ROLE_NONE);
    check(app, "operator new@+ < make_order#3 < main#9", "make_order", NULL, EBB_ROLE_NONE);
}

static void libraries_containers_are_known(void **state)
{
    const char *app = "/app/server";
    check(app, "g_malloc@g < g_slice_alloc@g < g_hash_table_new_full@g < setup#3 < main#9", "setup",
          "GLib GHashTable", EBB_ROLE_CREATE);
    check(app, "g_realloc@g < g_hash_table_insert@g < put#3 < main#9", "put", "GLib GHashTable",
          EBB_ROLE_NODE);
    check(app, "g_realloc@g < g_ptr_array_add@g < note#3 < main#9", "note", "GLib GArray",
          EBB_ROLE_TABLE);
    check(
        app,
        "operator new@+ < std::__new_allocator<int>::allocate < std::_Rb_tree<int, int>::_M_create_"
        "node < std::map<int, int>::operator[] < Index::add#3 < main#9",
        "Index::add", "std::map", EBB_ROLE_NODE);
    check(
        app,
        "operator new@+ < void std::vector<std::pair<int, int>, std::allocator<int> >::_M_realloc_"
        "insert<int const&> < Log::add#3 < main#9",
        "Log::add", "std::vector", EBB_ROLE_TABLE);
    check(app,
          "operator new@+ < std::_Hashtable<int, std::pair<int const, int> >::_M_rehash < "
          "std::unordered_map<int, int>::emplace < Index::add#3 < main#9",
          "Index::add", "std::unordered_map", EBB_ROLE_TABLE);
    /* text inside a map belongs to the map */
    check(app,
          "operator new@+ < std::__cxx11::basic_string<char>::_M_create@+ < std::_Hashtable<int, "
          "std::string>::_M_emplace < Index::add#3 < main#9",
          "Index::add", "std::unordered_map", EBB_ROLE_NODE);
    check(app,
          "operator new@+ < std::__1::__hash_table<int>::__rehash < std::__1::unordered_map<int, "
          "int>::operator[] < Index::add#3 < main#9",
          "Index::add", "std::unordered_map", EBB_ROLE_TABLE);
    check(app, "realloc@c < kh_resize_str#3 < kh_put_str#9 < remember#12 < main#9", "remember",
          "khash", EBB_ROLE_TABLE);
}

static void interpreters_and_servers_are_known(void **state)
{
    const char *python = "/usr/bin/python3.11", *redis = "/usr/bin/redis-server";
    check(python,
          "PyObject_Malloc@p < python3.11+0x1a0b10@p < PyDict_SetItem@p < "
          "_PyEval_EvalFrameDefault@p < main@p",
          "_PyEval_EvalFrameDefault", "CPython dict", EBB_ROLE_TABLE);
    check(python,
          "python3.11+0x1d20f0@p < PyObject_Malloc@p < PyLong_FromLong@p < "
          "_PyEval_EvalFrameDefault@p < main@p",
          "_PyEval_EvalFrameDefault", NULL, EBB_ROLE_NONE);
    check(
        redis,
        "malloc@c < zmalloc@r < dictAddRaw@r < dictAdd@r < dbAdd@r < setGenericCommand@r < main@r",
        "dbAdd", "Redis dict", EBB_ROLE_NODE);
    check(redis, "malloc@c < zmalloc@r < sdsdup@r < dbAdd@r < setGenericCommand@r < main@r",
          "dbAdd", NULL, EBB_ROLE_NONE);
    /* the same name elsewhere means nothing */
    check("/app/server", "malloc@c < createStringObject#3 < main#9", "createStringObject", NULL,
          EBB_ROLE_NONE);
}

static void nested_types_are_seen(void **state)
{
    struct sim sim;
    sim_start(&sim, 1, 30);
    assert_true(read_stack(&sim,
                           "operator new@+ < std::__detail::_Map_base<int, std::pair<int const, "
                           "std::unordered_map<int, int> > >::operator[] < put#3 < main#9")
                    .nested);
    assert_false(read_stack(&sim,
                            "operator new@+ < std::__detail::_Map_base<int, std::pair<int const, "
                            "std::vector<int> > >::operator[] < put#3 < main#9")
                     .nested);
    sim_free_all(&sim);
}

/* Frames of an inner map do not name the outer one; what else the function calls does. */
static void callees_tell_of_nested_types(void **state)
{
    static const char *const outer[] = {
        "count", "std::unordered_map<int, std::map<long, int> >::operator[]", NULL};
    static const char *const other[] = {
        "std::unordered_map<int, std::unordered_map<long, int> >::operator[]",
        "std::unordered_map<int, std::string>::operator[]", "std::map<long, int>::operator[]",
        "std::vector<std::map<long, int> >::push_back", NULL};
    const char *const *calls[] = {outer, other, NULL};
    for (int i = 0; i < 3; i++) {
        struct ebb_frame frames[] = {
            {"operator new", "_Znwm", "", 0, 0, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", false},
            {"std::map<long, int>::operator[]", "", "", 511, 0, "/app/server", true},
            {"allow", "", "/src/limiter.cc", 16, 0, "/app/server", false, .calls = calls[i]},
        };
        struct ebb_evidence_stack stack = {frames, 3, false};
        struct ebb_program program = {.executable = "/app/server"};
        struct ebb_place place = ebb_place_stack(&stack, &program);
        assert_int_equal(place.site, 2);
        assert_string_equal(place.container->name, "std::map");
        assert_true(place.nested == (i == 0));
    }
}

/* Inlined code without its class is known by the header it stands in. */
static void headers_tell_the_container(void **state)
{
    struct ebb_frame frames[] = {
        {"operator new", "_Znwm", "", 0, 0, "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", false},
        {"_M_allocate", "", "/usr/include/c++/12/bits/stl_vector.h", 380, 0, "/app/server", true},
        {"push_back", "", "/usr/include/c++/12/bits/stl_vector.h", 1280, 0, "/app/server", true},
        {"append", "", "/src/log.cc", 12, 0, "/app/server", false},
    };
    struct ebb_evidence_stack stack = {frames, 4, false};
    struct ebb_program program = {.executable = "/app/server"};
    struct ebb_place place = ebb_place_stack(&stack, &program);
    assert_int_equal(place.site, 3);
    assert_string_equal(place.container->name, "std::vector");
    assert_int_equal(place.role, EBB_ROLE_TABLE);
}

static void names_lose_arguments_and_return_types(void **state)
{
    static const char *const known[][2] = {
        {"insert", "insert"},
        {"void std::vector<int, std::allocator<int> >::_M_realloc_insert<int>",
         "std::vector::_M_realloc_insert"},
        {"std::pair<int, int> app::find<std::map<int, int> >", "app::find"},
        {"(anonymous namespace)::cache::put", "(anonymous namespace)::cache::put"},
        {"operator new", "operator new"},
        {"operator new[]", "operator new[]"},
        {"bool app::operator< <int>", "app::operator<"},
        {"app::task::operator()", "app::task::operator()"},
        {"app::ref::operator->", "app::ref::operator->"},
        {"main::{lambda(int)#1}::operator()", "main::{lambda(int)#1}::operator()"},
        {"", ""},
        {"a<b", "a"},
        {">>>", ">>>"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char base[64];
        ebb_function_base(known[i][0], base, sizeof base);
        assert_string_equal(base, known[i][1]);
    }
    char small[4];
    ebb_function_base("abcdefgh", small, sizeof small);
    assert_string_equal(small, "abc");
}

static void words_are_words(void **state)
{
    struct sim sim;
    sim_start(&sim, 1, 30);
    assert_true(read_stack(&sim, "malloc@c < cache_insert#1 < main#9").map_word);
    assert_true(read_stack(&sim, "malloc@c < addUser#1 < main#9").map_word);
    assert_true(read_stack(&sim, "malloc@c < setConfig#1 < main#9").map_word);
    assert_false(read_stack(&sim, "malloc@c < offset_of#1 < main#9").map_word);
    assert_false(read_stack(&sim, "malloc@c < compute#1 < main#9").map_word);
    assert_true(read_stack(&sim, "malloc@c < log_append#1 < main#9").sequence_word);
    assert_true(read_stack(&sim, "calloc@c < table_grow#1 < main#9").grow_word);
    sim_free_all(&sim);
}

static void makers_of_tables_are_known(void **state)
{
    static const struct {
        const char *name;
        bool makes;
    } known[] = {
        {"table_new", true},
        {"hash_create_sized", true},
        {"newVisitedSet", true},
        {"HashMap::HashMap", true},
        {"create_index", true},
        {"dictCreate", true},
        {"table_insert", false},
        {"table_new_entry", false},
        {"new_table_node", false},
        {"page_new", false},
        {"new", false},
        {"table", false},
        {"make_offset", false},
        {"Page::Page", false},
        {"map_put", false},
        {"::map", false},
        {"reset_new_value", false},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct ebb_place place = {0};
        ebb_place_read_words(&place, known[i].name);
        if (place.makes_table != known[i].makes)
            fail_msg("%s", known[i].name);
    }
}

int test_containers(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sites_are_the_users_own),
        cmocka_unit_test(libraries_containers_are_known),
        cmocka_unit_test(interpreters_and_servers_are_known),
        cmocka_unit_test(nested_types_are_seen),
        cmocka_unit_test(callees_tell_of_nested_types),
        cmocka_unit_test(headers_tell_the_container),
        cmocka_unit_test(names_lose_arguments_and_return_types),
        cmocka_unit_test(words_are_words),
        cmocka_unit_test(makers_of_tables_are_known),
    };
    return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}
