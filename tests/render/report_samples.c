/* See report_samples.h. */
#include "tests/render/report_samples.h"

char sample_source[256] = "/nonexistent/service/config.c";

#define FRAME(name, path, number)                                                                  \
    {                                                                                              \
        .function = (name), .system_name = (name), .file = (path), .line = (number),               \
        .module = "/usr/bin/config-service"                                                        \
    }

static const struct ebb_frame leaking_stack[] = {
    FRAME("malloc", "", 0),
    FRAME("settings_insert", sample_source, 5),
    FRAME("set_config", sample_source, 8),
    FRAME("handle_request", "/src/service/request.c", 311),
    FRAME("std::_Function_handler<void(request const&), service::bind<config::cache<std::string, "
          "std::unordered_map<std::string, std::string>>>>::_M_invoke",
          "/usr/include/c++/12/bits/std_function.h", 290),
    FRAME("serve_requests", "/src/service/request.c", 350),
    FRAME("start_thread", "", 0),
    FRAME("clone3", "", 0),
};

static const char *const evidence[] = {
    "the live bytes of this stack grew in 29 of 29 steps; the trend is 11.2 MiB/s, and chance "
    "alone "
    "would show it once in 10 million windows",
    "48 tables under this site doubled from 4 KiB to 8 KiB during the window: 48 inner maps",
    "no block older than 12 s was ever freed (survival 100 %)",
    NULL,
};
static const char *const advice[] = {
    "Give the inner maps a bound: at most N entries each, the least recently used goes first.",
    "Drop the inner map of a service that was idle for a while, and the outer entry with it.",
    "Leave the release out of the key, so that a new version replaces the old one.",
    NULL,
};
static const double leaking_values[] = {12e6,  23e6,  35e6,  47e6,  60e6,  70e6,
                                        82e6,  95e6,  107e6, 118e6, 130e6, 142e6,
                                        154e6, 167e6, 180e6, 190e6, 203e6, 214e6};

static struct ebb_verdict leaking_verdicts[2];

void sample_leaking(struct ebb_report *report)
{
    leaking_verdicts[0] = (struct ebb_verdict){
        .pattern = "unbounded-nested-map",
        .container = "hand-written hash table",
        .confidence = 0.97,
        .site = leaking_stack[2],
        .stack = leaking_stack,
        .depth = sizeof leaking_stack / sizeof *leaking_stack,
        .live_bytes = 214e6,
        .live_objects = 1.2e6,
        .growth_bytes_per_s = 11.74e6,
        .growth_interval = {11.4e6, 12.1e6},
        .alloc_bytes_per_s = 12e6,
        .summary = "Every release adds entries to the map of every service, and none is ever "
                   "removed.",
        .evidence = evidence,
        .advice = advice,
        .sparkline = leaking_values,
        .sparkline_count = sizeof leaking_values / sizeof *leaking_values,
        .pid = 4711,
    };
    leaking_verdicts[1] = (struct ebb_verdict){
        .pattern = "large-temporaries",
        .confidence = 0.71,
        .site = leaking_stack[3],
        .stack = leaking_stack + 3,
        .depth = 2,
        .live_bytes = 3e6,
        .live_objects = 3,
        .growth_bytes_per_s = 0,
        .growth_interval = {-1e3, 2e3},
        .alloc_bytes_per_s = 310e6,
        .summary = "A buffer of 1 MiB is made and freed for every request.",
        .pid = 4711,
    };
    *report = (struct ebb_report){
        .target = "config-service leaky",
        .kind = "c",
        .pid = 4711,
        .window_s = 30.02,
        .snapshots = 30,
        .smallest_detectable_growth = 90e3,
        .verdicts = leaking_verdicts,
        .verdict_count = 2,
        .memory = {.rss_bytes = 260e6,
                   .live_bytes = 221e6,
                   .live_interval = {210e6, 233e6},
                   .retained_free_bytes = 9e6,
                   .alloc_bytes_per_s = 322e6,
                   .growth_bytes_per_s = 11.8e6},
        .forecast = {.limit_bytes = UINT64_C(4) << 30,
                     .limit_source = "cgroup",
                     .limit_detail = "/sys/fs/cgroup/service/memory.max",
                     .known = true,
                     .seconds = {325, 371}},
    };
}

void sample_healthy(struct ebb_report *report)
{
    *report = (struct ebb_report){
        .target = "nginx",
        .kind = "c",
        .pid = 80,
        .window_s = 30,
        .snapshots = 31,
        .healthy = true,
        .confident = true,
        .smallest_detectable_growth = 61e3,
        .memory = {.rss_bytes = 12e6,
                   .live_bytes = 4e6,
                   .live_interval = {3.6e6, 4.4e6},
                   .retained_free_bytes = NAN,
                   .alloc_bytes_per_s = 80e6,
                   .growth_bytes_per_s = -12},
        .forecast = {.why_not = "nothing grows"},
    };
}

void sample_unsure(struct ebb_report *report)
{
    sample_healthy(report);
    report->confident = false;
    report->window_s = 8;
    report->smallest_detectable_growth = 900e3;
    report->caution = "the window was cut short";
    report->ended = "killed by SIGKILL";
}

void sample_hostile(struct ebb_report *report)
{
    static const struct ebb_frame frame =
        FRAME("\033]0;owned\007</td><script>alert('x')</script>\xff\xc3(\r\nevil\u202e\xc2\x9b"
              "31m",
              "/tmp/\033[2J\"onload=\"x/\x01<b>.c", INT64_MAX);
    static const char *const nothing[] = {NULL};
    static const char *const hostile_evidence[] = {
        "\033[31mred\033[0m &lt; <img src=x> "
        "averyveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryveryverylongword",
        "", NULL};
    static const double values[] = {NAN, INFINITY, -1, 0};
    static struct ebb_verdict verdict;
    verdict = (struct ebb_verdict){
        .pattern = "never-heard-of",
        .container = "<i>\033</i>",
        .confidence = NAN,
        .site = frame,
        .stack = &frame,
        .depth = 1,
        .live_bytes = INFINITY,
        .growth_bytes_per_s = NAN,
        .growth_interval = {-INFINITY, INFINITY},
        .alloc_bytes_per_s = -1e308,
        .summary = "",
        .evidence = hostile_evidence,
        .advice = nothing,
        .sparkline = values,
        .sparkline_count = sizeof values / sizeof *values,
    };
    *report = (struct ebb_report){
        .target = "\033[1m<title>&\xf0\x9f",
        .kind = "c",
        .window_s = NAN,
        .smallest_detectable_growth = INFINITY,
        .verdicts = &verdict,
        .verdict_count = 1,
        .memory = {NAN, INFINITY, {NAN, -INFINITY}, -1e300, 0, NAN},
        .forecast = {.limit_bytes = UINT64_MAX,
                     .limit_source = "\x9b",
                     .limit_detail = "<",
                     .known = true,
                     .seconds = {5, INFINITY}},
        .caution = "\x1b[H<u>",
        .ended = "\x7f",
    };
}
