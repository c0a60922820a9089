// Programs that live on what a careless profiler would break; named by the first argument:
//
//   detached      threads that free the memory their pthread_t is stored in
//   exhausted     runs out of memory, catches it, and only then deletes for the first time
#include <cstdio>
#include <cstring>
#include <new>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

struct context {
    pthread_t thread;
    char buffer[1 << 16];
};

static void *free_own_context(void *argument)
{
    munmap(argument, sizeof(context));
    return nullptr;
}

static int detached()
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 3000;) {
        void *memory = mmap(nullptr, sizeof(context), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        auto *fresh = static_cast<context *>(memory);
        if (pthread_create(&fresh->thread, &attributes, free_own_context, fresh) == 0)
            i++;
        else
            munmap(memory, sizeof(context));
    }
    return puts("all started") < 0;
}

struct node {
    node *next;
    long value;
};

static int exhausted()
{
    rlimit limit{300 << 20, 300 << 20};
    setrlimit(RLIMIT_AS, &limit);
    node *head = nullptr;
    try {
        for (;;)
            head = new node{head, 1};
    } catch (const std::bad_alloc &) {
    }
    while (head) {
        node *next = head->next;
        delete head;
        head = next;
    }
    return puts("recovered") < 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "detached") == 0)
        return detached();
    return argc == 2 && strcmp(argv[1], "exhausted") == 0 ? exhausted() : 2;
}
