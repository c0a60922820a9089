// A rate limiter: client address -> minute -> count, a std::map inside a std::unordered_map. Old
// minutes and clients that went away stay.
//
// expect: unbounded-nested-map
#include "load.h"

#include <map>
#include <string>
#include <unordered_map>

class Limiter {
  public:
    bool allow(const std::string &client, long slot)
    {
        auto &slots = clients_[client]; // <- keeps
        return ++slots[slot] < 100; // <- keeps
    }

  private:
    std::unordered_map<std::string, std::map<long, int>> clients_;
};

static Limiter limiter;

static void request(unsigned long number)
{
    std::string client = "2001:db8:85a3::8a2e:370:" + std::to_string(number % 4000);
    limiter.allow(client, static_cast<long>(load_now() * 50));
}

int main()
{
    load_run(20000, request);
}
