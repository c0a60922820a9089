// The last 50 000 log lines are kept in a ring for a debug page: each new one takes the place of the
// oldest.
//
// expect: healthy
#include "load.h"

#include <deque>
#include <string>

static std::deque<std::string> ring;

static void log_line(std::string line)
{
    ring.push_back(std::move(line));
    if (ring.size() > 50000)
        ring.pop_front();
}

static void request(unsigned long number)
{
    log_line("request " + std::to_string(number) + " answered in " +
             std::to_string(load_random(number) % 900) + " ms by the second of three back ends");
}

int main()
{
    load_run(9000, request);
}
