// A C++ program for the agent to watch: `subject_cxx SCENARIO COUNT`; see subject.c.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

static long allocs, frees, bytes, live, live_bytes;
static void *volatile sink;

static void born(void *block, size_t size)
{
    memset(block, 1, size);
    sink = block;
    allocs++, live++, bytes += (long)size, live_bytes += (long)size;
}

static void died(size_t size)
{
    frees++, live--, live_bytes -= (long)size;
}

struct alignas(128) Aligned {
    char bytes[256];
};

static void operators(long count)
{
    for (long i = 0; i < count; i++) {
        char *one = static_cast<char *>(::operator new(100));
        born(one, 100);
        char *many = new char[200];
        born(many, 200);
        auto *aligned = new Aligned;
        born(aligned, sizeof *aligned);
        auto *more = new Aligned[3];
        born(more, 3 * sizeof *more);
        char *quiet = new (std::nothrow) char[50];
        born(quiet, 50);
        void *sized = ::operator new(70);
        born(sized, 70);
        if (i % 2) {
            ::operator delete(one);
            died(100);
            delete[] many;
            died(200);
            delete aligned;
            died(sizeof *aligned);
            delete[] more;
            died(3 * sizeof *more);
            ::operator delete[](quiet, std::nothrow);
            died(50);
            ::operator delete(sized, size_t(70));
            died(70);
        }
        ::operator delete(nullptr);
    }
}

// What the operators throw passes through the agent.
static void exceptions(long count)
{
    volatile size_t absurd = SIZE_MAX / 4;
    for (long i = 0; i < count; i++) {
        try {
            sink = ::operator new(absurd);
            exit(4);
        } catch (const std::bad_alloc &) {
        }
        if (::operator new(absurd, std::nothrow))
            exit(4);
        try {
            throw std::string("a long enough message to live on the heap");
        } catch (const std::string &message) {
            if (message.size() < 10)
                exit(4);
        }
    }
}

static std::unordered_map<std::string, std::string> at_start = {{"static", "initialiser"}};

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long count = atol(argv[2]);
    if (strcmp(argv[1], "operators") == 0)
        operators(count);
    else if (strcmp(argv[1], "exceptions") == 0)
        exceptions(count);
    else
        return 2;
    printf("%ld %ld %ld %ld %ld\n", allocs, frees, bytes, live, live_bytes);
}
