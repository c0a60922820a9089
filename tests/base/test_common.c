/* tool/commands/common.c: what users type as durations and sizes, and how numbers are shown. */
#include "tool/commands/command.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void durations_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } cases[] = {{"30s", 30},     {"30", 30},        {"5m", 300},    {"1h30m", 5400},
                 {"250ms", 0.25}, {"1.5s", 1.5},     {"2d", 172800}, {"10min", 600},
                 {"0", 0},        {"1h0m30s", 3630}, {".5s", 0.5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(fabs(ebb_parse_duration(cases[i].text) - cases[i].seconds) < 1e-9);
}

static void malformed_durations_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",   "s",   "-5s",   "+5s", "5x",  "5 s",
                                        "s5", "1h,", "5secs", "inf", "nan", "1e999s",
                                        "..", " 5",  "5s ",   "5ss", "0x10"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (!(ebb_parse_duration(cases[i]) < 0))
            fail_msg("'%s' was taken as %g s", cases[i], ebb_parse_duration(cases[i]));
}

static void sizes_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned long long bytes;
    } cases[] = {{"1", 1},          {"512K", 512 << 10},  {"512k", 512 << 10},
                 {"1M", 1 << 20},   {"4GiB", 4ull << 30}, {"4GB", 4ull << 30},
                 {"1.5M", 3 << 19}, {"2T", 2ull << 40},   {"100B", 100},
                 {"4096", 4096},    {"16KiB", 16 << 10}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ebb_parse_size(cases[i].text) != cases[i].bytes)
            fail_msg("'%s' was taken as %llu", cases[i].text, ebb_parse_size(cases[i].text));
}

static void malformed_sizes_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"",    "0",   "-1",   "K",    "1X",   "1 K",
                                        "1KK", "nan", "inf",  "1e30", "9e18", "1MiX",
                                        "0.5", "0x",  "1K 1", " 1",   "+1",   "0x10"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (ebb_parse_size(cases[i]) != 0)
            fail_msg("'%s' was taken as %llu", cases[i], ebb_parse_size(cases[i]));
}

static void bytes_are_shown_short(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {12, "12 B"},
                 {1023, "1023 B"},
                 {1024, "1.00 KiB"},
                 {1536, "1.50 KiB"},
                 {10240, "10.0 KiB"},
                 {1048575, "1.00 MiB"},
                 {-3145728, "-3.00 MiB"},
                 {524288000, "500 MiB"},
                 {1e30, NULL}};
    char buffer[16];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ptr_equal(ebb_format_bytes(cases[i].bytes, buffer), buffer);
        if (cases[i].text)
            assert_string_equal(buffer, cases[i].text);
        assert_true(strlen(buffer) < sizeof buffer);
    }
}

static void durations_are_shown_short(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{2.54, "2.5 s"}, {45, "45 s"},       {250, "4 min 10 s"}, {3600, "60 min"},
                 {9000, "2.5 h"}, {259200, "3 days"}, {1e12, "years"},     {INFINITY, "never"}};
    char buffer[24];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(ebb_format_duration(cases[i].seconds, buffer), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_understood),
        cmocka_unit_test(malformed_durations_are_refused),
        cmocka_unit_test(sizes_are_understood),
        cmocka_unit_test(malformed_sizes_are_refused),
        cmocka_unit_test(bytes_are_shown_short),
        cmocka_unit_test(durations_are_shown_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
