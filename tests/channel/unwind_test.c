/* The fast unwinder against libgcc's: the same addresses on stacks of every shape, and no crash on
 * stacks that are garbage. */
#include "base/clock.h"
#include "channel/unwind.h"
#include "tests/channel/unwind_shapes.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

enum { MAX = 200 };

static _Atomic unsigned compared, differences, shorter;

static const void *at(uint64_t address)
{
    return (const void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

static void print_stack(const char *title, const uint64_t *pcs, size_t count)
{
    fprintf(stderr, "%s: %zu\n", title, count);
    for (size_t i = 0; i < count; i++) {
        Dl_info info = {0};
        dladdr(at(pcs[i] - 1), &info);
        fprintf(stderr, "  %2zu %lx %s\n", i, (unsigned long)pcs[i],
                info.dli_sname ? info.dli_sname : "?");
    }
}

/* Walks with both and compares all but the first address, which lies in this function. A walk that
 * stops early is counted apart: at a signal's random instruction there are rows, such as those of
 * hand-written vector code, that only libgcc can express. */
static __attribute__((noinline)) void compare(void)
{
    uint64_t fast[MAX], slow[MAX];
    bool fast_truncated, slow_truncated;
    size_t fast_count = ebb_unwind(fast, MAX, &fast_truncated);
    size_t slow_count = ebb_unwind_libgcc(slow, MAX, &slow_truncated);
    size_t common = fast_count < slow_count ? fast_count : slow_count;
    bool same = common > 1 && memcmp(fast + 1, slow + 1, (common - 1) * sizeof *fast) == 0;
    compared++;
    if (same && fast_count == slow_count && fast_truncated == slow_truncated)
        return;
    if (same && fast_count < slow_count) {
        shorter++;
        return;
    }
    if (differences++ == 0) {
        print_stack("fast", fast, fast_count);
        print_stack("libgcc", slow, slow_count);
    }
}

/* Every comparison since the last call agreed, and there was at least one. */
static void assert_agreed(void)
{
    assert_true(compared > 0);
    assert_int_equal(differences, 0);
    assert_int_equal(shorter, 0);
    compared = 0;
}

static void c_frames(void **state)
{
    (void)state;
    for (int depth = 0; depth < 60; depth++) {
        shape_recursion(depth, compare);
        shape_alloca(depth, compare);
        shape_aligned(depth, compare);
    }
    shape_many_registers(3, compare);
    shape_large(compare);
    assert_agreed();
}

static void callbacks_of_libc(void **state)
{
    (void)state;
    shape_sort(compare);
    assert_agreed();
}

static void cpp_frames(void **state)
{
    (void)state;
#ifdef HAVE_CPP
    shape_cpp_lambda(compare);
    shape_cpp_catch(compare);
    shape_cpp_sort(compare);
    shape_cpp_virtual(12, compare);
    assert_agreed();
#else
    print_message("skipped: no C++ compiler\n");
    skip();
#endif
}

static uint64_t limited[MAX];
static size_t limited_max, limited_count;
static bool limited_truncated;

static __attribute__((noinline)) void walk_limited(void)
{
    limited_count = ebb_unwind(limited, limited_max, &limited_truncated);
}

/* One place to call from, so that the stacks of several calls are the same. */
static __attribute__((noinline)) void walk_with_max(size_t max)
{
    limited_max = max;
    shape_recursion(12, walk_limited);
}

static void keeps_the_leaf_end_when_short(void **state)
{
    (void)state;
    size_t sizes[] = {MAX, 0, 1, 2, 5, 12};
    uint64_t whole[MAX];
    size_t whole_count = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        walk_with_max(sizes[i]);
        if (i == 0) {
            whole_count = limited_count;
            memcpy(whole, limited, sizeof whole);
            assert_true(whole_count > 13);
            assert_false(limited_truncated);
        } else {
            assert_int_equal(limited_count, sizes[i]);
            assert_true(limited_truncated);
            assert_memory_equal(limited, whole, sizes[i] * sizeof *whole);
        }
    }
    walk_with_max(whole_count);
    assert_int_equal(limited_count, whole_count);
    assert_false(limited_truncated);
}

static void first_address_is_the_callers(void **state)
{
    (void)state;
    uint64_t pc;
    Dl_info info;
    walk_with_max(1);
    pc = limited[0];
    assert_true(pc > (uint64_t)(uintptr_t)walk_limited);
    assert_true(pc < (uint64_t)(uintptr_t)walk_limited + 200);
    assert_int_not_equal(dladdr(at(pc), &info), 0);
}

static void keeps_errno_and_allocates_nothing(void **state)
{
    (void)state;
    struct mallinfo2 before = mallinfo2();
    errno = ENOTTY;
    shape_recursion(30, walk_limited);
    assert_int_equal(errno, ENOTTY);
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(before.uordblks, after.uordblks);
}

/* --- signals ---------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    compare();
}

static bool trampoline_known;

static void on_first_signal(int number)
{
    Dl_info info;
    (void)number;
    trampoline_known = dladdr(__builtin_return_address(0), &info) != 0;
}

/* Emulators of other machines let handlers return to code outside every object, where the fast
 * unwinder ends. */
static bool handlers_can_be_left(void)
{
    struct sigaction action = {.sa_handler = on_first_signal};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    if (!trampoline_known)
        print_message("skipped: signal handlers return to code outside every object here\n");
    return trampoline_known;
}

static void raise_now(void)
{
    raise(SIGUSR1);
}

static void *trap_address;

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    ucontext_t *user = context;
    compare();
#if defined(__x86_64__)
    user->uc_mcontext.gregs[REG_RIP] += 2; /* ud2 */
#else
    user->uc_mcontext.pc += 4;
#endif
}

