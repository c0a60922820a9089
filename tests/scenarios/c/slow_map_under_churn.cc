// 50 KB/s stay in a std::map of feature usage per user under 50 MB/s of healthy churn.
//
// expect: unbounded-map
// window: 120
#include "load.h"

#include <map>
#include <string>
#include <vector>

static std::map<std::string, int> usage;

static void count_usage(const std::string &user, const char *feature)
{
    usage[user + "/" + feature]++; // <- keeps
}

static void sign_up(unsigned long number)
{
    count_usage("customer-number-" + std::to_string(load_random(number)), "first-login");
}

static void work(unsigned long number)
{
    std::vector<char> rows(20000 + load_random(number) % 20000, 'w');
    std::string text(rows.begin(), rows.begin() + 10000);
    if (text.empty())
        fputs("impossible\n", stderr);
}

int main()
{
    load_in_thread(380, sign_up);
    load_run(1250, work);
}
