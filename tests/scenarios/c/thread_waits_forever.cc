// A job runner starts a watchdog thread per job that waits until the job says that it is done. One
// job in four is cancelled, and then nobody tells its watchdog.
//
// expect: thread-leak
#include "load.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

struct Job {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
};

static void watch(const std::shared_ptr<Job> &job)
{
    std::thread([job] { // <- keeps
        std::unique_lock<std::mutex> lock(job->mutex);
        job->changed.wait(lock, [&] { return job->done; });
    }).detach();
}

static void run_job(unsigned long number)
{
    auto job = std::make_shared<Job>();
    watch(job);
    if (number % 4 == 3)
        return; // cancelled
    std::lock_guard<std::mutex> lock(job->mutex);
    job->done = true;
    job->changed.notify_all();
}

int main()
{
    load_run(20, run_job);
}