static __attribute__((noinline)) void trap(void)
{
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#else
    __asm__ volatile(".inst 0x00000000");
#endif
    __asm__ volatile("" : : "r"(trap_address));
}

static void handlers(void **state)
{
    (void)state;
    if (!handlers_can_be_left())
        skip();
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    shape_recursion(9, raise_now);
    action = (struct sigaction){.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGILL, &action, NULL);
    shape_recursion(9, trap);
    assert_agreed();

    size_t size = 128 << 10;
    stack_t stack = {.ss_sp = malloc(size), .ss_size = size}, old;
    assert_int_equal(sigaltstack(&stack, &old), 0);
    action.sa_flags |= SA_ONSTACK;
    sigaction(SIGILL, &action, NULL);
    shape_recursion(9, trap);
    shape_aligned(4, trap);
    sigaltstack(&old, NULL);
    free(stack.ss_sp);
    assert_agreed();
}

static void nothing(void)
{
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Signals at random instructions of a program that does many things, prologues, epilogues and the
 * linker's stubs included. No exception is thrown meanwhile: inside _Unwind_Resume, whose table is
 * wrong while it switches stacks, libgcc's walk crashes. */
static void handlers_anywhere(void **state)
{
    (void)state;
    if (!handlers_can_be_left())
        skip();
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, old;
    sigaction(SIGPROF, &action, &old);
    struct itimerval timer = {{0, 1000}, {0, 1000}}, stop = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &timer, NULL);
    uint64_t end = ebb_clock_ns() + UINT64_C(1500000000);
    unsigned long work = 0;
    while (ebb_clock_ns() < end) {
        char text[200];
        int numbers[64];
        for (int i = 0; i < 64; i++)
            numbers[i] = (int)(work * 2654435761u >> 7) ^ i * 40503;
        qsort(numbers, 64, sizeof numbers[0], by_number);
        work += (unsigned long)snprintf(text, sizeof text, "%d %f %s", numbers[3], 1.5 * numbers[4],
                                        "text");
        work += strlen(strerror((int)work & 63));
        work += (unsigned long)shape_recursion((int)(work % 20), nothing);
        work += (unsigned long)shape_many_registers((int)work, nothing);
#ifdef HAVE_CPP
        work +=
            (unsigned long)shape_cpp_lambda(nothing) + (unsigned long)shape_cpp_virtual(5, nothing);
#endif
    }
    setitimer(ITIMER_PROF, &stop, NULL);
    sigaction(SIGPROF, &old, NULL);
    print_message("%u walks from signal handlers, %u of them ended early\n", compared, shorter);
    assert_true(compared > 50);
    assert_true(shorter * 20 <= compared + 60); /* a few in a thousand; a few when there are few */
    shorter = 0;
    assert_agreed();
}

/* --- threads and stacks ----------------------------------------------------------------------- */

static void *thread_main(void *argument)
{
    int rounds = *(int *)argument;
    for (int i = 0; i < rounds; i++) {
        shape_recursion(i % 40, compare);
        shape_sort(nothing);
    }
    shape_large(compare);
    return NULL;
}

static void threads(void **state)
{
    (void)state;
    pthread_t thread[8];
    int rounds = 200;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, thread_main, &rounds), 0);
    for (int i = 0; i < 8; i++)
        pthread_join(thread[i], NULL);
    assert_agreed();

    pthread_attr_t attributes; /* a stack that the program brings */
    size_t size = 4 << 20;     /* the sanitizers put much of their own at its top */
    void *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, size);
    assert_int_equal(pthread_create(&thread[0], &attributes, thread_main, &rounds), 0);
    pthread_join(thread[0], NULL);
    pthread_attr_destroy(&attributes);
    munmap(stack, size);
    assert_agreed();
}

