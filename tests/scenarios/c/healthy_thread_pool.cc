// A fixed pool of eight threads works off a queue of jobs; each thread is started when the load first
// needs it.
//
// expect: healthy
#include "load.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

class Pool {
  public:
    void submit(std::function<void()> job)
    {
        std::lock_guard<std::mutex> guard(mutex_);
        jobs_.push_back(std::move(job));
        if (threads_.size() < 8 && jobs_.size() > threads_.size())
            threads_.emplace_back([this] { work(); });
        changed_.notify_one();
    }

  private:
    [[noreturn]] void work()
    {
        for (;;) {
            std::unique_lock<std::mutex> lock(mutex_);
            changed_.wait(lock, [this] { return !jobs_.empty(); });
            auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    std::vector<std::thread> threads_;
};

static Pool pool;

static void request(unsigned long number)
{
    std::string body(300 + load_random(number) % 2000, 'j');
    pool.submit([body] {
        std::string answer = body + body;
        if (answer.empty())
            fputs("impossible\n", stderr);
    });
}

int main()
{
    load_run(3000, request);
}
