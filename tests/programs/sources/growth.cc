// A C++ program that uses memory in one way, for the tests of the doctor:
//
//     growth KIND [BYTES_PER_SECOND]
//
// KIND is one of those in main's table. The functions that the doctor must name are remember(),
// append() and lose(); the others are what a healthy program does.
#include "pace.h"

#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

struct record {
    double values[12];
};

static std::unordered_map<std::string, std::string> sessions;
static std::map<std::string, std::string> ordered;
static std::vector<record> history;
static std::unordered_map<int, std::unordered_map<std::string, std::string>> tenants;
static volatile char *lost;

static std::string key_of(unsigned long number)
{
    return "session/" + std::to_string(number) + "/of/a/visitor";
}

__attribute__((noinline)) static void remember(unsigned long number)
{
    sessions[key_of(number)] = std::string(80, 'x');
}

__attribute__((noinline)) static void remember_ordered(unsigned long number)
{
    ordered[key_of(number)] = std::string(80, 'x');
}

__attribute__((noinline)) static void remember_tenant(unsigned long number)
{
    tenants[static_cast<int>(number % 200)][key_of(number)] = std::string(80, 'x');
}

__attribute__((noinline)) static void append(unsigned long number)
{
    history.push_back(record{{static_cast<double>(number)}});
}

__attribute__((noinline)) static void lose(unsigned long)
{
    lost = static_cast<char *>(malloc(200));
    lost[0] = 1;
}

// A pool of blocks of mixed sizes that are replaced at random: constant size.
static void churn(unsigned long number)
{
    static std::vector<std::string> blocks(100000);
    blocks[(number * 2654435761u) % blocks.size()] = std::string(40 + number % 300, 'c');
}

// A cache that fills up to 6 MB and is dropped whole.
static void saw(unsigned long number)
{
    static std::vector<std::string> blocks;
    blocks.emplace_back(200, 's');
    if (blocks.size() * 232 > 6u << 20) {
        blocks.clear();
        blocks.shrink_to_fit();
    }
    (void)number;
}

// Warms up to a plateau in the first two seconds of a usual rate, then reads only.
static void warm_up(unsigned long number)
{
    static std::unordered_map<std::string, std::string> cache;
    std::string key = key_of(number % 40000);
    if (cache.find(key) == cache.end())
        cache[key] = std::string(80, 'w');
}

// A queue that is worked off as fast as it fills.
static void queue(unsigned long number)
{
    static std::deque<std::string> waiting;
    waiting.push_back(key_of(number));
    if (waiting.size() > 20000)
        waiting.pop_front();
}

struct kind {
    const char *name;
    void (*step)(unsigned long);
    double bytes; // of one step, about
};

static const kind kinds[] = {
    {"unordered_map", remember, 190}, {"map", remember_ordered, 210},
    {"nested", remember_tenant, 190}, {"vector", append, 96},
    {"lost", lose, 200},              {"churn", churn, 200},
    {"saw", saw, 232},                {"warm_up", warm_up, 190},
    {"queue", queue, 60},
};

int main(int argc, char **argv)
{
    for (const kind &kind : kinds) {
        if (argc < 2 || strcmp(kind.name, argv[1]) != 0)
            continue;
        double rate = pace_rate(argc, argv, 2), owed = 0;
        for (unsigned long number = 0;;)
            for (owed += static_cast<double>(pace(rate)); owed >= kind.bytes; owed -= kind.bytes)
                kind.step(number++);
    }
    fputs("usage: growth KIND [BYTES_PER_SECOND]\n", stderr);
    return 2;
}
