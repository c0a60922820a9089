// A metrics library keeps one counter per label combination in a std::unordered_map. Somebody has put
// the request id into the labels.
//
// expect: unbounded-map
#include "load.h"

#include <mutex>
#include <string>
#include <unordered_map>

namespace metrics {

struct Counter {
    double value = 0;
    std::string help;
};

class Registry {
  public:
    virtual ~Registry() = default;
    virtual Counter &counter(const std::string &name) = 0;
};

class LockedRegistry : public Registry {
  public:
    Counter &counter(const std::string &name) override
    {
        std::lock_guard<std::mutex> guard(mutex_);
        return counters_[name]; // <- keeps
    }

  private:
    std::mutex mutex_;
    std::unordered_map<std::string, Counter> counters_;
};

} // namespace metrics

static metrics::Registry *registry = new metrics::LockedRegistry;

static void request(unsigned long number)
{
    std::string labels = "http_requests_total{method=\"GET\",code=\"200\",request=\"" +
                         std::to_string(load_random(number)) + "\"}";
    registry->counter(labels).value += 1;
}

int main()
{
    load_run(5000, request);
}