static void after_fork(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        shape_recursion(20, compare);
        _exit(compared == 0 || differences || shorter);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static ucontext_t main_context, coroutine_context;

static void coroutine(void)
{
    for (;;) {
        shape_recursion(25, compare);
        swapcontext(&coroutine_context, &main_context);
    }
}

/* Coroutine stacks, the same place mapped anew with another size again and again, so that what was
 * readable in one round is not in the next. */
static void coroutines(void **state)
{
    (void)state;
#if defined(THREAD_SANITIZER)
    print_message("skipped: the thread sanitizer does not follow swapcontext\n");
    skip();
#endif
    const size_t room = 1 << 20;
    char *place = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(place, MAP_FAILED);
    for (int round = 0; round < 30; round++) {
        size_t size = (size_t)(32 + round * 4 % 64) << 10;
        char *stack = place + (size_t)(round % 7 + 1) * 4096;
        mprotect(stack, size, PROT_READ | PROT_WRITE);
        getcontext(&coroutine_context);
        coroutine_context.uc_stack.ss_sp = stack;
        coroutine_context.uc_stack.ss_size = size;
        coroutine_context.uc_link = NULL;
        makecontext(&coroutine_context, coroutine, 0);
        swapcontext(&main_context, &coroutine_context);
        shape_recursion(5, compare);
        swapcontext(&main_context, &coroutine_context);
        assert_ptr_equal(
            mmap(place, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), place);
    }
    munmap(place, room);
    assert_agreed();
}

#if defined(__x86_64__)
/* Calls `leaf` on the stack `sp`, with a rule that lies: as if the frames above continued there. */
void call_on(void *sp, void (*leaf)(void));
__asm__(".text\n.globl call_on\n.type call_on, @function\ncall_on:\n"
        ".cfi_startproc\n"
        "push %rbp\n.cfi_adjust_cfa_offset 8\n.cfi_rel_offset %rbp, 0\n"
        "mov %rsp, %rbp\n"
        "mov %rdi, %rsp\n"
        "call *%rsi\n"
        "mov %rbp, %rsp\n"
        "pop %rbp\n"
        "ret\n"
        ".cfi_endproc\n.size call_on, . - call_on\n");
#endif

/* Stacks of garbage that look like stacks: random code addresses, random pointers into the stack,
 * and random words, up to the edge of what is mapped. */
static void garbage_stacks(void **state)
{
    (void)state;
#if defined(__x86_64__)
    const char *given = getenv("EBB_TEST_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 0) : (unsigned)ebb_clock_ns();
    print_message("seed %u\n", seed);
    srandom(seed);
    const size_t size = 64 << 10, used = 4096 * 2;
    char *stack =
        mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(stack, MAP_FAILED);
    mprotect(stack + size, 4096, PROT_NONE);
    uint64_t code[] = {(uint64_t)(uintptr_t)qsort, (uint64_t)(uintptr_t)snprintf,
                       (uint64_t)(uintptr_t)shape_recursion, (uint64_t)(uintptr_t)call_on,
                       (uint64_t)(uintptr_t)print_stack};
    size_t deepest = 0;
    for (int round = 0; round < 20000; round++) {
        uint64_t *words = (uint64_t *)(void *)(stack + size - used);
        size_t free_words = (size_t)random() % (used / 8 - 2);
        for (size_t i = 0; i < used / 8; i++) {
            long dice = random();
            words[i] = dice % 4 == 0 ? (uint64_t)random() << 32 ^ (uint64_t)random()
                       : dice % 4 == 1
                           ? (uint64_t)(uintptr_t)(stack + size) - (uint64_t)random() % used
                           : code[(size_t)random() % 5] + (uint64_t)random() % 3000;
        }
        limited_max = MAX;
        call_on(&words[free_words & ~(size_t)1], walk_limited);
        if (limited_count > deepest)
            deepest = limited_count;
    }
    munmap(stack, size + 4096);
    print_message("the deepest walk through garbage had %zu frames\n", deepest);
    assert_true(deepest > 4);
#else
    print_message("skipped: the garbage stacks are made with x86-64 assembly\n");
    skip();
#endif
}

/* --- modules that come and go ----------------------------------------------------------------- */

static void modules(void **state)
{
    (void)state;
    static const char *const paths[] = {MODULE_A, MODULE_B};
    for (int round = 0; round < 20; round++) {
        void *module = dlopen(paths[round % 2], RTLD_NOW | RTLD_LOCAL);
        if (!module)
            fail_msg("%s", dlerror());
        int (*call)(int, leaf_function *) =
            (int (*)(int, leaf_function *))dlsym(module, "module_call");
        assert_non_null(call);
        call(5, compare);
        call(5, compare);
        dlclose(module);
        assert_agreed();
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!getenv("EBB_TEST_NO_INIT"))
        ebb_unwind_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_frames),
        cmocka_unit_test(callbacks_of_libc),
        cmocka_unit_test(cpp_frames),
        cmocka_unit_test(keeps_the_leaf_end_when_short),
        cmocka_unit_test(first_address_is_the_callers),
        cmocka_unit_test(keeps_errno_and_allocates_nothing),
        cmocka_unit_test(handlers),
        cmocka_unit_test(threads),
        cmocka_unit_test(after_fork),
        cmocka_unit_test(coroutines),
        cmocka_unit_test(garbage_stacks),
        cmocka_unit_test(modules),
        cmocka_unit_test(handlers_anywhere),
    };
    return cmocka_run_group_tests_name("unwind", tests, set_up, NULL);
}
