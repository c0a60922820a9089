// A cache of all exchange rates: 60 000 pairs, each fetched when first asked for. Within some ten
// seconds all are there; the last ones come slowly.
//
// expect: healthy
#include "load.h"

#include <string>
#include <unordered_map>

static std::unordered_map<std::string, std::string> rates;

static const std::string &rate_of(const std::string &pair)
{
    auto found = rates.find(pair);
    if (found == rates.end())
        found = rates.emplace(pair, std::string(120, '1')).first;
    return found->second;
}

static void request(unsigned long number)
{
    if (rate_of("pair/" + std::to_string(load_random(number) % 60000) + "/mid-market").empty())
        fputs("impossible\n", stderr);
}

int main()
{
    load_run(25000, request);
}
