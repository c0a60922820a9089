// An analytics pipeline pushes every event onto a std::vector through an interface; the consumer reads
// from an offset and never erases.
//
// expect: growing-slice
#include "load.h"

#include <vector>

struct Event {
    uint64_t id;
    double value;
    int kind;
};

struct Sink {
    virtual ~Sink() = default;
    virtual void accept(const Event &event) = 0;
};

class Buffer final : public Sink {
  public:
    void accept(const Event &event) override
    {
        events_.push_back(event); // <- keeps
    }

    double consume()
    {
        double sum = 0;
        for (; read_ < events_.size(); read_++)
            sum += events_[read_].value;
        return sum;
    }

  private:
    std::vector<Event> events_;
    size_t read_ = 0;
};

static Buffer buffer;
static Sink *sink = &buffer;

static void event(unsigned long number)
{
    sink->accept({number, 0.5, static_cast<int>(number % 7)});
    if (number % 1000 == 0 && buffer.consume() < 0)
        fputs("impossible\n", stderr);
}

int main()
{
    load_run(100000, event);
}
