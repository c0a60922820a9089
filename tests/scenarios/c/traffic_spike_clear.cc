// A spike of traffic fills a std::unordered_map of idempotency keys with two million entries within a
// few seconds. Every minute is a new window and clear() is called; the bucket array stays as it was.
//
// expect: map-kept-after-clear
// window: 30
#include "load.h"

#include <string>
#include <unordered_map>

class IdempotencyWindow {
  public:
    bool first(uint64_t key, int status)
    {
        return seen_.emplace(key, status).second; // <- keeps
    }

    void next() { seen_.clear(); }
    size_t size() const { return seen_.size(); }

  private:
    std::unordered_map<uint64_t, int> seen_;
};

static IdempotencyWindow window_;

static void tick(unsigned long number)
{
    unsigned long requests = number < 400 ? 5000 : 20; // the spike, then the usual trickle
    for (unsigned long i = 0; i < requests; i++)
        window_.first(load_random(number * 8192 + i), 200);
    if (number == 420 || (number > 420 && number % 200 == 0))
        window_.next();
}

int main()
{
    load_run(100, tick);
}
